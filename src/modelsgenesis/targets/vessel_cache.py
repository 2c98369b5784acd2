"""How each case is turned along its vessel: found once, which takes ten times as long as turning it, and kept."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import digest
from modelsgenesis.files import replacing
from modelsgenesis.targets.prepared import PreparedCase, PreparedTarget
from modelsgenesis.targets.vessel import RADIUS_SHARE, VERSION, block_side, vessel_axes

_LEAST_ERROR = 1e-6

Axes = npt.NDArray[np.float64]
"""(channels, 3, 3): for each channel the directions of X, Y and Z of the turned cube in the grid of the scan; rows."""


def axes_of(data: PreparedTarget, case: PreparedCase, side: int) -> Axes:
    """The directions along which the cube of `side` voxels around the case's centre is turned.

    They are found in the voxels round the centre and lie beside the stores afterwards, a file a case whose name holds
    the digest of what they depend on; a damaged file is written again.
    """
    spacing = case.images[0].spacing[0]
    state = [VERSION, side, list(case.case.centre or ()), [scan.digest for scan in case.images]]
    path = data.folder / "vessels" / case.images[0].id / f"{case.case.id}-{digest(state)}.npy"
    kept = _load(path, case)
    if kept is not None:
        return kept
    block = data.image_around(case, case.centre, (block_side(side),) * 3)
    found = np.stack([vessel_axes(channel, side * spacing * RADIUS_SHARE, spacing) for channel in block])
    content = io.BytesIO()
    np.save(content, found)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())
    return found


def _load(path: Path, case: PreparedCase) -> Axes | None:
    """What the file holds; None when it is absent or no rotation of each channel."""
    try:
        axes = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    if axes.shape != (len(case.images), 3, 3) or axes.dtype != np.float64:
        return None
    turned = np.abs(axes @ axes.transpose(0, 2, 1) - np.eye(3)).max() < _LEAST_ERROR
    return axes if turned and (np.linalg.det(axes) > 0).all() else None
