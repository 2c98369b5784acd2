"""The command line: `genesis COMMAND ...`. Heavy imports stay inside the commands, so that help is instant."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from modelsgenesis.errors import GenesisError, UsageError, meant
from modelsgenesis.files import readable
from modelsgenesis.places import located

if TYPE_CHECKING:
    pass

Arguments = Sequence[str]
SCANS = "Files, folders (searched with all below them) and globs."


def main(arguments: Arguments | None = None) -> None:
    """Run one command and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold what the terminal cannot show
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        sys.exit(_dispatch(given))
    except GenesisError as error:
        _explain(str(error), debug)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("genesis: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who reads the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it exits
        sys.exit(1)
    except Exception as error:
        _explain(f"unexpected {type(error).__name__}: {error} (--debug shows where; please report it)", debug)
        sys.exit(1)


def _explain(message: str, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"genesis: error: {readable(message)}", file=sys.stderr)


def _dispatch(given: Arguments) -> int:
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if given[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"genesis {version('modelsgenesis')}")
        return 0
    name, *rest = given
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}; {meant(name, COMMANDS)}valid: {', '.join(COMMANDS)} (--help)")
    from modelsgenesis.data.guarded import guarding

    with guarding():
        COMMANDS[name](rest)
    return 0


def _overview() -> str:
    lines = [f"  {name:<10} {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: genesis COMMAND ... [--debug]",
            "",
            "Self-supervised pre-training of medical image networks by restoring distorted cubes (Models Genesis).",
            "",
            *lines,
            "",
            "genesis COMMAND --help explains a command, with an example. Start with: genesis demo",
        ]
    )


def _parse(command: str, shape: Any, given: Arguments, description: str | None) -> Any:
    import tyro

    return tyro.cli(
        shape,
        prog=f"genesis {command}",
        description=description,
        args=list(given),
    )


def _flat(cls: type[Any]) -> Any:
    """A field whose settings become flags without a prefix."""
    import tyro

    return Annotated[cls, tyro.conf.arg(name="")]


def _positional(kind: Any, about: str) -> Any:
    import tyro

    return Annotated[kind, tyro.conf.Positional, tyro.conf.arg(help=about)]


def _flag(kind: Any, about: str) -> Any:
    import tyro

    return Annotated[kind, tyro.conf.arg(help=about)]


def _refuse_none(command: str, what: str, given: Sequence[Any]) -> None:
    if not given:
        raise UsageError(f"{command}: name at least one {what} (genesis {command} --help)")


def demo(given: Arguments) -> None:
    """The whole flow on built-in phantoms, in minutes: pre-train, fine-tune twice, compare.

    Example: genesis demo --out demo
    """
    from modelsgenesis.demo import DemoSettings
    from modelsgenesis.demo import demo as run

    shape = dataclasses.make_dataclass(
        "Demo",
        [
            ("out", _flag(Path, "Folder for everything it makes."), dataclasses.field(default=Path("demo"))),
            ("settings", _flat(DemoSettings), DemoSettings()),
        ],
    )
    choice = _parse("demo", shape, given, demo.__doc__)
    print(run(choice.out, choice.settings))


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
            ("scans", _positional(tuple[str, ...], SCANS)),
            ("out", _flag(Path, "Folder of the store; an existing one is added to.")),
            ("workers", _flag(int | None, "Processes; None: one a core."), dataclasses.field(default=None)),
            ("settings", _flat(PrepareSettings), PrepareSettings()),
        ],
    )
    choice = _parse("prepare", shape, given, prepare.__doc__)
    _refuse_none("prepare", "scan", choice.scans)
    summary = run(choice.scans, choice.out, choice.settings, choice.workers)
    rejected = sum(summary.rejected.values())
    print(
        f"{choice.out}: {summary.stored} scans stored, {summary.unchanged} there already, {rejected} rejected of "
        f"{summary.found} found; {summary.bytes_stored / 1e6:.1f} MB in {summary.seconds:.1f} s"
    )
    for line in _about_prepared(choice, summary):
        print(f"  {line}")
    if summary.remark:
        print(f"warning: {summary.remark}")


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


def pretrain(given: Arguments) -> None:
    """Learn from the unlabelled scans of a store by restoring distorted cubes.

    Example: genesis pretrain store --out runs/genesis --cubes.shape 64 64 32 --backbone.width 32

    Settings come from --preset (default or released), then --config FILE (YAML), then single flags.
    """
    from modelsgenesis.pretrain import PretrainSettings, preset, summary
    from modelsgenesis.pretrain import pretrain as run

    base = _configured(given, preset(_said(given, "--preset") or "default"), PretrainSettings)
    shape = _training_command(
        "Pretrain", [("store", _positional(Path, "A folder that genesis prepare made."))], PretrainSettings, base
    )
    choice = _parse("pretrain", shape, given, pretrain.__doc__)
    print(summary(run(choice.store, choice.out, choice.settings, choice.resume)))


