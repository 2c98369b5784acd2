"""Where the voxels of a NIfTI or Analyze file lie, which its header may say in three ways at once."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.lps_grid import lps_grid, times
from modelsgenesis.data.formats.suffixes import MGH
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TO_MM = {"meter": 1000.0, "micron": 0.001}
_FINEST_MM, _COARSEST_MM = 1e-3, 50.0  # of voxels that a scanner or a microscope makes


def nifti_grid(path: Path, header: Any, shape: tuple[int, ...]) -> tuple[Grid, tuple[str, ...]]:
    """The grid of nibabel's affine (sform, else qform, else voxel sizes), in LPS mm, and what was contradictory.

    Raises GenesisError naming the header field where it says what cannot be.
    """
    notes: list[str] = []
    affine = _affine(path, header, shape, notes)
    affine = affine * np.array([[_unit(path, header, affine, notes)]] * 3 + [[1.0]])
    return lps_grid(path, _RAS_TO_LPS @ affine, shape, notes), tuple(notes)


def analyze_grid(path: Path, image: Any, shape: tuple[int, ...]) -> tuple[Grid, tuple[str, ...]]:
    """The grid of an Analyze or MGH image, as nibabel has it."""
    notes: list[str] = []
    if not path.name.lower().endswith(MGH):
        notes.append("Analyze files do not say which side is left; taken as nibabel does")
    return lps_grid(path, _RAS_TO_LPS @ np.asarray(image.affine, np.float64), shape, notes), tuple(notes)


def _affine(path: Path, header: Any, shape: tuple[int, ...], notes: list[str]) -> npt.NDArray[np.float64]:
    """Voxel index to RAS in the units of the header."""
    sform, qform = _sform(path, header), _qform(path, header)
    if sform is not None:
        _compare(sform, qform, header, shape, notes)
        return sform
    if qform is not None:
        return qform
    notes.append(
        "qform_code and sform_code are 0, so it does not say where the patient's left is; assumed as nibabel does"
    )
    base: npt.NDArray[np.float64] = np.asarray(header.get_base_affine(), np.float64)
    return base


def _sform(path: Path, header: Any) -> npt.NDArray[np.float64] | None:
    sform, code = header.get_sform(coded=True)
    if sform is None or code <= 0:
        return None
    matrix = np.asarray(sform, np.float64)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
        raise GenesisError(
            f"{path}: sform_code is {int(code)} but srow_x, srow_y, srow_z are no matrix of a grid; "
            "repair them, or set sform_code to 0 to use its qform"
        )
    return matrix


def _qform(path: Path, header: Any) -> npt.NDArray[np.float64] | None:
    """None when there is none, or when it cannot be and an sform stands in for it."""
    code = int(header["qform_code"])
    if code <= 0:
        return None
    try:
        matrix = np.asarray(header.get_qform(), np.float64)
    except ValueError as error:
        if int(header["sform_code"]) > 0:
            return None
        raise GenesisError(f"{path}: qform_code is {code} but its quaternion cannot be ({error}); repair it") from error
    if not np.isfinite(matrix).all():
        if int(header["sform_code"]) > 0:
            return None
        raise GenesisError(f"{path}: qform_code is {code} but qoffset or quatern are not finite; repair them")
    return matrix


def _compare(
    sform: npt.NDArray[np.float64],
    qform: npt.NDArray[np.float64] | None,
    header: Any,
    shape: tuple[int, ...],
    notes: list[str],
) -> None:
    """Note where the sform, which is used, contradicts the qform or the voxel sizes."""
    axes = len(shape)
    steps = np.linalg.norm(sform[:3, :3], axis=0)
    pixdim = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    if not np.allclose(pixdim[:axes], steps[:axes], rtol=0.02):
        stated = f"pixdim {times(pixdim[:axes])} contradicts the sform's {times(steps[:axes])}"
        notes.append(f"{stated}; the sform is taken, as nibabel does")
    elif qform is not None:
        corners = np.array(np.meshgrid(*[(0, side - 1) for side in (*shape, 1, 1)[:3]])).reshape(3, -1)
        apart = float(np.abs((sform - qform)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])).max())
        if apart > 0.5 * steps.min():
            notes.append(f"qform and sform differ by {apart:.3g} mm; the sform is taken, as nibabel does")


def _unit(path: Path, header: Any, affine: npt.NDArray[np.float64], notes: list[str]) -> float:
    """What brings the affine to mm. Units are often wrong, so sizes that no scanner makes are not believed."""
    unit = header.get_xyzt_units()[0] if int(header["xyzt_units"]) & 7 in (0, 1, 2, 3) else "unknown"
    factor = _TO_MM.get(unit)
    if factor is None:
        return 1.0
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if (steps * factor >= _FINEST_MM).all() and (steps * factor <= _COARSEST_MM).all():
        notes.append(f"xyzt_units says {unit}; converted to mm")
        return factor
    if (steps >= _FINEST_MM).all() and (steps <= _COARSEST_MM).all():
        notes.append(f"xyzt_units says {unit}, which would make voxels of {times(steps * factor)} mm; taken as mm")
        return 1.0
    raise GenesisError(f"{path}: voxels of {times(steps)} {unit} cannot be; repair pixdim or xyzt_units")
