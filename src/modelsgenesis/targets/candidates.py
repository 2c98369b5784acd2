"""Candidate tables in the form of LUNA16: places in scans, each a lesion or a false alarm, and the lesions themselves.

| file | columns |
|---|---|
| candidates | seriesuid, coordX, coordY, coordZ, class (0 or 1); optionally subject and finding |
| annotations | seriesuid, coordX, coordY, coordZ, diameter_mm |

Coordinates are LPS mm, the world coordinates of MetaImage and ITK, so flipped scans need no care here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError
from modelsgenesis.tables import read_columns

CANDIDATE_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "class")
ANNOTATION_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
MARGIN = 1.0
"""How far, in voxels, a candidate may lie beyond the outermost voxel centres: coordinates are rounded."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line of a candidate table: centre in LPS mm, class 0 or 1, subject and finding "" when not given."""

    line: int
    centre: tuple[float, float, float]
    label: int
    subject: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One line of an annotation table: centre in LPS mm, diameter in mm, and a name unique in the data set."""

    name: str
    centre: tuple[float, float, float]
    diameter: float


def read_candidates(path: Path) -> dict[str, list[Candidate]]:
    """Scan -> its candidates in the order of the file; three quarters of a million lines take a few seconds.

    Raises GenesisError naming file and line: missing columns, coordinates that are no finite numbers, a class that is
    not 0 or 1, no candidate at all.
    """
    found: dict[str, list[Candidate]] = {}
    for line, scan, values, others in _rows(path, CANDIDATE_COLUMNS, ("subject", "finding")):
        if values[3] not in (0.0, 1.0):
            raise GenesisError(f"{path}, line {line}: class must be 0 or 1, not {values[3]:g}; correct the line")
        candidate = Candidate(line, values[:3], int(values[3]), *others)
        found.setdefault(scan, []).append(candidate)
    if not found:
        raise GenesisError(f"{path}: lists no candidate; copy it again")
    return found


def read_annotations(path: Path) -> dict[str, list[Lesion]]:
    """Scan -> its lesions, called `<scan>-lesion1`, 2, ...; raises as `read_candidates`, also for diameters <= 0."""
    found: dict[str, list[Lesion]] = {}
    for line, scan, values, _ in _rows(path, ANNOTATION_COLUMNS, ()):
        if values[3] <= 0:
            raise GenesisError(f"{path}, line {line}: diameter_mm must be above 0, not {values[3]:g}; correct the line")
        lesions = found.setdefault(scan, [])
        lesions.append(Lesion(f"{scan}-lesion{len(lesions) + 1}", values[:3], values[3]))
    return found


def _rows(
    path: Path, columns: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, str, tuple[float, float, float, float], Sequence[str]]]:
    """(line, scan, four numbers, optional texts, "" for absent columns) of every line that is not blank."""
    rows = read_columns(path, columns, optional, numbers=columns[1:], may_be_empty=True)
    for line, (scan, x, y, z, last, *others) in rows:
        yield line, scan, (float(x), float(y), float(z), float(last)), others


def require_inside(candidates: Sequence[Candidate], grid: Grid, table: Path, scan: Path) -> None:
    """GenesisError naming the line of the first candidate that does not lie in its scan, as the header tells."""
    affine = grid.affine
    centres = np.array([one.centre for one in candidates], np.float64)
    voxels = np.linalg.solve(affine[:3, :3], (centres - affine[:3, 3]).T).T
    outside = ((voxels < -MARGIN) | (voxels > np.array(grid.size) - 1 + MARGIN)).any(axis=1)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        x, y, z = candidates[first].centre
        place = ", ".join(f"{index:.0f}" for index in voxels[first])
        raise GenesisError(
            f"{table}, line {candidates[first].line}: ({x:g}, {y:g}, {z:g}) mm lies outside {scan.name} (voxel {place} "
            f"of {'x'.join(map(str, grid.size))}); the table or the scan's header is wrong, copy both again"
        )


def hits(candidates: Sequence[Candidate], lesions: Sequence[Lesion]) -> list[str]:
    """For each candidate the name of the nearest lesion whose radius reaches it, "" for none (LUNA16's rule)."""
    if not lesions:
        return [""] * len(candidates)
    places: npt.NDArray[np.float64] = np.array([one.centre for one in candidates])
    centres = np.array([one.centre for one in lesions])
    distances = np.linalg.norm(places[:, None] - centres[None], axis=2)
    distances[distances > np.array([one.diameter / 2 for one in lesions])] = np.inf
    nearest = distances.argmin(axis=1)
    reached = np.isfinite(distances[np.arange(len(places)), nearest])
    return [lesions[which].name if hit else "" for which, hit in zip(nearest.tolist(), reached.tolist(), strict=True)]


def plural(count: int, what: str) -> str:
    """The count with its noun: "1 scan", "2 scans"."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def first_few(names: Sequence[str] | Mapping[str, object]) -> str:
    """Up to three names, and how many more."""
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
