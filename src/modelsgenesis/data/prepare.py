"""`genesis prepare`: sources to a store, in parallel and resumable; what cannot be used is listed, the rest goes on."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelsgenesis.config import to_dict
from modelsgenesis.data.arrays import SCANS, create_groups, scan_path
from modelsgenesis.data.convert import MODALITIES, PrepareSettings
from modelsgenesis.data.guarded import guarding
from modelsgenesis.data.index import Index, Source, index, refuse_inside
from modelsgenesis.data.job import AUTO, Job, Rejected, Unchanged, Unwritable, process, store_of
from modelsgenesis.data.lists import REJECTED, without_figures, write_rejected, write_unread
from modelsgenesis.data.manifest import MANIFEST, Scan, append_scan, read_manifest, write_manifest
from modelsgenesis.data.remarks import copies_remark, parted_remark, subject_remark
from modelsgenesis.data.workers import Lost, run_jobs
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import only_writer, read_json, write_json
from modelsgenesis.places import several, writable
from modelsgenesis.progress import Progress
from modelsgenesis.types import JSON

SETTINGS = "settings.json"
_PASSING = ("seconds", "largest_gb", "force", "exclude")
"""Settings that do not change how a scan is stored, so calls may differ in them."""


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
        remark: what a user should know of the subjects; empty where there is nothing to say.
        unread: suffix, or what else a file is, to the number of files that are not read.
        excluded: files left out on request.
        stores: folder of each store to the number of its scans.
        doubted: scans kept by force although they do not look like their modality.
        noted: note on a header to the number of scans it is about.
        remarks: what spoils splits or scans: all of one subject, series in several folders, copies.
    """

    found: int
    stored: int
    unchanged: int
    rejected: dict[str, int]
    bytes_stored: int
    seconds: float
    remarks: list[str] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    excluded: int = 0
    stores: dict[str, int] = field(default_factory=dict)
    doubted: int = 0
    noted: dict[str, int] = field(default_factory=dict)


@dataclass
class _State:
    """The stores as they grow: one, or one a modality when scans are sorted."""

    out: Path
    config: PrepareSettings
    scans: dict[str, dict[str, Scan]]  # modality -> identifier -> scan
    rejected: dict[str, tuple[Source, str]] = field(default_factory=dict)
    stored: int = 0
    unchanged: int = 0

    def store(self, modality: str) -> Path:
        return store_of(self.out, self.config, modality)

    def all_scans(self) -> list[Scan]:
        return [scan for scans in self.scans.values() for scan in scans.values()]


def prepare(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    config: PrepareSettings | None = None,
    workers: int | None = None,
    wait: bool = False,
) -> PrepareSummary:
    """Read every scan in `inputs` into the store `out`; sources that it holds already, unchanged, are not read again.

    Scans that cannot be used, or are not of the modality that was named, are listed with the reason in `rejected.csv`
    of the store, files that nobody reads in `not_read.csv`. Interrupted at any point, even killed, the next call goes
    on where it ended, to the same store.

    Args:
        inputs: files, folders and globs, as for `index`, or a single one.
        out: the folder of the store; with the modality auto, of a store for each modality: `out/ct`, `out/mr`, ...
        config: how to read; defaults for CT.
        workers: processes, each with one scan in memory; None for one a core.
        wait: when another process is writing to the store, wait for it to end rather than refuse.

    Raises:
        UsageError: inputs that do not exist, lie in `out` or around it; a store made with other settings or from other
            files of the same name.
        GenesisError: no scan could be used, or the disk is full; what was stored stays good.
    """
    config, store, began = config or PrepareSettings(), writable(out), time.monotonic()
    inputs = several(inputs)
    refuse_inside(inputs, store)
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: must be 1 or more")
    if config.modality == AUTO and config.window is not None:
        raise UsageError("--window with --modality auto: a window is of one modality; prepare each by itself")
    with guarding():
        met = index(inputs, config.subject, config.exclude)
    with only_writer(store, "genesis prepare", wait):
        _agree_on_settings(store, config)
        state = _opened(store, config)
        _refuse_clashes(met.sources, state)
        _store_all(met.sources, workers or os.cpu_count() or 1, state)
        _finish(state, met)
    reasons = without_figures(reason for _, reason in state.rejected.values())
    if not state.all_scans():
        shown = "; ".join(f"{count} x {reason}" for reason, count in list(reasons.items())[:3])
        raise GenesisError(f"{store}: none of {len(met.sources)} scans could be used ({shown}); see {store / REJECTED}")
    return _summary(state, met, reasons, time.monotonic() - began)


