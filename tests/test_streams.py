"""Streams: the numbers that runs and phantoms were made with, and no two of one meaning."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from modelsgenesis import streams
from modelsgenesis.streams import FINETUNING, LITS, PROBE, VALIDATION, generator


def test_a_key_is_numpys_seed_and_the_numbers_stay() -> None:
    """Other numbers would give other cubes, patches and phantoms than those of all published runs."""
    assert (FINETUNING, VALIDATION, PROBE, LITS) == (0, 2147483648, 2147483649, 30)
    for key in ((3,), (3, VALIDATION, 5), (3, LITS, 0)):
        np.testing.assert_array_equal(generator(*key).random(4), np.random.default_rng(list(key)).random(4))
    assert generator(0, 0, 17).integers(2**31) == 1250828749


def test_zeros_at_the_end_of_a_key_do_not_count() -> None:
    assert generator(3, 1).random() == generator(3, 1, 0, 0).random()
    assert generator(3, 1).random() != generator(3, 0, 1).random()


def test_no_two_streams_share_a_number() -> None:
    names: dict[int, set[str]] = defaultdict(set)
    for name, number in vars(streams).items():
        if name.isupper():
            names[number].add(name)
    shared = [of for of in names.values() if len(of) > 1]
    # A run's seed and a phantom's are not the same; the heads and chests of number 3 were published as they are.
    assert shared == [{"FINETUNING", "CHEST_UNLABELLED"}, {"LUNA", "BRAIN_UNLABELLED"}]


def test_keys_are_made_in_one_place() -> None:
    source = Path(streams.__file__).parent
    by_hand = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if re.search(r"default_rng\(\s*[\[(]", path.read_text(encoding="utf-8"))
    ]
    assert by_hand == []
