import numpy as np
import pytest

from modelsgenesis.data.convert import PrepareSettings, convert
from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.volume import Volume
from modelsgenesis.errors import GenesisError


def volume(array: np.ndarray, pixel_type: str = "int16") -> Volume:
    axes = array.ndim
    grid = Grid(array.shape, (1.0,) * axes, (0.0,) * axes, tuple(np.eye(axes).ravel()))
    return Volume(array.astype(np.float32), (1.0,) * axes, np.eye(4), "scan", grid, pixel_type)


def ramp(shape: tuple[int, ...] = (20, 20, 20), low: float = -1200, high: float = 1500) -> np.ndarray:
    return np.linspace(low, high, int(np.prod(shape))).reshape(shape).round()


def test_ct_is_clipped_and_exact() -> None:
    _, integers, scale = convert(volume(ramp()), PrepareSettings())
    np.testing.assert_array_equal(scale.decode(integers), np.clip(ramp(), -1000, 1000))
    _, integers, scale = convert(volume(ramp()), PrepareSettings(window=(-200.0, 300.0)))
    assert (scale.low, scale.high, scale.levels, integers.max()) == (-200, 300, 500, 500)


def test_mr_is_scaled_by_its_own_percentiles() -> None:
    _, integers, scale = convert(volume(ramp(low=0, high=700)), PrepareSettings(modality="mr"))
    assert 0 < scale.low < 10
    assert 690 < scale.high < 700
    assert (integers.min(), integers.max()) == (0, 4095)


@pytest.mark.parametrize(("kind", "levels"), [("uint8", 255), ("uint16", 65535), ("int16", 65535)])
def test_images_keep_their_values(kind: str, levels: int) -> None:
    array = ramp((40, 30), 0, 200)
    converted, integers, scale = convert(volume(array, kind), PrepareSettings(modality="image"))
    np.testing.assert_array_equal(integers, array)
    assert (scale.levels, converted.array.ndim) == (levels, 2)


def test_a_single_slice_is_a_2d_image() -> None:
    converted, integers, _ = convert(volume(ramp((40, 30, 1), 0, 200), "uint8"), PrepareSettings(modality="image"))
    assert integers.shape == (40, 30)
    assert converted.spacing == (1.0, 1.0)


def test_labels_keep_their_values_when_resampled() -> None:
    labels = np.zeros((20, 20, 20))
    labels[5:12, 5:12, 5:12] = 200
    config = PrepareSettings(modality="label", spacing=(0.7, 1.3, 1.0))
    converted, integers, _ = convert(volume(labels), config)
    assert sorted(np.unique(integers)) == [0, 200]
    assert converted.spacing == (0.7, 1.3, 1.0)
    assert integers.shape == (29, 15, 20)
    assert convert(volume(np.zeros((20, 20, 20))), config)[1].max() == 0


def with_value(value: float) -> np.ndarray:
    array = ramp(low=0, high=200)
    array[3, 4, 5] = value
    return array


@pytest.mark.parametrize(
    ("array", "modality", "reason"),
    [
        (with_value(np.nan), "ct", "NaN"),
        (with_value(np.inf), "mr", "NaN or infinite"),
        (with_value(-np.inf), "label", "NaN or infinite"),
        (np.full((20, 20, 20), 7.0), "ct", "constant"),
        (ramp(low=2000, high=3000), "ct", "nothing inside the window"),
        (ramp((20, 20, 15)), "ct", "too few slices"),
        (ramp((40, 30)), "ct", "2D image"),
        (with_value(0.5), "label", "not a label map"),
        (with_value(256), "label", "not a label map"),
        (with_value(-1), "label", "not a label map"),
        (with_value(-1), "image", "unsigned"),
        (with_value(0.5), "image", "unsigned"),
    ],
)
def test_what_is_refused(array: np.ndarray, modality: str, reason: str) -> None:
    with pytest.raises(GenesisError, match=reason):
        convert(volume(array), PrepareSettings(modality=modality))  # type: ignore[arg-type]


def test_settings_of_a_wrong_type_are_refused() -> None:
    from modelsgenesis.config import build
    from modelsgenesis.errors import UsageError

    with pytest.raises(UsageError, match="modality"):
        build(PrepareSettings, {"modality": "pet"}, "test")
