"""Scale: what is kept with weights, against scans of known spacing, and which differences are named."""

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.data.convert import PrepareSettings, convert
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.intensity import ct_window, unsigned_image
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.scale import mismatch
from modelsgenesis.data.store import Store, add_scan, open_store
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError

SPACINGS = ((1.0, 1.0, 2.0), (1.5, 1.5, 3.0), (2.5, 2.5, 2.5))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("scale") / "volumes"
    noise = np.random.default_rng(0).integers(0, 2000, (40, 40, 40)).astype(np.uint16)
    for number, spacing in enumerate(SPACINGS):
        add_scan(path, f"scan{number}", noise, ct_window(), spacing=spacing, levels=3)
    return open_store(path)


def scale(store: Store, **choice: object) -> dict:
    return CubeSampler(store, store.scans, CubeSettings(**choice)).scale


def test_own_voxels_are_told_as_median_and_range(volumes: Store) -> None:
    found = scale(volumes, shape=(8, 8, 8))
    assert found == {"spacing": {"median": [1.5, 1.5, 2.5], "low": [1.0, 1.0, 2.0], "high": [2.5, 2.5, 3.0]}}
    assert scale(volumes, shape=(8, 8))["spacing"]["median"] == [1.5, 1.5]


def test_a_drawn_spacing_is_told_as_its_range(volumes: Store) -> None:
    found = scale(volumes, shape=(8, 8, 8), spacing=(1.0, 4.0))
    assert found == {"spacing": {"median": [2.0] * 3, "low": [1.0] * 3, "high": [4.0] * 3}, "drawn": True}
    assert scale(volumes, shape=(8, 8, 8), spacing=2.0)["spacing"]["high"] == [2.0] * 3
    reached = scale(volumes, shape=(32, 32, 32), spacing=(1.0, 4.0))["spacing"]["high"][0]
    assert reached == pytest.approx(40 * 2.5 / 32, rel=1e-4)  # no scan is large enough for more


def test_images_of_unknown_pixel_size_are_told_by_their_pixels(tmp_path: Path) -> None:
    for number, side in enumerate((200, 224, 240)):
        image = np.random.default_rng(number).integers(0, 256, (side, side)).astype(np.uint8)
        add_scan(tmp_path, f"x{number}", image, unsigned_image(8), modality="image", measured=False)
    found = scale(open_store(tmp_path), shape=(64, 64))
    assert found == {"across": [224, 224], "share": [0.2857, 0.2857]}


def of(*spacing: float, **more: object) -> dict:
    low, high = more.pop("low", spacing), more.pop("high", spacing)
    return {"spacing": {"median": list(spacing), "low": list(low), "high": list(high)}, **more}


def test_what_differs_by_more_than_half_is_named() -> None:
    found = mismatch(of(1.7, 1.7, 2.0), of(4.2, 4.2, 4.5))
    assert found is not None
    assert found.factor == pytest.approx(4.2 / 1.7)
    assert found.sentence == (
        "the init source saw voxels of 1.7x1.7x2 mm, here it is shown voxels of 4.2x4.2x4.5 mm, a factor of 2.5; set "
        "images.spacing to what it saw, or pre-train with cubes.spacing 1.7 4.5, unless the difference is meant"
    )
    assert mismatch(of(1.0, 1.0, 1.0), of(1.5, 1.5, 1.5)) is None
    assert mismatch(of(1.0, 1.0, 1.0), of(0.66, 0.66, 0.66)) is not None
    assert mismatch(of(1.0, 1.0, 1.0), of(1.0, 1.0, 1.6)) is not None  # one axis is enough
    assert mismatch(of(1.5, 1.5, 2.5, low=(0.5,) * 3, high=(5.0,) * 3), of(4.0, 4.0, 4.0)) is not None  # one scan of 5


