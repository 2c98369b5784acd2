"""Procedural anatomy whose truth is known, written in the layouts of real data sets."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from modelsgenesis.errors import UsageError
from modelsgenesis.places import writable
from modelsgenesis.types import Shape, Spacing

_CT: Shape = (256, 256, 128)
_TORSO: Shape = (224, 160, 144)
_TORSO_MM: Spacing = (1.7, 1.7, 1.7)
_MR: Shape = (120, 120, 78)
_MR_MM: Spacing = (2.0, 2.0, 2.0)


@dataclass(frozen=True)
class Layout:
    """A data set that phantoms are written as.

    Args:
        writer: "module:function", a function of (folder, cases, seed), for volumes also of shape and spacing.
        about: what it writes, in a line.
        shape: voxels along X, Y, Z of its scans, unless another is asked for; None for images.
        spacing: mm per voxel; None for what the writer draws.
    """

    writer: str
    about: str
    shape: Shape | None = None
    spacing: Spacing | None = None


LAYOUTS = {
    "ct": Layout("chest:write_unlabelled", "chest CT without labels, for genesis prepare and pretrain (NIfTI)", _CT),
    "mr": Layout("brats:write_unlabelled_mr", "brain MR without labels, for --modality mr (NIfTI)", _MR, _MR_MM),
    "flair": Layout("brats:write_unlabelled_flair", "the same, FLAIR alone and without the skull (NIfTI)", _MR, _MR_MM),
    "ncc": Layout("luna16:write_luna16", "chest CT with nodules and what is mistaken for them, as LUNA16", _CT),
    "ncs": Layout("lidc:write_lidc", "the same patients as LIDC-IDRI: DICOM and the outlines of four readers", _CT),
    "ecc": Layout("ctpa:write_ctpa", "CT of pulmonary arteries with emboli, as CAD-PE, with candidates.csv", _CT),
    "lcs": Layout("lits:write_lits", "abdominal CT with liver and lesions, as LiTS", _CT),
    "organs": Layout("organs:write_organs", "chest CT with lung, heart and liver (nnU-Net v2)", _TORSO, _TORSO_MM),
    "bms": Layout("brats:write_brats2018", "brain MR with gliomas, four sequences, as BraTS 2018", _MR, _MR_MM),
    "dxc": Layout("chestxray14:write_chestxray14", "chest X-rays with findings, as ChestX-ray14"),
    "iuc": Layout("iuc:write_iuc", "videos of the carotid artery and regions in them (frames and rois.csv)"),
    "cubs": Layout("iuc:write_cubs", "images of the carotid artery and the boundaries of its wall, as CUBS"),
}
"""Those of `genesis phantom`; the names are those of the target tasks that read them."""


def write_phantoms(
    name: str, folder: Path, cases: int, seed: int, shape: Shape | None = None, spacing: Spacing | None = None
) -> None:
    """Write `cases` phantoms as the data set called `name` into `folder`, the same files for the same seed.

    Args:
        name: one of `LAYOUTS`.
        folder: new or empty.
        cases: scans, images or videos.
        seed: another one, other patients.
        shape: voxels along X, Y, Z; None: the layout's.
        spacing: mm per voxel; None: the layout's, which may be another for each scan.

    Raises UsageError for an unknown name, a folder that holds files, fewer than one case, or a size for images.
    """
    if name not in LAYOUTS:
        raise UsageError(f"no phantoms called {name!r}; valid: {', '.join(LAYOUTS)}")
    if cases < 1:
        raise UsageError(f"phantoms: --cases {cases} must be 1 or more")
    folder = writable(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not empty; choose another --out")
    layout = LAYOUTS[name]
    if layout.shape is None and (shape or spacing):
        raise UsageError(f"phantoms {name}: --shape and --spacing are for volumes; leave them out")
    module, _, function = layout.writer.partition(":")
    grid = () if layout.shape is None else (shape or layout.shape, spacing or layout.spacing)
    getattr(import_module(f"modelsgenesis.phantoms.{module}"), function)(folder, cases, seed, *grid)
