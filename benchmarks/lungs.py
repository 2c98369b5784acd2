"""Lungs learnt from one patient, predicted on every CT of a folder of real scans, against MONAI's sliding window.

    python -m benchmarks.lungs DATA OUT

DATA holds a folder a source, as for `benchmarks.arrange_real`. A small network of the zoo (`genesis-chest-ct`) is
fine-tuned on slabs of one patient at 3 mm. Then each CT goes through `genesis predict`, through the windows of the same
network by itself, and through those of MONAI, in three processes of their own, one thread each, after a first scan
that is not counted. OUT gets the run, the label maps, a picture a scan (`pictures/`) and what is printed as `table.md`.
Last, scans that are no CT go through `genesis predict`, which is to warn of every one.

What is printed of a scan: voxels and mm; seconds and MB of `genesis predict` with reading and probability maps (MB: the
most that the process held, less what it held before); ml of lung; Dice where a truth is known. Then of the windows and
the way back to the scan's grid alone: MB by ours and by MONAI's, computing seconds of MONAI's as a multiple of ours,
and the share of voxels whose label is the same. Below the table: warnings.
"""

import argparse
import ctypes
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
import torch
from monai.inferers import sliding_window_inference

from benchmarks.arrange_real import Piece, write_pieces
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.volume import Volume, on_source_grid, read_volume
from modelsgenesis.evaluate.metrics import dice
from modelsgenesis.files import write_text
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.prediction.cleaning import keep_largest
from modelsgenesis.prediction.ensemble import Ensemble
from modelsgenesis.prediction.predictor import Input
from modelsgenesis.prediction.scans import REJECTED, WARNINGS, predict
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.targets.split import SplitChoice
from modelsgenesis.training.inference import windows_of
from modelsgenesis.training.overlay import Overlay, draw_overlays
from modelsgenesis.training.settings import LoopSettings, OptimSettings

Bytes = npt.NDArray[np.uint8]

