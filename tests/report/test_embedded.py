"""What the page embeds, read back by other programs: pictures by matplotlib, volumes by nibabel, NiiVue's script."""

import base64
import gzip
import hashlib
import io
from pathlib import Path

import matplotlib.image
import nibabel
import numpy as np
import pytest

from modelsgenesis.report.bundle import csp_hash, packed_script, source
from modelsgenesis.report.examples import cut, outline
from modelsgenesis.report.nifti import nifti, packed, world
from modelsgenesis.report.png import data_uri, png
from modelsgenesis.report.restoration import error_colours

NIIVUE = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1)])
def test_png(shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 256, shape).astype(np.uint8)
    read = matplotlib.image.imread(io.BytesIO(png(pixels)))
    np.testing.assert_array_equal(np.rint(read * 255).astype(np.uint8), pixels)
    assert base64.b64decode(data_uri(pixels).removeprefix("data:image/png;base64,")) == png(pixels)


def test_nifti_is_what_nibabel_reads() -> None:
    array = RNG.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    image = nibabel.Nifti1Image.from_bytes(nifti(array, (1.0, 2.0, 3.5)))
    np.testing.assert_array_equal(np.asarray(image.dataobj), array)
    assert image.header.get_zooms() == (1.0, 2.0, 3.5)
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    np.testing.assert_allclose(image.affine @ [2, 1.5, 1, 1], [0, 0, 0, 1])
    np.testing.assert_allclose((image.affine @ [4, 0, 2, 1])[:3], world((4, 0, 2), array.shape, (1.0, 2.0, 3.5)))
    assert gzip.decompress(base64.b64decode(packed(array, (1.0, 2.0, 3.5)))) == nifti(array, (1.0, 2.0, 3.5))


def test_vendored_script_is_the_published_one() -> None:
    assert hashlib.sha256(source()).hexdigest() == NIIVUE
    assert gzip.decompress(base64.b64decode(packed_script())) == source()
    assert b"</script" not in source().lower()


def test_its_licence_lies_beside() -> None:
    from modelsgenesis.report import bundle

    licence = (Path(bundle.__file__).parent / "vendor" / "LICENSES.txt").read_text()
    assert "BSD 2-Clause License" in licence
    assert all(f"{name} " in licence for name in ("fflate", "gl-matrix", "nifti-reader-js", "zarrita", "numcodecs"))


def test_hash_is_the_one_of_the_text() -> None:
    assert csp_hash("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    assert csp_hash("é") == csp_hash("é".encode())


def test_outline_runs_along_the_border_of_the_pixels() -> None:
    mask = np.zeros((6, 5), bool)
    mask[2:4, 1:4] = True
    path = outline(mask)
    points = np.array([point.split() for point in path.strip("MZ").replace("Z", "").split("L")], float)
    assert path.count("M") == path.count("Z") == 1
    assert (points.min(0) == [2, 1]).all()
    assert (points.max(0) == [4, 4]).all()
    assert outline(np.zeros((3, 3), bool)) == ""
    assert outline(np.ones((3, 3), bool)) != ""


def test_planes_have_the_head_up() -> None:
    array = np.zeros((4, 5, 6), np.uint8)
    array[1, 2, 5] = 9  # towards the head
    assert cut(array, "axial", (1, 2, 5))[1, 2] == 9
    assert cut(array, "coronal", (1, 2, 5))[1, 0] == 9
    assert cut(array, "sagittal", (1, 2, 5))[2, 0] == 9


def test_no_error_is_black() -> None:
    same = np.full((2, 2), 100, np.uint8)
    assert error_colours(same, same).max() < 8
    assert error_colours(same, np.full((2, 2), 255, np.uint8)).min() > 180
