"""X-ray phantoms on disk, laid out as ChestX-ray14 is downloaded."""

from pathlib import Path

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.files import write_text
from modelsgenesis.phantoms.pictures import dealt, write_picture
from modelsgenesis.phantoms.radiograph import Radiograph, expose
from modelsgenesis.phantoms.thorax import thorax
from modelsgenesis.streams import CHESTXRAY14, generator

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
"""As it is: commas inside the bracketed names, so one more field a row than a reader may think, and one at the end."""

NO_FINDING = "No Finding"

# Share of patients with so many images: 3.5 on average (ChestX-ray14: 3.6).
_IMAGES = {1: 0.5, 2: 0.15, 3: 0.09, 4: 0.06, 7: 0.1, 12: 0.06, 20: 0.04}
_FEW = 2  # images of one patient at the most while there are not many in all
_LISTS = {"train_val": 86524.0, "test": 25596.0}  # images of the official lists
_ONE_FOLDER = 10  # images up to which one folder holds them all


def write_chestxray14(folder: Path, cases: int, seed: int, size: int = 224, old: bool = False) -> Path:
    """Write `cases` images of fewer patients, their table and the official lists, and return `folder`.

    `images_001/images/00000001_000.png` (8 bit; `images_002` too when there are more than ten), `train_val_list.txt`
    and `test_list.txt`, which no patient shares, and last `Data_Entry_2017_v2020.csv` with the official header. A
    patient's images show the same anatomy under other views, with other findings.

    Args:
        folder: where to write.
        cases: images.
        seed: the same seed gives the same files.
        size: pixels along both axes.
        old: write `Data_Entry_2017.csv`, whose ages read `058Y`, instead.

    Raises:
        UsageError: there are no cases.
        GenesisError: the disk refuses.
    """
    if cases < 1:
        raise UsageError(f"radiograph phantom: {cases} cases; needs at least one")
    rng = generator(seed, CHESTXRAY14)
    patients = _patients(rng, cases)
    lines, lists, done = [HEADER], dict.fromkeys(_LISTS, ""), 0
    for number, (images, part) in enumerate(zip(patients, dealt(rng, len(patients), _LISTS), strict=True), start=1):
        own = generator(seed, CHESTXRAY14, number)
        age, sex = int(np.clip(own.normal(48, 16), 4, 90)), str(own.choice(["M", "F"], p=[0.565, 0.435]))
        patient = thorax(own)
        for visit in range(images):
            image = expose(own, patient, (size, size))
            name = f"{number:08d}_{visit:03d}.png"
            half = 1 if cases <= _ONE_FOLDER or done < cases / 2 else 2
            write_picture(image.image, folder / f"images_{half:03d}" / "images" / name)
            years = f"{age + visit:03d}Y" if old else f"{age + visit}"
            lines.append(f"{name},{_labels(image)},{visit},{number},{years},{sex},{image.view},{_original(image)},")
            lists[part] += f"{name}\n"
            done += 1
    for part, names in lists.items():
        write_text(folder / f"{part}_list.txt", names)
    write_text(folder / ("Data_Entry_2017.csv" if old else "Data_Entry_2017_v2020.csv"), "\n".join(lines) + "\n")
    return folder


def _patients(rng: np.random.Generator, cases: int) -> list[int]:
    """How many images each patient has, `cases` in all."""
    counts: list[int] = []
    most = max(_FEW, cases // 20)
    while (missing := cases - sum(counts)) > 0:
        counts.append(min(missing, most, int(rng.choice(list(_IMAGES), p=list(_IMAGES.values())))))
    return counts


def _labels(image: Radiograph) -> str:
    return "|".join(image.findings) or NO_FINDING


def _original(image: Radiograph) -> str:
    """Width and height in pixels and mm per pixel, as they were before the image was made smaller."""
    millimetres = 0.143
    factor = image.spacing / millimetres
    width, height = (round(n * factor) for n in image.image.shape)
    return f"{width},{height},{millimetres},{millimetres}"
