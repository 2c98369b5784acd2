"""A comparison in short, for the terminal: mean and spread over seeds of every cell."""

import math
from collections.abc import Sequence

from modelsgenesis.evaluate.results import Comparison, Result
from modelsgenesis.evaluate.statistics import over_seeds

SHOWN = 3
"""Names of an overlap that are shown."""


def overview(comparison: Comparison) -> str:
    """A line a target, backbone, fraction and arm: the metric on the test cases, mean ± standard deviation over seeds.

    An arm whose pre-training saw test or validation cases is marked with *, and the overlaps follow; so do arms whose
    weights saw another scale than the target's, and failures.
    """
    if not comparison.results:
        return "\n".join(["no run is finished yet", *_failures(comparison)])
    groups: dict[tuple[str, str, float, str], list[Result]] = {}
    for result in comparison.results:
        groups.setdefault((result.target, result.backbone, result.fraction, result.arm), []).append(result)
    rows = [["target", "backbone", "labels", "arm", "metric", "mean ± sd", "seeds"]]
    for (target, backbone, fraction, arm), results in sorted(groups.items(), key=lambda item: item[0][:2]):
        mark = "*" if comparison.leaked(arm, target) else ""
        rows.append([target, backbone, f"{fraction:.0%}", arm + mark, results[0].metric, *_spread(results)])
    return "\n".join([*_lines(rows), *_leaks(comparison), *_scales(comparison), *_failures(comparison)])


def _spread(results: Sequence[Result]) -> list[str]:
    values = [result.score for result in results if not math.isnan(result.score)]
    if not values:
        return ["undefined", str(len(results))]
    spread = over_seeds(values)
    deviation = "" if math.isnan(spread.deviation) else f" ± {spread.deviation:.3f}"
    return [f"{spread.mean:.3f}{deviation}", str(spread.count)]


def _leaks(comparison: Comparison) -> list[str]:
    lines = []
    for leak in comparison.leaks:
        more = f" and {len(leak.names) - SHOWN} more" if len(leak.names) > SHOWN else ""
        lines.append(
            f"* {leak.arm} on {leak.target}: its pre-training saw {len(leak.names)} {leak.side} {leak.kind}s: "
            f"{', '.join(leak.names[:SHOWN])}{more}"
        )
    return lines


def _scales(comparison: Comparison) -> list[str]:
    return [f"scale: {', '.join(arms)} on {target}: {told}" for (target, told), arms in comparison.mismatches().items()]


def _failures(comparison: Comparison) -> list[str]:
    return [f"failed: {failure.name}: {failure.message}" for failure in comparison.failures]


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
