"""What the statistics come to, in a paragraph of plain words: what was shown, what was not, and what weakens it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelsgenesis.evaluate.analysis import Analysis, Verdict
from modelsgenesis.evaluate.comparison import ArmComparison
from modelsgenesis.evaluate.efficiency import LabelsNeeded
from modelsgenesis.evaluate.results import Comparison, Leak, Result
from modelsgenesis.report.rows import difference_words
from modelsgenesis.report.words import capital, counted, listed, ranged, share, target_title

FEW_SEEDS = 3
"""Up to so many seeds an arm, the paragraph warns."""
SPEED_SEEDS = 5
"""From so many seeds an arm, fewer steps are told."""
TOLD = 8
"""Targets that a sentence lists: the papers' seven have room."""
NAMED_ARMS = 2
"""Up to so many arms that differ, the headline names them."""


@dataclass(frozen=True)
class Sentence:
    """One sentence; `kind` is "plain", "finding" or "caution"."""

    text: str
    kind: str = "plain"


def verdict(comparison: Comparison, analysis: Analysis) -> list[Sentence]:
    """The paragraph, from the statistics alone; what is not in them is not said."""
    found = [Sentence(_compared(comparison, analysis))]
    for one in analysis.verdicts:
        found += [Sentence(text, "finding") for text in _outcomes(one)]
        found += [Sentence(text) for text in (_gains(one), _missed(one)) if text]
    if analysis.verdicts:
        found.append(Sentence(_rule(analysis)))
    elif not analysis.comparisons:
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


def _outcomes(one: Verdict) -> Iterator[str]:
    """Where an arm is better, worse, undecided or untested: each target with its most labels, others if decided."""
    for tally in reversed(one.tallies):
        most = {target for target, fraction in one.most.items() if fraction == tally.fraction}
        undecided = [_difference(ours) for ours in tally.undecided if ours.cell.target in most]
        untested = [target_title(ours.cell.target) for ours in tally.untested if ours.cell.target in most]
        told = [
            f"{outcome} than {one.reference} on {listed([_difference(compared) for compared in ours], TOLD)}"
            for outcome, ours in (("better", tally.better), ("worse", tally.worse))
            if ours
        ]
        parts = []
        if told:
            parts.append(f"{_named(one)} is {' and '.join(told)}")
            parts += [f"on {listed(undecided, TOLD)} the data do not decide"] if undecided else []
        elif undecided:
            shown = f"no difference between {_named(one)} and {one.reference} is shown on {listed(undecided, TOLD)}"
            parts.append(f"{shown}, which is no proof of equality")
        if untested:
            whether = "" if parts else f"whether {_named(one)} differs from {one.reference} "
            parts.append(f"{whether}cannot be tested on {listed(untested)}")
        if parts:
            labels = "" if tally.fraction == 1 else f"with {share(tally.fraction)} of the labels, "
            yield f"{capital(labels + '; '.join(parts))}."


def _named(one: Verdict) -> str:
    """The arm, and its network where that is a claim of its own."""
    return f"{one.arm} ({one.backbone})" if one.backbone else one.arm


def _difference(one: ArmComparison) -> str:
    """The target with its difference and interval."""
    return f"{target_title(one.cell.target)} ({difference_words(one)})"


def _gains(one: Verdict) -> str:
    """Labels and steps saved, where that is beyond doubt.

    Fewer labels are enough where the arm is better with all of them, after correction, and nowhere else. Percentiles
    over few seeds say "faster" of equal arms in one case of five, so that steps need `SPEED_SEEDS`.
    """
    better = {(ours.cell.target, ours.cell.metric) for t in one.tallies if t.fraction == 1 for ours in t.better}
    fewer = [labels for labels in one.labels if (labels.target, labels.metric) in better and labels.saved_low > 0]
    faster = [speed for speed in one.speeds if speed.high < 1 and speed.seeds >= SPEED_SEEDS]
    parts = []
    if fewer:
        shares = [f"{target_title(labels.target)} ({_share(labels)})" for labels in fewer]
        parts.append(f"for what {one.reference} reaches with all labels it needs fewer on {listed(shares)}")
    if faster:
        ratios = [f"{target_title(speed.cell.target)} ({share(round(speed.ratio, 2))})" for speed in faster]
        steps = f"for the last validation score of {one.reference} it needs fewer steps on {listed(ratios)}"
        parts.append(f"{steps}, without correction for the number of targets")
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
    """What the words and brackets above mean."""
    tested = [one for one in analysis.comparisons if one.outcome != "untested"]
    corrected = any(one.adjusted["both"] != one.tests["both"].p for one in tested)
    holm, plain = (" after Holm's correction", " without it") if corrected else ("", "")
    p = f"p\N{NO-BREAK SPACE}<\N{NO-BREAK SPACE}0.05{holm}, over seeds and test subjects"
    meaning = f"better and worse mean {p}; " if tested else ""
    return f"{capital(meaning)}{'b' if tested else 'B'}rackets: 95\N{NO-BREAK SPACE}% intervals{plain}."


def _nothing_compared(comparison: Comparison) -> str:
    if not comparison.results:
        return "No fine-tuning run is among the folders, so no initialisation is compared."
    if all(result.arm != comparison.reference for result in comparison.results):
        return f"No run starts from {comparison.reference}, so there is nothing to compare with."
    return f"No target has both {comparison.reference} and another arm, so nothing is compared."


