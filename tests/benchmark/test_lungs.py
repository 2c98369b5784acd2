"""The parts of `benchmarks.lungs` that need no real scan."""

from pathlib import Path

import numpy as np

from benchmarks.lungs import is_ct, measured, monais, ours, picture
from modelsgenesis.data.volume import read_volume
from modelsgenesis.prediction.ensemble import Ensemble
from modelsgenesis.targets.prepared import ImageSettings
from tests.prediction.test_ensemble import save_run, scan

__all__ = ["scan"]


def test_monais_windows_give_the_same_labels(tmp_path: Path, scan: Path) -> None:
    run = save_run(tmp_path / "run", 0, images=ImageSettings(spacing=(1.0, 1.0, 1.0)))
    ensemble = Ensemble([run], probabilities=False)
    given = ensemble.inputs([read_volume(scan)])[0]
    mine, theirs = ours(ensemble, given), monais(ensemble, given)
    assert mine.shape == theirs.shape == read_volume(scan).array.shape
    assert len(np.unique(mine)) > 1
    assert (mine == theirs).mean() > 0.999


def test_memory_is_the_most_held_at_once() -> None:
    def work() -> int:
        np.ones(40 * 2**20, np.uint8)  # given back before the next
        return int(np.ones(80 * 2**20, np.uint8).size)

    found, cost = measured(work)
    assert found == 80 * 2**20
    assert 75 < cost.megabytes < 160  # what was freed may stay with the process


def test_which_files_are_ct() -> None:
    ct = ("a/ct.nii.gz", "a/chest_ct_small.nii.gz", "lidc-nodules/images/1.nii.gz", "a/pat_1_ct.nii.gz")
    other = ("pet-ct/t1.nii.gz", "a/STS_002_ct_gtv.nii.gz", "lidc-nodules/masks/1.nii.gz", "a/contact.nii.gz")
    assert [is_ct(Path(name)) for name in ct + other] == [True] * 4 + [False] * 4


def test_a_picture_of_a_scan_without_truth(tmp_path: Path, scan: Path) -> None:
    volume = read_volume(scan)
    picture(volume, None, (volume.array > 0).astype(np.uint8), tmp_path / "scan.png")
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
