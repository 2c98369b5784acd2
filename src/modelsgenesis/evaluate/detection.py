"""How well candidates find lesions: LUNA16's free-response ROC and its competition performance metric (CPM).

Every candidate has a probability and, when it hits a lesion, that lesion's name. At a threshold, a lesion is found when
any candidate that hits it reaches the threshold; further hits of it count neither way. Candidates that hit nothing are
false positives. Lesions without any candidate are never found, so sensitivity ends where the candidates do. The CPM is
the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan (Setio et al., Medical Image Analysis 2017).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.statistics import LEVEL, RESAMPLES, Interval, Values, interval

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which sensitivity is read."""


class Candidates:
    """Candidates sorted by probability, the most probable first.

    Args:
        probabilities: of each candidate to be a lesion.
        scans: the scan of each.
        findings: the lesion each hits, "" for none.
        lesions: every lesion, hit or not -> its scan.

    Raises UsageError when there is no lesion, or a candidate hits one that is not in `lesions`.
    """

    def __init__(
        self,
        probabilities: Sequence[float],
        scans: Sequence[str],
        findings: Sequence[str],
        lesions: Mapping[str, str],
    ) -> None:
        unknown = sorted({name for name in findings if name} - set(lesions))
        if not lesions or unknown:
            raise UsageError(f"detection: no lesion to find, or unknown ones: {', '.join(unknown[:3]) or 'none given'}")
        names = sorted({*scans, *lesions.values()})
        place = {name: index for index, name in enumerate(names)}
        order = np.argsort(-np.asarray(probabilities, np.float64), kind="stable")
        self._probabilities = np.asarray(probabilities, np.float64)[order]
        self._scans = np.array([place[scan] for scan in scans], np.int64)[order]
        hit = np.array(findings, dtype=object)[order]
        seen: set[str] = set()
        first = []
        for name in hit:
            first.append(bool(name) and name not in seen)
            seen.add(name)
        self._found, self._false = np.array(first, bool), hit == ""
        self._lesion_scans = np.array([place[scan] for scan in lesions.values()], np.int64)
        self.scans = len(names)

    def curve(self, weights: Values | None = None) -> tuple[Values, Values]:
        """False positives a scan and sensitivity at every distinct threshold, from (0, 0) on.

        Args:
            weights: how often each scan counts (of a resample); None: once.
        """
        often = np.ones(self.scans) if weights is None else weights
        each = often[self._scans]
        last = np.append(np.diff(self._probabilities) != 0, True)
        false = np.cumsum(each * self._false)[last] / often.sum()
        lesions = often[self._lesion_scans].sum()
        found = np.cumsum(each * self._found)[last] / lesions if lesions else np.full(last.sum(), np.nan)
        return np.concatenate([[0.0], false]), np.concatenate([[0.0], found])

    def sensitivities(self, weights: Values | None = None) -> dict[str, float]:
        """Sensitivity at each of `RATES`, interpolated as LUNA16's script does, and `cpm`, their mean."""
        false, found = self.curve(weights)
        read = np.interp(RATES, false, found)
        return {"cpm": float(read.mean())} | {f"froc@{rate:g}": float(s) for rate, s in zip(RATES, read, strict=True)}


def detection_intervals(candidates: Candidates, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """CPM and sensitivities with confidence intervals: scans are resampled with all they hold, as in LUNA16."""
    rng = np.random.default_rng(seed)
    whole, scans = candidates.sensitivities(), candidates.scans
    drawn = [
        candidates.sensitivities(np.bincount(rng.integers(0, scans, scans), minlength=scans).astype(np.float64))
        for _ in range(resamples if scans > 1 else 0)
    ]
    return {
        name: interval(value, np.array([one[name] for one in drawn]), scans, LEVEL) for name, value in whole.items()
    }
