"""Overlaps of pre-training and target data: by subject, by series, by file, by voxels under another name and format."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.manifest import Scan
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.seen import IMAGES, write_images
from modelsgenesis.data.splits import SplitSettings
from modelsgenesis.data.store import open_store
from modelsgenesis.evaluate.leaks import Pairing, leaks, overlaps
from modelsgenesis.evaluate.overview import overview
from modelsgenesis.evaluate.reading import BENCHMARK, benchmark_overlaps
from modelsgenesis.evaluate.results import Comparison, Leak, Result
from modelsgenesis.files import write_json
from modelsgenesis.phantoms.chest import chest
from modelsgenesis.phantoms.images import hounsfield, placed
from modelsgenesis.run import Run

UID = "1.3.6.1.4.1.14519.5.2.1"


def scan_files(folder: Path, names: Sequence[str], seed: int = 0) -> Path:
    """The same few patients whatever their files are called; the ending decides the format."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        phantom = chest(np.random.default_rng((seed, number)), (20, 20, 18), (14.0, 14.0, 16.0))
        sitk.WriteImage(placed(hounsfield(phantom.array), phantom.spacing, flipped=number == 1), str(folder / name))
    return folder


def scans(folder: Path, names: Sequence[str], seed: int = 0, **settings: object) -> tuple[Scan, ...]:
    files = scan_files(folder / "files", names, seed)
    prepare([files], folder / "store", PrepareSettings(**settings), workers=1)  # type: ignore[arg-type]
    return open_store(folder / "store").scans


def ran(folder: Path, sides: dict[str, Sequence[Scan]], subject: str = "") -> Path:
    write_images(folder, ((side, subject or one.subject, one) for side, found in sides.items() for one in found))
    return folder


def found(pretraining: Path, target: Path) -> list[Leak]:
    return overlaps([Pairing(target, pretraining, "genesis", "ncc")])


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, ...]:
    return scans(tmp_path_factory.mktemp("seen"), ["a.nii.gz", "b.nii.gz", "c.nii.gz"])


def test_subjects_are_compared_on_every_side(seen: tuple[Scan, ...], tmp_path: Path) -> None:
    blank = [replace(one, digest="", voxels="") for one in seen]
    pretraining = ran(tmp_path / "p", {"training": blank[:2], "validation": blank[2:]})
    target = ran(tmp_path / "t", {"training": blank[:1], "validation": blank[1:2], "test": blank[2:]})
    all_of_it = found(pretraining, target)
    assert [(one.side, one.kind, one.names) for one in all_of_it] == [
        ("training", "subject", ("a",)),
        ("validation", "subject", ("b",)),
        ("test", "subject", ("c",)),
    ]
    assert [one.side for one in leaks(all_of_it)] == ["validation", "test"]  # what it may learn from is no leak


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (["x.nii.gz", "y.nii.gz", "z.nii.gz"], {}),
        (["x.mha", "y.nrrd", "z.nii"], {}),
        (["x.mha", "y.nrrd", "z.nii"], {"window": (-200.0, 300.0), "spacing": (20.0, 20.0, 20.0)}),
    ],
)
def test_the_same_image_under_another_name(
    names: list[str], settings: dict[str, object], seen: tuple[Scan, ...], tmp_path: Path
) -> None:
    """Other format, other window, other spacing, axes stored the other way round: still the same patient."""
    copies = scans(tmp_path / "copies", names, **settings)
    target = ran(tmp_path / "t", {"test": copies}, subject="someone")
    (leak,) = found(ran(tmp_path / "p", {"training": seen}), target)
    assert (leak.kind, leak.side, leak.arm, leak.target) == ("image", "test", "genesis", "ncc")
    assert leak.names == tuple(f"someone: {name}" for name in names)


def test_other_patients_are_no_overlap(seen: tuple[Scan, ...], tmp_path: Path) -> None:
    others = scans(tmp_path / "others", ["x.nii.gz", "y.nii.gz", "z.nii.gz"], seed=1)
    assert found(ran(tmp_path / "p", {"training": seen}), ran(tmp_path / "t", {"test": others})) == []


