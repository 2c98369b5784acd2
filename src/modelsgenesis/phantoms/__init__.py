"""Procedural anatomy whose truth is known, written in the layouts of real data sets."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from modelsgenesis.errors import UsageError


@dataclass(frozen=True)
class Layout:
    """A data set that phantoms are written as.

    Args:
        writer: "module:function", a function of (folder, cases, seed) that has defaults for everything else.
        about: what it writes, in a line.
    """

    writer: str
    about: str


LAYOUTS = {
    "ct": Layout("chest:write_unlabelled_ct", "chest CT without labels, for genesis prepare and pretrain (NIfTI)"),
    "mr": Layout("brats:write_unlabelled_mr", "brain MR without labels, for genesis prepare --modality mr (NIfTI)"),
    "ncc": Layout("luna16:write_luna16", "chest CT with nodules and what is mistaken for them, as LUNA16"),
    "ncs": Layout("lidc:write_lidc", "the same patients as LIDC-IDRI: DICOM and the outlines of four readers"),
    "ecc": Layout("ctpa:write_ctpa", "CT of pulmonary arteries with emboli, as CAD-PE, with candidates.csv"),
    "lcs": Layout("lits:write_lits", "abdominal CT with liver and lesions, as LiTS"),
    "bms": Layout("brats:write_brats2018", "brain MR with gliomas, four sequences, as BraTS 2018"),
    "dxc": Layout("chestxray14:write_chestxray14", "chest X-rays with findings, as ChestX-ray14"),
    "iuc": Layout("iuc:write_iuc", "videos of the carotid artery and regions in them (frames and rois.csv)"),
    "cubs": Layout("iuc:write_cubs", "images of the carotid artery and the boundaries of its wall, as CUBS"),
}
"""Those of `genesis phantom`; the names are those of the target tasks that read them."""


def write_phantoms(name: str, folder: Path, cases: int, seed: int) -> None:
    """Write `cases` phantoms as the data set called `name` into `folder`, the same files for the same seed.

    Raises UsageError for an unknown name, a folder that holds files, or fewer than one case.
    """
    if name not in LAYOUTS:
        raise UsageError(f"no phantoms called {name!r}; valid: {', '.join(LAYOUTS)}")
    if cases < 1:
        raise UsageError(f"phantoms: --cases {cases} must be 1 or more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not empty; choose another --out")
    module, _, function = LAYOUTS[name].writer.partition(":")
    getattr(import_module(f"modelsgenesis.phantoms.{module}"), function)(folder, cases, seed)
