"""The cases of a target, read once into stores and cut from there, so that memory does not grow with the data."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import digest, settings, to_dict
from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.cubes import generator
from modelsgenesis.data.manifest import Scan, read_manifest
from modelsgenesis.data.prepare import REJECTED, prepare
from modelsgenesis.data.store import Store, open_store
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import replacing
from modelsgenesis.progress import Progress
from modelsgenesis.targets.base import Case, Target
from modelsgenesis.types import FloatArray, IntegerArray, Shape

Labels = npt.NDArray[np.uint8]

MOST_PLACES = 10_000
"""Places kept of each label value of a case."""


@settings
class ImageSettings:
    """How scans become the network's input; the same for training and for prediction."""

    modality: Literal["ct", "mr", "image"] = "ct"
    """ct, mr or image, as for genesis prepare."""
    window: tuple[float, float] | None = None
    """Physical values that become 0 and 1; None for the modality's usual ones."""
    spacing: tuple[float, float, float] | None = None
    """Resample to these mm per voxel; None keeps each scan's own."""

    def preparing(self) -> PrepareSettings:
        """The settings of `genesis prepare` for the images."""
        return PrepareSettings(modality=self.modality, window=self.window, spacing=self.spacing, min_slices=1)

    def preparing_labels(self) -> PrepareSettings:
        """The settings of `genesis prepare` for the label maps."""
        return PrepareSettings(modality="label", spacing=self.spacing, min_slices=1)


@dataclass(frozen=True)
class PreparedCase:
    """A case and its scans in the stores: one image a channel, and the label map of a segmentation."""

    case: Case
    images: tuple[Scan, ...]
    label: Scan | None

    @property
    def shape(self) -> Shape:
        """(X, Y, Z) in voxels of the prepared images."""
        return self.images[0].shape


class PreparedTarget:
    """A target whose scans lie in stores.

    Args:
        target: the target.
        images: store of its images.
        labels: store of its label maps, None for a classification.
        cases: its cases, sorted by identifier.
        folder: where the stores are.
    """

    def __init__(
        self, target: Target, images: Store, labels: Store | None, cases: Sequence[PreparedCase], folder: Path
    ) -> None:
        self.target, self.cases, self._folder = target, cases, folder
        self._images, self._labels = images, labels
        self._classes = _class_of_value(target)

    def of(self, subjects: Sequence[str]) -> list[PreparedCase]:
        """The cases of these subjects."""
        chosen = set(subjects)
        return [case for case in self.cases if case.case.subject in chosen]

    def image(self, case: PreparedCase, corner: Shape | None = None, shape: Shape | None = None) -> FloatArray:
        """The cube of `shape` at `corner`, or the whole scan: (C, X, Y, Z) float32 in [0, 1]."""
        return np.stack([scan.intensity.unit(self._images.read(scan, corner, shape)) for scan in case.images])

    def label(self, case: PreparedCase, corner: Shape | None = None, shape: Shape | None = None) -> Labels:
        """Structures of the cube, or of the whole case: (X, Y, Z) uint8, 0 is background."""
        return self._classes[self._values(case, corner, shape)]

    def _values(self, case: PreparedCase, corner: Shape | None = None, shape: Shape | None = None) -> IntegerArray:
        if self._labels is None or case.label is None:
            raise GenesisError(f"{case.case.id}: has no label map; this is a {self.target.task}")
        return self._labels.read(case.label, corner, shape)

    def places(self, case: PreparedCase) -> "Places":
        """Where its structures are; found by reading the label map once, then kept beside the stores."""
        path = self._folder / "places" / f"{case.case.id}.npz"
        if not path.is_file():
            _write_places(path, self._values(case))
        return Places(path, case, self.target)

    def digest(self) -> str:
        """Identifies the contents of all cases and the meaning of their labels."""
        contents = [
            [
                one.case.id,
                one.case.subject,
                [scan.digest for scan in one.images],
                one.label.digest if one.label is not None else one.case.label,
            ]
            for one in self.cases
        ]
        return digest([contents, dict(self.target.labels), {k: list(v) for k, v in self.target.label_map.items()}])


class Places:
    """Random places of the structures of a case.

    Attributes:
        structures: those present.

    Raises GenesisError naming the label file when it holds a value that its description does not.
    """

    def __init__(self, path: Path, case: PreparedCase, target: Target) -> None:
        self._path = path
        with np.load(path) as stored:
            self._counts = dict(zip(stored["values"].tolist(), stored["counts"].tolist(), strict=True))
        unknown = sorted(set(self._counts) - target.known)
        if unknown:
            raise GenesisError(
                f"{case.case.label}: holds the value {unknown[0]}, which {target.source} does not name; "
                "correct the label map or describe the value"
            )
        self._values = {
            structure: [value for value in values if value in self._counts]
            for structure, values in target.label_map.items()
        }
        self.structures = [structure for structure, values in self._values.items() if values]

    def draw(self, rng: np.random.Generator) -> Shape:
        """A voxel of a structure, each structure being as likely; consumes `rng`."""
        values = self._values[self.structures[int(rng.integers(len(self.structures)))]]
        counts = np.array([self._counts[value] for value in values], np.float64)
        value = values[int(rng.choice(len(values), p=counts / counts.sum()))]
        with np.load(self._path) as stored:
            places = stored[f"places_{value}"]
        return tuple(int(index) for index in places[int(rng.integers(len(places)))])


