"""The test files that nibabel and pydicom install with themselves: odd files that others have met."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel
import pydicom.data

from benchmarks.odd import dicom, nifti
from benchmarks.odd.variant import Variant
from modelsgenesis.data.formats.suffixes import NIBABEL


def variants(folder: Path) -> Iterator[Variant]:
    """Each file that may hold a scan, copied with the files beside it."""
    images = Path(nibabel.__file__).parent / "tests/data"
    place = shutil.copytree(images, folder / "nibabel")
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name.lower().endswith(NIBABEL):
            yield Variant("nibabel's", path.name, path, nifti.truth)
    for number, found in enumerate(sorted(pydicom.data.get_testdata_files())):
        path = folder / f"pydicom-{number}" / Path(found).name
        if Path(found).is_file() and Path(found).suffix in (".dcm", ""):
            path.parent.mkdir()
            shutil.copyfile(found, path)
            yield Variant("pydicom's", path.name, path, dicom.truth)
