"""Commands about scans and data: prepare, phantom, info."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelsgenesis.cli.arguments import SCANS, Arguments, flag, flat, parsed, positional, refuse_none


def prepare(given: Arguments) -> None:
    """Scans (NIfTI, MHD/MHA, NRRD, DICOM, images) to a store; unusable ones are listed, the rest goes on.

    Example: genesis prepare scans/ more/*.nii.gz --out store
    Example: genesis prepare archive/ --out stores --modality auto --exclude "*_seg.nii.gz"
    """
    from modelsgenesis.data.convert import PrepareSettings
    from modelsgenesis.data.prepare import prepare as run

    shape = dataclasses.make_dataclass(
        "Prepare",
        [
            ("scans", positional(tuple[str, ...], SCANS)),
            ("out", flag(Path, "Folder of the store; an existing one is added to.")),
            ("workers", flag(int | None, "Processes; None: one a core."), dataclasses.field(default=None)),
            ("settings", flat(PrepareSettings), PrepareSettings()),
        ],
    )
    choice = parsed("prepare", shape, given, prepare.__doc__)
    refuse_none("prepare", "scan", choice.scans)
    summary = run(choice.scans, choice.out, choice.settings, choice.workers)
    rejected = sum(summary.rejected.values())
    print(
        f"{choice.out}: {summary.stored} scans stored, {summary.unchanged} there already, {rejected} rejected of "
        f"{summary.found} found; {summary.bytes_stored / 1e6:.1f} MB in {summary.seconds:.1f} s"
    )
    for line in _about_prepared(choice, summary):
        print(f"  {line}")
    for remark in summary.remarks:
        print(f"warning: {remark}")


def _about_prepared(choice: Any, summary: Any) -> Iterator[str]:
    """What was left out or is odd."""
    from modelsgenesis.data.index import told

    if choice.settings.modality == "auto":
        yield from (f"{store}: {count} scans" for store, count in summary.stores.items())
    yield from (f"rejected {count} x {reason}" for reason, count in summary.rejected.items())
    if summary.rejected:
        yield f"each is in {choice.out / 'rejected.csv'}"
    if summary.doubted:
        yield f"{summary.doubted} scans that do not look like {choice.settings.modality} are kept by --force"
    yield from (f"noted of {count} x {note}" for note, count in summary.noted.items())
    if summary.unread:
        yield f"not read: {told(summary.unread)}; each is in {choice.out / 'not_read.csv'}"
    if choice.settings.exclude:
        yield f"{summary.excluded or 'no'} files left out by --exclude"


def phantom(given: Arguments) -> None:
    """Write procedural anatomy with known truth in the layout of a real data set.

    Example: genesis phantom ncc --out luna16 --cases 10
    """
    from modelsgenesis.phantoms import LAYOUTS, write_phantoms

    fields: list[Any] = [
        ("target", positional(str, f"Which data set: {', '.join(LAYOUTS)}.")),
        ("out", flag(Path, "Folder for the files; new or empty.")),
        ("cases", flag(int, "Scans, images or videos."), dataclasses.field(default=10)),
        ("seed", flag(int, "The same seed writes the same files."), dataclasses.field(default=0)),
        ("shape", flag(tuple[int, int, int] | None, "Voxels of a scan."), dataclasses.field(default=None)),
        ("spacing", flag(tuple[float, float, float] | None, "mm a voxel."), dataclasses.field(default=None)),
    ]
    choice = parsed("phantom", dataclasses.make_dataclass("Phantom", fields), given, phantom.__doc__)
    name = choice.target.lower()
    write_phantoms(name, choice.out, choice.cases, choice.seed, choice.shape, choice.spacing)
    print(f"{choice.out}: {choice.cases} cases, {LAYOUTS[name].about}")


def info(given: Arguments) -> None:
    """Describe a store, a run, weights, a folder of data or a target task; without a name, this installation.

    Example: genesis info store --json
    Example: genesis info weights.safetensors
    Example: genesis info NCC --data LUNA16
    """
    fields: list[Any] = [
        (
            "what",
            positional(str | None, "Store, run folder, file of weights, folder of data or target task."),
            dataclasses.field(default=None),
        ),
        ("data", flag(Path | None, "Of a target task: the data to check."), dataclasses.field(default=None)),
        ("options", flag(dict[str, str], "Of a target task."), dataclasses.field(default_factory=dict)),
        ("json", flag(bool, "For machines."), dataclasses.field(default=False)),
        (
            "verify",
            flag(bool, "Read all scans of a store, all headers of data."),
            dataclasses.field(default=False),
        ),
    ]
    choice = parsed("info", dataclasses.make_dataclass("Info", fields), given, info.__doc__)
    from modelsgenesis.about import facts_of, installation, shown
    from modelsgenesis.cli import COMMANDS

    facts = (choice.what, choice.data, choice.options, choice.verify)
    about = facts_of(*facts) if choice.what else installation(COMMANDS)
    if choice.json:
        print(json.dumps(about, indent=2))
        return
    for name, value in about.items():
        print("\n".join(shown(name, value)))