def prepare_target(target: Target, images: ImageSettings, cache: Path) -> PreparedTarget:
    """Read every scan of `target` into stores below `cache`, or find them there.

    The folder below `cache` is named after the files (paths, sizes, times) and `images`, so other runs share it and
    changed files are read again.

    Raises GenesisError naming file and reason when a scan cannot be used or a label map holds an unknown value,
    UsageError for 2D images.
    """
    pictures = [path for case in target.cases for path in case.images]
    maps = [case.label for case in target.cases if isinstance(case.label, Path)]
    folder = cache / digest([[_stamp(path) for path in sorted({*pictures, *maps})], to_dict(images)])
    found = _scans(pictures, folder / "images", images.preparing())
    labels = _scans(maps, folder / "labels", images.preparing_labels()) if maps else {}
    cases = [
        PreparedCase(
            case,
            tuple(found[str(path)] for path in case.images),
            labels[str(case.label)] if isinstance(case.label, Path) else None,
        )
        for case in sorted(target.cases, key=lambda case: case.id)
    ]
    for case in cases:
        _check(case)
    _refuse_copies(cases)
    stores = open_store(folder / "images"), open_store(folder / "labels") if maps else None
    prepared = PreparedTarget(target, *stores, cases, folder)
    if maps:
        with Progress(len(cases), "checking labels", "cases") as progress:
            for case in cases:
                prepared.places(case)
                progress.advance()
    return prepared


def _stamp(path: Path) -> list[Any]:
    """What changes when a file does."""
    state = path.stat()
    return [str(path), state.st_size, state.st_mtime_ns]


def _scans(paths: Sequence[Path], store: Path, config: PrepareSettings) -> dict[str, Scan]:
    """Path -> its scan in `store`, which is made or completed first unless it holds them all."""
    wanted = {str(path) for path in paths}
    held = {scan.source: scan for scan in read_manifest(store).values()}
    if not wanted <= set(held):
        try:
            prepare(sorted(wanted), store, config, min(len(wanted), os.cpu_count() or 1), wait=True)
        except UsageError:
            raise
        except GenesisError:
            _refuse_rejected(wanted, store)
            raise
        held = {scan.source: scan for scan in read_manifest(store).values()}
    _refuse_rejected(wanted - set(held), store)
    lost = sorted(wanted - set(held))
    if lost:
        raise GenesisError(f"{lost[0]}: is a link to another case's file; each case needs a scan of its own")
    return held


def _refuse_rejected(paths: set[str], store: Path) -> None:
    path = store / REJECTED
    if not paths or not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as handle:
        refused = [row for row in csv.DictReader(handle) if row["path"] in paths]
    if refused:
        more = f" (and {len(refused) - 1} more, see {path})" if len(refused) > 1 else ""
        raise GenesisError(f"{refused[0]['path']}: {refused[0]['reason']}; correct it or remove the case{more}")


def _check(case: PreparedCase) -> None:
    if len(case.shape) != 3:
        raise UsageError(f"{case.images[0].source}: a 2D image; the networks here are for volumes")
    for scan in (*case.images, *([case.label] if case.label else [])):
        if scan.shape != case.shape:
            raise GenesisError(
                f"{scan.source}: shape {scan.shape}, but {case.images[0].source} has {case.shape}; "
                "resample it onto that grid"
            )


def _refuse_copies(cases: Sequence[PreparedCase]) -> None:
    """The same image under two subjects would be learnt on one side of the split and tested on the other."""
    owners: dict[str, PreparedCase] = {}
    for case in cases:
        first = owners.setdefault(case.images[0].digest, case)
        if first.case.subject != case.case.subject:
            raise GenesisError(
                f"{case.images[0].source}: the same image as {first.images[0].source}, but of another subject; "
                "remove one, or give both one subject"
            )


def _class_of_value(target: Target) -> Labels:
    """Value in a label file -> structure."""
    classes = np.zeros(256, np.uint8)
    for structure, values in target.label_map.items():
        classes[list(values)] = structure
    return classes


def _write_places(path: Path, values: IntegerArray) -> None:
    """For each value but 0: how often it is there, and at most `MOST_PLACES` random places, in one .npz file."""
    flat = values.ravel()
    foreground = np.flatnonzero(flat)
    foreground = foreground[np.argsort(flat[foreground], kind="stable")]
    found, starts, counts = np.unique(flat[foreground], return_index=True, return_counts=True)
    arrays: dict[str, Any] = {"values": found, "counts": counts}
    for value, start, count in zip(found.tolist(), starts.tolist(), counts.tolist(), strict=True):
        chosen = generator(value, count).choice(count, min(count, MOST_PLACES), replace=False)
        places = np.unravel_index(foreground[start : start + count][chosen], values.shape)
        arrays[f"places_{value}"] = np.stack(places, axis=1).astype(np.int32)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **arrays)
