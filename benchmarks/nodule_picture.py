"""Draw what the targets `ncs` and `ncc` make of a nodule, and print where it is and how large.

    python -m benchmarks.nodule_picture ARRANGED MASK OUT.png

ARRANGED is what `benchmarks.arrange_lidc` wrote, MASK the label map that its outlines were made from. Upper row: the
cube of NCS at 1 mm with its mask; lower row: the cube of NCC at the scan's own spacing, round the candidate.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.panels import Panel, Picture, Scan, draw, planes
from modelsgenesis.config import build
from modelsgenesis.data.volume import read_volume
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.prepared import ImageSettings, PreparedTarget, prepare_target

SHAPE = (64, 64, 32)
WINDOW = (0.0, 0.75)  # -1000 to 500 HU of what is prepared


def opened(name: str, data: Path, cache: Path) -> PreparedTarget:
    """The target at `data`, prepared by the papers' recipe."""
    task = TARGETS.get(name)
    return prepare_target(task.open(data, {}, cache), build(ImageSettings, task.recipe["images"], "images"), cache)


def segmented(data: Path, mask: Path, cache: Path) -> list[Panel]:
    """The nodule of NCS; prints its place, and its volume in `mask`, in the derived mask and in the cube."""
    prepared = opened("ncs", data, cache)
    case = prepared.cases[0]
    given, derived = read_volume(mask), read_volume(Path(str(case.case.label)))
    image, label = prepared.judged_image(case, SHAPE)[0], prepared.judged_label(case, SHAPE)
    place = given.affine[:3, :3] @ np.argwhere(given.array > 0).mean(axis=0) + given.affine[:3, 3]
    centre = np.array(case.case.centre)
    print(f"middle of the mask {place.round(1)} mm, of the case {centre.round(1)} mm (LPS)")
    for name, array, spacing in (
        ("given mask", given.array, given.spacing),
        ("derived mask", derived.array, derived.spacing),
        ("cube at 1 mm", label, case.images[0].spacing),
    ):
        count = int((array > 0).sum())
        print(f"{name}: {count} voxels of {np.round(spacing, 3)} mm, {count * np.prod(spacing):.0f} mm3")
    print(f"voxels that differ between given and derived mask: {int(((given.array > 0) != (derived.array > 0)).sum())}")
    return shown(image, case.images[0].spacing, f"NCS {SHAPE} at 1 mm, derived mask", label > 0)


def candidate(data: Path, cache: Path) -> list[Panel]:
    """The cube of NCC round the candidate of class 1."""
    prepared = opened("ncc", data, cache)
    case = next(case for case in prepared.cases if case.case.label == 1)
    spacing = case.images[0].spacing
    print(f"candidate {np.round(case.case.centre or (), 1)} mm, voxel {np.round(case.centre, 1)}")
    image = prepared.image_around(case, case.centre, SHAPE)[0]
    return shown(image, spacing, f"NCC {SHAPE} at {'x'.join(f'{s:.2f}' for s in spacing)} mm")


def shown(image: np.ndarray, spacing: tuple[float, ...], title: str, mask: np.ndarray | None = None) -> list[Panel]:
    """Three planes through the middle of a cube."""
    return list(planes(Scan(image, spacing), [n // 2 for n in image.shape], WINDOW, title, mask))


def main() -> None:
    """Read the arguments, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arranged", type=Path)
    parser.add_argument("mask", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        upper = segmented(given.arranged / "LIDC-IDRI", given.mask, cache)
        draw(Picture(upper, candidate(given.arranged / "LUNA16", cache)), given.out)


if __name__ == "__main__":
    main()
