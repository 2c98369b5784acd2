"""`genesis prepare`: sources to a store, in parallel and resumable; what cannot be used is listed, the rest goes on."""

import csv
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelsgenesis.config import to_dict
from modelsgenesis.data.arrays import SCANS, create_groups, scan_path, write_scan
from modelsgenesis.data.convert import PrepareSettings, convert
from modelsgenesis.data.guarded import guarding, quiet, read_source
from modelsgenesis.data.index import Source, index_sources
from modelsgenesis.data.levels import level_factors
from modelsgenesis.data.manifest import MANIFEST, Scan, append_scan, read_manifest, write_manifest
from modelsgenesis.data.tissue import border
from modelsgenesis.data.voxels import voxel_digest
from modelsgenesis.data.workers import Lost, run_jobs
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import ENCODING, ODD_BYTES, only_writer, read_json, write_csv, write_json
from modelsgenesis.places import located
from modelsgenesis.progress import Progress
from modelsgenesis.types import JSON

SETTINGS = "settings.json"
REJECTED = "rejected.csv"
_LIMITS = ("seconds", "largest_gb")  # settings that do not change what is stored
_COLUMNS = ("path", "series", "reason")


@dataclass(frozen=True)
class PrepareSummary:
    """What one `prepare` did.

    Args:
        found: sources in the inputs.
        stored: scans read and stored.
        unchanged: scans the store held already.
        rejected: reason to number of scans refused.
        bytes_stored: size on disk of all scans of the store.
        seconds: wall time.
    """

    found: int
    stored: int
    unchanged: int
    rejected: dict[str, int]
    bytes_stored: int
    seconds: float


@dataclass(frozen=True)
class _Job:
    source: Source
    store: Path
    config: PrepareSettings
    known: str | None  # digest of the scan the store holds already


@dataclass(frozen=True)
class _Rejected:
    reason: str


@dataclass(frozen=True)
class _Unwritable:
    message: str


@dataclass
class _State:
    """The store as it grows."""

    store: Path
    scans: dict[str, Scan]
    rejected: dict[str, tuple[Source, str]] = field(default_factory=dict)
    stored: int = 0
    unchanged: int = 0


def prepare(
    inputs: Sequence[str | Path],
    out: str | Path,
    config: PrepareSettings | None = None,
    workers: int | None = None,
    wait: bool = False,
) -> PrepareSummary:
    """Read every scan in `inputs` into the store `out`; sources that it holds already, unchanged, are not read again.

    Scans that cannot be used are listed with the reason in `rejected.csv` of the store. Interrupted at any point, even
    killed, the next call goes on where it ended, to the same store.

    Args:
        inputs: files, folders and globs, as for `index_sources`.
        out: the folder of the store.
        config: how to read; defaults for CT.
        workers: processes, each with one scan in memory; None for one a core.
        wait: when another process is writing to the store, wait for it to end rather than refuse.

    Raises:
        UsageError: inputs that do not exist, or a store made with other settings or from other files of the same name.
        GenesisError: no scan could be used, or the disk is full; what was stored stays good.
    """
    config, store, began = config or PrepareSettings(), located(out), time.monotonic()
    with guarding():
        sources = index_sources(inputs, config.subject)
    with only_writer(store, "genesis prepare", wait):
        _agree_on_settings(store, config)
        create_groups(store)
        _clear_leftovers(store)
        state = _State(store, {i: s for i, s in read_manifest(store).items() if scan_path(store, i).is_dir()})
        _refuse_clashes(sources, state.scans)
        _store_all(sources, config, workers or os.cpu_count() or 1, state)
        _finish(state, sources)
    if not state.scans:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in _reasons(state).most_common(3))
        raise GenesisError(f"{store}: none of {len(sources)} scans could be used ({reasons}); see {store / REJECTED}")
    return PrepareSummary(
        found=len(sources),
        stored=state.stored,
        unchanged=state.unchanged,
        rejected=dict(_reasons(state).most_common()),
        bytes_stored=sum(scan.bytes for scan in state.scans.values()),
        seconds=time.monotonic() - began,
    )


def _store_all(sources: list[Source], config: PrepareSettings, workers: int, state: _State) -> None:
    """All jobs side by side; those whose worker crashed once more, alone, with the memory for themselves."""
    again: list[_Job] = []
    with Progress(len(sources), "prepare", "scans") as progress:
        for job, result in run_jobs(_process, _jobs(sources, config, state), workers, config.seconds):
            if isinstance(result, Lost) and result.retry:
                again.append(job)
            else:
                _take(job.source, result, state)
                progress.advance(note=f"{len(state.rejected)} rejected")
        for job in again:
            for _, result in run_jobs(_process, [job], 1, config.seconds):
                _take(job.source, result, state)
                progress.advance(note=f"{len(state.rejected)} rejected")


