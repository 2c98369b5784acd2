"""What the statistics come to, in a paragraph of plain words: what was shown, what was not, and what weakens it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelsgenesis.evaluate.analysis import Analysis, Verdict
from modelsgenesis.evaluate.comparison import ArmComparison
from modelsgenesis.evaluate.efficiency import LabelsNeeded
from modelsgenesis.evaluate.results import Comparison, Leak, Result
from modelsgenesis.report.words import capital, counted, listed, ranged, share, signed, target_title

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
        found.append(Sentence(_outcome(one, analysis), "finding"))
        found += [Sentence(text) for text in (_gains(one), _missed(one)) if text]
    if analysis.comparisons:
        found.append(Sentence(_rule(analysis)))
    else:
        found.append(Sentence(_nothing_compared(comparison), "caution"))
    return [*found, *(Sentence(text, "caution") for text in _cautions(comparison, analysis))]


def _compared(comparison: Comparison, analysis: Analysis) -> str:
    """How much was done."""
    results = comparison.results
    targets = [target_title(target) for target in dict.fromkeys(result.target for result in results)]
    arms = list(dict.fromkeys(result.arm for result in results))
    others = [arm for arm in arms if arm != comparison.reference]
    against = f"{listed(others)} with {comparison.reference}" if others and len(others) < len(arms) else listed(arms)
    verb = "compare" if len(arms) > 1 else "tell of"
    parts = [f"{counted(len(results), 'run')} {verb} {against} on {listed(targets, 4)}"]
    seeds = [len(arm.scores) for row in analysis.rows for arm in row.arms]
    subjects = [arm.subjects for row in analysis.rows for arm in row.arms if arm.subjects]
    if seeds:
        parts.append(f"{ranged(seeds, 'seed')} an arm")
    if subjects:
        parts.append(f"{ranged(subjects, 'test subject')} a target")
    return f"{capital(', '.join(parts))}."


def _outcome(one: Verdict, analysis: Analysis) -> str:
    """Where an arm is better, worse, undecided or untested, with the most labels."""
    tally, arm = one.tallies[-1], _named(one, analysis)
    ours = {
        compared.cell.target: compared
        for compared in analysis.comparisons
        if (compared.arm.arm, compared.cell.backbone, compared.cell.fraction) == (one.arm, one.backbone, tally.fraction)
    }
    told = [
        f"{outcome} than {one.reference} on {listed([_difference(ours[target]) for target in targets])}"
        for outcome, targets in (("better", tally.better), ("worse", tally.worse))
        if targets
    ]
    undecided = listed([_difference(ours[target]) for target in tally.undecided])
    untested = listed([target_title(target) for target in tally.untested])
    labels = "" if tally.fraction == 1 else f"with {share(tally.fraction)} of the labels, "
    if told:
        text = f"{labels}{arm} is {' and '.join(told)}"
        text += f"; on {undecided} the data do not decide" if tally.undecided else ""
    elif tally.undecided:
        shown = f"no difference between {arm} and {one.reference} is shown on {undecided}"
        text = f"{labels}{shown}, which is no proof of equality"
    else:
        return capital(f"whether {arm} differs from {one.reference} cannot be tested on {untested}.")
    text += f"; {untested} cannot be tested" if tally.untested else ""
    return f"{capital(text)}."


def _named(one: Verdict, analysis: Analysis) -> str:
    several = len({verdict.backbone for verdict in analysis.verdicts}) > 1
    return f"{one.arm} ({one.backbone})" if several else one.arm


def _difference(one: ArmComparison) -> str:
    """The target with its difference and interval."""
    limits = f" [{signed(one.difference.low)}, {signed(one.difference.high)}]"
    return (
        target_title(one.cell.target)
        + f" ({signed(one.difference.value)}"
        + (")" if math.isnan(one.difference.low) else f"{limits})")
    )


def _gains(one: Verdict) -> str:
    """Labels and steps saved, on the targets where their intervals leave no doubt."""
    fewer = [labels for labels in one.labels if labels.saved_low > 0]
    faster = [speed for speed in one.speeds if speed.high < 1]
    parts = []
    if fewer:
        shares = [f"{target_title(labels.target)} ({_share(labels)})" for labels in fewer]
        parts.append(f"for what {one.reference} reaches with all labels it needs fewer on {listed(shares)}")
    if faster:
        ratios = [f"{target_title(speed.cell.target)} ({share(round(speed.ratio, 2))})" for speed in faster]
        parts.append(f"for the last validation score of {one.reference} it needs fewer steps on {listed(ratios)}")
    return f"{capital('; '.join(parts))}." if parts else ""


def _share(labels: LabelsNeeded) -> str:
    return f"{'at most ' if labels.outcome == 'fewer' else ''}{share(round(labels.share, 2))}"


def _missed(one: Verdict) -> str:
    """Structures of which nothing was found, where the two differ."""
    if not (one.structures and one.reference_structures) or one.missed == one.reference_missed:
        return ""
    return (
        f"It missed {one.missed} of {one.structures} structures altogether, "
        f"{one.reference} {one.reference_missed} of {one.reference_structures}."
    )


def _rule(analysis: Analysis) -> str:
    tested = sum(not math.isnan(one.adjusted.get("both", math.nan)) for one in analysis.comparisons)
    corrected = " after Holm's correction" if tested > 1 else ""
    what = f"p\N{NO-BREAK SPACE}<\N{NO-BREAK SPACE}0.05{corrected}, over seeds and test subjects"
    return f"Better and worse mean {what}; brackets: 95\N{NO-BREAK SPACE}% intervals."


def _nothing_compared(comparison: Comparison) -> str:
    if not comparison.results:
        return "No fine-tuning run is among the folders, so no initialisation is compared."
    if all(result.arm != comparison.reference for result in comparison.results):
        return f"No run starts from {comparison.reference}, so there is nothing to compare with."
    return f"No target has both {comparison.reference} and another arm, so nothing is compared."


def _cautions(comparison: Comparison, analysis: Analysis) -> Iterator[str]:
    """What weakens the numbers."""
    yield from _leaks(comparison.leaks)
    seeds = [len(arm.scores) for row in analysis.rows for arm in row.arms]
    if seeds and min(seeds) == 1:
        some = "With one seed" if max(seeds) == 1 else "Where an arm has one seed only,"
        yield f"{some} nothing is known of how far training again would move the numbers."
    elif seeds and min(seeds) <= FEW_SEEDS:
        yield f"{capital(counted(min(seeds), 'seed'))} say little about the spread."
    if comparison.failures:
        failed, every = len(comparison.failures), len(comparison.failures) + len(comparison.results)
        verb = "is" if failed == 1 else "are"
        yield f"{capital(counted(failed, 'run'))} of {every} did not finish and {verb} not in the numbers."
    yield from _undefined(comparison.results)


def _leaks(leaks: Sequence[Leak]) -> Iterator[str]:
    """One sentence a target."""
    for target in dict.fromkeys(leak.target for leak in leaks):
        ours = [leak for leak in leaks if leak.target == target]
        arms = listed(list(dict.fromkeys(leak.arm for leak in ours)))
        kind = ours[0].kind
        names = {name for leak in ours for name in leak.names if leak.kind == kind}
        data = "of its test or validation data"
        shared = counted(len(names), f"{kind} {data} was", f"{kind}s {data} were")
        seen = f"{shared} seen by the pre-training of {arms}"
        yield f"{capital(target_title(target))} leaks: {seen}; its score there does not count."


def _undefined(results: Sequence[Result]) -> Iterator[str]:
    lost = [result for result in results if math.isnan(result.score)]
    if lost:
        verb, also = ("has", "is") if len(lost) == 1 else ("have", "are")
        yield f"{capital(counted(len(lost), 'run'))} {verb} no defined score and {also} left out of the means."


def headline(comparison: Comparison, analysis: Analysis) -> str:
    """A few words for the top of the page; a target with a leak counts for nothing."""
    leaking = {leak.target for leak in comparison.leaks}
    better = {target for one in analysis.verdicts for target in one.tallies[-1].better} - leaking
    worse = {target for one in analysis.verdicts for target in one.tallies[-1].worse} - leaking
    targets = {result.target for result in comparison.results}
    if not comparison.results:
        return "Pre-training, not yet put to use"
    if not analysis.comparisons:
        return "Scores, with nothing to compare them with"
    if better and worse:
        return f"Better on {counted(len(better), '').strip()}, worse on {_of(len(worse), len(targets))}"
    if better or worse:
        return f"Pre-training {'helps' if better else 'hurts'} on {_of(len(better or worse), len(targets))}"
    if targets <= leaking:
        return "Pre-training saw the test data"
    return "No difference shown"


def _of(some: int, every: int) -> str:
    if every == 1:
        return "the one target"
    return (
        f"all {counted(every, 'target')}"
        if some == every
        else f"{counted(some, '', ' ').strip()} of {counted(every, 'target')}"
    )
