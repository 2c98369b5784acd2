"""The papers' numbers as typed in the module, against the sentences in which the papers compare them."""

import pytest

from modelsgenesis.report.published import GENESIS, METRICS, landmarks, published, same_metric


@pytest.mark.parametrize(
    ("target", "genesis", "deviation"),
    [
        ("ncc", 0.9834, 0.0044),
        ("ncs", 0.7762, 0.0064),
        ("ecc", 0.8720, 0.0287),
        ("lcs", 0.8510, 0.0215),
        ("bms", 0.6796, 0.0129),
    ],
)
def test_journal_row_of_genesis(target: str, genesis: float, deviation: float) -> None:
    (row,) = [row for row in published(target) if row.init == GENESIS]
    assert (row.mean, row.deviation) == pytest.approx((genesis, deviation))


def test_genesis_is_best_but_for_the_liver() -> None:
    best = {
        target: max(published(target), key=lambda row: row.mean).init for target in ("ncc", "ncs", "ecc", "lcs", "bms")
    }
    assert best == {"ncc": GENESIS, "ncs": GENESIS, "ecc": GENESIS, "lcs": "MedicalNet", "bms": GENESIS}
    assert len(published("ncc")) == 13


def test_every_score_is_a_share() -> None:
    rows = [row for target in METRICS for row in published(target)]
    assert len(rows) == 5 * 13 + 2 * 4
    assert all(0.5 < row.mean < 1 and 0 < row.deviation < 0.1 for row in rows)


def test_landmarks_are_random_rival_genesis() -> None:
    assert [row.init for row in landmarks("lcs")] == ["random, MSRA", "MedicalNet", GENESIS]
    assert [row.init for row in landmarks("dxc")] == ["random", "ImageNet", "Genesis Chest X-ray"]
    assert landmarks("mine") == []


def test_only_the_papers_metric_is_the_same() -> None:
    assert same_metric("ncc", "auc")
    assert same_metric("lcs", "paper_iou")
    assert not same_metric("lcs", "dice")
    assert not same_metric("ncc", "accuracy")
