"""The intensities of a store, from what its manifest notes of each scan: percentiles, and scans that stand apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelsgenesis.data.manifest import Scan
from modelsgenesis.types import JSON

FEWEST = 5
"""Scans from which on one can stand apart from the others."""
FAR = 6.0
"""Robust standard deviations from the median beyond which a scan does."""
HU_ALIKE = (30.0, 200.0, 100.0)
"""Standard deviations that the percentiles of CT have at least: padding, the share of air, contrast and metal explain
them."""
SHARE_ALIKE = 0.1
"""The same for others, as a share of the range of the median scan."""
SHOWN = 20


def describe_intensities(scans: Sequence[Scan]) -> JSON:
    """Percentiles over the scans of each modality in physical units, those that stand apart, and those doubted.

    Empty for stores of older versions, which noted nothing.
    """
    facts: JSON = {}
    for modality in sorted({scan.modality for scan in scans if scan.values is not None}):
        noted = [scan for scan in scans if scan.values is not None and scan.modality == modality]
        rows = np.array([_percentiles(scan) for scan in noted])
        name = "intensities" if len({scan.modality for scan in scans}) == 1 else f"intensities {modality}"
        facts[name] = {
            "percentiles": [0.5, 50, 99.5],
            "smallest": _rounded(rows.min(axis=0)),
            "median": _rounded(np.median(rows, axis=0)),
            "largest": _rounded(rows.max(axis=0)),
            "unit": "HU" if modality == "ct" else "as stored",
        }
        apart = [
            f"{scan.id} {_shown(row)}" for scan, row in zip(noted, rows, strict=True) if _apart(row, rows, modality)
        ]
        if apart:
            facts[name.replace("intensities", "stand apart")] = _first(apart)
    doubted = [f"{scan.id}: {scan.doubt}" for scan in scans if scan.doubt]
    return facts | ({"kept by force": _first(doubted)} if doubted else {})


def _percentiles(scan: Scan) -> tuple[float, float, float]:
    values: Any = scan.values
    return values.low, values.middle, values.high


def _apart(row: Any, rows: Any, modality: str) -> bool:
    if len(rows) < FEWEST or modality == "label":
        return False
    median = np.median(rows, axis=0)
    spread = 1.4826 * np.median(np.abs(rows - median), axis=0)
    least = HU_ALIKE if modality == "ct" else (max(SHARE_ALIKE * float(median[2] - median[0]), 1e-9),) * 3
    return bool((np.abs(row - median) > FAR * np.maximum(spread, least)).any())


def _first(lines: list[str]) -> list[str]:
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _shown(row: Any) -> str:
    return "(" + ", ".join(f"{value:g}" for value in row) + ")"


def _rounded(row: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in row]
