"""Memory for a store of any size, and over 10,000 cubes of training: `python -m benchmarks memory`."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from benchmarks.material import store
from benchmarks.rows import Row
from benchmarks.training_step import default_variant, make_step
from modelsgenesis.data.arrays import SCANS, scan_path
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.store import Store
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.streams import generator

CUBE, COPIES = (32, 32, 32), 200


def held() -> float:
    """MB of this process that are its own: mapped files do not count, they belong to the system's cache."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status names no RssAnon")


def rows(folder: Path, _repeats: int) -> Iterator[Row]:
    """Growth of the process, in MB."""
    opened = store(folder)
    large = _copied(opened, folder / "large")
    grown = []
    for kept in (opened, large):
        sampler, before = CubeSampler(kept, kept.scans, CubeSettings(shape=CUBE)), held()
        for item in range(2000):
            sampler.cube(generator(0, item))
        grown.append(held() - before)
    yield Row(
        f"memory for {len(large)} scans",
        grown[1],
        "MB",
        f"after 2,000 cubes; {grown[0]:.0f} MB for {len(opened)} scans",
        "the cache of decoded chunks (64 MB) and a handle a scan",
        must=120,
        less=True,
    )
    sampler, restoration = CubeSampler(opened, opened.scans, CubeSettings(shape=CUBE)), Restoration()
    step = make_step(default_variant(), 2, (16, 16, 16), 8)
    sizes = []
    for item in range(10_000):
        rng = generator(1, item)
        restoration.views(sampler.cube(rng).array, rng)
        if item % 8 == 0:
            step()
        if item in (1999, 9999):
            sizes.append(held())
    yield Row(
        "growth from cube 2,000 to 10,000, read, distorted and trained on",
        sizes[1] - sizes[0],
        "MB",
        f"{sizes[0]:.0f} to {sizes[1]:.0f} MB in all",
        "",
        must=20,
        less=True,
    )


def _copied(opened: Store, folder: Path) -> Store:
    """The scans again and again under other names; links, so that it costs no space."""
    scans = []
    (folder / SCANS).mkdir(parents=True, exist_ok=True)
    for number in range(COPIES):
        scan = opened.scans[number % len(opened)]
        copy = dataclasses.replace(scan, id=f"{number:04d}")
        if not scan_path(folder, copy.id).exists():
            scan_path(folder, copy.id).symlink_to(scan_path(opened.path, scan.id).absolute())
        scans.append(copy)
    return Store(folder, scans)
