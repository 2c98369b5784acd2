"""The cases of a target, read once into stores and cut from there, so that memory does not grow with the data."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import digest, settings, to_dict
from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.formats.suffixes import PICTURES
from modelsgenesis.data.geometry import Affine
from modelsgenesis.data.lists import REJECTED
from modelsgenesis.data.manifest import Scan, read_manifest
from modelsgenesis.data.padding import part_around
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import Store, open_store
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import replacing
from modelsgenesis.progress import Progress
from modelsgenesis.streams import generator
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.base import IGNORED, Case, Target
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
    """Resample to these mm per voxel along X, Y, Z; None keeps each scan's own."""
    pixel_size: float | None = None
    """mm per pixel of PNG, JPEG and TIFF images, which do not tell; None: unknown."""

    def preparing(self) -> PrepareSettings:
        """The settings of `genesis prepare` for the images: patches are cut at one scale, from the first level."""
        return PrepareSettings(
            modality=self.modality,
            window=self.window,
            spacing=self.spacing,
            pixel_size=self.pixel_size,
            min_slices=1,
            levels=1,
            force=True,  # cases are listed on purpose: what they do not look like is a warning
        )

    def preparing_labels(self) -> PrepareSettings:
        """The settings of `genesis prepare` for the label maps."""
        return replace(self.preparing(), modality="label", window=None)


@dataclass(frozen=True)
class PreparedCase:
    """A case and its scans in the stores: one image a channel, and the label map of a segmentation."""

    case: Case
    images: tuple[Scan, ...]
    label: Scan | None

    @property
    def shape(self) -> Shape:
        """(X, Y, Z) or (X, Y) in voxels of the prepared images."""
        return self.images[0].shape

    @property
    def centre(self) -> tuple[float, ...]:
        """Voxel coordinates of the place the case is about; of the middle of the scan when it is about all of it."""
        if self.case.centre is None:
            return tuple((side - 1) / 2 for side in self.shape)
        axes = len(self.shape)
        affine = np.array(self.images[0].affine)
        offset = np.array(self.case.centre[:axes]) - affine[:axes, 3]
        return tuple(np.linalg.solve(affine[:axes, :axes], offset).tolist())


