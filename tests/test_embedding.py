"""Scans as a network sees them and their features, against slow references."""

import csv
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

import modelsgenesis as mg
from modelsgenesis import cli
from modelsgenesis.data.intensity import ct_window
from modelsgenesis.data.scale import drawn_scale
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork

CUBE = (16, 16, 16)
WINDOW = {"low": -1000.0, "high": 1000.0, "levels": 2000}


def model(name: str = "unet3d_light", **about: Any) -> Any:
    torch.manual_seed(1)
    network = DenseNetwork(build_backbone(BackboneSettings(name, width=2)), 1).eval()
    cube = CUBE if network.backbone.axes == 3 else (32, 32)
    scale = drawn_scale(1.5, 3.0, len(cube))
    network.provenance = {"modality": "ct", "intensity": WINDOW, "cube": list(cube), "scale": scale, **about}
    return network


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """HU at 2 mm, axes of the file to the right, front and head (RAS turned once), as nibabel writes it."""
    values = np.random.default_rng(0).normal(0, 600, (28, 20, 24)).astype(np.int16)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-20, -30, 40)
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_a_scan_of_the_spacing_of_the_training_is_mapped_alone(scan: Path) -> None:
    stored = nib.load(scan)
    values = np.asarray(stored.dataobj)[::-1, ::-1]  # RAS to LPS
    expected = np.clip((values.astype(np.float64) + 1000) / 2000, 0, 1)
    np.testing.assert_allclose(mg.preprocess(scan, model())[0], expected, atol=1e-6)


@pytest.mark.parametrize(("low", "high", "spacing"), [(3.0, 4.0, 3.0), (0.5, 1.0, 1.0), (4.0, 4.0, 4.0)])
def test_another_spacing_is_brought_to_the_nearest_of_the_training(
    low: float, high: float, spacing: float, scan: Path
) -> None:
    seen = mg.preprocess(scan, model(scale=drawn_scale(low, high, 3)))
    assert seen.shape == (1, *(round(n * 2 / spacing) for n in (28, 20, 24)))


def test_weights_without_a_spacing_say_so(scan: Path) -> None:
    with pytest.warns(UserWarning, match="do not tell their spacing"):
        assert mg.preprocess(scan, model(scale={})).shape == (1, 28, 20, 24)


def test_weights_that_say_nothing_are_refused(scan: Path) -> None:
    network = model()
    network.provenance = {}
    with pytest.raises(UsageError, match="does not say its modality, intensity, cube"):
        mg.embed(network, scan)


def test_a_scan_of_one_cube_is_pooled_over_its_deepest_features(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(0, 500, CUBE).astype(np.float32).round()
    nib.save(nib.Nifti1Image(values, np.diag([-2.0, -2.0, 2.0, 1.0])), tmp_path / "cube.nii")
    network = model()
    with torch.no_grad():
        unit = torch.from_numpy(ct_window().unit(ct_window().encode(values)))
        deepest = network.backbone.encode(unit[None, None])[-1][0].double().numpy()
    expected = [*deepest.mean((1, 2, 3)), *deepest.std((1, 2, 3))]
    np.testing.assert_allclose(mg.embed(network, tmp_path / "cube.nii"), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mg.embed(network, tmp_path / "cube.nii", maps=True), deepest, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["unet3d_light", "unet2d"])
def test_a_map_has_a_place_for_each_stride(name: str, scan: Path) -> None:
    network = model(name)
    found = mg.embed(network, scan, maps=True)
    stride, channels = network.backbone.strides[-1], network.backbone.channels[-1]
    sides = [-(-n // stride) for n in (28, 20, 24)]
    assert found.shape == (channels, *sides[: network.backbone.axes], *(24,) * (3 - network.backbone.axes))
    assert mg.embed(network, scan).shape == (2 * channels,)


def test_points_are_cubes_around_places_in_patient_coordinates(scan: Path) -> None:
    """A slow reference: voxel by voxel, zeros outside."""
    network, volume = model(), mg.read_volume(scan)
    unit = mg.preprocess(volume, network)[0]
    for voxel in ([14, 10, 12], [1, 19, 3]):
        cube = np.zeros(CUBE, np.float32)
        for place in np.ndindex(*CUBE):
            at = [v - 8 + p for v, p in zip(voxel, place, strict=True)]
            if all(0 <= a < n for a, n in zip(at, unit.shape, strict=True)):
                cube[place] = unit[tuple(at)]
        with torch.no_grad():
            deepest = network.backbone.encode(torch.from_numpy(cube)[None, None])[-1][0].double().numpy()
        millimetres = (volume.affine @ [*voxel, 1])[:3]
        found = mg.embed(network, volume, points=[millimetres])
        expected = [*deepest.mean((1, 2, 3)), *deepest.std((1, 2, 3))]
        np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-6)
    assert mg.embed(network, volume, points=np.zeros((0, 3))).shape == (0, 2 * network.backbone.channels[-1])


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[1.0, 2.0]], r"give \(N, 3\)"),
        ([[0.0, 0.0, 999.0]], "lies outside the scan"),
        ([[0.0, float("nan"), 0.0]], "lies outside the scan"),
        ([["a", 0.0, 0.0]], "are not numbers"),
    ],
)
def test_points_that_cannot_be_are_refused(points: Any, said: str, scan: Path) -> None:
    with pytest.raises(UsageError, match=said):
        mg.embed(model(), scan, points=points)