def _summary(state: _State, met: Index, reasons: dict[str, int], seconds: float) -> PrepareSummary:
    scans = state.all_scans()
    remarks = (subject_remark(met.sources, state.config.subject), parted_remark(met.sources), copies_remark(scans))
    return PrepareSummary(
        found=len(met.sources),
        stored=state.stored,
        unchanged=state.unchanged,
        rejected=reasons,
        bytes_stored=sum(scan.bytes for scan in scans),
        seconds=seconds,
        unread=met.unread_by_kind(),
        excluded=met.excluded,
        stores={str(state.store(modality)): len(held) for modality, held in state.scans.items() if held},
        doubted=sum(bool(scan.doubt) for scan in scans),
        noted=without_figures(note for scan in scans for note in scan.notes),
        remarks=list(filter(None, remarks)),
    )


def _opened(out: Path, config: PrepareSettings) -> _State:
    """The stores that are there, cleared of what a killed run left unfinished."""
    state = _State(out, config, {})
    for modality in MODALITIES if config.modality == AUTO else (config.modality,):
        store = state.store(modality)
        if config.modality != AUTO:
            create_groups(store)
        for leftover in (store / SCANS).glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        held = read_manifest(store).items()
        state.scans[modality] = {name: scan for name, scan in held if scan_path(store, name).is_dir()}
    return state


def _store_all(sources: list[Source], workers: int, state: _State) -> None:
    """All jobs side by side; those whose worker crashed once more, alone, with the memory for themselves."""
    again: list[Job] = []
    with Progress(len(sources), "prepare", "scans") as progress:
        for job, result in run_jobs(process, _jobs(sources, state), workers, state.config.seconds):
            if isinstance(result, Lost) and result.retry:
                again.append(job)
            else:
                _take(job.source, result, state)
                progress.advance(note=f"{len(state.rejected)} rejected")
        for job in again:
            for _, result in run_jobs(process, [job], 1, state.config.seconds):
                _take(job.source, result, state)
                progress.advance(note=f"{len(state.rejected)} rejected")


def _jobs(sources: Iterable[Source], state: _State) -> Iterator[Job]:
    for source in sources:
        name = source.identifier
        known = {modality: held[name].digest for modality, held in state.scans.items() if name in held}
        yield Job(source, state.out, state.config, known)


def _take(source: Source, result: Scan | Unchanged | Rejected | Unwritable | Lost, state: _State) -> None:
    """Enter the result of one source into its store."""
    if isinstance(result, Unwritable):
        count = len(state.all_scans())
        raise GenesisError(f"{result.message}; {count} scans are stored, the same command goes on from here")
    if isinstance(result, Scan):
        modality: Any = result.modality
        store, scans = state.store(modality), state.scans[modality]
        if not scans and state.config.modality == AUTO:
            _agree_on_settings(store, replace(state.config, modality=modality))
        append_scan(store, result)
        scans[result.id] = result
        state.stored += 1
        _remove(result.id, state, but=modality)  # its content is of another kind now
    elif isinstance(result, Unchanged):
        scans = state.scans[result.modality]
        held = scans[source.identifier]  # its subject or place may have changed
        scans[held.id] = replace(held, subject=source.subject, source=str(source.path))
        state.unchanged += 1
    elif isinstance(result, Rejected) and result.changed:
        state.rejected[source.identifier] = (source, result.reason)
        _remove(source.identifier, state)  # it was usable once
    else:  # it could not be looked at: what a store holds of it may still be right
        is_held = any(source.identifier in scans for scans in state.scans.values())
        kept = "; could not be looked at again, the scan in the store is kept" if is_held else ""
        state.rejected[source.identifier] = (source, f"{result.reason}{kept}")


def _remove(identifier: str, state: _State, but: str = "") -> None:
    for modality, scans in state.scans.items():
        if modality != but and scans.pop(identifier, None) is not None:
            shutil.rmtree(scan_path(state.store(modality), identifier), ignore_errors=True)


def _finish(state: _State, met: Index) -> None:
    """Leave stores that do not depend on the order of the work: sorted manifests, sorted lists."""
    for modality, scans in state.scans.items():
        store = state.store(modality)
        if scans or (store / MANIFEST).exists() or state.config.modality != AUTO:
            write_manifest(store, scans.values())
    write_rejected(state.out, met.sources, state.rejected.values())
    write_unread(state.out, met.sources, met.unread)


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
    if differing and not read_manifest(store):  # nothing was made with them
        write_json(path, wanted)
    elif differing:
        raise UsageError(f"{store}: made with other settings ({', '.join(differing)}); choose another folder")


def _lasting(values: JSON) -> JSON:
    return {name: value for name, value in values.items() if name not in _PASSING}


def _refuse_clashes(sources: list[Source], state: _State) -> None:
    """A source of the name of a scan made from another file, still there, would take its place."""
    scans = {scan.id: scan for scan in state.all_scans()}
    for source in sources:
        scan = scans.get(source.identifier)
        if scan is not None and scan.source != str(source.path) and Path(scan.source).exists():
            raise UsageError(
                f"{source.path}: the store holds {source.identifier} from {scan.source}; "
                "prepare both inputs in one command, or into another store"
            )