_PATIENT = "nsclc-radiomics-lung1-001"
_CCTH = "cc-tumor-heterogeneity-ccth-a01"
_SCAN = (f"{_PATIENT}/ct.nii.gz", f"{_PATIENT}/labels.nii.gz", (1, 2))
SLABS = (Piece("lower", *_SCAN, 0, 50), Piece("middle", *_SCAN, 52, 84), Piece("upper", *_SCAN, 86))
"""Training, validation, training; slices between them are left out. None is thinner than a patch."""
FIRST = "first.nii.gz"
"""A small part of the scan, the first that each process predicts; it is not counted."""
TRUTHS = {
    _SCAN[0]: _SCAN[1:],
    f"{_CCTH}/chest_ct.nii.gz": (f"{_CCTH}/chest_labels.nii.gz", (2, 3, 4, 5, 6)),
    f"{_CCTH}/abdomen_ct.nii.gz": (f"{_CCTH}/abdomen_labels.nii.gz", (2, 3, 4, 5, 6)),
    "elastix-lung/right_lung_ct.nii.gz": ("elastix-lung/right_lung_mask.nii.gz", (1,)),
}
"""CT -> label map and its values that are lung; the last has the right one alone."""
COLUMNS = (
    "scan", "voxels", "mm", "s", "MB", "lung, ml", "Dice", "windows, MB", "MONAI, MB", "MONAI, s", "same labels",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What something took: seconds of the clock, of computing, and the most memory held at once above the start."""

    seconds: float
    computing: float
    megabytes: float


def is_ct(path: Path) -> bool:
    """Whether a file of DATA is a CT scan, by its name or folder; label maps are none."""
    words = path.name.removesuffix(".nii.gz").split("_")
    return path.parent.match("lidc-nodules/images") or ("ct" in words and "gtv" not in words)


def scans_of(data: Path) -> list[Path]:
    """The CT scans of DATA that are more than crops round a nodule."""
    return [path for path in sorted(data.glob("*/*.nii.gz")) if is_ct(path)]


def trained(data: Path, out: Path) -> Path:
    """The folder of the run, which is trained unless it is there."""
    write_pieces(data, out / "lungs", "lung", SLABS)
    sitk.WriteImage(sitk.ReadImage(str(data / _SCAN[0]))[60:160, 60:160, 52:84], str(out / FIRST))
    config = FinetuneSettings(
        init="genesis-chest-ct",
        augmentation="strong",
        split=SplitChoice(test=0, validation_subjects=("middle",)),
        images=ImageSettings(spacing=(3.0, 3.0, 3.0)),
        loop=LoopSettings(steps=200, batch_size=4, validate_every=50, patience=0),
        optim=OptimSettings("adam", lr=1e-3, weight_decay=0.0, schedule="cosine", warmup_steps=20),
    )
    return finetune("folder", out / "lungs", out / "run", config).path


def measured(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """What `work` gives and what it took; for Linux with glibc."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was given back is no longer held
    Path("/proc/self/clear_refs").write_text("5")  # the largest is counted anew
    before, clock, computing = _held("VmRSS"), perf_counter(), process_time()
    found = work()
    return found, Cost(perf_counter() - clock, process_time() - computing, _held("VmHWM") - before)


def _held(line: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(one.split()[1]) for one in status if one.startswith(line)) / 1024


def by_command(run: Path, first: Path, scan: Path, out: Path) -> Cost:
    """`genesis predict` of `scan` into `out`; that of `first` is not counted."""
    torch.set_num_threads(1)
    predict(run, [first], out / "first")
    return measured(lambda: predict(run, [scan], out))[1]


def ours(ensemble: Ensemble, given: Input) -> Bytes:
    """The label map on the scan's grid by the windows of this package."""
    return ensemble.maps([given]).labels


def monais(ensemble: Ensemble, given: Input) -> Bytes:
    """The same by MONAI's: of the same size, order, overlap and weights, through the same network."""
    predictor = ensemble.first
    windows = windows_of(given.image.shape[1:], predictor.recipe.patch.shape, predictor.recipe.sliding)
    with evaluating(predictor.network):
        logits: Any = sliding_window_inference(
            torch.from_numpy(given.image)[None],
            windows.sides,
            windows.at_once,
            predictor.network,
            overlap=windows.overlap,
            mode="gaussian",
        )
    probabilities = logits[0].softmax(0).numpy()
    labels = np.argmax([on_source_grid(one, given.prepared, nearest=False) for one in probabilities], 0)
    cleaned = labels.astype(np.uint8)
    keep_largest(cleaned, ensemble.cleaned)
    return cleaned


def by_windows(run: Path, first: Path, scan: Path, way: Callable[[Ensemble, Input], Bytes]) -> tuple[Bytes, Cost]:
    """The label map of `scan` by `ours` or `monais` from the prepared scan on, and what that took."""
    torch.set_num_threads(1)
    ensemble = Ensemble([run], probabilities=False)
    way(ensemble, ensemble.inputs([read_volume(first)])[0])
    given = ensemble.inputs([read_volume(scan)])[0]
    return measured(lambda: way(ensemble, given))


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` gives in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def picture(scan: Volume, truth: Bytes | None, found: Bytes, path: Path) -> None:
    """An axial and a coronal slice with outlines, head up."""
    image = np.clip((scan.array + 1000) / 2000, 0, 1)
    x, y, z = scan.spacing
    name = path.name.removesuffix(".png")
    draw_overlays(
        path,
        [
            Overlay(name, image, truth, found, (x, y, z)),
            Overlay("coronal", _coronal(image), None if truth is None else _coronal(truth), _coronal(found), (x, z, y)),
        ],
    )


def _coronal(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.swapaxes(array, 1, 2)[:, ::-1]


def row_of(scan: Path, data: Path, run: Path, out: Path) -> list[str]:
    """Predict `scan` in all three ways, draw it, and say what came out."""
    name, first = _name(scan, data), out / FIRST
    cost = apart(by_command, run, first, scan, out / "predictions" / name)
    mine, ours_took = apart(by_windows, run, first, scan, ours)
    other, monais_took = apart(by_windows, run, first, scan, monais)
    volume, truth = read_volume(scan), _truth(scan, data)
    written = out / "predictions" / name / f"{scan.name.removesuffix('.nii.gz')}.nii.gz"
    found = read_volume(written).array.astype(np.uint8)
    if not np.array_equal(found, mine):
        raise SystemExit(f"{scan}: genesis predict and its windows by themselves differ")
    picture(volume, truth, found, out / "pictures" / f"{name}.png")
    return [
        name,
        "x".join(map(str, found.shape)),
        "x".join(f"{step:.3g}" for step in volume.spacing),
        f"{cost.seconds:.1f}",
        f"{cost.megabytes:.0f}",
        f"{found.astype(bool).sum() * np.prod(volume.spacing) / 1000:.0f}",
        "" if truth is None else f"{dice(truth == 1, found == 1):.3f}",
        f"{ours_took.megabytes:.0f}",
        f"{monais_took.megabytes:.0f}",
        f"x {monais_took.computing / ours_took.computing:.2f}",
        f"{(found == other).mean():.4%}",
    ]


def _name(scan: Path, data: Path) -> str:
    return f"{scan.relative_to(data).parent}_{scan.name.removesuffix('.nii.gz')}"


def _truth(scan: Path, data: Path) -> Bytes | None:
    known = TRUTHS.get(str(scan.relative_to(data)))
    return None if known is None else np.isin(read_volume(data / known[0]).array, known[1]).astype(np.uint8)


def _listed(path: Path, column: str) -> list[tuple[str, str]]:
    return [(file, said) for _, (file, said) in read_columns(path, ("path", column), may_be_empty=True)]


def others(data: Path, run: Path, out: Path) -> list[str]:
    """What `genesis predict` says of all in `data` that is no CT: rejected, warned of, or nothing at all."""
    scans = [source.path for source in index_sources([data]) if not is_ct(source.path)]
    apart(_predict, run, scans, out)
    refused, warned = dict(_listed(out / REJECTED, "reason")), dict(_listed(out / WARNINGS, "warning"))
    silent = [path for path in map(str, scans) if path not in refused and path not in warned]
    counted = f"{len(refused)} rejected, {len(warned)} warned of, {len(silent)} silent"
    return [f"{len(scans)} scans that are no CT: {counted}", *(f"- silent: {path}" for path in silent)]


def _predict(run: Path, scans: list[Path], out: Path) -> None:
    torch.set_num_threads(1)
    predict(run, scans, out, probabilities=False)


def main() -> None:
    """Read the arguments, do all, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    run = trained(given.data, given.out)
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    print(*lines, sep="\n", flush=True)
    for scan in scans_of(given.data):
        lines.append(f"| {' | '.join(row_of(scan, given.data, run, given.out))} |")
        print(lines[-1], flush=True)
    doubted = [line for scan in scans_of(given.data) for line in _doubts(scan, given.data, given.out)]
    lines += ["", *doubted, *others(given.data, run, given.out / "others")]
    write_text(given.out / "table.md", "\n".join(lines) + "\n")
    print(*lines[2 + len(scans_of(given.data)) :], sep="\n")


def _doubts(scan: Path, data: Path, out: Path) -> list[str]:
    listed = _listed(out / "predictions" / _name(scan, data) / WARNINGS, "warning")
    return [f"- {_name(scan, data)}: {said}" for _, said in listed]


if __name__ == "__main__":
    main()
