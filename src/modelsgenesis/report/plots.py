"""The drawings of the report: scores with error bars, label efficiency, learning curves, restoration errors."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from modelsgenesis.evaluate.efficiency import Curve
from modelsgenesis.evaluate.family import Row
from modelsgenesis.evaluate.results import Result
from modelsgenesis.report.svg import INK, MUTED, RULE, arm_colour, bounds, canvas, embed, tidy
from modelsgenesis.report.words import metric_name, score

WIDTH = 340
CHANCE = {"auc": 0.5}
"""Where the bars of a metric start: what guessing gives."""


LONGEST = 18
"""Letters of a name beside a bar."""


def shortened(name: str) -> str:
    """A name that leaves room for the bars, and holds no formula for matplotlib."""
    shown = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return shown.replace("$", r"\$")


def score_bars(row: Row, numbers: Mapping[str, int], name: str, title: str) -> Markup:
    """A bar an arm: mean over seeds, standard deviation as error bar, each seed as a point.

    Args:
        row: the arms of a target.
        numbers: arm -> number of its colour.
        name: unique in the page.
        title: of the drawing.
    """
    figure, axis = canvas(WIDTH, 64 + 38 * len(row.arms))
    start = CHANCE.get(row.cell.metric, 0.0)
    start = 0.0 if min(one for arm in row.arms for one in arm.scores) < start else start
    for place, arm in enumerate(row.arms):
        colour, mean = arm_colour(numbers[arm.arm]), arm.mean.value
        axis.barh(place, mean - start, left=start, height=0.56, color=colour, alpha=0.8, linewidth=0)
        if not math.isnan(arm.deviation):
            axis.errorbar(mean, place, xerr=arm.deviation, color=INK, linewidth=1.2, capsize=3.5, capthick=1.2)
        axis.plot(arm.scores, [place - 0.38] * len(arm.scores), "o", color=colour, markersize=3, clip_on=False)
        shown = mean + (0.0 if math.isnan(arm.deviation) else arm.deviation)
        weight = "bold" if arm.arm == row.best else "normal"
        axis.annotate(
            score(mean),
            (max(shown, mean), place),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            weight=weight,
            fontsize=9.5,
        )
    axis.set_yticks(range(len(row.arms)), [shortened(arm.arm) for arm in row.arms], color=INK)
    axis.set_ylim(len(row.arms) - 0.5, -0.65)
    highest = max(arm.mean.value + np.nan_to_num(arm.deviation) for arm in row.arms)
    axis.set_xlim(start, start + 1.22 * max(highest - start, 0.05))
    axis.locator_params(axis="x", nbins=6)
    axis.set_xticks([tick for tick in axis.get_xticks() if start - 1e-9 <= tick <= max(1.0, highest) + 1e-9])
    axis.set_xlabel(metric_name(row.cell.metric) + (f" (bars start at {start:g})" if start else ""), fontsize=9)
    tidy(axis, "x")
    told = "; ".join(
        f"{arm.arm} {score(arm.mean.value)} ± {score(arm.deviation)} over {len(arm.scores)} seeds" for arm in row.arms
    )
    return embed(figure, name, title, told)


def efficiency(curves: Sequence[Curve], numbers: Mapping[str, int], name: str, title: str) -> Markup:
    """Score against the share of labels, an arm a line; bars are the standard deviation over seeds."""
    figure, axis = canvas(WIDTH, 240)
    told = []
    for curve in curves:
        colour = arm_colour(numbers[curve.arm])
        shares = [point.share for point in curve.points]
        means = np.array([point.reached.mean.value for point in curve.points])
        spread = np.nan_to_num(np.array([point.reached.deviation for point in curve.points]))
        axis.fill_between(shares, means - spread, means + spread, color=colour, alpha=0.16, linewidth=0)
        axis.plot(shares, means, "o-", color=colour, linewidth=1.8, markersize=4.5, label=curve.arm)
        steps = ", ".join(f"{share:.0%} {score(mean)}" for share, mean in zip(shares, means, strict=True))
        told.append(f"{curve.arm}: {steps}")
    every = sorted({point.share for curve in curves for point in curve.points})
    axis.set_xscale("log")
    axis.set_xticks(every, [f"{100 * share:.3g}" for share in every])
    axis.minorticks_off()
    axis.set_xlabel("labels used, % of the training subjects (log)", fontsize=9)
    axis.set_ylabel(metric_name(curves[0].metric), fontsize=9)
    tidy(axis, "y")
    return embed(figure, name, title, "; ".join(told))


def learning(runs: Mapping[str, Sequence[Result]], numbers: Mapping[str, int], name: str, title: str) -> Markup:
    """Validation score against the step: mean over the seeds of an arm, and each seed as a thin line."""
    figure, axis = canvas(WIDTH, 240)
    told, monitor, values = [], "", [0.0]
    for arm, of_arm in runs.items():
        colour = arm_colour(numbers[arm])
        curves = [run.curve for run in of_arm if len(run.curve) > 1]
        if not curves:
            continue
        monitor = monitor or of_arm[0].monitor
        for curve in curves:
            axis.plot(*zip(*curve, strict=True), color=colour, linewidth=0.7, alpha=0.4)
        steps, means = mean_curve(curves)
        values += [value for curve in curves for _, value in curve]
        axis.plot(steps, means, color=colour, linewidth=2.0)
        told.append(f"{arm} ends at {score(means[-1])}")
    axis.set_ylim(*bounds(values[1:] or [0.0, 1.0], 0.0, 1.0))
    axis.set_xlabel("step", fontsize=9)
    axis.set_ylabel(f"validation {metric_name(monitor)}", fontsize=9)
    tidy(axis, "y")
    return embed(figure, name, title, "; ".join(told))


def mean_curve(curves: Sequence[Sequence[tuple[int, float]]]) -> tuple[list[int], list[float]]:
    """Steps that every curve has, and the mean there; the curves differ in length after early stopping."""
    tables = [dict(curve) for curve in curves]
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    return steps, [float(np.mean([table[step] for table in tables])) for step in steps]


def restoration_bars(errors: Mapping[str, float], constant: float, name: str, title: str, colour: int) -> Markup:
    """Mean squared error of each distortion alone beside the best constant's, which is the line."""
    figure, axis = canvas(WIDTH, 60 + 30 * len(errors))
    for place, error in enumerate(errors.values()):
        axis.barh(place, error, height=0.56, color=arm_colour(colour), alpha=0.8, linewidth=0)
        axis.annotate(
            f"{error:.4f}", (error, place), (6, 0), textcoords="offset points", va="center", color=INK, fontsize=9.5
        )
    axis.axvline(constant, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
    axis.annotate(
        "best constant", (constant, -0.62), (-4, 0), textcoords="offset points", ha="right", color=MUTED, fontsize=8.5
    )
    axis.set_yticks(range(len(errors)), list(errors), color=INK)
    axis.set_ylim(len(errors) - 0.5, -0.95)
    axis.set_xlim(0, 1.18 * max(constant, *errors.values()))
    axis.locator_params(axis="x", nbins=5)
    axis.set_xlabel("mean squared error on unseen subjects", fontsize=9)
    axis.spines["left"].set_color(RULE)
    tidy(axis, "x")
    told = "; ".join(f"{distortion} {error:.4f}" for distortion, error in errors.items())
    return embed(figure, name, title, f"{told}; the best constant has {constant:.4f}")


def restoration_curve(
    steps: Sequence[tuple[int, float]], constant: float, name: str, title: str, colour: int
) -> Markup:
    """Validation error of a pre-training against the step."""
    figure, axis = canvas(WIDTH, 210)
    axis.plot(*zip(*steps, strict=True), color=arm_colour(colour), linewidth=2)
    axis.axhline(constant, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
    axis.annotate(
        "best constant",
        (steps[-1][0], constant),
        (0, -5),
        textcoords="offset points",
        ha="right",
        va="top",
        color=MUTED,
        fontsize=8.5,
    )
    axis.set_ylim(0, 1.1 * max(constant, *(error for _, error in steps)))
    axis.set_xlabel("step", fontsize=9)
    axis.set_ylabel("mean squared error", fontsize=9)
    tidy(axis, "y")
    return embed(figure, name, title, f"from {steps[0][1]:.4f} to {steps[-1][1]:.4f}; best constant {constant:.4f}")