def test_a_drawn_range_covers_what_lies_in_it() -> None:
    drawn = of(*(math.sqrt(5.04),) * 3, low=(1.2,) * 3, high=(4.2,) * 3, drawn=True)
    for step in (0.85, 1.2, 1.25, 3.0, 4.5, 6.2):
        assert mismatch(drawn, of(step, step, step)) is None
    found = mismatch(drawn, of(7.0, 7.0, 8.0))
    assert found is not None
    assert (found.weights, found.factor) == ("voxels of 1.2 to 4.2 mm", pytest.approx(8.0 / 4.2))


def test_images_are_compared_by_pixels_across_and_unlike_things_not_at_all() -> None:
    crops = {"across": [224, 224], "share": [0.43, 0.43]}
    found = mismatch(crops, {"across": [96, 96], "share": [1, 1]})
    assert found is not None
    assert found.factor == pytest.approx(224 / 96)
    assert "images of 224x224 pixels, here it is shown images of 96x96 pixels, a factor of 2.3" in found.sentence
    assert "--resize 96 96" in found.sentence
    assert mismatch({"across": [96, 96]}, {"across": [96, 96]}) is None
    assert mismatch(of(1.7, 1.7), {"across": [96, 96]}) is None
    assert mismatch({}, of(1.0, 1.0, 1.0)) is None
    assert mismatch(of(1.0, 1.0), of(4.0, 4.0, 4.0)) is None  # an image and a volume
    assert mismatch(of(4.0, 4.0, 4.0, drawn=True), of(1.0, 1.0)) is None
    assert mismatch({"across": [96, 96]}, {"across": [24, 24, 24]}) is None


def save_image(path: Path, shape: tuple[int, int] = (300, 200)) -> Path:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.integers(0, 256, shape[::-1]).astype(np.uint8))
    image.SetSpacing((0.35, 0.35))  # 72 dots an inch: the resolution of a screen
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_the_resolution_of_a_screen_is_no_pixel_size(tmp_path: Path, suffix: str) -> None:
    path = save_image(tmp_path / f"x{suffix}")
    prepare([path], tmp_path / "unknown", PrepareSettings(modality="image"), workers=1)
    (scan,) = open_store(tmp_path / "unknown").scans
    assert (scan.measured, scan.spacing) == (False, (1.0, 1.0))
    stated, _, _ = convert(read_volume(path), PrepareSettings(modality="image", pixel_size=0.2))
    assert (stated.measured, stated.spacing) == (True, (0.2, 0.2))
    with pytest.raises(GenesisError, match="--pixel-size"):
        convert(read_volume(path), PrepareSettings(modality="image", spacing=(1.0, 1.0, 1.0)))


def test_whole_images_are_resized_as_the_target_does(tmp_path: Path) -> None:
    from modelsgenesis.targets.patches import fit_scan

    volume = read_volume(save_image(tmp_path / "x.png"))
    resized, encoded, _ = convert(volume, PrepareSettings(modality="image", resize=(64, 32), pixel_size=0.5))
    assert encoded.shape == (64, 32)
    seen = fit_scan(volume.array[None] / 255, (64, 32), "resize")[0]
    np.testing.assert_allclose(encoded / 255, seen, atol=0.6 / 255)
    assert resized.spacing == pytest.approx((300 * 0.5 / 64, 200 * 0.5 / 32))
    # the field of view is the same: half a pixel outside the first and the last centre
    for pixels, image in ((np.array(volume.array.shape), volume), (np.array([64, 32]), resized)):
        ends = [(image.affine @ np.array([*at, 0, 1]))[:2] for at in (np.array([-0.5, -0.5]), pixels - 0.5)]
        field = np.abs(ends[1] - ends[0])
        np.testing.assert_allclose(field, np.array([300, 200]) * (0.5 if image is resized else image.spacing[0]))
    noise = np.random.default_rng(0).random((20, 20, 20))
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(tmp_path / "v.nii.gz"))
    with pytest.raises(GenesisError, match="--resize is for 2D"):
        convert(read_volume(tmp_path / "v.nii.gz"), PrepareSettings(resize=(8, 8)))
