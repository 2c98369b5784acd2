"""What `genesis info FOLDER` says of data that are neither a store nor a run: their layout, and what is in them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelsgenesis.data.formats.dicom import is_dicom
from modelsgenesis.data.formats.suffixes import PICTURES
from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.guarded import read_grid
from modelsgenesis.data.index import SUFFIXES, Source, index_sources
from modelsgenesis.errors import GenesisError
from modelsgenesis.progress import Progress
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.folder import DESCRIPTION, read_folder
from modelsgenesis.targets.table import TABLE
from modelsgenesis.types import JSON

MOST_HEADERS = 200
"""Headers read; of more files, that many evenly among them."""


def describe_folder(folder: Path) -> JSON:
    """Layout, images, labels and subjects of the folder, with sizes and spacings as the headers of up to 200 files say.

    Nothing is written and no voxel of a volume is read. Raises GenesisError when the folder holds neither a labelled
    data set nor a scan, or a labelled one that cannot be used, naming its file.
    """
    labelled = [name for name in (DESCRIPTION, TABLE) if (folder / name).is_file()]
    return _labelled(folder, read_folder(folder, {})) if labelled else _unlabelled(folder)


def is_scan(path: Path) -> bool:
    """Whether the file looks like a scan: by its suffix, or by the mark of DICOM."""
    return path.name.lower().endswith(SUFFIXES) or is_dicom(path)


def describe_scan(path: Path) -> JSON:
    """Size, spacing and format of one scan, as its header says; raises GenesisError when it cannot be read."""
    (source,) = index_sources([path])
    grid = read_grid(source.files[0] if len(source.files) == 1 else path) if source.series is None else None
    slices = f"DICOM, a series of {len(source.files)} files in {source.path}"
    return {
        "scan": str(path),
        "format": _suffix(path) if source.series is None else slices,
        "subject": source.subject,
        **({} if grid is None else {"voxels": list(grid.size)}),
        **({"spacing": np.round(grid.spacing, 4).tolist()} if grid is not None and _tells_spacing(path) else {}),
        "next": f"genesis prepare {path} --out STORE",
    }


def _tells_spacing(path: Path) -> bool:
    return not path.name.lower().endswith(PICTURES)


def _labelled(folder: Path, target: Target) -> JSON:
    images = sorted({image for case in target.cases for image in case.images if image.exists()})
    described = {
        "folder": str(folder),
        "layout": f"labelled, {target.task}, by {target.source.name}",
        "cases": len(target.cases),
        "subjects": len({case.subject for case in target.cases}),
        "channels": target.channels,
        "labels": _labels(target),
        **_sides(target),
        **_grids(images),
        "notes": list(target.notes),
        "next": f"genesis finetune folder --data {folder} --out RUN",
    }
    return {name: value for name, value in described.items() if value != []}


def _labels(target: Target) -> dict[str, Any]:
    """Values of each structure, or cases of each class."""
    if target.task == "segmentation":
        return {name: list(target.label_map[number]) for number, name in target.labels.items()}
    counts: Counter[str] = Counter(dict.fromkeys(target.labels.values(), 0))
    for case in target.cases:
        several = case.label if isinstance(case.label, tuple) else ()
        counts.update(target.labels[place] for place, has in enumerate(several) if has)
        counts.update([target.labels[case.label]] if isinstance(case.label, int) else [])
    return dict(counts)


def _sides(target: Target) -> dict[str, dict[str, int]]:
    counts = Counter(target.sides.values())
    return {"subjects of sides": dict(counts)} if counts else {}


def _unlabelled(folder: Path) -> JSON:
    found = index_sources([folder])
    imageless = [source.path for source in found if source.series is None and is_dicom(source.path)]
    sources = [source for source in found if source.path not in imageless]
    if not sources:
        raise GenesisError(f"{folder}: its {len(imageless)} DICOM files hold no image; name a folder with scans")
    formats = Counter("DICOM" if source.series else _suffix(source.path) for source in sources)
    single = [source.path for source in sources if source.series is None and not source.files]
    return {
        "folder": str(folder),
        "layout": f"scans without labels (no {DESCRIPTION} or {TABLE})",
        "scans": len(sources),
        "formats": dict(formats.most_common()),
        "subjects": len({source.subject for source in sources}),
        **_grids(single),
        **_series(sources),
        **({"DICOM without an image": [path.name for path in imageless]} if imageless else {}),
        "next": f"genesis prepare {folder} --out STORE",
    }


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix.lower() in (".gz", ".bz2") else path.suffixes[-1:]).lower()


def _series(sources: Sequence[Source]) -> dict[str, Any]:
    slices = [len(source.files) for source in sources if source.series is not None]
    return {"DICOM files a series": _range(np.array(slices)[:, None])} if slices else {}


def _grids(files: Sequence[Path]) -> dict[str, Any]:
    """Smallest, median and largest size and spacing of some of the files."""
    if not files:
        return {}
    step = max(1, -(-len(files) // MOST_HEADERS))
    grids: list[Grid] = []
    problems: list[str] = []
    chosen = files[::step]
    with Progress(len(chosen), "reading headers", "files") as progress:
        for path in chosen:
            try:
                grids.append(read_grid(path))
            except GenesisError as error:
                problems.append(str(error))
            progress.advance()
    found: dict[str, Any] = {"headers read": f"{len(chosen)} of {len(files)}"}
    for axes in sorted({len(grid.size) for grid in grids}):
        own = [grid for grid in grids if len(grid.size) == axes]
        name = "" if axes == 3 else f" of {axes}D images"
        found[f"voxels{name}"] = _range(np.array([grid.size for grid in own]))
        found[f"spacing{name}"] = _range(np.round([grid.spacing for grid in own], 4))
    return found | ({"unreadable": problems} if problems else {})


def _range(rows: Any) -> Mapping[str, list[Any]]:
    return {
        "smallest": rows.min(axis=0).tolist(),
        "median": np.median(rows, axis=0).tolist(),
        "largest": rows.max(axis=0).tolist(),
    }
