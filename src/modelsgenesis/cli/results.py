"""Commands that use what was trained: predict, embed, evaluate, report."""

import dataclasses
from pathlib import Path
from typing import Any

from modelsgenesis.cli.arguments import MODEL, SCANS, Arguments, flag, parsed, positional, refuse_none


def predict(given: Arguments) -> None:
    """Apply fine-tuned runs to scans: label maps on each scan's own grid, or class probabilities.

    Example: genesis predict runs/lung scans/*.nii.gz --out predictions

    The first path is a run, and so are the next ones that are run folders: their probabilities are averaged.
    """
    from modelsgenesis.prediction.ensemble import runs_and_scans
    from modelsgenesis.prediction.scans import Format
    from modelsgenesis.prediction.scans import predict as run

    inference = {
        "overlap": flag(float | None, "Overlap of neighbouring windows; less is faster. Left out: the run's."),
        "window": flag(int | None, "Voxels of a window at most, in patches; more is faster. Left out: the run's."),
        "probabilities": flag(bool | None, "Write probability maps. Left out: as the run says."),
    }
    about = f"Run folders of genesis finetune, one or several, then the scans. {SCANS}"
    mirror = "Average over mirror images (8 times the work in 3D), where training mirrored and no label has a side."
    clean = "Keep the largest component alone of structures for which validation said so (cleaning.json of the run)."
    form = "nifti, or dicom-seg: one DICOM SEG a series (pip install 'modelsgenesis[dicom]'), no probability maps."
    fields: list[Any] = [
        ("paths", positional(tuple[str, ...], about)),
        ("out", flag(Path, "Folder for the predictions.")),
        ("mirror", flag(bool, mirror), dataclasses.field(default=False)),
        ("clean", flag(bool, clean), dataclasses.field(default=True)),
        ("format", flag(Format, form), dataclasses.field(default="nifti")),
        *((name, kind, dataclasses.field(default=None)) for name, kind in inference.items()),
    ]
    choice = parsed("predict", dataclasses.make_dataclass("Predict", fields), given, predict.__doc__)
    refuse_none("predict", "run and one scan", choice.paths)
    runs, scans = runs_and_scans(choice.paths)
    refuse_none("predict", "scan", scans)
    changes = {name: getattr(choice, name) for name in inference if getattr(choice, name) is not None}
    how = {"mirror": choice.mirror, "clean": choice.clean, "form": choice.format}
    print(run([Path(path) for path in runs], scans, choice.out, **how, **changes))


def embed(given: Arguments) -> None:
    """Features of scans, or of a table of points, by a pre-trained network: a table, and maps if asked.

    Example: genesis embed genesis-chest-ct scans/*.nii.gz --out features
    """
    from modelsgenesis.embedding_table import embed_scans

    fields: list[Any] = [
        ("model", positional(str, MODEL)),
        ("scans", positional(tuple[str, ...], SCANS)),
        ("out", flag(Path, "Folder for features.csv.")),
        (
            "points",
            flag(Path | None, "CSV with path, x, y, z (mm, LPS): features of the cube around each point."),
            dataclasses.field(default=None),
        ),
        ("maps", flag(bool, "Also write NAME.npy, the features at every place."), dataclasses.field(default=False)),
    ]
    choice = parsed("embed", dataclasses.make_dataclass("Embed", fields), given, embed.__doc__)
    refuse_none("embed", "scan", choice.scans)
    print(embed_scans(choice.model, choice.scans, choice.out, choice.points, choice.maps))


def evaluate(given: Arguments) -> None:
    """Metrics of fine-tuning runs, per case and in summary, with bootstrap confidence intervals.

    Example: genesis evaluate runs/lung-scratch runs/lung-genesis
    """
    from modelsgenesis.evaluate.collect import evaluate_run, table

    shape = dataclasses.make_dataclass("Evaluate", [("runs", positional(tuple[Path, ...], "Run folders."))])
    choice = parsed("evaluate", shape, given, evaluate.__doc__)
    refuse_none("evaluate", "run folder", choice.runs)
    print(table([evaluate_run(path) for path in choice.runs]))


def report(given: Arguments) -> None:
    """One HTML file of benchmarks and runs: verdict, tables, curves, examples, viewer; opens from disk, no network.

    Example: genesis report benchmark --out report.html

    Finished runs are read as they are; what cannot be used is listed in the report. The tables are also written as CSV,
    Markdown and LaTeX into report-tables beside it.
    """
    from modelsgenesis.report.build import build_report

    fields: list[Any] = [
        ("folders", positional(tuple[Path, ...], "Benchmarks, run folders, and folders that hold some.")),
        ("out", flag(Path, "The HTML file."), dataclasses.field(default=Path("report.html"))),
        (
            "reference",
            flag(str, "Compare with this arm. Left out: the plan's, or scratch."),
            dataclasses.field(default=""),
        ),
    ]
    choice = parsed("report", dataclasses.make_dataclass("Report", fields), given, report.__doc__)
    refuse_none("report", "folder", choice.folders)
    print(build_report(choice.folders, choice.out, choice.reference))
