"""Pictures are written whole, and show what their titles say."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from modelsgenesis.training.figures import COLUMNS, Restored, _view, draw_curves, draw_restoration, keep_restoration

SIDES = (5, 7, 9)
COORDINATES = np.stack(np.meshgrid(*map(np.arange, SIDES), indexing="ij"), -1)
"""(X, Y, Z, 3): each voxel holds its own index."""


@pytest.mark.parametrize(
    ("plane", "fixed", "down", "across", "aspect"),
    [
        ("axial", {2: 4}, (1, 1), (0, 1), 2 / 1),  # seen from the feet: x to the left of the patient, y to the back
        ("coronal", {1: 3}, (2, -1), (0, 1), 3 / 1),  # head up
        ("sagittal", {0: 2}, (2, -1), (1, 1), 3 / 2),
    ],
)
def test_planes(
    plane: str, fixed: dict[int, int], down: tuple[int, int], across: tuple[int, int], aspect: float
) -> None:
    """LPS axes: `down` and `across` are (axis, direction) of the rows and columns."""
    views = [_view(COORDINATES[..., axis].astype(np.float32), plane, (1.0, 2.0, 3.0)) for axis in range(3)]
    index = np.stack([view for view, _ in views], -1)
    assert {found for _, found in views} == {aspect}
    assert index.shape[:2] == (SIDES[down[0]], SIDES[across[0]])
    for axis, place in fixed.items():
        assert (index[..., axis] == place).all()
    assert (np.diff(index[..., down[0]], axis=0) == down[1]).all()
    assert (np.diff(index[..., across[0]], axis=1) == across[1]).all()


def test_a_2d_image_is_shown_whole() -> None:
    view, aspect = _view(np.arange(6, dtype=np.float32).reshape(3, 2), "image", (1.0, 4.0))
    assert view.tolist() == [[0, 2, 4], [1, 3, 5]]
    assert aspect == 4


def tile(picture: np.ndarray, rows: int, planes: int, row: int, plane: int, column: int) -> np.ndarray:
    """The picture's part for a cube, plane and column, from the layout in the docstring of `draw_restoration`."""
    wide = picture.shape[1] / (planes * (len(COLUMNS) + 0.2))
    high = picture.shape[0] / (rows + 0.4)
    left, top = wide * (plane * (len(COLUMNS) + 0.2) + column), high * (row + 0.4)
    return picture[round(top) : round(top + high), round(left) : round(left + wide), :3]


def test_restoration_shows_input_restored_target_and_error(tmp_path: Path) -> None:
    head_bright = np.zeros((8, 8, 8), np.float32)
    head_bright[:, :, 4:] = 1
    dark, grey = np.zeros_like(head_bright), np.full_like(head_bright, 0.5)
    cubes = [Restored(dark, grey, head_bright, (1.0, 1.0, 1.0)), Restored(grey, dark, dark, (1.0, 1.0, 1.0))]
    draw_restoration(tmp_path / "deep" / "x.png", cubes)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.png"]
    picture = imread(tmp_path / "deep/x.png")

    def middle(row: int, plane: int, column: int, half: str = "all") -> float:
        part = tile(picture, 2, 3, row, plane, column)
        high, wide = part.shape[:2]
        inner = part[high // 8 : -high // 8, wide // 8 : -wide // 8]
        halves = {"all": inner, "upper": inner[: len(inner) // 3], "lower": inner[-len(inner) // 3 :]}
        return float(halves[half].mean())

    assert [round(middle(0, 1, column), 1) for column in range(2)] == [0.0, 0.5]
    assert middle(0, 1, 2, "upper") > 0.9  # coronal: the head is up
    assert middle(0, 1, 2, "lower") < 0.1
    assert [round(middle(1, 2, column), 1) for column in range(4)] == [0.5, 0.0, 0.0, 0.0]  # no error where none is
    assert middle(0, 2, 3) > 0.9  # magma's brightest is white-yellow: |0.5 - target| is above what is shown as white


def test_restoration_in_2d(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((16, 24)).astype(np.float32)
    draw_restoration(tmp_path / "x.png", [Restored(image, image, image, (1.0, 2.0))])
    assert imread(tmp_path / "x.png").std() > 0.05


def test_curves_leave_out_what_was_not_measured(tmp_path: Path) -> None:
    metrics = [{"step": 1, "loss": 0.3}, {"step": 2, "loss": 0.2, "validation": 0.4}]
    draw_curves(tmp_path / "x.png", metrics, ("loss", "validation"), {"constant": 0.25})
    assert imread(tmp_path / "x.png").std() > 0.05


def test_planes_are_kept_as_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cubes = [Restored(*rng.random((3, *SIDES), np.float32), (1.0, 2.0, 3.0)) for _ in range(2)]
    keep_restoration(tmp_path / "restoration.npz", cubes)
    with np.load(tmp_path / "restoration.npz") as kept:
        assert len(kept.files) == 2 * 3 * 4
        for plane in ("axial", "coronal", "sagittal"):
            view, aspect = _view(cubes[1].restored, plane, cubes[1].spacing)
            np.testing.assert_allclose(kept[f"1/{plane}/restored"] / 255, view, atol=0.5 / 255 + 1e-6)
            assert kept[f"1/{plane}/aspect"] == aspect


def test_2d_images_have_one_plane(tmp_path: Path) -> None:
    image = np.full((4, 6), 2.0, np.float32)  # beyond 1 is clipped
    keep_restoration(tmp_path / "restoration.npz", [Restored(image, image, image, (1.0, 1.0))])
    with np.load(tmp_path / "restoration.npz") as kept:
        assert kept["0/image/target"].tolist() == [[255] * 4] * 6
