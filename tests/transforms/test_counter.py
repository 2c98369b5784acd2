"""SplitMix64 as a function of position, against its published sequence and plain integers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis import compiled as compiled_module
from modelsgenesis.transforms.counter import below, fill_noise, word

WORDS = st.integers(0, 2**64 - 1)


def plain_word(seed: int, index: int) -> int:
    mask = 2**64 - 1
    mixed = (seed + (index + 1) * 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return mixed ^ (mixed >> 31)


def plain_noise(seed: int, position: int) -> np.float32:
    half = plain_word(seed, position // 2) >> (32 if position % 2 else 0)
    return np.float32(((half & 0xFFFFFFFF) >> 8) / 2**24)


def test_published_sequence() -> None:
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(word(np.uint64(1234567), np.uint64(i))) for i in range(5)] == expected


@settings(max_examples=30)
@given(seed=WORDS, start=st.integers(0, 2**40), length=st.integers(0, 70))
def test_noise_is_a_function_of_the_position(seed: int, start: int, length: int) -> None:
    row = np.full(length, np.nan, np.float32)
    fill_noise(row, np.uint64(start), np.uint64(seed))
    assert row.tolist() == [plain_noise(seed, start + i) for i in range(length)]


@settings(max_examples=30)
@given(bits=st.integers(0, 2**32 - 1), count=st.integers(1, 5000))
def test_below_scales_32_bits(bits: int, count: int) -> None:
    assert int(below(np.uint64(bits), np.uint64(count))) == bits * count // 2**32


def test_noise_is_uniform() -> None:
    row = np.empty(200_000, np.float32)
    fill_noise(row, np.uint64(1), np.uint64(7))
    counts = np.histogram(row, bins=100, range=(0, 1))[0]
    chi_square = ((counts - 2000) ** 2 / 2000).sum()
    assert 50 < chi_square < 160  # 99 degrees of freedom
    assert row.min() >= 0
    assert row.max() < 1
    assert abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 0.01


def test_without_a_writable_cache_kernels_still_compile(monkeypatch) -> None:
    real = compiled_module.njit

    def refusing(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(compiled_module, "njit", refusing)
    assert compiled_module.compiled(lambda x: x + 1)(2) == 3
