"""What a phantom has in it to be found, and what only looks like it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.phantoms.frame import Box
from modelsgenesis.types import FloatArray

Position = tuple[float, float, float]
"""(x, y, z) in mm, LPS, from the middle of the scan."""


@dataclass(frozen=True)
class Finding:
    """A nodule or a clot.

    Args:
        centre: mm, LPS, from the middle of the scan.
        diameter: mm, of the sphere of the same volume.
        kind: `solid`, `part-solid`, `ground-glass`, `juxta-pleural`, `juxta-vascular`; clots: see `emboli`.
        box: the part of the voxel grid around it.
        depth: mm below its surface of each voxel in `box`, negative outside: the truth is `depth > 0`, and a reader who
            draws a little wider or narrower draws another level of it.
    """

    centre: Position
    diameter: float
    kind: str
    box: Box
    depth: FloatArray

    def mask(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """The true extent on the whole grid of `shape`."""
        whole = np.zeros(shape, dtype=bool)
        whole[self.box] = self.depth > 0
        return whole


@dataclass(frozen=True)
class Candidate:
    """A place that a detector would stumble over though nothing is there.

    Args:
        centre: mm, LPS, from the middle of the scan.
        kind: what it is, such as `fork`, `fissure`, `scar`, `pleural` or `micronodule`.
    """

    centre: Position
    kind: str


def position(point: npt.NDArray[np.float64]) -> Position:
    """A point (3,) as plain numbers."""
    x, y, z = (float(v) for v in point)
    return x, y, z


def distance(a: Position, b: Position) -> float:
    """mm between two positions."""
    return float(np.linalg.norm(np.subtract(a, b)))
