"""What `genesis info TARGET` says: the task, and what is there of its data."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.progress import Progress
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import SIDES, Target
from modelsgenesis.targets.split import SplitChoice, split
from modelsgenesis.types import JSON


def describe_task(name: str) -> JSON:
    """The target task called `name`, for someone who has no data yet; UsageError when there is none."""
    task = TARGETS.get(name)
    options = [f"{field.name} ({getattr(task.options(), field.name)!r} unless given)" for field in fields(task.options)]
    return {
        "target": name,
        "about": task.about,
        "data": task.download,
        "options": options,
    }


def describe_data(name: str, data: Path, options: Mapping[str, str], verify: bool = False) -> JSON:
    """What is there of the data of a target task at `data`, and how it is divided.

    Headers and tables are checked, voxels are not read: `genesis finetune` does that. Raises as `TargetTask.open`.
    With `verify` every header is read where one a scan is the rule; GenesisError when they would stop a run.
    """
    target = TARGETS.get(name).open(data, options, Path("cache"))
    if verify:
        _verify(target, data)
    members, division = _divided(target)
    described: JSON = {
        "target": name,
        "data": str(data),
        "task": target.task,
        "cases": len(target.cases),
        "subjects": len({case.subject for case in target.cases}),
        "scans": len({image for case in target.cases for image in case.images}),
        "channels": target.channels,
        "labels": _counts(target, {case.subject for case in target.cases}),
    }
    for side in SIDES:
        held = sum(case.subject in members[side] for case in target.cases)
        described[side] = {"subjects": len(members[side]), "cases": held, **_counts(target, members[side])}
    if target.findings:
        hit = {case.finding for case in target.cases if case.finding}
        described["lesions"] = {"in all": len(target.findings), "hit by a candidate": len(hit)}
    described["split"] = division
    described["notes"] = list(target.notes)
    if verify:
        described["verified"] = "every header fits" if target.check else "all that is read was checked"
    return described


def _divided(target: Target) -> tuple[dict[str, set[str]], str]:
    """The subjects of each side, and who says so; nobody where there are too few."""
    try:
        sides = split(target, SplitChoice())
    except UsageError as error:
        return {side: set() for side in SIDES}, f"impossible: {str(error).removeprefix('split: ')}"
    members = {side: set(getattr(sides, side)) for side in SIDES}
    named = {subject for side in SIDES for subject in members[side]} & set(target.sides)
    return members, "given by the data or the papers" if named else "drawn by subject (split.seed 0)"


def _verify(target: Target, data: Path) -> None:
    if target.check is None:
        return
    problems = []
    with Progress(len({case.images for case in target.cases}), "reading headers", "scans") as progress:
        for problem in target.check():
            problems += [problem] if problem else []
            progress.advance()
    if problems:
        raise GenesisError(f"{data}: {len(problems)} of its scans would stop a run: {'; '.join(problems)}")


def _counts(target: Target, subjects: set[str]) -> dict[str, int]:
    """Cases of each class among these subjects; of a segmentation nothing, for voxels are not read."""
    if target.task == "segmentation":
        return dict.fromkeys(target.labels.values(), sum(case.subject in subjects for case in target.cases))
    counts: Counter[str] = Counter(dict.fromkeys(target.labels.values(), 0))
    for case in target.cases:
        if case.subject in subjects:
            carried = [case.label] if isinstance(case.label, int) else _carried(case.label)
            counts.update(target.labels[label] for label in carried)
    return dict(counts)


def _carried(label: object) -> list[int]:
    return [index for index, has in enumerate(label) if has] if isinstance(label, tuple) else []
