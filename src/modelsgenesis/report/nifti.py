"""Small volumes as compressed NIfTI in base64, for the viewer in the page."""

import base64
import gzip
import struct

import numpy as np
import numpy.typing as npt

from modelsgenesis.types import Shape, Spacing

UINT8 = 2


def nifti(array: npt.NDArray[np.uint8], spacing: Spacing) -> bytes:
    """A single-file NIfTI-1 of (X, Y, Z) in patient orientation LPS, without compression.

    The file's world is RAS, so x and y run backwards; the middle of the volume is the origin.
    """
    header = bytearray(352)
    x, y, z = (float(side) for side in spacing)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *array.shape, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, UINT8, 8)
    struct.pack_into("<8f", header, 76, 1, x, y, z, 0, 0, 0, 0)
    struct.pack_into("<fff", header, 108, 352, 1, 0)
    struct.pack_into("<B", header, 123, 2)  # mm
    struct.pack_into("<hh", header, 252, 0, 2)  # sform: aligned
    first = world((0, 0, 0), array.shape, spacing)
    rows = ((-x, 0, 0, first[0]), (0, -y, 0, first[1]), (0, 0, z, first[2]))
    for number, row in enumerate(rows):
        struct.pack_into("<4f", header, 280 + 16 * number, *row)
    header[344:348] = b"n+1\0"
    return bytes(header) + array.tobytes(order="F")


def world(voxel: Shape, shape: Shape, spacing: Spacing) -> tuple[float, float, float]:
    """Where a voxel lies in the world of such a file, RAS mm."""
    x, y, z = (s * (v - (n - 1) / 2) for v, n, s in zip(voxel, shape, spacing, strict=True))
    return -x, -y, z


def packed(array: npt.NDArray[np.uint8], spacing: Spacing) -> str:
    """The same, gzip-compressed and in base64."""
    return base64.b64encode(gzip.compress(nifti(array, spacing), 9, mtime=0)).decode()
