"""NIfTI with one odd header field; the truth is nibabel's."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.imageglobals import LoggingOutputSuppressor

from benchmarks.odd.variant import Truth, Variant

VALUES = np.random.default_rng(0).integers(-1000, 1000, (9, 8, 7)).astype(np.int16)
AFFINE = np.array([[-0.8, 0.05, 0, 20], [0.05, -0.9, 0.1, 30], [0, 0.1, 2.5, -40], [0, 0, 0, 1]])
AFFINE[:3, :3] = np.linalg.qr(AFFINE[:3, :3])[0] @ np.diag([0.8, 0.9, 2.5])
nan, inf = float("nan"), float("inf")

FIELDS: dict[str, list[Any]] = {
    "dim": [
        [axes, *sides, *[1] * (7 - len(sides))]
        for axes, *sides in (
            *((2, 9, 8), (3, 9, 8, 6), (3, 9, 8, 70), (3, 8, 9, 7), (4, 9, 8, 7), (4, 9, 8, 7, 2), (5, 9, 8, 7, 1, 3)),
            *((3, 0, 8, 7), (0, 9, 8, 7), (8, 9, 8, 7), (3, -9, 8, 7), (1, 9)),
        )
    ],
    "datatype": [0, 1, 2, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2304, 9999],
    "bitpix": [0, 8, 32, -1],
    "pixdim": [
        [q, x, y, z, 0, 0, 0, 0] for q in (1, -1) for x, y, z in ((1, 1, 1), (-0.8, -0.9, -2.5), (0.8, 0.9, 2.5))
    ]
    + [[1, 0, 0, 0, 0, 0, 0, 0], [1, nan, 1, 1, 0, 0, 0, 0], [1, inf, 1, 1, 0, 0, 0, 0], [0, 0.8, 0.9, 2.5, 1, 1, 1, 1]]
    + [[5, 0.8, 0.9, 2.5, 0, 0, 0, 0], [1, 800, 900, 2500, 0, 0, 0, 0], [1, 8e-4, 9e-4, 2.5e-3, 0, 0, 0, 0]],
    "vox_offset": [0, 1, 348, 353, 368, 1e6, nan, -352],
    "scl_slope": [0, 1, 2, -1, 0.01, nan, inf, 1e-30, 1e30],
    "scl_inter": [0, -1024, 1e6, nan, inf],
    "xyzt_units": [0, 1, 2, 3, 8, 10, 16, 18, 24, 66, 255],
    "qform_code": [0, 1, 2, 3, 4, 5, 99, -1],
    "sform_code": [0, 1, 2, 3, 4, 5, 99, -1],
    "quatern_b": [0, 0.5, 1, 5, nan],
    "quatern_d": [0, 0.5, -1],
    "qoffset_x": [0, 1e6, nan],
    "srow_x": [[0, 0, 0, 0], [nan, 0, 0, 0], [0.8, 0, 0, 0], [-80, 0, 0, 20], [0.8, 0.5, 0, 0]],
    "srow_z": [[0, 0, 0, 0], [0, 0, -2.5, 40], [0, 0, 2500, 40], [0, 0, 2.5e-3, 40]],
    "magic": [b"n+1", b"ni1", b"n+2", b"\0\0\0", b"abc"],
    "intent_code": [0, 2, 1002, 1005, 1007, 2003],
    "dim_info": [0, 57, 255],
    "cal_max": [0, 100, nan],
    "slice_duration": [0, -1, nan],
    "toffset": [0, 5, nan],
}
BOTH = ({}, {"sform_code": 0}, {"qform_code": 0})


def variants(folder: Path) -> Iterator[Variant]:
    """Every value of every field, in NIfTI-1 and some in NIfTI-2, compressed or not, with both forms or only one."""
    for field, values in FIELDS.items():
        for number, value in enumerate(values):
            for base in BOTH if field in ("pixdim", "quatern_b", "xyzt_units") else BOTH[:1]:
                kind = nibabel.Nifti2Image if number % 3 == 2 else nibabel.Nifti1Image
                if isinstance(value, bytes) and kind is nibabel.Nifti2Image:
                    kind = nibabel.Nifti1Image
                suffix = ".nii.gz" if number % 2 else ".nii"
                only = "" if not base else " and " + ", ".join(f"{key} = {code}" for key, code in base.items())
                path = folder / f"nifti-{field}-{number}-{len(only)}{suffix}"
                path.write_bytes(_content(kind, {**base, field: value}, suffix))
                yield Variant("NIfTI", f"{field} = {value}{only} ({kind.__name__})", path, truth)


def _content(kind: Any, fields: dict[str, Any], suffix: str) -> bytes:
    image = kind(VALUES, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 1)
    image.header.set_xyzt_units("mm")
    content = bytearray(image.to_bytes())
    header = kind.header_class(bytes(content[: image.header.sizeof_hdr]), check=False)
    for name, value in fields.items():
        with np.errstate(all="ignore"):
            header[name] = np.asarray(value).astype(header[name].dtype) if not isinstance(value, bytes) else value
    content[: len(header.binaryblock)] = header.binaryblock
    return gzip.compress(bytes(content), mtime=0) if suffix.endswith(".gz") else bytes(content)


def truth(path: Path) -> Truth:
    """What nibabel reads, turned to LPS mm."""
    with LoggingOutputSuppressor():
        image: Any = nibabel.load(path)
    values = np.asarray(image.dataobj, np.float64)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3):
        raise ValueError(f"{values.ndim} axes")
    unit = {1: 1000.0, 3: 0.001}.get(int(image.header["xyzt_units"]) & 7, 1.0)
    steps = np.linalg.norm(image.affine[:3, :3], axis=0) * unit
    if not ((steps > 1e-3) & (steps < 50)).all():  # units are often wrong: sizes that no scanner makes are not meant
        unit = 1.0
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([unit, unit, unit, 1]) @ image.affine
    return Truth(values, None if values.ndim == 2 else affine)