def finetune(given: Arguments) -> None:
    """Train a target task from scratch or from pre-trained weights, and predict its test cases.

    Example: genesis finetune folder --data Task06_Lung --init run:runs/genesis --out runs/lung

    Settings come from the papers' recipe of the target (genesis info TARGET), then --config FILE (YAML), then single
    flags.
    """
    from modelsgenesis.finetune import FinetuneSettings, papers_settings, summary
    from modelsgenesis.finetune import finetune as run
    from modelsgenesis.targets import TARGETS

    given = [*(name.lower() for name in given[:1]), *given[1:]]
    if not given or given[0] in ("-h", "--help"):
        base = FinetuneSettings()
    elif given[0].startswith("-"):
        raise UsageError(f"finetune: name the target first, one of {', '.join(TARGETS.names())}")
    else:
        base = _configured(given, papers_settings(given[0]), FinetuneSettings)
    fields = [
        (
            "target",
            _positional(str, f"One of {', '.join(TARGETS.names())}; folder: your own data, see docs/data.md."),
        ),
        ("data", _flag(Path, "Where its data lie.")),
    ]
    choice = _parse("finetune", _training_command("Finetune", fields, FinetuneSettings, base), given, finetune.__doc__)
    print(summary(run(choice.target, choice.data, choice.out, choice.settings, choice.resume)))


def predict(given: Arguments) -> None:
    """Apply a fine-tuned run to scans: label maps on each scan's own grid, or class probabilities.

    Example: genesis predict runs/lung scans/*.nii.gz --out predictions
    """
    from modelsgenesis.predict import predict as run

    inference = {
        "overlap": _flag(float | None, "Overlap of neighbouring windows; less is faster. Left out: the run's."),
        "window": _flag(int | None, "Voxels of a window at most, in patches; more is faster. Left out: the run's."),
        "probabilities": _flag(bool | None, "Write probability maps. Left out: as the run says."),
    }
    fields: list[Any] = [
        ("run", _positional(Path, "Run folder of genesis finetune.")),
        ("scans", _positional(tuple[str, ...], SCANS)),
        ("out", _flag(Path, "Folder for the predictions.")),
        *((name, kind, dataclasses.field(default=None)) for name, kind in inference.items()),
    ]
    choice = _parse("predict", dataclasses.make_dataclass("Predict", fields), given, predict.__doc__)
    _refuse_none("predict", "scan", choice.scans)
    changes = {name: getattr(choice, name) for name in inference if getattr(choice, name) is not None}
    print(run(choice.run, choice.scans, choice.out, **changes))


def evaluate(given: Arguments) -> None:
    """Metrics of fine-tuning runs, per case and in summary, with bootstrap confidence intervals.

    Example: genesis evaluate runs/lung-scratch runs/lung-genesis
    """
    from modelsgenesis.evaluate.collect import evaluate_run, table

    shape = dataclasses.make_dataclass("Evaluate", [("runs", _positional(tuple[Path, ...], "Run folders."))])
    choice = _parse("evaluate", shape, given, evaluate.__doc__)
    _refuse_none("evaluate", "run folder", choice.runs)
    print(table([evaluate_run(path) for path in choice.runs]))


def benchmark(given: Arguments) -> None:
    """Compare initialisations on several targets: pre-train, tune, fine-tune and evaluate whatever a plan names.

    Example: genesis benchmark phantom-tiny --out benchmark --processes 2

    The plan is a YAML file (docs/benchmark.md) or one of those that come with the package: phantom-tiny, difficulty,
    phantom-full, phantom-full-gpu, label-efficiency, fine-tuning, distortions, dimensions, domains, organs,
    papers.
    Interrupted, even killed, the same command goes on; what failed is tried again.
    """
    from modelsgenesis.benchmark.run import benchmark as run

    one = dataclasses.field
    fields: list[Any] = [
        ("plan", _positional(str, "A YAML file, or the name of a plan of the package.")),
        ("out", _flag(Path, "Folder for everything it makes.")),
        (
            "data",
            _flag(tuple[str, ...], "NAME=PLACE ..., all after one --data: where data or downloads of the plan lie."),
            one(default=()),
        ),
        ("only", _flag(tuple[str, ...], "Data of the plan to keep; empty: all."), one(default=())),
        ("processes", _flag(int, "Workers; 0: one a GPU, else one for every two cores."), one(default=0)),
        (
            "stop_after",
            _flag(float, "Minutes after which it saves and ends, to be continued; 0: never."),
            one(default=0.0),
        ),
        ("dry_run", _flag(bool, "Show the matrix and how long it might take."), one(default=False)),
    ]
    choice = _parse("benchmark", dataclasses.make_dataclass("Benchmark", fields), given, benchmark.__doc__)
    wrong = [entry for entry in choice.data if "=" not in entry]
    if wrong:
        raise UsageError(f"benchmark: --data {wrong[0]}: give NAME=PLACE")
    places = dict(entry.split("=", 1) for entry in choice.data)
    options = (choice.processes, choice.stop_after, choice.dry_run)
    print(run(choice.plan, choice.out, places, choice.only, *options))