class PreparedTarget:
    """A target whose scans lie in stores.

    Args:
        target: the target.
        images: store of its images.
        labels: store of its label maps, None for a classification.
        cases: its cases, sorted by identifier.
        folder: where the stores are, and what else is found once.
    """

    def __init__(
        self, target: Target, images: Store, labels: Store | None, cases: Sequence[PreparedCase], folder: Path
    ) -> None:
        self.target, self.cases, self.folder = target, cases, folder
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
        """Structures of the cube, or of the whole case: (X, Y, Z) uint8, 0 is background, `IGNORED` counts nowhere."""
        return self._classes[self._values(case, corner, shape)]

    def image_around(self, case: PreparedCase, centre: Sequence[float], shape: Shape) -> FloatArray:
        """The cube of `shape` around the voxel `centre`, (C, *shape) float32 in [0, 1]; zeros beyond the scan.

        Two sides, of a volume, are an axial slice.
        """
        part = part_around(centre, shape, case.shape)
        image = self.image(case, part.corner, part.shape)
        return np.pad(image, [(0, 0), *part.margins]).reshape(len(image), *shape)

    def label_around(self, case: PreparedCase, centre: Sequence[float], shape: Shape) -> Labels:
        """Structures of the same cube, `shape` uint8; background beyond the scan."""
        part = part_around(centre, shape, case.shape)
        return np.pad(self.label(case, part.corner, part.shape), part.margins).reshape(shape)

    def _values(self, case: PreparedCase, corner: Shape | None = None, shape: Shape | None = None) -> IntegerArray:
        if self._labels is None or case.label is None:
            raise GenesisError(f"{case.case.id}: has no label map; this is a {self.target.task}")
        return self._labels.read(case.label, corner, shape)

    def judged_image(self, case: PreparedCase, shape: Shape) -> FloatArray:
        """What a segmentation is judged on, (C, ...) in [0, 1]: the whole scan, or the cube around the centre."""
        return self.image(case) if case.case.centre is None else self.image_around(case, case.centre, shape)

    def judged_label(self, case: PreparedCase, shape: Shape) -> Labels:
        """The structures of `judged_image`."""
        return self.label(case) if case.case.centre is None else self.label_around(case, case.centre, shape)

    def affine_around(self, case: PreparedCase, shape: Shape) -> Affine:
        """4x4, voxel index of the cube of `shape` around the case's centre to LPS mm."""
        affine = np.array(case.images[0].affine)
        first = np.array(part_around(case.centre, shape, case.shape).first)
        affine[: len(first), 3] += affine[: len(first), : len(first)] @ first
        return affine

    def places(self, case: PreparedCase) -> "Places":
        """Where its structures are; found by reading the label map once, then kept beside the stores."""
        name = case.label.id if case.label else case.case.id
        zero = any(0 in values for values in self.target.label_map.values())  # a structure, by its description
        path = self.folder / "places" / f"{name}{'-0' if zero else ''}.npz"
        if not path.is_file():
            _write_places(path, self._values(case), zero)
        return Places(path, case, self.target)

    def doubts(self) -> list[str]:
        """A warning when scans do not look like what they are used as; none when all do."""
        scans = {scan.source: scan for one in self.cases for scan in (*one.images, *([one.label] if one.label else []))}
        doubted = [scan for scan in scans.values() if scan.doubt]
        if not doubted:
            return []
        first = f"{doubted[0].source} {doubted[0].doubt} (used as {doubted[0].modality})"
        said = f"{len(doubted)} of {len(scans)} scans do not look like what they are used as: {first}"
        return [f"{said}; if they are something else, say so by --images.modality"]

    def digest(self) -> str:
        """Identifies the contents of all cases and the meaning of their labels."""
        contents = [
            [
                one.case.id,
                one.case.subject,
                one.case.centre,
                [scan.digest for scan in one.images],
                one.label.digest if one.label is not None else one.case.label,
            ]
            for one in self.cases
        ]
        ignored = [sorted(self.target.ignored)] if self.target.ignored else []
        label_map = {k: list(v) for k, v in self.target.label_map.items()}
        return digest([contents, dict(self.target.labels), label_map, *ignored])


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

    def draw(self, rng: np.random.Generator, structure: int) -> Shape:
        """A voxel of `structure`, which is one of `structures`; consumes `rng`."""
        values = self._values[structure]
        counts = np.array([self._counts[value] for value in values], np.float64)
        value = values[int(rng.choice(len(values), p=counts / counts.sum()))]
        with np.load(self._path) as stored:
            places = stored[f"places_{value}"]
        return tuple(int(index) for index in places[int(rng.integers(len(places)))])


def _at_its_pixels(case: Case, pixel_size: float | None) -> Case:
    """The case with its centre in mm: in files that do not tell the size of their pixels it counts pixels."""
    if pixel_size is None or case.centre is None or not case.images[0].name.lower().endswith(PICTURES):
        return case
    return replace(case, centre=tuple(pixel_size * place for place in case.centre))


