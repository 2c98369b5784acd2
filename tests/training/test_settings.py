"""Settings that no training can be made of are refused when they are read."""

from typing import Any

import pytest

from modelsgenesis.config import build
from modelsgenesis.errors import UsageError
from modelsgenesis.training.settings import LoopSettings


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"batch_size": 8, "accumulate": 3}, "loop.batch_size 8 is not divisible by loop.accumulate 3"),
        ({"batch_size": 8, "accumulate": 16}, "loop.batch_size 8 is not divisible by loop.accumulate 16"),
        ({"accumulate": 0}, "loop.accumulate: 0 must be 1 or more"),
        ({"accumulate": -1}, "loop.accumulate: -1 must be 1 or more"),
        ({"steps": 0}, "loop.steps: 0 must be 1 or more"),
        ({"patience": -1}, "loop.patience: -1 must be 0 (never) or more"),  # it would end before its first step
        ({"batch_size": 0}, "loop.batch_size: 0 must be 1 or more"),
    ],
)
def test_what_no_training_can_be_made_of_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(LoopSettings, wrong, "a file")
    assert str(caught.value) == reason


def test_the_smallest_that_can_be_are_taken() -> None:
    assert LoopSettings(steps=1, batch_size=1, accumulate=1)
    assert LoopSettings(batch_size=8, accumulate=8)
