"""Random cubes straight from the store, the same for a (seed, epoch, item) whatever the number of workers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.data.manifest import Scan
from modelsgenesis.data.padding import crop_or_pad
from modelsgenesis.data.scale import drawn_scale, limits_of, scale_of
from modelsgenesis.data.scaled import box_at, coarsest_that_fits, interpolate, level_for, reach, room
from modelsgenesis.data.store import Store
from modelsgenesis.data.tissue import border, bounds
from modelsgenesis.errors import UsageError
from modelsgenesis.types import JSON, FloatArray, IntegerArray, Shape, Spacing

RELEASED_MARGIN = (100, 100, 30)
RELEASED_MINIMUM_SLICES = 96
RELEASED_TISSUE = 0.15


@settings
class CubeSettings:
    """Which cubes are cut.

    Rule `default`: uniform location in a uniformly chosen scan; a cube is air-only when fewer than `tissue[0]` of its
    voxels are tissue (CT: at least -150 HU; else at least 0.1 on the unit scale) and full-tissue when more than
    `tissue[1]` are; both are rejected. Rule `released` (PAPER 1.3): corner at least 100 voxels from the in-plane border
    and 30 slices from the ends, scans under 96 slices dropped, rejected when tissue exceeds 15 %, where an air voxel
    below tissue counts half. With both, after `tries` locations the last cube is taken, so that a scan of nothing else
    still serves.

    Along an axis where a scan is thinner than the cube, its voxels lie in the middle and zeros (air, the background)
    around: what fine-tuning and prediction show beyond a scan, so that the network learns to leave it empty. Repeating
    the border instead would make in-painting a matter of copying, and anatomy of what is none. The rule judges the
    scan's own voxels. Scans of less than `thin` of a side are left out: the loss would be about zeros.
    """

    shape: tuple[int, ...] = (64, 64, 32)
    """Voxels along X, Y, Z; two numbers for 2D images, or for axial slices of volumes (rule default)."""
    rule: str = "default"
    """default or released."""
    tissue: tuple[float, float] = (0.05, 0.95)
    """Smallest and largest share of tissue (rule default)."""
    tries: int = 50
    """Locations tried for a cube before the last is taken."""
    spacing: float | tuple[float, float] | None = None
    """mm per voxel of the cubes, alike along all axes; a range LOW HIGH: drawn for each cube, every factor being as
    likely; None: each scan's own voxels (rule default)."""
    thin: float = 0.5
    """Scans thinner than the cube are used down to this share of its side and padded with zeros (rule default)."""


@dataclass(frozen=True)
class Cube:
    """A cube and where it was cut.

    Attributes:
        array: (1, X, Y, Z) or (1, X, Y) float32 in [0, 1].
        scan: the scan it is of.
        corner: where it begins, in voxels of the scan; whole numbers where it is cut at the scan's own spacing.
        spacing: mm per voxel of the cube along each axis of the scan.
    """

    array: FloatArray
    scan: Scan
    corner: tuple[float, ...]
    spacing: Spacing

    @property
    def position(self) -> tuple[float, ...]:
        """Centre of the cube as a fraction of the scan's sides, 0 to 1 along each axis."""
        sides = _filled(self.array.shape[1:], self.scan)
        ratios = [new / old for new, old in zip(self.spacing, self.scan.spacing, strict=True)]
        places = zip(self.corner, sides, ratios, self.scan.shape, strict=True)
        return tuple((corner + min(side * ratio, whole) / 2) / whole for corner, side, ratio, whole in places)


def _filled(shape: Shape, scan: Scan) -> Shape:
    """`shape` with a side of one voxel for each axis of `scan` that it lacks: two sides of a volume are a slice."""
    return (*shape, *(1,) * (len(scan.shape) - len(shape)))


