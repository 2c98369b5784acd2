"""One source into a store, in a worker of `genesis prepare`: read, doubted, converted, written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelsgenesis.data.arrays import create_groups, write_scan
from modelsgenesis.data.convert import PrepareSettings, convert
from modelsgenesis.data.guarded import quiet, read_source
from modelsgenesis.data.index import Source
from modelsgenesis.data.levels import level_factors
from modelsgenesis.data.manifest import Scan
from modelsgenesis.data.plausible import UNSAID, Look, doubt, doubt_of_header, kept_by, look_at, sorted_kind
from modelsgenesis.data.tissue import border
from modelsgenesis.data.volume import Volume
from modelsgenesis.data.voxels import voxel_digest
from modelsgenesis.errors import GenesisError

AUTO = "auto"


@dataclass(frozen=True)
class Job:
    """A source to be stored.

    Args:
        source: the source.
        out: the folder that prepare was given.
        config: how to read.
        known: modality of a store -> digest of the scan of this name that it holds already.
    """

    source: Source
    out: Path
    config: PrepareSettings
    known: Mapping[str, str]


@dataclass(frozen=True)
class Unchanged:
    """The store of `modality` holds the source as it is."""

    modality: str


@dataclass(frozen=True)
class Rejected:
    """The scan cannot be used, or is not what its user said.

    Args:
        reason: why.
        changed: whether its content was read and is another than the one that a store holds of this name.
    """

    reason: str
    changed: bool


@dataclass(frozen=True)
class Unwritable:
    """The disk refuses; nothing more can be stored."""

    message: str


def store_of(out: Path, config: PrepareSettings, modality: str) -> Path:
    """The folder of the store of a modality: `out` itself, or one below it when scans are sorted."""
    return out / modality if config.modality == AUTO else out


def process(job: Job) -> Scan | Unchanged | Rejected | Unwritable:
    """In a worker: read one source and store its array, unless a store holds it already."""
    import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # the workers themselves are the parallelism
    source = job.source
    digest = ""
    try:
        digest = source.digest()
        held = next((modality for modality, known in job.known.items() if known == digest), None)
        if held is not None:
            return Unchanged(held)
        with quiet():
            volume = read_source(source, int(job.config.largest_gb * 2**30))
        look = look_at(volume.array)
        config = replace(job.config, modality=_modality(volume, look, job.config))
        doubted = _doubt(volume, look, config)
        return _stored(job, volume, look, config, digest, doubted)
    except GenesisError as error:
        return Rejected(str(error).removeprefix(f"{source.path}: "), changed=bool(digest))


def _modality(volume: Volume, look: Look, config: PrepareSettings) -> Any:
    if config.modality != AUTO:
        return config.modality
    kind, problem = sorted_kind(look, volume.modality, picture=not volume.measured)
    if problem:
        force = "" if volume.modality in UNSAID else " and --force"
        raise GenesisError(f"{problem}; prepare it by itself, with --modality ct, mr, image or label{force}")
    return kind


def _doubt(volume: Volume, look: Look, config: PrepareSettings) -> str:
    """What speaks against the scan; GenesisError instead unless it is to be kept all the same."""
    found = doubt(look, config.modality, volume.modality)
    if found and not config.force:
        if not doubt_of_header(volume.modality, config.modality):
            convert(volume, config)  # what it says of a scan that cannot be used at all goes first
        raise GenesisError(f"{found}; {kept_by(config.modality, volume.modality)}")
    return found


def _stored(
    job: Job, volume: Volume, look: Look, config: PrepareSettings, digest: str, doubted: str
) -> Scan | Unwritable:
    source, notes = job.source, volume.notes
    voxels = voxel_digest(volume.array)
    volume, array, intensity = convert(volume, config)
    store, label = store_of(job.out, job.config, config.modality), config.modality == "label"
    spacing = tuple(float(step) for step in volume.spacing)
    levels = level_factors(array.shape, spacing, 1 if label else config.levels)
    try:
        create_groups(store)
        tissue = None if label else border(intensity, config.modality)
        size = write_scan(store, source.identifier, array, spacing, levels, volume.measured, tissue)
    except GenesisError as error:
        return Unwritable(str(error))
    return Scan(
        id=source.identifier,
        subject=source.subject,
        source=str(source.path),
        digest=digest,
        shape=array.shape,
        spacing=spacing,
        affine=tuple(tuple(row) for row in volume.affine.tolist()),
        modality=config.modality,
        intensity=intensity,
        dtype=array.dtype.name,
        bytes=size,
        levels=levels,
        series=source.series,
        voxels=voxels,
        measured=volume.measured,
        values=look.values,
        doubt=doubted,
        notes=notes,
    )
