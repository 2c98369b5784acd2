"""DXC: findings in chest X-rays, from ChestX-ray14 as downloaded (PAPER 2 and 4).

The table is `Data_Entry_2017.csv` or `Data_Entry_2017_v2020.csv`; the images (PNG, or JPEG of the same names) lie in
`images_001/images` to `images_012/images`, in `images`, or beside the table; `train_val_list.txt` and `test_list.txt`
are the official lists. No image is opened here, for there are 112,120.

The papers report 43,976 / 9,125 / 9,171 images, divided by patient, and publish neither which 62,272 of the 112,120
images these are nor the lists. The split `paper` divides all patients that are there in these proportions, by a fixed
seed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from modelsgenesis.config import settings
from modelsgenesis.data.walk import walk_files
from modelsgenesis.errors import GenesisError
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.shares import divide
from modelsgenesis.targets.split import spread

DOWNLOAD = (
    "download ChestX-ray14 from nihcc.app.box.com/v/ChestXray-NIHCC (images_001 to images_012, "
    "Data_Entry_2017_v2020.csv, train_val_list.txt, test_list.txt) and unpack it into one folder"
)
TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
"""The newer one, with corrected ages, is taken where both are there; findings and patients agree."""
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
"""The fourteen; the first eight are those of ChestX-ray8 and of the papers."""
NOTHING = "No Finding"
SHARES = (43_976, 9_125, 9_171)
"""Images for training, validation and test in the papers."""
SEED = 14
"""Decides the split `paper`."""

_SUFFIXES = (".png", ".jpg", ".jpeg")
_LISTS = {"training": ("train_val_list.txt", "train_val_list_NIH.txt"), "test": ("test_list.txt", "test_list_NIH.txt")}


@settings
class DxcOptions:
    """What can be chosen of the chest X-rays."""

    labels: Literal["14", "8"] = "14"
    """14 findings, or the 8 of ChestX-ray8 (images with only others are then without any)."""
    split: Literal["official", "paper"] = "official"
    """official (the data set's two lists), or paper (all patients, 70.6 : 14.7 : 14.7)."""


@dataclass(frozen=True)
class _Row:
    line: int
    patient: str
    findings: frozenset[str]


def _read(data: Path, options: DxcOptions, cache: Path) -> Target:  # noqa: ARG001 - nothing is derived
    found = [data / name for name in TABLES if (data / name).is_file()]
    if not found:
        raise GenesisError(f"{data}: holds no {TABLES[1]} and no {TABLES[0]}; {DOWNLOAD}")
    table = found[0]
    rows, files = _rows(table), _images(data)
    present = {name: row for name, row in rows.items() if name in files}
    if not present:
        raise GenesisError(f"{data}: holds none of the {len(rows)} images in {table.name}; {DOWNLOAD}")
    labels = FINDINGS[: int(options.labels)]
    vectors = {row.findings: tuple(int(name in row.findings) for name in labels) for row in present.values()}
    cases = [Case(name, row.patient, (files[name],), vectors[row.findings]) for name, row in present.items()]
    sides, notes = _official(data, table, present) if options.split == "official" else (_of_paper(present), [])
    return Target(
        task="multilabel",
        labels=dict(enumerate(labels)),
        cases=cases,
        source=table,
        sides=sides,
        notes=(*_both(found), *_absent(rows, files, table), *notes),
    )


TASK = TargetTask(
    about="findings in chest X-rays (ChestX-ray14)",
    download=DOWNLOAD,
    read=_read,
    options=DxcOptions,
    recipe={
        "images": {"modality": "image"},
        "patch": {"shape": [224, 224], "fitting": "resize"},
        "loss": "bce",
        "backbone": {"name": "unet2d", "width": 64},
        "split": {"validation": 0.125},  # of train_val_list: 70, 10 and 20 % of all images, as its makers divide them
    },
)


def _rows(table: Path) -> dict[str, _Row]:
    """Name of the image without its suffix -> its row."""
    rows: dict[str, _Row] = {}
    known: dict[str, frozenset[str]] = {}
    for line, (image, labels, patient) in read_columns(table, ("Image Index", "Finding Labels", "Patient ID")):
        if labels not in known:
            known[labels] = _findings(labels, f"{table}, line {line}")
        name = _stem(image)
        if name in rows:
            raise GenesisError(f"{table}, line {line}: image {image} is on line {rows[name].line} already; keep one")
        rows[name] = _Row(line, patient.zfill(8), known[labels])
    return rows


def _findings(labels: str, place: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in labels.split("|"))
    unknown = sorted(names - {NOTHING, *FINDINGS})
    if unknown:
        raise GenesisError(f"{place}: unknown finding {unknown[0]!r}; known are {', '.join(FINDINGS)} and {NOTHING}")
    if NOTHING in names and len(names) > 1:
        raise GenesisError(f"{place}: {labels!r} names a finding and {NOTHING}; correct the line")
    return names - {NOTHING}


def _images(data: Path) -> dict[str, Path]:
    """Name without suffix -> image file anywhere below `data`."""
    files: dict[str, Path] = {}
    for path in walk_files(data.absolute()):
        name, _, suffix = path.name.rpartition(".")
        if f".{suffix.lower()}" in _SUFFIXES:
            if name in files:
                raise GenesisError(f"{path}: image {name} is there already as {files[name]}; keep one")
            files[name] = path
    return files


def _official(data: Path, table: Path, rows: Mapping[str, _Row]) -> tuple[dict[str, str], list[str]]:
    """The test patients; validation patients are drawn from the others later. GenesisError where lists are wrong."""
    side_of: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for side, names in _LISTS.items():
        path = next((data / name for name in names if (data / name).is_file()), None)
        if path is None:
            raise GenesisError(f"{data}: lacks {names[0]}, an official list; add it, or set the option split to paper")
        paths[side] = path
        for line, name in _listed(path):
            if side_of.setdefault(name, side) != side:
                raise GenesisError(f"{path}, line {line}: {name} is in {paths['training'].name} too; keep one")
    patients: dict[str, str] = {}
    for name, row in rows.items():
        if name not in side_of:
            raise GenesisError(f"{table}, line {row.line}: {name} is in neither official list; add it to one")
        if patients.setdefault(row.patient, side_of[name]) != side_of[name]:
            raise GenesisError(f"{paths[side_of[name]]}: {name}: its patient {row.patient} is in the other list too")
    test = {patient: side for patient, side in patients.items() if side == "test"}
    return test, [] if test else [f"no image of {paths['test'].name} is there: test patients are drawn from the others"]


def _listed(path: Path) -> Iterable[tuple[int, str]]:
    """(line, name without suffix) of an official list."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GenesisError(f"{path}: cannot be read as a list of image names ({error})") from error
    return [(number, _stem(line.strip())) for number, line in enumerate(lines, start=1) if line.strip()]


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _of_paper(rows: Mapping[str, _Row]) -> dict[str, str]:
    """All patients in the papers' proportions, those of like findings spread evenly."""
    strata: dict[str, str] = {}
    for row in rows.values():
        strata.setdefault(row.patient, "|".join(sorted(row.findings)))
    return divide(spread(list(strata), strata, SEED), SHARES)


def _both(found: list[Path]) -> Iterable[str]:
    if len(found) > 1:
        yield f"{found[0].name} is read, {found[1].name} left alone"


def _absent(rows: Mapping[str, _Row], files: Mapping[str, Path], table: Path) -> Iterable[str]:
    absent = [name for name in rows if name not in files]
    if absent:
        yield f"{len(absent)} of {len(rows)} images in {table.name} are absent, such as {absent[0]}"
    unlisted = sorted(set(files) - set(rows))
    if unlisted:
        yield f"{len(unlisted)} images are not in {table.name} and left out, such as {files[unlisted[0]].name}"
