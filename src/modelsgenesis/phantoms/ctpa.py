"""CT pulmonary angiography phantoms as CAD-PE lies on disk, with candidates in LUNA16's form."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.itk import write_image
from modelsgenesis.files import write_csv
from modelsgenesis.phantoms.chest import Phantom
from modelsgenesis.phantoms.emboli import ctpa
from modelsgenesis.phantoms.findings import Finding, Position, position
from modelsgenesis.phantoms.images import hounsfield, placed
from modelsgenesis.phantoms.luna16 import COLUMNS, SHAPE, row
from modelsgenesis.phantoms.patients import check_cases, middle, patient
from modelsgenesis.streams import CTPA, CTPA_CANDIDATES, generator
from modelsgenesis.types import Shape, Spacing

_MOST = 3  # candidates of one clot


def write_ctpa(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = None) -> Path:
    """Write `cases` scans in CAD-PE's layout to `folder` and return `folder`.

    `images/001.nrrd`; `rs/0001RefStd.nrrd`, in which each clot has a value of its own, from 1; `candidates.csv` with
    LUNA16's columns, where `seriesuid` is the stem of the image: class 1 inside clots, class 0 at what resembles them.

    Args:
        shape: voxels along (X, Y, Z); fields narrower than 240 mm show one lung.
        spacing: mm; None draws each scan's as in real ones.

    Raises:
        UsageError: no cases, or a bad shape or spacing.
        GenesisError: the disk refuses.
    """
    check_cases(cases)
    rows = []
    for index in range(cases):
        phantom = ctpa(patient(seed, CTPA, index), shape, spacing)
        name, at = f"{index + 1:03d}", middle(seed, index)
        write_image(placed(hounsfield(phantom.array), phantom.spacing, at), folder / f"images/{name}.nrrd")
        write_image(placed(_clots(phantom), phantom.spacing, at), folder / f"rs/{index + 1:04d}RefStd.nrrd")
        rng = generator(seed, CTPA_CANDIDATES, index)
        rows += [{**row(name, p, at), "class": 1} for f in phantom.findings for p in _inside(rng, phantom, f)]
        rows += [{**row(name, c.centre, at), "class": 0} for c in phantom.candidates]
    write_csv(folder / "candidates.csv", COLUMNS, rows)
    return folder


def _clots(phantom: Phantom) -> npt.NDArray[np.uint8]:
    """The map of clots, one value each, (X, Y, Z)."""
    values = np.zeros(phantom.array.shape, dtype=np.uint8)
    for number, finding in enumerate(phantom.findings):
        values[finding.box][finding.depth > 0] = number + 1
    return values


def _inside(rng: np.random.Generator, phantom: Phantom, clot: Finding) -> list[Position]:
    """Its middle and up to two more places well inside the clot."""
    deep = np.argwhere(clot.depth > 0.5 * clot.depth.max()) + [part.start for part in clot.box]
    chosen = deep[rng.integers(0, len(deep), int(rng.integers(0, _MOST)))]
    half = (np.array(phantom.array.shape) - 1) / 2
    return [clot.centre, *(position((voxel - half) * phantom.spacing) for voxel in chosen)]
