"""Sides of a split in given proportions, where the papers tell how many but not which."""

from collections.abc import Sequence

from modelsgenesis.targets.base import SIDES


def divide(ordered: Sequence[str], shares: tuple[float, float, float]) -> dict[str, str]:
    """Subject -> side: the first of `ordered` are for training, the next for validation, the last for the test.

    Args:
        ordered: distinct subjects; their order decides, so shuffle them where it means something.
        shares: parts of training, validation and test, in any unit; none is empty while there are subjects for it.
    """
    total, count = sum(shares), len(ordered)
    validation, test = (max(1, round(count * share / total)) if share else 0 for share in shares[1:])
    training = max(1, count - validation - test)
    cuts = (training, training + validation)
    return {subject: SIDES[(number >= cuts[0]) + (number >= cuts[1])] for number, subject in enumerate(ordered)}
