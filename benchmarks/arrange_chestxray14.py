"""Arrange the subset of ChestX-ray14 among the shared data as the whole data set lies on disk, for the target `dxc`.

    python -m benchmarks.arrange_chestxray14 SUBSET OUT [--test 0.2] [--seed 0]

SUBSET holds `labels.csv` (columns file, patient_id, age, sex, view, finding_labels) and `images/`. OUT gets
`Data_Entry_2017_v2020.csv`, `images_001/images/` (links, or copies where links are refused), `train_val_list.txt` and
`test_list.txt`, which are not the official ones: a seeded share of the patients is for testing.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from modelsgenesis.files import write_text
from modelsgenesis.tables import read_columns

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
COLUMNS = ("file", "patient_id", "age", "sex", "view", "finding_labels")


def arrange(subset: Path, out: Path, test: float = 0.2, seed: int = 0) -> int:
    """Write the data set at `out`; returns the number of images. The size and spacing columns hold 224 and 1."""
    rows = [values for _, values in read_columns(subset / "labels.csv", COLUMNS)]
    patients = sorted({patient for _, patient, *_ in rows})
    chosen = np.random.default_rng(seed).permutation(patients)[: round(test * len(patients))]
    for_testing = set(chosen.tolist())
    images = out / "images_001" / "images"
    images.mkdir(parents=True, exist_ok=True)
    lines = [HEADER]
    lists: dict[bool, list[str]] = {False: [], True: []}
    for file, patient, age, sex, view, findings in rows:
        _link(subset / "images" / file, images / file)
        name = f"{Path(file).stem}.png"  # as the table and the lists call all images
        follow_up = str(int(Path(file).stem.split("_")[1]))
        lines.append(",".join((name, findings, follow_up, patient, age, sex, view, "224", "224", "1", "1", "")))
        lists[patient in for_testing].append(name)
    write_text(out / "Data_Entry_2017_v2020.csv", "\n".join(lines) + "\n")
    write_text(out / "train_val_list.txt", "\n".join(lists[False]) + "\n")
    write_text(out / "test_list.txt", "\n".join(lists[True]) + "\n")
    return len(rows)


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        target.symlink_to(source.absolute())
    except OSError:
        shutil.copyfile(source, target)


def main() -> None:
    """Read the arguments and arrange."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--test", type=float, default=0.2, help="share of the patients in test_list.txt")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{arrange(given.subset, given.out, given.test, given.seed)} images arranged in {given.out}")


if __name__ == "__main__":
    main()
