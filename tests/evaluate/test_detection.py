"""Free-response ROC against the definition, threshold by threshold."""

import numpy as np
import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.detection import RATES, Candidates, detection_intervals


def sample(seed: int, scans: int = 6) -> tuple[list[float], list[str], list[str], dict[str, str]]:
    """Candidates of some scans, several a lesion, ties among them; the last lesion has none."""
    rng = np.random.default_rng(seed)
    lesions = {f"n{i}": f"s{i % scans}" for i in range(2 * scans)}
    missed = list(lesions)[-1]
    probabilities, of_scans, findings = [], [], []
    for name, scan in lesions.items():
        for _ in range(int(rng.integers(1, 4)) if name != missed else 0):
            probabilities.append(round(float(rng.beta(3, 2)), 1))
            of_scans.append(scan)
            findings.append(name)
    for _ in range(20 * scans):
        probabilities.append(round(float(rng.beta(2, 4)), 1))
        of_scans.append(f"s{int(rng.integers(scans))}")
        findings.append("")
    return probabilities, of_scans, findings, lesions


def by_definition(
    probabilities: list[float], scans: list[str], findings: list[str], lesions: dict[str, str]
) -> dict[float, tuple[float, float]]:
    """Threshold -> false positives a scan, sensitivity."""
    number = len({*scans, *lesions.values()})
    points = {}
    for threshold in sorted(set(probabilities)):
        kept = [f for p, f in zip(probabilities, findings, strict=True) if p >= threshold]
        points[threshold] = (kept.count("") / number, len(set(kept) - {""}) / len(lesions))
    return points


@pytest.mark.parametrize("seed", range(4))
def test_curve_is_the_definition(seed: int) -> None:
    given = sample(seed)
    false, found = Candidates(*given).curve()
    points = sorted(by_definition(*given).values())
    np.testing.assert_allclose(np.stack([false, found], 1)[1:], points)
    assert (false[0], found[0]) == (0, 0)
    read = Candidates(*given).sensitivities()
    expected = np.interp(RATES, [0, *(x for x, _ in points)], [0, *(y for _, y in points)])
    assert [read[f"froc@{rate:g}"] for rate in RATES] == pytest.approx(list(expected))
    assert read["cpm"] == pytest.approx(expected.mean())
    assert read["froc@8"] < 1, "a lesion without a candidate is never found"


def test_weights_repeat_scans() -> None:
    """A scan that counts twice is one that is there twice."""
    probabilities, scans, findings, lesions = sample(1)
    names = sorted(set(lesions.values()))
    weights = np.ones(len(names))
    weights[names.index("s2")] = 2
    again = [i for i, scan in enumerate(scans) if scan == "s2"]
    doubled = Candidates(
        [*probabilities, *(probabilities[i] for i in again)],
        [*scans, *("copy" for _ in again)],
        [*findings, *(findings[i] and f"copy {findings[i]}" for i in again)],
        {**lesions, **{f"copy {name}": "copy" for name, scan in lesions.items() if scan == "s2"}},
    )
    mine = Candidates(probabilities, scans, findings, lesions).curve(weights)
    for one, other in zip(mine, doubled.curve(), strict=True):
        np.testing.assert_allclose(one, other)


def test_perfect_and_useless() -> None:
    lesions = {"a": "x", "b": "y"}
    perfect = Candidates([0.9, 0.8, 0.1], ["x", "y", "x"], ["a", "b", ""], lesions)
    assert perfect.sensitivities()["cpm"] == pytest.approx(1)
    assert Candidates([0.9], ["x"], [""], lesions).sensitivities()["cpm"] == 0


def test_intervals_hold_the_value_and_are_seeded() -> None:
    candidates = Candidates(*sample(0, scans=20))
    intervals = detection_intervals(candidates, seed=1, resamples=200)
    assert intervals == detection_intervals(candidates, seed=1, resamples=200)
    for one in intervals.values():
        assert one.low <= one.value <= one.high
        assert one.cases == 20


def test_unknown_lesions_are_refused() -> None:
    with pytest.raises(UsageError, match="ghost"):
        Candidates([0.5], ["x"], ["ghost"], {"a": "x"})
    with pytest.raises(UsageError, match="no lesion"):
        Candidates([0.5], ["x"], [""], {})
