"""Evaluating a run folder: rows, summary and table from files, and what is said about files that do not fit."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.collect import evaluate_run, table
from modelsgenesis.evaluate.metrics import dice, hd95, nsd, paper_iou, quantised

SPACING = (0.5, 1.0, 2.0)  # x, y, z
SHAPE = (12, 10, 8)


def save(array: np.ndarray, path: Path, spacing: tuple[float, ...] = SPACING) -> str:
    """Write an (X, Y, Z) array as ITK has it."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing(spacing)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return str(path)


def mask(*low: int, size: int = 4) -> np.ndarray:
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[tuple(slice(a, a + size) for a in low)] = 1
    return array


def describe(run: Path, task: str, labels: dict[str, str], cases: list[dict[str, Any]]) -> Path:
    path = run / "predictions" / "cases.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"task": task, "labels": labels, "cases": cases}))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two structures, three labelled cases (found, missed, absent) and one without truth; truth values 1, 2 and 5."""
    truths = [mask(1, 1, 1) + 4 * mask(7, 5, 3), mask(2, 2, 2) * 2, mask(1, 1, 1) * 0]
    predictions = [mask(1, 2, 1) + 2 * mask(7, 5, 3), mask(2, 2, 2) * 0, mask(1, 1, 1) * 0]
    cases = []
    for index, (truth, prediction) in enumerate(zip(truths, predictions, strict=True)):
        save(prediction.astype(np.uint8), tmp_path / "run/predictions" / f"c{index}.nii.gz")
        levels = quantised((prediction == 1) * np.float32(0.7))
        save((levels / 200).astype(np.float32), tmp_path / "run/predictions" / f"c{index}_prob1.nii.gz")
        cases.append(
            {
                "case": f"c{index}",
                "subject": f"s{index}",
                "prediction": f"c{index}.nii.gz",
                "probabilities": {"1": f"c{index}_prob1.nii.gz"},
                "truth": save(truth.astype(np.float32), tmp_path / "data" / f"c{index}.nii.gz"),
                "truth_map": {"1": [1, 2], "2": [4]},
            }
        )
    cases.append({"case": "new", "subject": "s9", "prediction": "new.nii.gz", "probabilities": {}, "truth": None})
    describe(tmp_path / "run", "segmentation", {"1": "liver", "2": "tumour"}, cases)
    return tmp_path / "run"


def test_rows_hold_the_metrics_of_each_structure(run: Path) -> None:
    rows = {(row["case"], row["label"]): row for row in evaluate_run(run).rows}
    truth, prediction = mask(1, 1, 1) > 0, mask(1, 2, 1) > 0
    found = rows["c0", "liver"]
    assert found["dice"] == pytest.approx(dice(truth, prediction))
    assert found["hd95"] == pytest.approx(hd95(truth, prediction, SPACING))
    assert found["nsd"] == pytest.approx(nsd(truth, prediction, SPACING))
    assert found["paper_iou"] == pytest.approx(paper_iou(truth, quantised(prediction * np.float32(0.7))))
    assert found["truth_ml"] == pytest.approx(64 * 1.0 / 1000)
    assert rows["c0", "tumour"]["dice"] == 1
    assert math.isnan(rows["c0", "tumour"]["paper_iou"])  # it has no probability map
    assert len(rows) == 6


def test_a_missed_structure_is_not_dropped(run: Path) -> None:
    evaluation = evaluate_run(run)
    liver = evaluation.summary["metrics"]["liver"]
    found = dice(mask(1, 1, 1) > 0, mask(1, 2, 1) > 0)
    assert liver["dice"]["value"] == pytest.approx((found + 0) / 2)
    assert liver["dice"]["cases"] == 2
    diagonal = math.sqrt(6**2 + 10**2 + 16**2)
    assert liver["hd95"]["value"] == pytest.approx((1.0 + diagonal) / 2)
    assert evaluation.summary["outcomes"]["liver"] == {"found": 1, "missed": 1, "false positive": 0, "absent": 1}


