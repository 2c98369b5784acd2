"""What has become of each job, one JSON line an event; the last line of a job counts, a torn one does not."""

import json
import os
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import to_json
from modelsgenesis.types import JSON

JOURNAL = "benchmark.jsonl"


class Journal:
    """The file `benchmark.jsonl` of a benchmark.

    Entries: `job`, `kind`, `group`, `cost`, `key`, `made_from` (job it needs -> digest of what that made), `status`
    (started, finished, failed, interrupted), `seconds`, and `message`, or `score` and `data`, the digest of what was
    made; of a run that was tuned, the `choice` too.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self.entries = self._read()
        self._latest: dict[str, JSON] = {entry["job"]: entry for entry in self.entries}
        self._finished = {(e["job"], e.get("key")) for e in self.entries if e["status"] == "finished"}

    def _read(self) -> list[JSON]:
        if not self._path.is_file():
            return []
        entries = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                entries.append(json.loads(line))
            except ValueError:  # torn, or empty
                continue
        return entries

    def last(self, job: str) -> JSON:
        """The last entry of a job; {} when there is none."""
        return self._latest.get(job, {})

    def finished(self, job: str, key: str) -> bool:
        """Whether a job with this key has come to its end at some time, whatever was begun since."""
        return (job, key) in self._finished

    def add(self, **entry: object) -> None:
        """Append an entry, on disk when this returns."""
        line = to_json(entry)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as handle:
                torn = handle.tell() > 0 and not self._ends_well()
                handle.write(("\n" if torn else "") + line + "\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise GenesisError(f"{self._path}: could not be written ({error.strerror}); free space?") from error
        self.entries.append(json.loads(line))
        self._latest[self.entries[-1]["job"]] = self.entries[-1]
        if entry["status"] == "finished":
            self._finished.add((str(entry["job"]), entry.get("key")))

    def _ends_well(self) -> bool:
        with self._path.open("rb") as handle:
            handle.seek(-1, os.SEEK_END)
            return handle.read(1) == b"\n"

    def seconds_of(self, job: str) -> float:
        """Seconds a job took the last time, interrupted attempts at it included."""
        spent, over = 0.0, False
        for entry in self.entries:
            if entry["job"] == job:
                spent = (0.0 if over else spent) + float(entry.get("seconds", 0.0))
                over = entry["status"] == "finished"
        return spent