def _jobs(sources: Iterable[Source], config: PrepareSettings, state: _State) -> Iterator[_Job]:
    for source in sources:
        known = state.scans.get(source.identifier)
        yield _Job(source, state.store, config, known.digest if known is not None else None)


def _process(job: _Job) -> Scan | _Rejected | _Unwritable | None:
    """In a worker: read one source and store its array; None when the store holds it already."""
    import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # the workers themselves are the parallelism
    source, config = job.source, job.config
    try:
        digest = source.digest()
        if digest == job.known:
            return None
        limit = int(config.largest_gb * 2**30)
        with quiet():
            volume = read_source(source, limit)
        voxels = voxel_digest(volume.array)
        volume, array, intensity = convert(volume, config)
    except GenesisError as error:
        return _Rejected(str(error).removeprefix(f"{source.path}: "))
    try:
        tissue = None if config.modality == "label" else border(intensity, config.modality)
        spacing = tuple(float(step) for step in volume.spacing)
        levels = level_factors(array.shape, spacing, 1 if config.modality == "label" else config.levels)
        size = write_scan(job.store, source.identifier, array, spacing, levels, volume.measured, tissue)
    except GenesisError as error:
        return _Unwritable(str(error))
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
    )


def _take(source: Source, result: Scan | _Rejected | _Unwritable | Lost | None, state: _State) -> None:
    """Enter the result of one source into the store."""
    if isinstance(result, _Unwritable):
        raise GenesisError(f"{result.message}; {len(state.scans)} scans are stored, the same command goes on from here")
    if isinstance(result, Scan):
        append_scan(state.store, result)
        state.scans[result.id] = result
        state.stored += 1
    elif result is None:
        held = state.scans[source.identifier]  # its subject or place may have changed
        state.scans[held.id] = replace(held, subject=source.subject, source=str(source.path))
        state.unchanged += 1
    else:
        state.rejected[source.identifier] = (source, result.reason)


def _finish(state: _State, sources: list[Source]) -> None:
    """Leave a store that does not depend on the order of the work: sorted manifest, sorted list of rejections."""
    for identifier in state.rejected:
        if state.scans.pop(identifier, None) is not None:  # it was usable once; its content has changed
            shutil.rmtree(scan_path(state.store, identifier), ignore_errors=True)
    write_manifest(state.store, state.scans.values())
    ours = {(str(source.path), source.series or "") for source in sources}
    rows = [row for row in _old_rejections(state.store) if (row["path"], row["series"]) not in ours]
    for source, reason in state.rejected.values():
        rows.append({"path": str(source.path), "series": source.series or "", "reason": reason})
    write_csv(state.store / REJECTED, _COLUMNS, sorted(rows, key=lambda row: (row["path"], row["series"])))


def _old_rejections(store: Path) -> list[dict[str, str]]:
    """Rejections of earlier calls with other inputs."""
    path = store / REJECTED
    if not path.exists():
        return []
    with path.open(newline="", encoding=ENCODING, errors=ODD_BYTES) as handle:
        return list(csv.DictReader(handle))


def _reasons(state: _State) -> Counter[str]:
    """Reasons without the figures that differ from scan to scan."""
    return Counter(reason.split(",")[0].split(" (")[0].split(";")[0] for _, reason in state.rejected.values())


def _agree_on_settings(store: Path, config: PrepareSettings) -> None:
    """Note the settings in a new store; refuse others for an existing one, whose scans would not match the new ones."""
    wanted = _lasting(to_dict(config))
    path = store / SETTINGS
    if not path.exists():
        if (store / MANIFEST).exists():
            raise UsageError(f"{store}: a store that was not made by genesis prepare; choose another folder")
        write_json(path, wanted)
        return
    held = read_json(path)
    differing = [
        f"{name} is {held.get(name)!r}, not {wanted[name]!r}" for name in wanted if held.get(name) != wanted[name]
    ]
    if differing:
        raise UsageError(f"{store}: made with other settings ({', '.join(differing)}); choose another folder")


def _lasting(values: JSON) -> JSON:
    return {name: value for name, value in values.items() if name not in _LIMITS}


def _refuse_clashes(sources: list[Source], scans: dict[str, Scan]) -> None:
    """A source of the name of a scan made from another file, still there, would take its place."""
    for source in sources:
        scan = scans.get(source.identifier)
        if scan is not None and scan.source != str(source.path) and Path(scan.source).exists():
            raise UsageError(
                f"{source.path}: the store holds {source.identifier} from {scan.source}; "
                "prepare both inputs in one command, or into another store"
            )


def _clear_leftovers(store: Path) -> None:
    """Arrays that a killed run left unfinished."""
    for leftover in (store / SCANS).glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)
