"""Commands that train: demo, pretrain, finetune, benchmark."""

import dataclasses
from pathlib import Path
from typing import Any

from modelsgenesis.cli.arguments import Arguments, flag, flat, parsed, positional
from modelsgenesis.errors import UsageError
from modelsgenesis.places import located


def demo(given: Arguments) -> None:
    """The whole flow on built-in phantoms, in minutes: pre-train, fine-tune twice, compare.

    Example: genesis demo --out demo
    """
    from modelsgenesis.demo import DemoSettings
    from modelsgenesis.demo import demo as run

    shape = dataclasses.make_dataclass(
        "Demo",
        [
            ("out", flag(Path, "Folder for everything it makes."), dataclasses.field(default=Path("demo"))),
            ("settings", flat(DemoSettings), DemoSettings()),
        ],
    )
    choice = parsed("demo", shape, given, demo.__doc__)
    print(run(choice.out, choice.settings))


def pretrain(given: Arguments) -> None:
    """Learn from the unlabelled scans of a store by restoring distorted cubes.

    Example: genesis pretrain store --out runs/genesis --cubes.shape 64 64 32 --backbone.width 32

    Settings come from --preset (default or released), then --config FILE (YAML), then single flags.
    """
    from modelsgenesis.pretrain import PretrainSettings, preset, summary
    from modelsgenesis.pretrain import pretrain as run

    base = _configured(given, preset(_said(given, "--preset") or "default"), PretrainSettings)
    shape = _training_command(
        "Pretrain", [("store", positional(Path, "A folder that genesis prepare made."))], PretrainSettings, base
    )
    choice = parsed("pretrain", shape, given, pretrain.__doc__)
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
            positional(str, f"One of {', '.join(TARGETS.names())}; folder: your own data, see docs/data.md."),
        ),
        ("data", flag(Path, "Where its data lie.")),
    ]
    choice = parsed("finetune", _training_command("Finetune", fields, FinetuneSettings, base), given, finetune.__doc__)
    print(summary(run(choice.target, choice.data, choice.out, choice.settings, choice.resume)))


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
        ("plan", positional(str, "A YAML file, or the name of a plan of the package.")),
        ("out", flag(Path, "Folder for everything it makes.")),
        (
            "data",
            flag(tuple[str, ...], "NAME=PLACE ..., all after one --data: where data or downloads of the plan lie."),
            one(default=()),
        ),
        ("only", flag(tuple[str, ...], "Data of the plan to keep; empty: all."), one(default=())),
        ("processes", flag(int, "Workers; 0: one a GPU, else one for every two cores."), one(default=0)),
        (
            "stop_after",
            flag(float, "Minutes after which it saves and ends, to be continued; 0: never."),
            one(default=0.0),
        ),
        ("dry_run", flag(bool, "Show the matrix and how long it might take."), one(default=False)),
    ]
    choice = parsed("benchmark", dataclasses.make_dataclass("Benchmark", fields), given, benchmark.__doc__)
    wrong = [entry for entry in choice.data if "=" not in entry]
    if wrong:
        raise UsageError(f"benchmark: --data {wrong[0]}: give NAME=PLACE")
    places = dict(entry.split("=", 1) for entry in choice.data)
    options = (choice.processes, choice.stop_after, choice.dry_run)
    print(run(choice.plan, choice.out, places, choice.only, *options))


def _training_command(name: str, fields: list[Any], cls: type[Any], base: Any) -> Any:
    """The arguments of `pretrain` and `finetune`; --config and --preset are read before, here they are only named."""
    return dataclasses.make_dataclass(
        name,
        [
            *fields,
            ("out", flag(Path, "The run folder.")),
            ("config", flag(Path | None, "Settings as YAML; see configs/."), dataclasses.field(default=None)),
            *([("preset", flag(str, "default or released."), "default")] if name == "Pretrain" else []),
            (
                "resume",
                flag(bool, "Go on: an interrupted run, or one of fewer --loop.steps."),
                dataclasses.field(default=False),
            ),
            ("settings", flat(cls), base),
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
