"""`genesis predict`: a fine-tuned network on scans, with or without a known truth."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modelsgenesis.data.convert import convert
from modelsgenesis.data.guarded import count_channels, read_channels, read_source
from modelsgenesis.data.index import Source, index, refuse_inside, told
from modelsgenesis.data.plausible import doubt, look_at
from modelsgenesis.data.volume import Volume, on_source_grid, write_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.evaluate.metrics import LEVELS, quantised
from modelsgenesis.files import readable, write_csv, write_json
from modelsgenesis.models.folding import fold_norms
from modelsgenesis.models.weights import initialise, read_weights
from modelsgenesis.places import located
from modelsgenesis.progress import Progress
from modelsgenesis.run import Run
from modelsgenesis.targets.patches import fit_scan
from modelsgenesis.training.inference import Recipe, classify, read_recipe
from modelsgenesis.training.sliding import segment
from modelsgenesis.training.loop import channels_last
from modelsgenesis.types import JSON, FloatArray

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
    """

    out: Path
    predicted: int
    rejected: int
    doubted: int = 0
    unread: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        more = f", {self.rejected} rejected (see {self.out / REJECTED})" if self.rejected else ""
        if self.doubted:
            more += f", {self.doubted} scans unlike those of the training (see {self.out / WARNINGS})"
        return f"{self.out}: {self.predicted} cases predicted{more}" + (
            f"; not read: {told(self.unread)}" if self.unread else ""
        )


class Predictor:
    """A fine-tuned network and the recipe it was trained by.

    Args:
        weights: `weights.safetensors` of a fine-tuning run.
        device: where to compute; None for the first GPU, else the CPU.
        inference: settings of `InferenceSettings` that are to differ from the run's.

    Raises GenesisError when the weights are missing, damaged or of no fine-tuning run, UsageError for settings of
    inference that cannot be.
    """

    def __init__(self, weights: Path, device: torch.device | None = None, **inference: Any) -> None:
        recipe = read_recipe(read_weights(weights)[1], weights)
        self.recipe: Recipe = replace(recipe, inference=replace(recipe.inference, **inference))
        network = self.recipe.network()
        report = initialise(network, f"file:{weights}", head=True)
        if report.missing:
            raise GenesisError(f"{weights}: lacks {report.missing[0]}; fine-tune again")
        automatic = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        placed: Any = fold_norms(network).to(device or automatic)
        self._axes: int = placed.backbone.axes
        self._network = placed.to(memory_format=channels_last(self._axes))

    def input(self, volumes: Sequence[Volume]) -> "Input":
        """What the network sees of a case, given one volume a channel.

        Raises GenesisError when one cannot be used or they differ in shape.
        """
        prepared = [convert(volume, self.recipe.images.preparing()) for volume in volumes]
        first = prepared[0][0]
        axes = first.array.ndim
        if axes < self._axes or (axes > self._axes and self.recipe.task != "segmentation"):
            raise GenesisError(f"{axes} axes; the network is for {self._axes}, of slices only when it segments")
        for volume, _, _ in prepared:
            if volume.array.shape != first.array.shape:
                raise GenesisError(f"channels of shapes {first.array.shape} and {volume.array.shape}; resample them")
        return Input(volumes[0], first, np.stack([scale.unit(integers) for _, integers, scale in prepared]))

    def doubt(self, volume: Volume) -> str:
        """Why a scan does not look like those that the network was trained on; "" when it does."""
        modality = self.recipe.images.modality
        said = doubt(look_at(volume.array), modality, volume.modality)
        return f"not like the {modality} that the network was trained on: {said}" if said else ""

    def classify(self, images: Iterable[FloatArray]) -> Iterator[list[float]]:
        """Probabilities of the classes for each of `images`, (C, *patch.shape) in [0, 1]."""
        return classify(self._network, images, self.recipe.task, self.recipe.inference.windows)

    def segment(self, given: "Input", name: str, out: Path) -> JSON:
        """Write `NAME.nii.gz` and the probability maps on the source grid into `out`; their names for `cases.json`."""
        recipe = self.recipe
        logits = segment(self._network, given.image, recipe.patch.shape, recipe.sliding)
        probabilities = logits.softmax(0).cpu().numpy()
        best = on_source_grid(probabilities[0], given.prepared, nearest=False)
        labels, files = np.zeros(best.shape, np.uint8), {}
        for structure in range(1, len(probabilities)):
            # The probability, not the label, is taken back to the source's resolution: its border stays smooth.
            probability = on_source_grid(probabilities[structure], given.prepared, nearest=False)
            labels[probability > best] = structure
            best = np.maximum(best, probability)
            if recipe.inference.probabilities:
                files[str(structure)] = f"{name}_prob{structure}.nii.gz"
                levels = quantised(np.clip(probability, 0, 1))
                write_volume(levels, given.source, out / files[str(structure)], slope=1 / LEVELS)
        write_volume(labels, given.source, out / f"{name}.nii.gz")
        return {"prediction": f"{name}.nii.gz", "probabilities": files}

    def predict(self, given: "Input", name: str, out: Path) -> JSON:
        """What `cases.json` says of the prediction of a whole scan; maps of a segmentation are written into `out`."""
        if self.recipe.task == "segmentation":
            return self.segment(given, name, out)
        patch = self.recipe.patch
        return {"probabilities": next(self.classify([fit_scan(given.image, patch.shape, patch.fitting)]))}