def test_overall_is_the_mean_over_cases_of_their_structures(run: Path) -> None:
    found = dice(mask(1, 1, 1) > 0, mask(1, 2, 1) > 0)
    overall = evaluate_run(run).summary["metrics"]["overall"]["dice"]
    assert overall["value"] == pytest.approx(((found + 1) / 2 + 0) / 2)


def test_files_hold_the_same_and_are_valid_json(run: Path) -> None:
    evaluation = evaluate_run(run)
    summary = json.loads((run / "evaluation/summary.json").read_text(), parse_constant=pytest.fail)
    assert summary == evaluation.summary
    assert (summary["cases"], summary["without_truth"], summary["subjects"]) == (3, 1, 3)
    with (run / "evaluation/cases.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["dice"]) for row in rows[:2]] == [row["dice"] for row in evaluation.rows[:2]]
    assert [row["outcome"] for row in rows] == ["found", "found", "missed", "absent", "absent", "absent"]


def test_table_names_runs_metrics_and_missed_structures(run: Path) -> None:
    evaluation = evaluate_run(run)
    text = table([evaluation, evaluation])
    assert "dice" in text.splitlines()[0]
    assert text.count("overall") == 2
    assert "run: liver: 1 missed, 1 absent" in text
    assert len({line.index("overall") for line in text.splitlines() if "overall" in line}) == 1


def test_other_shapes_name_both_files(run: Path) -> None:
    save(np.zeros((3, 3, 3), dtype=np.uint8), run / "predictions/c1.nii.gz")
    with pytest.raises(GenesisError, match=r"predictions/c1\.nii\.gz and .*data/c1\.nii\.gz: shapes \(3, 3, 3\)"):
        evaluate_run(run)


def test_a_predicted_value_that_the_run_does_not_know_is_no_background(run: Path) -> None:
    save(mask(1, 1, 1).astype(np.uint8) * 9, run / "predictions/c1.nii.gz")
    with pytest.raises(
        GenesisError, match=r"c1\.nii\.gz: holds 9, .*\(0 background, 1 liver, 2 tumour\); predict again"
    ):
        evaluate_run(run)


def test_other_spacings_name_both_files(run: Path) -> None:
    save(np.zeros(SHAPE, dtype=np.uint8), run / "predictions/c1.nii.gz", (1.0, 1.0, 2.0))
    with pytest.raises(GenesisError, match=r"c1\.nii\.gz and .*c1\.nii\.gz: spacings"):
        evaluate_run(run)


def test_absent_and_damaged_maps_are_named(run: Path) -> None:
    damaged = run / "predictions/c0.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(GenesisError, match=r"c0\.nii\.gz: .*copy it again"):
        evaluate_run(run)
    damaged.unlink()
    with pytest.raises(GenesisError, match=r"c0\.nii\.gz: not there"):
        evaluate_run(run)
    assert not (run / "evaluation").exists()


CASE = {"case": "a", "subject": "s", "probabilities": [0.5, 0.5], "truth": 0}
TWO = {"0": "benign", "1": "malignant"}


@pytest.mark.parametrize(
    ("task", "labels", "cases", "message"),
    [
        ("regression", TWO, [CASE], "format of predictions"),
        ("classification", TWO, [{"case": "a"}], "subject"),
        ("classification", {"benign": "0"}, [CASE], "must be numbers"),
        ("classification", {"1": "a", "2": "b"}, [CASE], "classes 0, 1"),
        ("classification", TWO, [CASE, CASE], "'a' is listed 2 times"),
        ("classification", TWO, [], "no case has a truth"),
        ("classification", TWO, [CASE | {"truth": None}], "no case has a truth"),
        ("classification", TWO, [CASE | {"truth": 2}], "truth of case 'a' is 2"),
        ("classification", TWO, [CASE | {"probabilities": [0.5]}], "2 probabilities"),
        ("classification", TWO, [CASE | {"probabilities": [float("nan"), 0.5]}], "2 probabilities"),
        ("multilabel", TWO, [CASE], "list of 2"),
    ],
)
def test_a_bad_list_of_cases_names_the_file(
    tmp_path: Path, task: str, labels: dict[str, str], cases: list[dict[str, Any]], message: str
) -> None:
    describe(tmp_path, task, labels, cases)
    with pytest.raises(GenesisError, match=rf"cases\.json: .*{message}"):
        evaluate_run(tmp_path)


def test_absent_and_torn_lists_are_named(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"cases\.json: not there"):
        evaluate_run(tmp_path)
    describe(tmp_path, "classification", TWO, [CASE]).write_text('{"task": ')
    with pytest.raises(GenesisError, match=r"cases\.json: cannot be read as JSON"):
        evaluate_run(tmp_path)


def test_classification_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cases = []
    for index in range(40):
        truth = index % 2
        p = float(np.clip(0.5 + 0.2 * (2 * truth - 1) + 0.25 * rng.normal(), 0, 1))
        cases.append({"case": f"c{index}", "subject": f"s{index // 2}", "probabilities": [1 - p, p], "truth": truth})
    describe(tmp_path, "classification", TWO, cases)
    evaluation = evaluate_run(tmp_path)
    overall = evaluation.summary["metrics"]["overall"]
    positive = [c["probabilities"][1] for c in cases if c["truth"]]
    negative = [c["probabilities"][1] for c in cases if not c["truth"]]
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    assert overall["auc"]["value"] == pytest.approx(np.mean(pairs))
    assert overall["auc"]["low"] < overall["auc"]["value"] <= overall["auc"]["high"]
    assert evaluation.summary["subjects"] == 20
    assert evaluation.rows[0]["p(malignant)"] == cases[0]["probabilities"][1]
    assert "balanced_accuracy" in table([evaluation])


def test_one_class_only_is_reported_with_its_reason(tmp_path: Path) -> None:
    describe(tmp_path / "run", "classification", TWO, [CASE, CASE | {"case": "b", "subject": "t"}])
    evaluation = evaluate_run(tmp_path / "run")
    assert evaluation.summary["metrics"]["overall"]["auc"]["value"] is None
    text = table([evaluation])
    assert "undefined" in text
    assert "run: auc: no case with and without benign, malignant" in text


def test_several_labels_a_case(tmp_path: Path) -> None:
    cases = [
        {"case": f"c{i}", "subject": f"s{i}", "probabilities": [i / 10, 1 - i / 10], "truth": [int(i > 4), int(i < 3)]}
        for i in range(10)
    ]
    describe(tmp_path, "multilabel", {"0": "effusion", "1": "mass"}, cases)
    evaluation = evaluate_run(tmp_path)
    assert evaluation.summary["metrics"]["effusion"]["auc"]["value"] == 1
    assert evaluation.summary["metrics"]["overall"]["auc"]["value"] == 1
    assert evaluation.rows[0]["truth"] == "mass"


def test_ignored_voxels_count_nowhere(tmp_path: Path) -> None:
    truth, prediction, ignored = mask(1, 1, 1), mask(1, 2, 1), mask(1, 4, 1)
    labelled = np.where(ignored > 0, 9, truth)
    levels = quantised(prediction * np.float32(0.7))
    save(prediction, tmp_path / "run/predictions/c.nii.gz")
    save((levels / 200).astype(np.float32), tmp_path / "run/predictions/c_prob1.nii.gz")
    case = {
        "case": "c",
        "subject": "s",
        "prediction": "c.nii.gz",
        "probabilities": {"1": "c_prob1.nii.gz"},
        "truth": save(labelled.astype(np.uint8), tmp_path / "c.nii.gz"),
        "truth_map": {"1": [1]},
        "ignored": [9],
    }
    describe(tmp_path / "run", "segmentation", {"1": "liver"}, [case])
    (row,) = evaluate_run(tmp_path / "run").rows
    known = ignored == 0
    of_truth, of_prediction = (truth > 0) & known, (prediction > 0) & known
    assert row["dice"] == pytest.approx(dice(of_truth, of_prediction)) != pytest.approx(dice(truth > 0, prediction > 0))
    assert row["hd95"] == pytest.approx(hd95(of_truth, of_prediction, SPACING))
    assert row["paper_iou"] == pytest.approx(paper_iou(of_truth, levels * known))
    assert row["prediction_ml"] == pytest.approx(np.count_nonzero(of_prediction) * math.prod(SPACING) / 1000)
