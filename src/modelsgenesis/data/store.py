"""A prepared store: a folder of Zarr v3 arrays, one a scan, and a manifest; cubes are read straight from it.

Reading needs TensorStore only, never SimpleITK. Its threads do not survive a fork, so handles are opened when first
needed, in each process for itself, and a store pickles without them.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from modelsgenesis.config import digest, to_dict
from modelsgenesis.data.arrays import SCANS, array_path, create_groups, open_array, scan_path, stored_bytes, write_scan
from modelsgenesis.data.intensities import describe_intensities
from modelsgenesis.data.intensity import Intensity
from modelsgenesis.data.levels import level_factors, level_of
from modelsgenesis.data.manifest import MANIFEST, Scan, append_scan, read_manifest
from modelsgenesis.data.plausible import look_at
from modelsgenesis.data.tissue import Counts, border, count_blocks, read_counts
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.places import located
from modelsgenesis.types import IntegerArray, Spacing

K = TypeVar("K")
T = TypeVar("T")

CACHE_BYTES = 64 * 2**20
OPEN_HANDLES = 1024

_first_reader: int | None = None  # the process that TensorStore's threads belong to


class Store:
    """The scans of a prepared store, for reading.

    Args:
        path: the folder.
        scans: what its manifest lists.
        cache_bytes: most memory kept for decoded chunks, in each process.

    Attributes:
        scans: all scans, sorted by identifier.
    """

    def __init__(self, path: Path, scans: Sequence[Scan], cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self.scans: tuple[Scan, ...] = tuple(sorted(scans, key=lambda scan: scan.id))
        self._cache_bytes = cache_bytes
        self._forget_handles()

    def _forget_handles(self) -> None:
        self._handles: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._tissue: OrderedDict[tuple[str, int], Counts | None] = OrderedDict()
        self._context: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": OrderedDict(), "_tissue": OrderedDict(), "_context": None}

    def __len__(self) -> int:
        return len(self.scans)

    def read(
        self, scan: Scan, corner: Sequence[int] | None = None, shape: Sequence[int] | None = None, level: int = 0
    ) -> IntegerArray:
        """The cube of `shape` whose first voxel is `corner`, or all of it: unsigned integers, (X, Y, Z) or (X, Y).

        Args:
            scan: of which scan.
            corner, shape: in voxels of the level.
            level: 0 is the scan itself, those above are coarser (`data/levels`).

        Raises:
            UsageError: when the cube reaches outside the scan.
            GenesisError: when the array is missing or damaged.
        """
        whole_shape = scan.level_shape(level)
        start = tuple(int(value) for value in corner) if corner is not None else (0,) * len(scan.shape)
        size = tuple(int(value) for value in shape) if shape is not None else whole_shape
        if len(start) != len(scan.shape) or len(size) != len(scan.shape):
            raise UsageError(f"{scan.id}: a cube of {len(size)} axes at {start} of a scan of shape {whole_shape}")
        if any(a < 0 or n < 1 or a + n > whole for a, n, whole in zip(start, size, whole_shape, strict=True)):
            raise UsageError(f"{scan.id}: cube {size} at {start} reaches outside the scan of shape {whole_shape}")
        window = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        try:
            cube: IntegerArray = self._open(scan, level)[window].read().result()
        except (OSError, ValueError) as error:
            place = array_path(self.path, scan.id, level)
            raise GenesisError(f"{place}: damaged ({str(error)[:200]}); delete it, prepare again") from error
        return cube

    def tissue(self, scan: Scan, level: int = 0) -> Counts | None:
        """The table of where a level of the scan holds tissue (`data/tissue`), None where there is none."""
        folder, shape = array_path(self.path, scan.id, level), scan.level_shape(level)
        return _recent(self._tissue, (scan.id, level), lambda: read_counts(folder, shape))

    def _open(self, scan: Scan, level: int) -> Any:
        _refuse_forked_reader(self.path)
        return _recent(self._handles, (scan.id, level), lambda: self._opened(scan, level))

    def _opened(self, scan: Scan, level: int) -> Any:
        if self._context is None:
            self._context = _context(self._cache_bytes)
        handle = open_array(self.path, scan.id, self._context, level)
        if tuple(handle.shape) != scan.level_shape(level) or handle.dtype.name != scan.dtype:
            raise GenesisError(
                f"{array_path(self.path, scan.id, level)}: is not what the manifest says; prepare it again"
            )
        return handle

    def digest(self) -> str:
        """Identifies all that a training sees of the scans: whose they are, voxels, scale and what these stand for.

        From the manifest alone.
        """
        return digest(
            [
                [
                    scan.id,
                    scan.subject,
                    scan.digest,
                    list(scan.shape),
                    scan.levels,
                    list(scan.spacing),
                    scan.measured,
                    scan.modality,
                    to_dict(scan.intensity),
                ]
                for scan in self.scans
            ]
        )

    def verify(self) -> list[str]:
        """Read every array to its checksums; one line for each scan that is damaged, none when all is well."""
        problems: list[str] = []
        for scan in self.scans:
            try:
                problems += self._problems_of_levels(scan)
                size = stored_bytes(scan_path(self.path, scan.id))
                if size != scan.bytes:
                    problems.append(f"{scan.id}: {size} bytes on disk, the manifest says {scan.bytes}")
            except GenesisError as error:
                problems.append(f"{scan.id}: {error}")
        return problems

    def _problems_of_levels(self, scan: Scan) -> Iterator[str]:
        whole = self.read(scan)
        for level, factors in enumerate(scan.levels):
            samples, counts = self.read(scan, level=level), self.tissue(scan, level)
            if level and not np.array_equal(samples, level_of(whole, factors)):
                yield f"{scan.id}: level {level} is not the mean of the scan; delete it, prepare the scan again"
            if counts is not None and not np.array_equal(
                counts, count_blocks(samples, border(scan.intensity, scan.modality))
            ):
                yield f"{scan.id}: its table of tissue is damaged; delete it, prepare the scan again"


def _recent(kept: OrderedDict[K, T], name: K, make: Callable[[], T]) -> T:
    """The entry `name` of `kept`, made if need be; the least recently asked for goes when there are too many."""
    if name not in kept:
        kept[name] = make()
        if len(kept) > OPEN_HANDLES:
            kept.popitem(last=False)
    kept.move_to_end(name)
    return kept[name]


def _context(cache_bytes: int) -> Any:
    """One thread each: parallelism comes from loader processes, which must not starve one another."""
    import tensorstore

    return tensorstore.Context(
        {
            "cache_pool": {"total_bytes_limit": cache_bytes},
            "data_copy_concurrency": {"limit": 1},
            "file_io_concurrency": {"limit": 1},
        }
    )


def _refuse_forked_reader(path: Path) -> None:
    """A forked child inherits TensorStore without its threads and would wait for ever; an error is better."""
    global _first_reader
    _first_reader = _first_reader or os.getpid()
    if _first_reader != os.getpid():
        raise GenesisError(f"{path}: a store read before a fork cannot be read after it; start workers with 'spawn'")


def open_store(path: str | Path) -> Store:
    """Open the prepared store at `path` for reading.

    Raises:
        GenesisError: when there is no store, or it holds no scan, or its manifest is damaged.
    """
    folder = located(path)
    if not (folder / MANIFEST).is_file():
        sorted_ones = [str(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]
        if sorted_ones:
            raise GenesisError(f"{folder}: holds a store for each modality; name one: {', '.join(sorted_ones)}")
        raise GenesisError(f"{folder}: is not a prepared store (no {MANIFEST}); make one with genesis prepare")
    scans = read_manifest(folder)
    if not scans:
        raise GenesisError(f"{folder}: the store holds no scans; run genesis prepare again")
    return Store(folder, list(scans.values()))


def add_scan(
    path: str | Path,
    identifier: str,
    array: IntegerArray,
    intensity: Intensity,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    modality: str = "ct",
    subject: str | None = None,
    source: str = "",
    digest: str = "",
    levels: int = 1,
    measured: bool = True,
) -> Scan:
    """Add an array of unsigned integers, (X, Y, Z) or (X, Y), to the store at `path`, made if need be.

    For arrays that come from memory; scans on disk go through `prepare`. One process at a time may add. With `levels`
    above 1, coarser copies are kept beside it, from which cubes of other spacings are cut (`data/levels`).
    """
    folder = located(path)
    if array.dtype != intensity.dtype:
        raise UsageError(f"{identifier}: {array.dtype} array, but the intensity map gives {intensity.dtype}; encode it")
    create_groups(folder)
    steps = tuple(spacing)[: array.ndim]
    affine = np.diag([*(*steps, 1.0)[:3], 1.0])
    factors = level_factors(array.shape, steps, levels)
    tissue = None if modality == "label" else border(intensity, modality)
    scan = Scan(
        id=identifier,
        subject=subject or identifier,
        source=source,
        digest=digest,
        shape=array.shape,
        spacing=steps,
        affine=tuple(tuple(row) for row in affine.tolist()),
        modality=modality,
        intensity=intensity,
        dtype=array.dtype.name,
        bytes=write_scan(folder, identifier, array, steps, factors, measured, tissue),
        levels=factors,
        measured=measured,
        values=look_at(intensity.decode(array)).values,
    )
    append_scan(folder, scan)
    return scan


def describe(store: Store) -> dict[str, Any]:
    """What a store holds, for `genesis info`: counts, modalities, shapes, spacings, bytes and intensities."""
    shapes = np.array([(*scan.shape, 1)[:3] for scan in store.scans])
    spacings = np.array([(*scan.spacing, 1.0)[:3] for scan in store.scans])
    raw = sum(int(np.prod(scan.shape)) * np.dtype(scan.dtype).itemsize for scan in store.scans)
    counts = {name: sum(scan.modality == name for scan in store.scans) for name in {s.modality for s in store.scans}}
    return {
        "path": str(store.path),
        "scans": len(store.scans),
        "subjects": len({scan.subject for scan in store.scans}),
        "modality": dict(sorted(counts.items())),
        "shape": _range(shapes),
        "spacing": _range(spacings),
        "levels": max(len(scan.levels) for scan in store.scans),
        "bytes_stored": sum(scan.bytes for scan in store.scans),
        "bytes_raw": raw,
        "folder": f"{SCANS}/<id>",
        **describe_intensities(store.scans),
    }


def _range(rows: Any) -> dict[str, list[Any]]:
    return {
        "smallest": rows.min(axis=0).tolist(),
        "median": np.median(rows, axis=0).tolist(),
        "largest": rows.max(axis=0).tolist(),
    }
