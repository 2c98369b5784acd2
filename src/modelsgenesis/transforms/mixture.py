"""The mixture of all distortions that pre-training restores, and its named presets.

distorted, target = mixture("released").views(cube, rng)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.transforms.base import Distortion, checked, spatial
from modelsgenesis.transforms.flip import Flip, FlipParameters, flipped
from modelsgenesis.transforms.nonlinear import Nonlinear
from modelsgenesis.transforms.painting import inpaint, inpaint_paper, outpaint, outpaint_paper
from modelsgenesis.transforms.shuffle import Shuffle
from modelsgenesis.types import FloatArray, Shape


@dataclass(frozen=True)
class Choice:
    """One of several named distortions, or none: with probability `rate` one is drawn, in proportion to its weight.

    Attributes:
        rate: how often the choice is made at all.
        options: (name, weight, distortion); weights add up to 1.
    """

    rate: float
    options: tuple[tuple[str, float, Distortion[Any]], ...]


@dataclass(frozen=True)
class MixtureParameters:
    """What happens to one cube: the flips, then (index of the choice, name, parameters) of each distortion."""

    flip: FlipParameters
    steps: tuple[tuple[int, str, Any], ...]

    @property
    def applied(self) -> tuple[str, ...]:
        """Names of the distortions applied, in order; empty when the cube is only flipped."""
        return tuple(name for _, name, _ in self.steps)


@dataclass(frozen=True)
class Mixture:
    """Flips of input and target, then a row of optional distortions of the input."""

    name: str
    flip: Flip
    choices: tuple[Choice, ...]

    def sample(self, rng: np.random.Generator, shape: Shape) -> MixtureParameters:
        """Draw all parameters for an array of `shape`, (C, X, Y, Z) or (C, X, Y).

        Raises GenesisError when the shape has no 2 or 3 spatial axes of at least 16 voxels.
        """
        spatial(shape)
        flip = self.flip.sample(rng, shape)
        steps: list[tuple[int, str, Any]] = []
        for index, choice in enumerate(self.choices):
            if rng.random() >= choice.rate:
                continue
            name, distortion = _pick(choice, rng)
            steps.append((index, name, distortion.sample(rng, shape)))
        return MixtureParameters(flip, tuple(steps))

    def target(self, x: FloatArray, parameters: MixtureParameters) -> FloatArray:
        """What is to be restored: a copy of `x` after the flips."""
        return np.array(flipped(checked(x), parameters.flip), order="C")

    def apply(self, x: FloatArray, parameters: MixtureParameters) -> FloatArray:
        """The flipped and distorted copy of `x`, float32 in [0, 1], same shape.

        Raises GenesisError when `x` is not float32 in [0, 1] or too small.
        """
        return self._distort(self.target(x, parameters), parameters)

    def views(self, x: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Distorted input and target of restoration, both new arrays of the shape of `x`.

        Args:
            x: cube, (C, X, Y, Z) or (C, X, Y), float32 in [0, 1], at least 16 voxels along each spatial axis.
            rng: source of all randomness.
        """
        parameters = self.sample(rng, x.shape)
        target = self.target(x, parameters)
        return self._distort(target, parameters), target

    def _distort(self, target: FloatArray, parameters: MixtureParameters) -> FloatArray:
        """A distorted copy of `target`, each step after the first working in place."""
        out = np.empty_like(target)
        current = target
        for index, name, values in parameters.steps:
            distortion = next(made for option, _, made in self.choices[index].options if option == name)
            distortion.write(current, values, out)
            current = out
        return out if current is out else target.copy()


def _pick(choice: Choice, rng: np.random.Generator) -> tuple[str, Distortion[Any]]:
    name, _, distortion = choice.options[-1]
    if len(choice.options) > 1:
        left = rng.random()
        for option, weight, candidate in choice.options:
            left -= weight
            if left < 0.0:
                return option, candidate
    return name, distortion


def mixture(preset: str) -> Mixture:
    """The mixture called "released", "paper" or "default" (docs/method.md 1.1 and 1.2).

    Raises UsageError for another name.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown mixture {preset!r}; valid: {', '.join(PRESETS)}")
    return PRESETS[preset]()


def single(name: str) -> Mixture:
    """One registered distortion alone, always applied, with flips on all spatial axes: for ablations.

    Raises UsageError for an unknown name.
    """
    distortion: Distortion[Any] = TRANSFORMS.get(name)()
    return Mixture(name, Flip(), (Choice(1.0, ((name, 1.0, distortion),)),))


def _released() -> Mixture:
    """What the published weights saw; flips pick among the first three array axes, so depth is never flipped."""
    return _rates("released", Flip(axes=(0, 1, 2)), Shuffle(), inpaint(), outpaint())


def _default() -> Mixture:
    """The released distortions with flips on all spatial axes."""
    return _rates("default", Flip(), Shuffle(), inpaint(), outpaint())


def _paper() -> Mixture:
    """What the text says where it differs from the code.

    The text gives no rates: the released ones are kept. They already mean at most three of the four distortions at
    once (a cube is in-painted or out-painted, never both) and 0.5 * 0.1 * 0.1 = 0.5 % undistorted cubes.
    """
    return _rates("paper", Flip(axes=(0, 1, 2)), Shuffle(windows=1_000), inpaint_paper(), outpaint_paper())


def _rates(name: str, flip: Flip, shuffle: Shuffle, inner: Distortion[Any], outer: Distortion[Any]) -> Mixture:
    """Shuffling at 0.5, intensity at 0.9, painting at 0.9, of which a fifth in-painting."""
    return Mixture(
        name,
        flip,
        (
            Choice(0.5, (("shuffle", 1.0, shuffle),)),
            Choice(0.9, (("nonlinear", 1.0, Nonlinear()),)),
            Choice(0.9, (("inpaint", 0.2, inner), ("outpaint", 0.8, outer))),
        ),
    )


PRESETS: dict[str, Callable[[], Mixture]] = {"released": _released, "paper": _paper, "default": _default}
