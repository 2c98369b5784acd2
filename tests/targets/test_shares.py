"""Proportional division in a given order."""

import pytest

from modelsgenesis.targets.shares import divide


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (130, (100, 15, 15), (100, 15, 15)),
        (26, (100, 15, 15), (20, 3, 3)),
        (10, (44, 4, 44), (4, 1, 5)),
        (3, (100, 15, 15), (1, 1, 1)),
        (2, (100, 15, 15), (1, 1, 0)),
        (1, (100, 15, 15), (1, 0, 0)),
        (10, (8, 2, 0), (8, 2, 0)),
        (0, (8, 2, 5), (0, 0, 0)),
    ],
)
def test_counts_and_order(count: int, shares: tuple[float, float, float], expected: tuple[int, ...]) -> None:
    names = [f"{number:03d}" for number in range(count)]
    sides = divide(names, shares)
    assert list(sides) == names
    order = ["training"] * expected[0] + ["validation"] * expected[1] + ["test"] * expected[2]
    assert list(sides.values()) == order