class CubeSampler:
    """Cuts random cubes from scans of a store.

    Args:
        store: the store.
        scans: the scans to cut from.
        choice: shape and rule.

    Attributes:
        scans: those that are cut from.
        padded: those of them that are thinner than a cube.
        dropped: those too small for the rule.

    Raises UsageError when no scan is large enough, the rule is unknown, `tries` is below 1, `released` meets data that
    is not CT or another spacing, or a wanted spacing is out of reach: not positive, too coarse for the store's levels,
    or of pixels of unknown size.
    """

    def __init__(self, store: Store, scans: Sequence[Scan], choice: CubeSettings) -> None:
        if choice.rule not in ("default", "released"):
            raise UsageError(f"cubes.rule: {choice.rule!r} is unknown; valid: default, released")
        if not 0 < choice.thin <= 1:
            raise UsageError(f"cubes.thin: {choice.thin} must be above 0 and at most 1")
        if choice.tries < 1:
            raise UsageError(f"cubes.tries: {choice.tries} must be 1 or more")
        self._store, self._choice = store, choice
        self._released = choice.rule == "released"
        if self._released and any(scan.modality != "ct" for scan in scans):
            raise UsageError("cubes.rule: released is defined in HU, for CT alone; use rule default")
        self._range = limits_of(choice.spacing)
        if self._range is not None:
            if self._released:
                raise UsageError("cubes.spacing: rule released is defined for the scans' own voxels; use rule default")
            _refuse_out_of_reach(scans, self._range)
        self.scans = [scan for scan in scans if self._fits(scan)]
        own = self._range is None
        self.padded = [one for one in self.scans if own and self._inside(one) != _filled(choice.shape, one)]
        self.dropped = [scan for scan in scans if not self._fits(scan)]
        if not self.scans:
            largest = max((scan.shape for scan in scans), default=())
            at = f" at {self._range[0]:g} mm" if self._range is not None else ""
            raise UsageError(
                f"cubes.shape: {choice.shape}{at} by rule {choice.rule} fits none of {len(scans)} scans "
                f"(a large one is {largest}); use smaller cubes, rule default, or a smaller cubes.thin"
            )

    def _fits(self, scan: Scan) -> bool:
        if len(scan.shape) < len(self._choice.shape):
            return False
        if self._released and (len(self._choice.shape) < 3 or scan.shape[2] < RELEASED_MINIMUM_SLICES):
            return False
        if self._range is not None:
            return self._range[0] <= coarsest_that_fits(scan, _filled(self._choice.shape, scan))
        sides = zip(scan.shape, _filled(self._choice.shape, scan), self._margin_of(scan), strict=True)
        thin = 1.0 if self._released else self._choice.thin
        return all(whole >= thin * side + 2 * margin for whole, side, margin in sides)

    def _inside(self, scan: Scan) -> Shape:
        """Sides of the part of a cube that lies in the scan."""
        sides = zip(_filled(self._choice.shape, scan), scan.shape, strict=True)
        return tuple(min(side, whole) for side, whole in sides)

    def _margin_of(self, scan: Scan) -> Shape:
        return RELEASED_MARGIN if self._released else (0,) * len(scan.shape)

    def cube(self, rng: np.random.Generator) -> Cube:
        """A random cube that the rule accepts; consumes `rng`."""
        scan = self.scans[int(rng.integers(len(self.scans)))]
        return self._own(scan, rng) if self._range is None else self._scaled(scan, self._range, rng)

    @property
    def scale(self) -> JSON:
        """The scale of the cubes, for the provenance of weights (`data/scale`)."""
        shape = self._choice.shape
        if self._range is None:
            return scale_of(self.scans, shape)
        coarsest = max(coarsest_that_fits(scan, _filled(shape, scan)) for scan in self.scans)
        return drawn_scale(self._range[0], min(self._range[1], coarsest), len(shape))

    def _own(self, scan: Scan, rng: np.random.Generator) -> Cube:
        """A cube of the scan's own voxels."""
        low = np.array(self._margin_of(scan))
        high = np.array(scan.shape) - self._inside(scan) - low
        for left in reversed(range(self._choice.tries if (high > low).any() else 1)):
            corner = tuple(int(c) for c in rng.integers(low, high, endpoint=True))
            if left and self._ruled_out(scan, 0, corner, self._inside(scan)):
                continue
            samples = self._read(scan, corner)
            if not left or self._accepted(scan, samples):
                break
        kept = samples[tuple(slice(side) for side in self._inside(scan))]
        padded = crop_or_pad(kept, _filled(self._choice.shape, scan))
        return Cube(scan.intensity.unit(padded).reshape(1, *self._choice.shape), scan, corner, scan.spacing)

    def _scaled(self, scan: Scan, limits: tuple[float, float], rng: np.random.Generator) -> Cube:
        """A cube at a spacing drawn from `limits`, as far as the scan is large enough; the rule judges what is read."""
        shape = _filled(self._choice.shape, scan)
        spacing = _draw(scan, limits, shape, rng)
        level = level_for(scan, spacing)
        free = room(scan, level, spacing, shape)
        for left in reversed(range(self._choice.tries)):
            start = tuple(float(rng.uniform(0, most)) for most in free)
            box = box_at(scan, level, spacing, start, shape)
            if left and self._ruled_out(scan, level, box.corner, box.size):
                continue
            samples = self._store.read(scan, box.corner, box.size, level)
            if not left or self._accepted(scan, samples):
                break
        array = interpolate(samples, box, scan.intensity.levels).reshape(1, *self._choice.shape)
        corner = tuple(at * factor for at, factor in zip(start, scan.levels[level], strict=True))
        return Cube(array, scan, corner, (spacing,) * len(shape))

    def _read(self, scan: Scan, corner: Shape) -> IntegerArray:
        shape = self._inside(scan)
        if self._released:  # its rule looks one slice further; the margin leaves room
            shape = (*shape[:2], shape[2] + 1)
        return self._store.read(scan, corner, shape)

    def _ruled_out(self, scan: Scan, level: int, corner: Shape, shape: Shape) -> bool:
        """Whether the table of tissue of a level alone says that the rule rejects these voxels of it."""
        counts = self._store.tissue(scan, level)
        if counts is None:
            return False
        size = math.prod(shape)
        if self._released:
            return bounds(counts, corner, shape, (2, 1))[0] > 2 * RELEASED_TISSUE * size
        low, high = bounds(counts, corner, shape, (1, 0))
        return high < self._choice.tissue[0] * size or low > self._choice.tissue[1] * size

    def _accepted(self, scan: Scan, samples: IntegerArray) -> bool:
        tissue = samples >= border(scan.intensity, scan.modality)
        if self._released:
            here, further = tissue[..., :-1], tissue[..., 1:]
            weight = np.count_nonzero(here) + 0.5 * np.count_nonzero(~here & further)
            return bool(weight <= RELEASED_TISSUE * here.size)
        share = np.count_nonzero(tissue) / tissue.size
        return bool(self._choice.tissue[0] <= share <= self._choice.tissue[1])


def _refuse_out_of_reach(scans: Sequence[Scan], limits: tuple[float, float]) -> None:
    for scan in scans:
        if not scan.measured:
            raise UsageError(
                f"cubes.spacing: the pixel size of {scan.id} is unknown; leave it out, or state the size with "
                "genesis prepare --pixel-size"
            )
        if limits[1] > reach(scan):
            raise UsageError(
                f"cubes.spacing: {limits[1]:g} mm is too coarse for {scan.id} with {len(scan.levels)} levels, good for "
                f"{reach(scan):.3g} mm; prepare the store with more --levels"
            )


def _draw(scan: Scan, limits: tuple[float, float], shape: Shape, rng: np.random.Generator) -> float:
    """A spacing within `limits`, log-uniform up to the coarsest at which a cube of `shape` fits the scan."""
    low, high = limits
    high = min(high, coarsest_that_fits(scan, shape))
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))
