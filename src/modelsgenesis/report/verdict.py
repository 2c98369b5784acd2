"""What the statistics come to, in a paragraph of plain words: what was shown, what was not, and what weakens it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelsgenesis.evaluate.analysis import Analysis, Verdict
from modelsgenesis.evaluate.comparison import ArmComparison
from modelsgenesis.evaluate.results import Comparison, Leak, Result
from modelsgenesis.report.words import counted, listed, metric_name, ranged, score, share, signed

FEW_SEEDS = 3
"""Up to so many seeds an arm, the paragraph warns."""


@dataclass(frozen=True)
class Sentence:
    """One sentence; `kind` is "plain", "finding" or "caution"."""

    text: str
    kind: str = "plain"


def verdict(comparison: Comparison, analysis: Analysis) -> list[Sentence]:
    """The paragraph, from the statistics alone; what is not in them is not said."""
    found = [Sentence(_compared(comparison, analysis))]
    for one in analysis.verdicts:
        found += _of_arm(one, analysis)
    if not analysis.comparisons:
        found.append(Sentence(_nothing_compared(comparison), "caution"))
    else:
        found.append(Sentence(_rule(analysis)))
    return [*found, *_cautions(comparison, analysis)]


def _compared(comparison: Comparison, analysis: Analysis) -> str:
    results = comparison.results
    targets = list(dict.fromkeys(result.target for result in results))
    arms = list(dict.fromkeys(result.arm for result in results))
    seeds = [len(arm.scores) for row in analysis.rows for arm in row.arms]
    subjects = [arm.subjects for row in analysis.rows for arm in row.arms if arm.subjects]
    where = listed(targets) if len(targets) <= 3 else counted(len(targets), "target")
    backbones = list(dict.fromkeys(result.backbone for result in results))
    others = [arm for arm in arms if arm != comparison.reference]
    what = f"{listed(others)} against {comparison.reference}" if comparison.reference in arms and others else listed(arms)
    parts = [f"{counted(len(results), 'run')} compare {what} on {where}".replace("one run compare", "one run shows")]
    if seeds:
        parts.append(f"{ranged(seeds, 'seed')} an arm")
    if subjects:
        parts.append(f"{ranged(subjects, 'test subject')} a target")
    if len(backbones) > 1:
        parts.append(f"networks {listed(backbones)}")
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _of_arm(one: Verdict, analysis: Analysis) -> Iterator[Sentence]:
    """Findings about one arm and backbone: scores with the most labels, labels saved, speed, misses."""
    tally = one.tallies[-1]
    several = len({verdict.backbone for verdict in analysis.verdicts}) > 1
    arm = one.arm + (f" ({one.backbone})" if several else "")
    ours = {
        compared.cell.target: compared
        for compared in analysis.comparisons
        if (compared.arm.arm, compared.cell.backbone, compared.cell.fraction)
        == (one.arm, one.backbone, tally.fraction)
    }
    yield Sentence(_scores(arm, one, ours, tally.fraction), "finding")
    yield from (Sentence(text) for text in (_labels(one), _speed(one), _missed(one)) if text)


def _scores(arm: str, one: Verdict, ours: dict[str, ArmComparison], fraction: float) -> str:
    tally = one.tallies[-1]
    told = []
    for outcome, targets in (("better", tally.better), ("worse", tally.worse)):
        if targets:
            told.append(f"{outcome} than {one.reference} on {listed([_difference(ours[t]) for t in targets])}")
    labels = "" if fraction == 1 else f" with {share(fraction)} of the labels"
    if told:
        text = f"{arm} is {' and '.join(told)}{labels}"
        if tally.undecided:
            text += f"; on {listed([_range(ours[target]) for target in tally.undecided])} the data do not decide"
    elif tally.undecided:
        where = listed([_range(ours[target]) for target in tally.undecided])
        text = f"No difference between {arm} and {one.reference} is shown on {where}{labels}"
    else:
        text = f"Whether {arm} differs from {one.reference} cannot be tested{labels}"
    if tally.untested and (told or tally.undecided):
        text += f"; {listed(list(tally.untested))} cannot be tested"
    if not told and tally.undecided:
        text += ", which is no proof that there is none"
    return f"{text[0].upper()}{text[1:]}."


def _difference(one: ArmComparison) -> str:
    """The target with its difference and interval."""
    return f"{one.cell.target} ({signed(one.difference.value)} {metric_name(one.cell.metric)}{_limits(one)})"


def _range(one: ArmComparison) -> str:
    return f"{one.cell.target} ({signed(one.difference.value)}{_limits(one)})"


def _limits(one: ArmComparison) -> str:
    if math.isnan(one.difference.low):
        return ""
    return f", 95 % interval {signed(one.difference.low)} to {signed(one.difference.high)}"


def _labels(one: Verdict) -> str:
    known = [labels for labels in one.labels if not math.isnan(labels.saved)]
    if not known:
        return ""
    where = f"median over {counted(len(known), 'target')}" if len(known) > 1 else f"on {known[0].target}"
    goal = f"what {one.reference} reaches with all labels"
    if math.isinf(one.median_saved):
        return f"With the labels tried, {one.arm} does not reach {goal} ({where})."
    if one.median_saved <= 0:
        return f"To reach {goal}, {one.arm} needs as many labels ({where})."
    fewer = "at most " if any(labels.outcome == "fewer" for labels in known) else "about "
    return f"To reach {goal}, {one.arm} needs {fewer}{100 - one.median_saved:.0f} % of them ({where})."


def _speed(one: Verdict) -> str:
    ratio = one.median_ratio
    known = [speed for speed in one.speeds if not math.isnan(speed.ratio)]
    if math.isnan(ratio) or not known:
        return ""
    where = f"median over {counted(len(known), 'target')}" if len(known) > 1 else f"on {known[0].cell.target}"
    if math.isinf(ratio):
        return f"In the steps trained, {one.arm} does not reach {one.reference}'s last validation score ({where})."
    return f"{one.reference}'s last validation score takes {one.arm} {ratio:.2g} times the steps ({where})."


def _missed(one: Verdict) -> str:
    if not (one.structures and one.reference_structures) or not (one.missed or one.reference_missed):
        return ""
    return (
        f"Structures missed altogether: {one.missed} of {one.structures} by {one.arm}, "
        f"{one.reference_missed} of {one.reference_structures} by {one.reference}."
    )


def _rule(analysis: Analysis) -> str:
    tested = sum(not math.isnan(one.adjusted.get("both", math.nan)) for one in analysis.comparisons)
    corrected = " after Holm's correction" if tested > 1 else ""
    return f"Better and worse mean p < 0.05{corrected} for the difference over seeds and test subjects."


def _nothing_compared(comparison: Comparison) -> str:
    if not comparison.results:
        return "No fine-tuning run is among them, so no initialisation is compared."
    if all(result.arm != comparison.reference for result in comparison.results):
        return f"No run starts from {comparison.reference}, so there is nothing to compare with."
    return f"No target has both {comparison.reference} and another arm, so nothing is compared."


def _cautions(comparison: Comparison, analysis: Analysis) -> Iterator[Sentence]:
    seeds = [len(arm.scores) for row in analysis.rows for arm in row.arms]
    if seeds and min(seeds) == 1:
        some = "With one seed" if max(seeds) == 1 else "Where an arm has one seed only,"
        yield Sentence(f"{some} nothing is known of how far training again would move the numbers.", "caution")
    elif seeds and min(seeds) <= FEW_SEEDS:
        yield Sentence(f"{counted(min(seeds), 'seed').capitalize()} say little about the spread.", "caution")
    yield from (Sentence(_leak(leak), "caution") for leak in comparison.leaks)
    if comparison.failures:
        failed, every = len(comparison.failures), len(comparison.failures) + len(comparison.results)
        yield Sentence(f"{failed} of {every} runs did not finish and are not in the numbers.", "caution")
    yield from (Sentence(text, "caution") for text in _undefined(comparison.results))


def _leak(leak: Leak) -> str:
    verb = "is" if len(leak.names) == 1 else "are"
    return (
        f"{counted(len(leak.names), leak.kind).capitalize()} of the pre-training of {leak.arm} {verb} also in the "
        f"validation or test data of {leak.target}: its score there is too good to count."
    )


def _undefined(results: Sequence[Result]) -> Iterator[str]:
    lost = [result for result in results if math.isnan(result.score)]
    if lost:
        yield f"{counted(len(lost), 'run').capitalize()} have no defined score and are left out of the means."


def headline(comparison: Comparison, analysis: Analysis) -> str:
    """A few words for the top of the page."""
    better = {target for one in analysis.verdicts for target in one.tallies[-1].better}
    worse = {target for one in analysis.verdicts for target in one.tallies[-1].worse}
    targets = {result.target for result in comparison.results}
    if not analysis.comparisons:
        best = max((result.score for result in comparison.results if not math.isnan(result.score)), default=math.nan)
        return "One arm, nothing to compare" if math.isnan(best) else f"One arm, best score {score(best)}"
    if comparison.leaks and better & {leak.target for leak in comparison.leaks}:
        return "A gain that a leak may explain"
    if better and not worse:
        return f"Pre-training helps on {_of(len(better), len(targets))}"
    if worse and not better:
        return f"Pre-training hurts on {_of(len(worse), len(targets))}"
    if better:
        return f"Better on {len(better)}, worse on {len(worse)} of {counted(len(targets), 'target')}"
    return "No difference shown"


def _of(some: int, every: int) -> str:
    if every == 1:
        return "the one target"
    return f"all {counted(every, 'target')}" if some == every else f"{some} of {counted(every, 'target')}"
