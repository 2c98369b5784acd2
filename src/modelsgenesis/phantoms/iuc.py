"""Carotid phantoms on disk: frames with a table of regions for IUC; CUBS' layout for the boundaries of the wall."""

from pathlib import Path

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.files import write_csv, write_text
from modelsgenesis.phantoms.carotid import SHAPE, carotid_video
from modelsgenesis.phantoms.pictures import dealt, write_picture
from modelsgenesis.streams import CUBS, IUC, generator
from modelsgenesis.types import Shape

COLUMNS = ("path", "patient", "video", "frame", "x", "y", "label", "split")

_SPLIT = {"train": 44.0, "test": 44.0, "val": 4.0}  # videos of each part in the papers


def write_iuc(folder: Path, cases: int, seed: int, frames: int = 6, shape: Shape = SHAPE) -> Path:
    """Write `cases` videos, one a patient, with their regions, and return `folder`.

    `frames/<video>_<frame>.png` (8 bit) and `rois.csv` with the columns COLUMNS: `path` relative to `folder`, the
    patient, the video, the frame's number, the centre of a region in pixels (`x` across, `y` down), its label (`roi`,
    `bulb` or `background`) and the patient's part (`train`, `val` or `test`). The table comes last.

    Args:
        folder: where to write.
        cases: videos, and patients.
        seed: the same seed gives the same files.
        frames: frames of a video.
        shape: pixels (X, Y) of a frame.

    Raises:
        UsageError: there are no cases or no frames.
        GenesisError: the disk refuses.
    """
    _checked(cases)
    rows = []
    parts = dealt(generator(seed, IUC), cases, _SPLIT)
    for case, split in enumerate(parts):
        video = carotid_video(generator(seed, IUC, case), frames, shape)
        name = f"video_{case:04d}"
        for number, (frame, regions) in enumerate(zip(video.frames, video.regions, strict=True)):
            path = f"frames/{name}_{number:04d}.png"
            write_picture(frame, folder / path)
            common = {"path": path, "patient": f"patient_{case:04d}", "video": name, "frame": number, "split": split}
            rows += [{**common, "x": f"{r.x:.1f}", "y": f"{r.y:.1f}", "label": r.label} for r in regions]
    write_csv(folder / "rois.csv", COLUMNS, rows)
    return folder


def write_cubs(folder: Path, cases: int, seed: int, shape: Shape = (448, 320)) -> Path:
    """Write `cases` frames in the layout of CUBS, left and right of a patient in turn, and return `folder`.

    `IMAGES/clin_0001_L.tiff`, `CF/clin_0001_L_CF.txt` (mm per pixel) and `SEGMENTATIONS/Manual-A1/clin_0001_L-LI.txt`
    and `-MA.txt`: one point a line, its `x` and `y` in pixels, from left to right over nine tenths of the image.

    Raises:
        UsageError: there are no cases.
        GenesisError: the disk refuses.
    """
    _checked(cases)
    for case in range(cases):
        video = carotid_video(generator(seed, CUBS, case), 1, shape)
        name = f"clin_{case // 2 + 1:04d}_{'LR'[case % 2]}"
        columns = np.arange(round(0.05 * shape[0]), round(0.95 * shape[0]))
        for boundary, depth in (("LI", video.li[0]), ("MA", video.ma[0])):
            points = "".join(f"{column} {depth[column]:.3f}\n" for column in columns)
            write_text(folder / "SEGMENTATIONS" / "Manual-A1" / f"{name}-{boundary}.txt", points)
        write_text(folder / "CF" / f"{name}_CF.txt", f"{video.spacing:.6f}\n")
        write_picture(video.frames[0], folder / "IMAGES" / f"{name}.tiff")
    return folder


def _checked(cases: int) -> None:
    if cases < 1:
        raise UsageError(f"carotid phantom: {cases} cases; needs at least one")