@dataclass(frozen=True)
class Input:
    """A case on its way into the network.

    Attributes:
        source: its first channel as read.
        prepared: the same at the spacing of the recipe.
        image: (C, X, Y, Z) or (C, X, Y) float32 in [0, 1].
    """

    source: Volume
    prepared: Volume
    image: FloatArray


def write_cases(out: Path, recipe: Recipe, entries: Sequence[JSON], **more: Any) -> None:
    """Write `cases.json`, which `genesis evaluate` reads; `more` joins its upper level."""
    write_json(out / CASES, {"task": recipe.task, "labels": recipe.labels, **more, "cases": list(entries)})


def predict(run_path: Path, scans: Sequence[str | Path], out: Path, **inference: Any) -> PredictSummary:
    """Apply the fine-tuning run `run_path` to `scans` and write the predictions into the folder `out`.

    Segmentation: a label map and probability maps a case, on the grid of its source. Classification:
    `probabilities.csv`. Both: `cases.json`, `rejected.csv` with the scans that could not be used (the rest goes on),
    and `warnings.csv` with those that do not look like what the network was trained on.
    Networks of several channels take the files NAME_0000, NAME_0001, ... of a case, or one file with all channels.

    Args:
        run_path: a finished fine-tuning run.
        scans: files, folders and globs, as for `genesis prepare`.
        out: the folder.
        inference: settings of `InferenceSettings` that are to differ from the run's.

    Raises UsageError for scans that do not exist or lie in `out`, files there that no prediction has written, and
    settings that cannot be, GenesisError when the run has no weights or no scan could be used.
    """
    run_path, out = located(run_path), located(out)
    weights = Run(run_path).weights
    if not weights.is_file():
        raise GenesisError(f"{run_path}: has no {weights.name}; is it a finished run of genesis finetune?")
    predictor = Predictor(weights, **inference)
    refuse_inside(scans, out)
    met = index(scans)
    cases = _grouped(met.sources, predictor.recipe.backbone.input_channels)
    _begin(out, [f"{name}.nii.gz" for name in cases] if predictor.recipe.task == "segmentation" else [TABLE])
    entries: list[JSON] = []
    rejected: list[JSON] = []
    doubted: list[JSON] = []
    with Progress(len(cases), "predict", "cases") as progress:
        for name, sources in cases.items():
            try:
                volumes = _read(sources, predictor.recipe.backbone.input_channels)
                given = predictor.input(volumes)
            except GenesisError as error:
                reason = str(error).removeprefix(f"{sources[0].path}: ")
                rejected.append({"path": str(sources[0].path), "series": sources[0].series, "reason": reason})
            else:
                for path, said in _unlike(predictor, sources, volumes).items():
                    doubted.append({"path": path, "warning": said})
                    progress.say(f"warning: {readable(path)}: {said}")
                found = predictor.predict(given, name, out)
                entries.append({"case": name, "subject": sources[0].subject, **found, "truth": None})
            progress.advance(note=f"{len(rejected)} rejected")
    write_csv(out / REJECTED, _REFUSED, rejected)
    write_csv(out / WARNINGS, ("path", "warning"), doubted)
    if not entries:
        first = f"{rejected[0]['path']}: {rejected[0]['reason']}"
        raise GenesisError(f"{first}; none of {len(cases)} cases could be used, see {out / REJECTED}")
    write_cases(out, predictor.recipe, entries)
    if predictor.recipe.task != "segmentation":
        _write_table(out / TABLE, predictor.recipe, entries)
    return PredictSummary(out, len(entries), len(rejected), len(doubted), met.unread_by_kind())


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
