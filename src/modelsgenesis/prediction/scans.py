"""`genesis predict`: fine-tuned networks on scans, with or without a known truth."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelsgenesis.data.formats.dicom_seg import UnfitSeriesError, need_highdicom, write_seg
from modelsgenesis.data.geometry import closest_to_lps
from modelsgenesis.data.guarded import count_channels, read_channels, read_source
from modelsgenesis.data.index import Source, index, refuse_inside, told
from modelsgenesis.data.volume import Volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import readable, write_csv, write_json
from modelsgenesis.places import located, several
from modelsgenesis.prediction.ensemble import Ensemble
from modelsgenesis.prediction.maps import Maps
from modelsgenesis.prediction.predictor import Input, Predictor, write_maps
from modelsgenesis.progress import Progress
from modelsgenesis.training.inference import Recipe
from modelsgenesis.types import JSON

Format = Literal["nifti", "dicom-seg"]
CASES, REJECTED, WARNINGS, TABLE = "cases.json", "rejected.csv", "warnings.csv", "probabilities.csv"
_REFUSED = ("path", "series", "reason")
_CHANNEL = re.compile(r"_\d{4}$")


@dataclass(frozen=True)
class PredictSummary:
    """What one `predict` did.

    Attributes:
        out: the folder written.
        predicted: cases.
        rejected: scans that could not be used, listed in `rejected.csv`.
        doubted: scans that do not look like what the network was trained on, listed in `warnings.csv`.
        unread: suffix, or what else a file is, to the number of files that are not read.
        cleaned: structures of which the largest component alone was kept.
    """

    out: Path
    predicted: int
    rejected: int
    doubted: int = 0
    unread: Mapping[str, int] = field(default_factory=dict)
    cleaned: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f", {self.rejected} rejected (see {self.out / REJECTED})" if self.rejected else ""
        if self.cleaned:
            more += f", the largest component alone of {', '.join(self.cleaned)} (--no-clean keeps all)"
        if self.doubted:
            more += f", {self.doubted} scans unlike those of the training (see {self.out / WARNINGS})"
        return f"{self.out}: {self.predicted} cases predicted{more}" + (
            f"; not read: {told(self.unread)}" if self.unread else ""
        )


def write_cases(out: Path, recipe: Recipe, entries: Sequence[JSON], **more: Any) -> None:
    """Write `cases.json`, which `genesis evaluate` reads; `more` joins its upper level."""
    write_json(out / CASES, {"task": recipe.task, "labels": recipe.labels, **more, "cases": list(entries)})


def predict(
    runs: str | Path | Sequence[str | Path],
    scans: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    mirror: bool = False,
    clean: bool = True,
    form: Format = "nifti",
    **inference: Any,
) -> PredictSummary:
    """Apply fine-tuning runs to `scans` and write the predictions into the folder `out`.

    Segmentation: a label map and probability maps a case, on the grid of its source. Classification:
    `probabilities.csv`. Both: `cases.json`, `rejected.csv` with the scans that could not be used (the rest goes on),
    and `warnings.csv` with those that do not look like what the network was trained on.
    Networks of several channels take the files NAME_0000, NAME_0001, ... of a case, or one file with all channels.

    Args:
        runs: a finished fine-tuning run, or several whose probabilities are averaged.
        scans: files, folders and globs, as for `genesis prepare`, or a single one.
        out: the folder.
        mirror: average over mirror images; only where the training mirrored and no label tells left from right.
        clean: keep the largest component alone of the structures for which the runs have learnt so (`cleaning.json`).
        form: "nifti", or "dicom-seg": `NAME.dcm` on the slices of each DICOM series, without probability maps.
        inference: settings of `InferenceSettings` that are to differ from the runs'.

    Raises UsageError for scans that do not exist or lie in `out`, files there that no prediction has written,
    settings that cannot be, runs that do not agree, and scans or runs that cannot become DICOM SEG, GenesisError when
    a run has no weights or no scan could be used.
    """
    paths, out = [located(run) for run in several(runs)], located(out)
    given = several(scans)
    seg = form == "dicom-seg"
    if seg and inference.get("probabilities"):
        raise UsageError("--probabilities True: DICOM SEG holds label maps alone; leave it out, or write NIfTI")
    ensemble = Ensemble(paths, mirror, clean, **{**inference, **({"probabilities": False} if seg else {})})
    recipe = ensemble.first.recipe
    refuse_inside(given, out)
    met = index(given)
    cases = _grouped(met.sources, recipe.backbone.input_channels)
    if seg:
        _refuse_for_seg(recipe, cases)
    suffix = "dcm" if seg else "nii.gz"
    _begin(out, [f"{name}.{suffix}" for name in cases] if recipe.task == "segmentation" else [TABLE])
    lists = _Lists()
    with Progress(len(cases), "predict", "cases") as progress:
        for name, sources in cases.items():
            try:
                inputs = _inputs(ensemble, sources, lists, progress)
                found = _predicted(ensemble, inputs, name, sources[0], out, seg)
            except _Unusable as error:
                reason = str(error).removeprefix(f"{sources[0].path}: ")
                lists.rejected.append({"path": str(sources[0].path), "series": sources[0].series, "reason": reason})
            else:
                lists.entries.append({"case": name, "subject": sources[0].subject, **found, "truth": None})
            progress.advance(note=f"{len(lists.rejected)} rejected")
    lists.write(out, recipe, len(cases))
    cleaned = tuple(recipe.labels[str(structure)] for structure in ensemble.cleaned)
    counts = (len(lists.entries), len(lists.rejected), len(lists.doubted))
    return PredictSummary(out, *counts, met.unread_by_kind(), cleaned)


@dataclass(frozen=True)
class _Lists:
    """What the files beside the maps say of the cases."""

    entries: list[JSON] = field(default_factory=list)
    rejected: list[JSON] = field(default_factory=list)
    doubted: list[JSON] = field(default_factory=list)

    def write(self, out: Path, recipe: Recipe, cases: int) -> None:
        """Write them; GenesisError when no case could be used."""
        write_csv(out / REJECTED, _REFUSED, self.rejected)
        write_csv(out / WARNINGS, ("path", "warning"), self.doubted)
        if not self.entries:
            first = f"{self.rejected[0]['path']}: {self.rejected[0]['reason']}"
            raise GenesisError(f"{first}; none of {cases} cases could be used, see {out / REJECTED}")
        write_cases(out, recipe, self.entries)
        if recipe.task != "segmentation":
            _write_table(out / TABLE, recipe, self.entries)


class _Unusable(Exception):  # noqa: N818 - no error of the program
    """Why a case cannot be predicted; the next ones can."""


def _inputs(ensemble: Ensemble, sources: Sequence[Source], lists: _Lists, progress: Progress) -> list[Input]:
    """What the networks see of a case, without its voxels as read; raises _Unusable."""
    try:
        volumes = _read(sources, ensemble.first.recipe.backbone.input_channels)
        inputs = ensemble.inputs(volumes)
    except GenesisError as error:
        raise _Unusable(str(error)) from error
    for path, said in _unlike(ensemble.first, sources, volumes).items():
        lists.doubted.append({"path": path, "warning": said})
        progress.say(f"warning: {readable(path)}: {said}")
    return inputs


def _predicted(ensemble: Ensemble, inputs: Sequence[Input], name: str, first: Source, out: Path, seg: bool) -> JSON:
    """What `cases.json` says of a case, whose maps are written; raises _Unusable, and GenesisError of the disk."""
    recipe = ensemble.first.recipe
    if recipe.task != "segmentation":
        return {"probabilities": ensemble.classify(inputs)}
    maps, like = ensemble.maps(inputs), inputs[0].source
    if not seg:
        return write_maps(maps, like, name, out)
    try:
        return _write_seg(maps, like, first, recipe, name, out)
    except UnfitSeriesError as error:
        raise _Unusable(str(error)) from error


def _write_seg(maps: Maps, like: Volume, source: Source, recipe: Recipe, name: str, out: Path) -> JSON:
    labels = closest_to_lps(like.grid).undo(maps.labels)
    names = {int(structure): name for structure, name in recipe.labels.items()}
    write_seg(labels, source.files, source.path, names, out / f"{name}.dcm")
    return {"prediction": f"{name}.dcm", "probabilities": {}}


def _refuse_for_seg(recipe: Recipe, cases: Mapping[str, Sequence[Source]]) -> None:
    """UsageError for what cannot be written as DICOM SEG, before any time is spent on it."""
    if recipe.task != "segmentation":
        raise UsageError(f"--format dicom-seg: the run is a {recipe.task}; its result is a table, leave it out")
    other = next((source for sources in cases.values() for source in sources if source.series is None), None)
    if other is not None:
        raise UsageError(
            f"{other.path}: no DICOM series; --format dicom-seg refers to its slices, write NIfTI (--format nifti)"
        )
    need_highdicom()


def _begin(out: Path, files: Sequence[str]) -> None:
    """Take the folder `out`; of an earlier prediction no list may stay that names maps of this one.

    Raises UsageError when one of `files` is there, and no earlier prediction can have written it.
    """
    theirs = [] if (out / REJECTED).is_file() else [name for name in files if (out / name).exists()]
    if theirs:
        raise UsageError(f"{out / theirs[0]}: is there and no prediction; choose another --out, it would be replaced")
    write_csv(out / REJECTED, _REFUSED, [])
    for name in (CASES, WARNINGS, TABLE):
        (out / name).unlink(missing_ok=True)


def _unlike(predictor: Predictor, sources: Sequence[Source], volumes: Sequence[Volume]) -> dict[str, str]:
    """File -> why it does not look like what the network was trained on; a file may hold all channels."""
    paths = [str(source.path) for source in sources]
    named = zip(paths * len(volumes) if len(paths) == 1 else paths, volumes, strict=False)
    return {path: said for path, volume in named if (said := predictor.doubt(volume))}


def _grouped(sources: Sequence[Source], channels: int) -> dict[str, list[Source]]:
    """Case -> its sources, in the order of their channels; one file with several channels is a case by itself."""
    if channels == 1:
        return {source.identifier: [source] for source in sources}
    groups: dict[str, list[Source]] = defaultdict(list)
    for source in sorted(sources, key=lambda source: source.identifier):
        whole = _holds_several(source)
        groups[source.identifier if whole else _CHANNEL.sub("", source.identifier)].append(source)
    return dict(groups)


def _holds_several(source: Source) -> bool:
    try:
        return source.series is None and count_channels(source.path) > 1
    except GenesisError:
        return False  # a damaged file is told of when it is read


def _read(sources: Sequence[Source], channels: int) -> list[Volume]:
    """The volumes of a case, one a channel."""
    if channels > 1 and len(sources) == 1 and sources[0].series is None:
        volumes = read_channels(sources[0].path)
        found = len(volumes)
    else:
        found = len(sources)
        volumes = [read_source(source) for source in sources] if found == channels else []
    if found != channels:
        given = f"{found} images of one case, not {channels}"
        raise GenesisError(f"{given}: give NAME_0000, NAME_0001, ..., or one file that holds all")
    return volumes


def _write_table(path: Path, recipe: Recipe, entries: Sequence[JSON]) -> None:
    columns = [f"p({name})" for name in recipe.labels.values()]
    rows = [
        {"case": entry["case"], "subject": entry["subject"], **dict(zip(columns, entry["probabilities"], strict=True))}
        for entry in entries
    ]
    write_csv(path, ("case", "subject", *columns), rows)
