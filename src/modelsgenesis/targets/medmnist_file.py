"""A MedMNIST `.npz` file: its shapes by their headers, its labels, and its images one after the other."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import replacing
from modelsgenesis.types import Shape

PARTS = {"train": "training", "val": "validation", "test": "test"}
"""Part of the file -> side of the split."""
COLOURS = 3

_BLOCK = 2**22


@dataclass(frozen=True)
class Images:
    """The images of one part: their number, shape (H, W), (H, W, 3) or (D, H, W), uint8."""

    count: int
    shape: Shape

    @property
    def axes(self) -> int:
        """2 for images, also in colour, 3 for volumes."""
        return 3 if len(self.shape) == 3 and not self.colour else 2

    @property
    def colour(self) -> bool:
        """Whether the last axis is red, green and blue."""
        return len(self.shape) == 3 and self.shape[-1] == COLOURS


class MedMNISTFile:
    """One `.npz` file; GenesisError naming it where it is damaged or not of MedMNIST."""

    def __init__(self, path: Path) -> None:
        self.path = path
        wanted = {f"{part}_{what}.npy" for part in PARTS for what in ("images", "labels")}
        with self._open() as archive:
            missing = sorted(wanted - set(archive.namelist()))
            if missing:
                raise GenesisError(
                    f"{path}: lacks {missing[0].removesuffix('.npy')}; download it again from medmnist.com"
                )
        self.images = {part: self._header(part) for part in PARTS}
        shapes = {one.shape for one in self.images.values()}
        if len(shapes) > 1:
            raise GenesisError(f"{path}: images of {len(shapes)} shapes, {sorted(shapes)}; download it again")

    def labels(self) -> dict[str, npt.NDArray[np.int64]]:
        """Part -> (N, K) whole numbers from 0; K above 1 means 0 or 1 for each of K labels."""
        found = {part: self._labels(part) for part in PARTS}
        widths = {labels.shape[1] for labels in found.values()}
        if len(widths) > 1:
            raise GenesisError(f"{self.path}: parts with {sorted(widths)} labels an image; download it again")
        if widths.pop() > 1 and any(labels.max(initial=0) > 1 for labels in found.values()):
            raise GenesisError(f"{self.path}: several labels an image must be 0 or 1; download it again")
        return found

    def digests(self, part: str) -> Iterator[bytes]:
        """Of each image its hash, empty when every voxel has one value; read as a stream, one image in memory."""
        images = self.images[part]
        size = int(np.prod(images.shape))
        with self._open() as archive, archive.open(f"{part}_images.npy") as stream:
            self._read_header(stream)
            for _ in range(images.count):
                content = stream.read(size)
                if len(content) < size:
                    raise GenesisError(f"{self.path}: {part}_images ends early; download it again")
                yield hashlib.blake2b(content, digest_size=16).digest() if content.strip(content[:1]) else b""

    def unpacked(self, part: str, folder: Path) -> npt.NDArray[np.uint8]:
        """The images of a part, mapped from an uncompressed copy in `folder`, which is made once."""
        copy = folder / f"{part}_images.npy"
        if not copy.is_file():
            with self._open() as archive, archive.open(copy.name) as stream, replacing(copy) as temporary:
                _copy(stream, temporary)
        mapped: npt.NDArray[np.uint8] = np.load(copy, mmap_mode="r", allow_pickle=False)
        return mapped

    @contextmanager
    def _open(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise GenesisError(f"{self.path}: not a whole .npz file ({error}); download it again") from error

    def _header(self, part: str) -> Images:
        with self._open() as archive, archive.open(f"{part}_images.npy") as stream:
            shape, kind = self._read_header(stream)
        if kind != np.uint8 or len(shape) not in (3, 4) or min(shape, default=0) < 1:
            raise GenesisError(f"{self.path}: {part}_images is {kind} of shape {shape}; MedMNIST has uint8 images")
        return Images(shape[0], shape[1:])

    def _read_header(self, stream: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
        readers: dict[tuple[int, int], Callable[..., Any]] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise GenesisError(f"{self.path}: holds arrays of an unknown version {version}; download it again")
        shape, column_major, kind = readers[version](stream)
        if column_major:
            raise GenesisError(f"{self.path}: holds arrays in column order; save it again with numpy in C order")
        return tuple(shape), np.dtype(kind)

    def _labels(self, part: str) -> npt.NDArray[np.int64]:
        with self._open(), np.load(self.path, allow_pickle=False) as arrays:
            labels = np.asarray(arrays[f"{part}_labels"])
        labels = labels[:, None] if labels.ndim == 1 else labels
        if labels.ndim != 2 or len(labels) != self.images[part].count:
            count = self.images[part].count
            raise GenesisError(f"{self.path}: {part}_labels has shape {labels.shape} for {count} images")
        if labels.dtype.kind not in "uib" or labels.astype(np.int64).min(initial=0) < 0:
            raise GenesisError(f"{self.path}: {part}_labels must be whole numbers from 0, not {labels.dtype}")
        return labels.astype(np.int64)


def _copy(stream: IO[bytes], path: Path) -> None:
    with path.open("wb") as out:
        while block := stream.read(_BLOCK):
            out.write(block)
