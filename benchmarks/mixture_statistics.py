"""What the presets do to a 64x64x32 cube, in numbers: `python -m benchmarks.mixture_statistics`."""

import argparse
from collections import Counter

import numpy as np

from modelsgenesis.transforms.counter import word
from modelsgenesis.transforms.mixture import PRESETS, MixtureParameters, mixture
from modelsgenesis.transforms.painting import Painting, masked
from modelsgenesis.transforms.shuffle import Shuffle, window
from modelsgenesis.types import Shape

SHAPE: Shape = (64, 64, 32)


def touched(windows: int, seed: int) -> float:
    """Share of voxels that lie in at least one shuffling window."""
    covered = np.zeros(SHAPE, bool)
    for i in range(windows):
        key = np.uint64(word(np.uint64(seed), np.uint64(i)))
        x, y, z, dx, dy, dz = window(key, SHAPE)
        covered[x : x + dx, y : y + dy, z : z + dz] = True
    return float(covered.mean())


def shares(painting: Painting, cubes: int) -> str:
    """Masked share (mean, smallest, largest) and mean number of boxes."""
    rng = np.random.default_rng(0)
    drawn = [painting.sample(rng, (1, *SHAPE)) for _ in range(cubes)]
    share = np.array([masked(parameters, SHAPE, painting.outside).mean() for parameters in drawn])
    boxes = np.mean([len(parameters.boxes) for parameters in drawn])
    return f"masked {share.mean():.2%} ({share.min():.2%} to {share.max():.2%}), {boxes:.2f} boxes"


def rates(drawn: list[MixtureParameters]) -> None:
    """Print how often each distortion, each number of them and each flip was drawn."""
    total = len(drawn)
    names = Counter(name for parameters in drawn for name in parameters.applied)
    numbers = Counter(len(parameters.applied) for parameters in drawn)
    maps = [values.increasing for p in drawn for _, name, values in p.steps if name == "nonlinear"]
    axes = Counter(axis for parameters in drawn for axis in parameters.flip.axes)
    flips = Counter(len(parameters.flip.axes) for parameters in drawn)
    print("  applied     ", ", ".join(f"{name} {count / total:.1%}" for name, count in names.most_common()))
    print("  at once     ", ", ".join(f"{n}: {numbers[n] / total:.2%}" for n in range(5)))
    print("  increasing  ", f"{np.mean(maps):.1%} of the intensity maps")
    print("  flips drawn ", ", ".join(f"{n}: {flips[n] / total:.1%}" for n in range(4)))
    axis_names = ("channel", "x", "y", "z")
    print("  axis drawn  ", ", ".join(f"{axis_names[a]} {axes[a] / axes.total():.1%}" for a in sorted(axes)))


def main() -> None:
    """Print the figures of every preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cubes", type=int, default=20_000, help="cubes drawn for the rates; a tenth for the masks")
    cubes = parser.parse_args().cubes
    for preset in PRESETS:
        mixed, rng = mixture(preset), np.random.default_rng(0)
        print(f"{preset}, {'x'.join(map(str, SHAPE))}")
        rates([mixed.sample(rng, (1, *SHAPE)) for _ in range(cubes)])
        for name, _, distortion in (option for choice in mixed.choices for option in choice.options):
            if isinstance(distortion, Shuffle):
                share = np.mean([touched(distortion.windows, seed) for seed in range(5)])
                print(f"  {name:12} {distortion.windows} windows touch {share:.1%}")
            elif isinstance(distortion, Painting):
                print(f"  {name:12} {shares(distortion, cubes // 10)}")


if __name__ == "__main__":
    main()