def report(given: Arguments) -> None:
    """One HTML file of benchmarks and runs: verdict, tables, curves, examples, viewer; opens from disk, no network.

    Example: genesis report benchmark --out report.html

    Finished runs are read as they are; what cannot be used is listed in the report. The tables are also written as CSV,
    Markdown and LaTeX into report-tables beside it.
    """
    from modelsgenesis.report.build import build_report

    fields: list[Any] = [
        ("folders", _positional(tuple[Path, ...], "Benchmarks, run folders, and folders that hold some.")),
        ("out", _flag(Path, "The HTML file."), dataclasses.field(default=Path("report.html"))),
        (
            "reference",
            _flag(str, "Compare with this arm. Left out: the plan's, or scratch."),
            dataclasses.field(default=""),
        ),
    ]
    choice = _parse("report", dataclasses.make_dataclass("Report", fields), given, report.__doc__)
    _refuse_none("report", "folder", choice.folders)
    print(build_report(choice.folders, choice.out, choice.reference))


def phantom(given: Arguments) -> None:
    """Write procedural anatomy with known truth in the layout of a real data set.

    Example: genesis phantom ncc --out luna16 --cases 10
    """
    from modelsgenesis.phantoms import LAYOUTS, write_phantoms

    fields: list[Any] = [
        ("target", _positional(str, f"Which data set: {', '.join(LAYOUTS)}.")),
        ("out", _flag(Path, "Folder for the files; new or empty.")),
        ("cases", _flag(int, "Scans, images or videos."), dataclasses.field(default=10)),
        ("seed", _flag(int, "The same seed writes the same files."), dataclasses.field(default=0)),
        ("shape", _flag(tuple[int, int, int] | None, "Voxels of a scan."), dataclasses.field(default=None)),
        ("spacing", _flag(tuple[float, float, float] | None, "mm a voxel."), dataclasses.field(default=None)),
    ]
    choice = _parse("phantom", dataclasses.make_dataclass("Phantom", fields), given, phantom.__doc__)
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
            _positional(str | None, "Store, run folder, file of weights, folder of data or target task."),
            dataclasses.field(default=None),
        ),
        ("data", _flag(Path | None, "Of a target task: the data to check."), dataclasses.field(default=None)),
        ("options", _flag(dict[str, str], "Of a target task."), dataclasses.field(default_factory=dict)),
        ("json", _flag(bool, "For machines."), dataclasses.field(default=False)),
        (
            "verify",
            _flag(bool, "Read all scans of a store, all headers of data."),
            dataclasses.field(default=False),
        ),
    ]
    choice = _parse("info", dataclasses.make_dataclass("Info", fields), given, info.__doc__)
    from modelsgenesis.about import facts_of, installation, shown

    about = facts_of(choice.what, choice.data, choice.options, choice.verify) if choice.what else installation(COMMANDS)
    if choice.json:
        print(json.dumps(about, indent=2))
        return
    for name, value in about.items():
        print("\n".join(shown(name, value)))


def _training_command(name: str, fields: list[Any], cls: type[Any], base: Any) -> Any:
    """The arguments of `pretrain` and `finetune`; --config and --preset are read before, here they are only named."""
    return dataclasses.make_dataclass(
        name,
        [
            *fields,
            ("out", _flag(Path, "The run folder.")),
            ("config", _flag(Path | None, "Settings as YAML; see configs/."), dataclasses.field(default=None)),
            *([("preset", _flag(str, "default or released."), "default")] if name == "Pretrain" else []),
            (
                "resume",
                _flag(bool, "Go on: an interrupted run, or one of fewer --loop.steps."),
                dataclasses.field(default=False),
            ),
            ("settings", _flat(cls), base),
        ],
    )


def _configured(given: Arguments, base: Any, cls: type[Any]) -> Any:
    """The settings before single flags: `base`, overlaid by the file of --config."""
    from modelsgenesis.config import load

    path = _said(given, "--config")
    return load(cls, located(path), base) if path is not None else base


def _said(given: Arguments, flag: str) -> str | None:
    """The value of a flag that must be known before the others are parsed."""
    import argparse

    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument(flag, dest="value")
    value: str | None = first.parse_known_args(list(given))[0].value
    return value


COMMANDS: dict[str, Callable[[Arguments], None]] = {
    command.__name__: command
    for command in (demo, prepare, pretrain, finetune, predict, evaluate, benchmark, report, phantom, info)
}
