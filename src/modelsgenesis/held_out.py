"""The test cases of a fine-tuning run: predicted once, when training has ended, with their truth beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from modelsgenesis.data.guarded import read_volume
from modelsgenesis.data.volume import Volume, placed, write_volume
from modelsgenesis.data.whole import whole_numbers
from modelsgenesis.evaluate.examples import Bytes, Example, by_rank, write_examples
from modelsgenesis.kept import classified, mean_dice, segmented
from modelsgenesis.prediction.predictor import Input, Predictor
from modelsgenesis.prediction.scans import write_cases
from modelsgenesis.progress import Progress
from modelsgenesis.run import Run
from modelsgenesis.targets.base import IGNORED, Target
from modelsgenesis.targets.patches import classified_input
from modelsgenesis.targets.prepared import PreparedCase, PreparedTarget
from modelsgenesis.training.overlay import Overlay, draw_overlays
from modelsgenesis.types import JSON, Shape

SHOWN = 4
"""Test cases in the figure."""


def predict_held_out(predictor: Predictor, data: PreparedTarget, cases: Sequence[PreparedCase], run: Run) -> None:
    """Predict `cases` into `predictions/` of the run and note their truth; nothing is written when there are none."""
    if not cases:
        return
    if data.target.task == "segmentation":
        write_cases(run.predictions, predictor.recipe, _segment_test(predictor, data, cases, run))
        return
    patch = predictor.recipe.patch
    images = (classified_input(data, case, patch) for case in cases)
    entries = []
    with Progress(len(cases), "test", "cases") as progress:
        for one, probabilities in zip(cases, predictor.classify(images), strict=True):
            label = one.case.label
            truth = label if isinstance(label, int) else list(label)  # type: ignore[arg-type]
            entry = {"case": one.case.id, "subject": one.case.subject, "probabilities": probabilities, "truth": truth}
            entries.append({**entry, **({"finding": one.case.finding} if one.case.finding else {})})
            progress.advance()
    # Lesions of test subjects without any candidate count too: nothing finds them.
    subjects = {one.case.subject for one in cases} | {s for s, side in data.target.sides.items() if side == "test"}
    findings = {name: subject for name, subject in data.target.findings.items() if subject in subjects}
    write_cases(run.predictions, predictor.recipe, entries, **({"findings": findings} if findings else {}))
    shown = classified(entries, data.target, lambda number: classified_input(data, cases[number], patch)[0])
    write_examples(run.predictions, shown)


def _segment_test(predictor: Predictor, data: PreparedTarget, cases: Sequence[PreparedCase], run: Run) -> list[JSON]:
    """Whole scans are read from their files and predicted on their grid, as `genesis predict` does; places in a scan
    are predicted as they lie in the store, beside their truth."""
    entries: list[JSON] = []
    shown: list[Overlay] = []
    scores: list[float] = []
    target, out, shape = data.target, run.predictions, predictor.recipe.patch.shape
    with Progress(len(cases), "test", "cases") as progress:
        for one in cases:
            name = one.case.id
            if one.case.centre is None:
                given = predictor.input([read_volume(path) for path in one.case.images])
                truth_map = {str(structure): list(values) for structure, values in target.label_map.items()}
                truth = str(one.case.label)
            else:
                given = _cube(data, one, shape)
                write_volume(data.judged_label(one, shape), given.source, out / f"{name}_truth.nii.gz")
                truth_map, truth = {}, f"{name}_truth.nii.gz"
            found = predictor.segment(given, name, out)
            known = {"truth": truth, "truth_map": truth_map, **_ignored(target, one)}
            entries.append({"case": name, "subject": one.case.subject, **found, **known})
            judged = _judged(given.source, entries[-1], data, out)
            scores.append(mean_dice(judged.truth, judged.prediction, list(target.labels)))
            if len(shown) < SHOWN:
                shown.append(_overlay(judged, one))
            progress.advance()
    draw_overlays(run.figures / "predictions.png", shown)
    write_examples(out, _examples(data, cases, entries, scores, shape, out))
    return entries


def _cube(data: PreparedTarget, case: PreparedCase, shape: Shape) -> Input:
    """The cube around a case's centre as a scan of its own."""
    image = data.judged_image(case, shape)
    scan = case.images[0]
    volume = placed(image[0], scan.spacing[: len(shape)], data.affine_around(case, shape), case.case.id)
    return Input(volume, volume, image)


def _ignored(target: Target, case: PreparedCase) -> JSON:
    """Which values of the truth file are of voxels that count nowhere; nothing where there are none."""
    values = sorted(target.ignored) if case.case.centre is None else [IGNORED]
    return {"ignored": values} if target.ignored else {}


@dataclass(frozen=True)
class _Judged:
    """A case on the grid of its prediction, with the structures of both sides."""

    volume: Volume
    truth: Bytes
    prediction: Bytes


def _judged(volume: Volume, entry: JSON, data: PreparedTarget, out: Path) -> _Judged:
    path = out / entry["truth"]  # an absolute path stays as it is
    values = whole_numbers(read_volume(path).array, f"{path}: no label map")
    members = {int(structure): found for structure, found in entry["truth_map"].items()}
    truth = np.zeros(volume.array.shape, np.uint8)
    for structure in data.target.labels:
        truth[np.isin(values, members.get(structure, [structure]))] = structure
    prediction = read_volume(out / entry["prediction"]).array.astype(np.uint8)
    prediction[np.isin(values, entry.get("ignored", []))] = 0
    return _Judged(volume, truth, prediction)


def _overlay(judged: _Judged, case: PreparedCase) -> Overlay:
    scale, image = case.images[0].intensity, judged.volume.array
    if case.case.centre is None:
        image = np.clip((image - scale.low) / (scale.high - scale.low), 0, 1)
    return Overlay(case.case.id, image, judged.truth, judged.prediction, judged.volume.spacing)


def _examples(
    data: PreparedTarget,
    cases: Sequence[PreparedCase],
    entries: Sequence[JSON],
    scores: Sequence[float],
    shape: Shape,
    out: Path,
) -> list[Example]:
    """Best, median and worst case, read once more: which they are is known at the end only."""
    found = []
    for place, index in by_rank(scores).items():
        one = cases[index]
        whole = one.case.centre is None
        volume = read_volume(one.case.images[0]) if whole else _cube(data, one, shape).source
        judged = _judged(volume, entries[index], data, out)
        kept = segmented(one.case.id, one.case.subject, volume, judged.truth, judged.prediction)
        found.append(replace(kept, place=place, score=scores[index]))
    return found