def prepare_target(target: Target, images: ImageSettings, cache: Path) -> PreparedTarget:
    """Read every scan of `target` into stores below `cache`, or find them there.

    The folder below `cache` is named after the files (paths, sizes, times) and `images`, so other runs share it and
    changed files are read again.

    Raises GenesisError naming file and reason when a scan cannot be used or a label map holds an unknown value.
    """
    _derive(target)
    pictures = [path for case in target.cases for path in case.images]
    maps = [case.label for case in target.cases if isinstance(case.label, Path)]
    folder = cache / digest([[_stamp(path) for path in sorted({*pictures, *maps})], to_dict(images.preparing())])
    found = _scans(pictures, folder / "images", images.preparing())
    labels = _scans(maps, folder / "labels", images.preparing_labels()) if maps else {}
    cases = [
        PreparedCase(
            _at_its_pixels(case, images.pixel_size),
            tuple(found[str(path)] for path in case.images),
            labels[str(case.label)] if isinstance(case.label, Path) else None,
        )
        for case in sorted(target.cases, key=lambda case: case.id)
    ]
    for case in cases:
        _check(case)
    stores = open_store(folder / "images"), open_store(folder / "labels") if maps else None
    prepared = PreparedTarget(target, *stores, cases, folder)
    of_maps = {case.label.id: case for case in cases if case.label is not None}
    if of_maps:
        with Progress(len(of_maps), "checking labels", "maps") as progress:
            for case in of_maps.values():
                prepared.places(case)
                progress.advance()
    return prepared


def _derive(target: Target) -> None:
    """Have the target make the files that its data hold in another form and that are not there yet."""
    if target.derive is None:
        return
    missing: dict[Path, Case] = {}
    for case in target.cases:
        files = (*case.images, *([case.label] if isinstance(case.label, Path) else []))
        missing |= {path: case for path in files if path not in missing and not path.exists()}
    if not missing:
        return
    with Progress(len(missing), "converting", "files") as progress:
        for path, case in missing.items():
            if not path.exists():  # one call may make several
                target.derive(case)
            progress.advance()


def _stamp(path: Path) -> list[Any]:
    """What changes when a file, or one in a folder of slices, does."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    states = [file.stat() for file in files]
    return [str(path), [state.st_size for state in states], [state.st_mtime_ns for state in states]]


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
    rows = read_columns(path, ("path", "reason"), may_be_empty=True)
    refused = [(name, reason) for _, (name, reason) in rows if name in paths]
    if refused:
        more = f" (and {len(refused) - 1} more, see {path})" if len(refused) > 1 else ""
        raise GenesisError(f"{refused[0][0]}: {refused[0][1]}; correct it or remove the case{more}")


def _check(case: PreparedCase) -> None:
    for scan in (*case.images, *([case.label] if case.label else [])):
        if scan.shape != case.shape:
            raise GenesisError(
                f"{scan.source}: shape {scan.shape}, but {case.images[0].source} has {case.shape}; "
                "resample it onto that grid"
            )
    if not all(-1 <= c <= side for c, side in zip(case.centre, case.shape, strict=True)):
        raise GenesisError(
            f"{case.case.id}: its centre {case.case.centre} mm lies outside {case.images[0].source}; correct the table"
        )


def _class_of_value(target: Target) -> Labels:
    """Value in a label file -> structure."""
    classes = np.zeros(256, np.uint8)
    for structure, values in target.label_map.items():
        classes[list(values)] = structure
    classes[list(target.ignored)] = IGNORED
    return classes


def _write_places(path: Path, values: IntegerArray, zero: bool) -> None:
    """For each value, 0 only with `zero`: its number of voxels, and at most `MOST_PLACES` random places, as .npz."""
    flat = values.ravel()
    foreground = np.arange(flat.size) if zero else np.flatnonzero(flat)
    foreground = foreground[np.argsort(flat[foreground], kind="stable")]
    found, starts, counts = np.unique(flat[foreground], return_index=True, return_counts=True)
    arrays: dict[str, Any] = {"values": found, "counts": counts}
    for value, start, count in zip(found.tolist(), starts.tolist(), counts.tolist(), strict=True):
        chosen = generator(value, count).choice(count, min(count, MOST_PLACES), replace=False)
        places = np.unravel_index(foreground[start : start + count][chosen], values.shape)
        arrays[f"places_{value}"] = np.stack(places, axis=1).astype(np.int32)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **arrays)