def _cautions(comparison: Comparison, analysis: Analysis) -> Iterator[str]:
    """What weakens the numbers."""
    yield from _leaks(comparison.leaks)
    yield from _scales(comparison)
    seeds = [len(arm.scores) for row in analysis.rows for arm in row.arms]
    if seeds and min(seeds) == 1:
        some = "With one seed" if max(seeds) == 1 else "Where an arm has one seed only,"
        yield f"{some} nothing is known of how far training again would move the numbers."
    elif seeds and min(seeds) <= FEW_SEEDS:
        yield f"{capital(counted(min(seeds), 'seed'))} say little about the spread."
    yield from _unpaired(analysis)
    yield from _unfinished(comparison)
    yield from _undefined(comparison.results)
    yield from _died(comparison.results)


def _unpaired(analysis: Analysis) -> Iterator[str]:
    lacking = [one for one in analysis.comparisons if not one.paired and one.outcome != "untested"]
    if lacking:
        names = dict.fromkeys(f"{one.arm.arm} on {target_title(one.cell.target)}" for one in lacking)
        other = f"other seeds than {lacking[0].reference.arm}"
        yield f"{capital(listed(list(names)))} had {other}: such runs cannot be paired, and less is seen."


def _unfinished(comparison: Comparison) -> Iterator[str]:
    runs = [one for one in comparison.failures if one.name.startswith("runs/")]
    every = len(runs) + len(comparison.waiting) + len(comparison.results)
    if runs:
        verb = "is" if len(runs) == 1 else "are"
        yield f"{capital(counted(len(runs), 'run'))} of {every} did not finish and {verb} not in the numbers."
    if comparison.waiting:
        verb = "is" if len(comparison.waiting) == 1 else "are"
        yield f"{capital(counted(len(comparison.waiting), 'run'))} of {every} {verb} still to come."
    others = len(comparison.failures) - len(runs)
    if others:
        yield f"{capital(counted(others, 'job'))} before the runs (data, pre-training or tuning) failed."


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


def _scales(comparison: Comparison) -> Iterator[str]:
    """One sentence a target and difference."""
    for (target, told), arms in comparison.mismatches().items():
        yield f"{capital(target_title(target))} mixes up scale and pre-training for {listed(list(arms))}: {told}."


def _undefined(results: Sequence[Result]) -> Iterator[str]:
    lost = [result for result in results if math.isnan(result.score)]
    if lost:
        verb, also = ("has", "is") if len(lost) == 1 else ("have", "are")
        yield f"{capital(counted(len(lost), 'run'))} {verb} no defined score and {also} left out of the means."


def _died(results: Sequence[Result]) -> Iterator[str]:
    """Trainings in which a structure died; a mean over seeds hides them."""
    lost = [result for result in results if result.missed]
    if lost:
        names = dict.fromkeys(
            f"{name} of {target_title(one.target)} ({one.arm}, seed {one.seed})" for one in lost for name in one.missed
        )
        yield (
            f"{capital(counted(len(lost), 'run'))} of {len(results)} kept weights that predict a structure nowhere in "
            f"the validation cases, which have it: {listed(list(names))}."
        )


def headline(comparison: Comparison, analysis: Analysis) -> str:
    """A few words for the top of the page; a target with a leak counts for nothing."""
    if not comparison.results:
        return "Pre-training, not yet put to use"
    if not analysis.comparisons:
        return "Scores, with nothing to compare them with"
    if not analysis.verdicts:
        return "Pre-training saw the test data"
    arms = [one for one in analysis.verdicts if any(tally.better or tally.worse for tally in one.tallies)]
    if not arms:
        tested = any(tally.undecided for one in analysis.verdicts for tally in one.tallies)
        return "No difference shown" if tested else "No difference could be tested"
    return capital(f"{_at(arms)}{_differing(arms, analysis.verdicts, comparison.reference)}")


def _differing(arms: Sequence[Verdict], every: Sequence[Verdict], reference: str) -> str:
    """What the `arms` that differ from the reference come to; only from scratch can it be pre-training that helps."""
    if len(arms) > NAMED_ARMS:  # counted as arms: targets of one must not be claimed for another
        return f"{counted(len(arms), '', ' ').strip()} of {counted(len(every), 'arm')} differ from {reference}"
    words = ("helps", "hurts")
    if not reference.startswith("scratch"):
        words = (f"is better than {reference}", f"is worse than {reference}")
    elif len(every) == 1:
        return f"pre-training {_helps(every, words)}"
    return "; ".join(f"{_named(one)} {_helps([one], words)}" for one in arms)


def _at(arms: Sequence[Verdict]) -> str:
    """The share of the labels where all that is shown is shown with some of them only."""
    found = {tally.fraction for one in arms for tally in one.tallies if tally.better or tally.worse}
    if max(found) == 1:
        return ""
    return f"with {share(found.pop())} of the labels " if len(found) == 1 else "with fewer labels "


def _helps(arms: Sequence[Verdict], words: tuple[str, str]) -> str:
    """On how many of the targets of these arms; `words` say "helps" and "hurts"."""
    every = {target for one in arms for target in one.most}
    better = {ours.cell.target for one in arms for tally in one.tallies for ours in tally.better}
    worse = {ours.cell.target for one in arms for tally in one.tallies for ours in tally.worse}
    if better and worse:
        return f"{words[0]} on {counted(len(better), '').strip()}, {words[1]} on {_of(len(worse), len(every))}"
    return f"{words[0] if better else words[1]} on {_of(len(better or worse), len(every))}"


def _of(some: int, every: int) -> str:
    if every == 1:
        return "the one target"
    return (
        f"all {counted(every, 'target')}"
        if some == every
        else f"{counted(some, '', ' ').strip()} of {counted(every, 'target')}"
    )