@pytest.mark.parametrize("given", [["a.nii", "b.nii"], np.zeros((16, 16, 16)), torch.zeros(16, 16, 16), None])
def test_what_is_no_scan_is_told_what_to_become(given: Any) -> None:
    for use in (mg.preprocess, lambda scan, network: mg.embed(network, scan)):
        with pytest.raises(UsageError, match=rf"scan: is a {type(given).__name__}; give one file.*placed"):
            use(given, model())


def test_an_image_is_none_for_weights_of_volumes(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30), dtype=np.uint8)).save(tmp_path / "image.png")
    with pytest.raises(UsageError, match="image: a 2D image, but the weights are of volumes"):
        mg.preprocess(tmp_path / "image.png", model())


def test_values_that_do_not_fit_the_weights_are_named_with_their_scan(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1, (32, 32, 1)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "slice.nii.gz")
    with pytest.raises(GenesisError, match=r"slice: does not fit the weights \(not unsigned"):
        mg.preprocess(tmp_path / "slice.nii.gz", model("unet2d", modality="image"))


def test_what_does_not_go_together_is_refused(scan: Path) -> None:
    with pytest.raises(UsageError, match="points and maps at once"):
        mg.embed(model(), scan, points=[[0, 0, 0]], maps=True)
    with pytest.raises(UsageError, match="takes 3 channels, a scan has one"):
        mg.embed(mg.load("genesis-chest-ct", channels=3), scan)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_a_network_of_another_type_gives_the_features(kind: torch.dtype, scan: Path) -> None:
    volume, network = mg.read_volume(scan), model()
    place = (volume.affine @ [14, 10, 12, 1])[:3]
    choices: list[dict[str, Any]] = [{}, {"maps": True}, {"points": [place]}]
    for chosen in choices:
        exact = mg.embed(model(), volume, **chosen)
        found = mg.embed(network.to(kind), volume, **chosen)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, exact, rtol=0.05, atol=0.02 * np.abs(exact).max())


def test_the_features_do_not_depend_on_how_the_scan_is_given(scan: Path) -> None:
    network = mg.load("genesis-chest-ct")
    by_name = mg.embed("genesis-chest-ct", str(scan))
    np.testing.assert_array_equal(mg.embed(network, mg.read_volume(scan)), by_name)
    assert np.isfinite(by_name).all()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def genesis(*arguments: object) -> Any:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return ended.value.code


def test_the_command_writes_a_table_and_lists_what_it_cannot_use(scan: Path, tmp_path: Path) -> None:
    (scan.parent / "broken.nii.gz").write_bytes(b"nothing")
    out = tmp_path / "out"
    assert genesis("embed", "genesis-chest-ct", scan, scan.parent / "broken.nii.gz", "--out", out, "--maps") == 0
    (row,) = rows(out / "features.csv")
    expected = mg.embed("genesis-chest-ct", scan)
    np.testing.assert_allclose([float(row[f"mean_{c}"]) for c in range(128)], expected[:128], rtol=1e-5, atol=1e-7)
    assert rows(out / "rejected.csv")[0]["path"].endswith("broken.nii.gz")
    np.testing.assert_array_equal(np.load(out / f"{row['scan']}.npy"), mg.embed("genesis-chest-ct", scan, maps=True))


def test_the_command_takes_a_table_of_points(scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = scan.parent / "points.csv"
    table.write_text("path,x,y,z\nscan.nii.gz,0,10,60\nscan.nii.gz,-10,5,50\n")
    out = tmp_path / "out"
    assert genesis("embed", "genesis-chest-ct", scan, "--out", out, "--points", table) == 0
    found = rows(out / "features.csv")
    expected = mg.embed("genesis-chest-ct", scan, points=[[0, 10, 60], [-10, 5, 50]])
    assert [row["x"] for row in found] == ["0.0", "-10.0"]
    np.testing.assert_allclose([float(row["std_3"]) for row in found], expected[:, 131], rtol=1e-5)
    table.write_text("path,x,y,z\nother.nii.gz,0,10,60\n")
    assert genesis("embed", "genesis-chest-ct", scan, "--out", out, "--points", table) == 1
    assert "line 2: other.nii.gz is none of the scans given" in capsys.readouterr().err


def test_a_command_without_any_usable_scan_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    assert genesis("embed", "genesis-chest-ct", tmp_path / "broken.nii.gz", "--out", tmp_path / "out") == 1
    assert not (tmp_path / "out/features.csv").exists()
    with pytest.raises(GenesisError, match="no such"):
        mg.embed("genesis-chest-ct", tmp_path / "nowhere.nii.gz")
