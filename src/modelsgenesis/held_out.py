"""The test cases of a fine-tuning run: predicted once, when training has ended, with their truth beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelsgenesis.data.volume import placed, read_volume, write_volume
from modelsgenesis.predict import Input, Predictor, write_cases
from modelsgenesis.progress import Progress
from modelsgenesis.run import Run
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
    images = (classified_input(data, case, predictor.recipe.patch) for case in cases)
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


def _segment_test(predictor: Predictor, data: PreparedTarget, cases: Sequence[PreparedCase], run: Run) -> list[JSON]:
    """Whole scans are read from their files and predicted on their grid, as `genesis predict` does; places in a scan
    are predicted as they lie in the store, beside their truth."""
    entries: list[JSON] = []
    shown: list[Overlay] = []
    target, out = data.target, run.predictions
    with Progress(len(cases), "test", "cases") as progress:
        for one in cases:
            name = one.case.id
            if one.case.centre is None:
                given = predictor.input([read_volume(path) for path in one.case.images])
                truth_map = {str(structure): list(values) for structure, values in target.label_map.items()}
                truth = str(one.case.label)
            else:
                given = _cube(data, one, predictor.recipe.patch.shape)
                label = data.judged_label(one, predictor.recipe.patch.shape)
                write_volume(label, given.source, out / f"{name}_truth.nii.gz")
                truth_map, truth = {}, f"{name}_truth.nii.gz"
            found = predictor.segment(given, name, out)
            entries.append({"case": name, "subject": one.case.subject, **found, "truth": truth, "truth_map": truth_map})
            if len(shown) < SHOWN:
                shown.append(_overlay(given, entries[-1], data, one, out))
            progress.advance()
    draw_overlays(run.figures / "predictions.png", shown)
    return entries


def _cube(data: PreparedTarget, case: PreparedCase, shape: Shape) -> Input:
    """The cube around a case's centre as a scan of its own."""
    image = data.judged_image(case, shape)
    scan = case.images[0]
    volume = placed(image[0], scan.spacing[: len(shape)], data.affine_around(case, shape), case.case.id)
    return Input(volume, volume, image)


def _overlay(given: Input, entry: JSON, data: PreparedTarget, case: PreparedCase, out: Path) -> Overlay:
    """The case on the grid of its prediction."""
    scale = case.images[0].intensity
    image = given.source.array
    if case.case.centre is None:
        image = np.clip((image - scale.low) / (scale.high - scale.low), 0, 1)
    values = read_volume(out / entry["truth"]).array  # an absolute path stays as it is
    members = {int(structure): found for structure, found in entry["truth_map"].items()}
    truth = np.zeros(image.shape, np.uint8)
    for structure in data.target.labels:
        truth[np.isin(values, members.get(structure, [structure]))] = structure
    predicted = read_volume(out / entry["prediction"]).array.astype(np.uint8)
    return Overlay(case.case.id, image, truth, predicted, given.source.spacing)