def test_series_of_luna16_and_lidc_are_one(seen: tuple[Scan, ...], tmp_path: Path) -> None:
    """A file called after its series, and a DICOM folder of a patient with another name."""
    luna = replace(seen[0], source=f"/data/subset0/{UID}.mhd", subject=f"subset0__{UID}", digest="1", voxels="2")
    lidc = replace(seen[1], source="/data/LIDC-IDRI-0001/series", subject="LIDC-IDRI-0001", series=UID)
    (leak,) = found(ran(tmp_path / "p", {"training": [luna]}), ran(tmp_path / "t", {"validation": [lidc]}))
    assert (leak.kind, leak.names) == ("subject", ("LIDC-IDRI-0001",))


def test_2d_images_by_their_pixels(tmp_path: Path) -> None:
    pixels = sitk.GetImageFromArray(np.arange(900, dtype=np.uint8).reshape(30, 30))
    for name in ("one/p.png", "two/00000001_000.tif"):
        (tmp_path / name).parent.mkdir()
        sitk.WriteImage(pixels, str(tmp_path / name))
        prepare([tmp_path / name], tmp_path / name[:3] / "store", PrepareSettings(modality="image"), workers=1)
    one, two = (open_store(tmp_path / name / "store").scans for name in ("one", "two"))
    (leak,) = found(ran(tmp_path / "p", {"training": one}), ran(tmp_path / "t", {"test": two}, "patient 1"))
    assert leak.names == ("patient 1: 00000001_000.tif",)


def test_without_a_list_of_images_subjects_are_compared(seen: tuple[Scan, ...], tmp_path: Path) -> None:
    pretraining = ran(tmp_path / "p", {"training": seen})
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "split.json").write_text(json.dumps({"training": [], "validation": [], "test": ["a", "q"]}))
    (leak,) = found(pretraining, tmp_path / "t")
    assert (leak.kind, leak.names) == ("subject", ("a",))
    assert not (tmp_path / "t" / IMAGES).exists()


def test_runs_of_one_arm_count_together(seen: tuple[Scan, ...], tmp_path: Path) -> None:
    pretraining = ran(tmp_path / "p", {"training": seen})
    runs = [ran(tmp_path / f"t{n}", {"test": seen[n : n + 1]}) for n in (0, 1)]
    merged = overlaps([Pairing(run, pretraining, "genesis", "ncc") for run in runs])
    assert {one.kind: one.names for one in merged}["subject"] == ("a", "b")


def test_runs_of_a_benchmark_are_compared_with_their_pretraining(seen: tuple[Scan, ...], tmp_path: Path) -> None:
    cells = []
    for arm, origin in (("scratch", ""), ("genesis", "chest"), ("brain", "mr"), ("unfinished", "chest")):
        path = tmp_path / "runs" / arm
        Run(path).begin("finetune", SplitSettings(), "data", False)
        ran(path, {"training": seen[:1], "test": seen[1:]})
        if arm != "unfinished":
            Run(path).finish()
        cells.append({"run": f"runs/{arm}", "arm": arm, "data": "ncc", "pretraining": origin})
    ran(tmp_path / "pretraining" / "chest", {"training": seen[:2]})
    ran(tmp_path / "pretraining" / "mr", {"training": []})
    write_json(tmp_path / BENCHMARK, {"cells": cells})
    found = {(one.arm, one.side, one.kind): one.names for one in benchmark_overlaps(tmp_path)}
    assert found == {
        ("genesis", "training", "subject"): ("a",),
        ("genesis", "training", "image"): ("a: a.nii.gz",),
        ("genesis", "test", "subject"): ("b",),
        ("genesis", "test", "image"): ("b: b.nii.gz",),
    }


def test_a_comparison_with_a_leak_is_marked() -> None:
    def result(arm: str, seed: int, score: float) -> Result:
        return Result(Path(f"{arm}-{seed}"), "ncc", arm, "unet3d", 1.0, seed, "classification", "auc", score)

    results = (result("scratch", 0, 0.5), result("scratch", 1, 0.6), result("genesis", 0, 0.75))
    leak = Leak(Path("p"), "genesis", "ncc", "subject", ("a", "b", "c", "d"), "test")
    shown = overview(Comparison(results, leaks=(leak,)))
    assert "genesis*" in shown
    assert "scratch*" not in shown
    assert "0.550 ± 0.071  2" in shown
    assert "* genesis on ncc: its pre-training saw 4 test subjects: a, b, c and 1 more" in shown
    assert overview(Comparison(())) == "no run is finished yet"
