"""Whether the size of the sliding windows changes what a segmentation finds.

    python -m benchmarks.windows RUN... --images volume-1{6..9}.nii --truths segmentation-1{6..9}.nii

Prints the mean Dice over scans and structures of each run, for windows of up to sixteen training patches and of one.
"""

import argparse
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from modelsgenesis.data.volume import read_volume
from modelsgenesis.evaluate.metrics import dice
from modelsgenesis.prediction.predictor import Predictor

CHOICES = ((16, 0.25), (16, 0.5), (1, 0.25), (1, 0.5))
"""Largest window in patches, and overlap."""


def score(predictor: Predictor, image: Path, truth: Path) -> float:
    """Mean Dice over the structures of one scan."""
    with TemporaryDirectory() as folder:
        found = predictor.segment(predictor.input([read_volume(image)]), "scan", Path(folder))
        labels = read_volume(Path(folder) / found["prediction"]).array
    values, structures = read_volume(truth).array, predictor.recipe.truth_map.items()
    return mean(dice(np.isin(values, of), labels == int(one)) for one, of in structures)


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=Path, required=True)
    parser.add_argument("--truths", nargs="+", type=Path, required=True, help="of the images, in their order")
    given = parser.parse_args()
    pairs = list(zip(given.images, given.truths, strict=True))
    print("run", *(f"window {window}, overlap {overlap}" for window, overlap in CHOICES), sep="  ")
    for run in given.runs:
        print(run.name, end="", flush=True)
        for window, overlap in CHOICES:
            weights = run / "weights.safetensors"
            predictor = Predictor(weights, window=window, overlap=overlap, probabilities=False)
            print(f"  {mean(score(predictor, image, truth) for image, truth in pairs):.3f}", end="", flush=True)
        print()


if __name__ == "__main__":
    main()
