"""What CT phantoms share: the picture of phantoms beside real scans, noise in flat tissue, time."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.panels import Chart, Panel, Picture, Scan, histogram, planes
from benchmarks.phantom_pictures.spectra import flat, noise, power


@dataclass(frozen=True)
class Look:
    """The window to show a scan in, the HU of the tissue its noise is measured in, and the side of its squares."""

    window: tuple[float, float]
    tissue: tuple[float, float]
    side: int = 24
    at: tuple[float, float, float] = (0.33, 0.5, 0.5)
    """Which slices: shares of the sides."""


def picture(pairs: Sequence[tuple[str, Scan, Scan]], look: Look) -> Picture:
    """Phantoms above the real scans of `pairs` (name of the real one, phantom, real)."""
    rows: tuple[list[Panel], list[Panel]] = ([], [])
    charts = []
    for name, *scans in pairs:
        values, spectra = {}, {}
        for row, title, scan in zip(rows, ("phantom", f"real, {name}"), scans, strict=True):
            at = [int(share * n) for share, n in zip(look.at, scan.array.shape, strict=True)]
            row += planes(scan, at, look.window, title)
            values[title.split(",")[0]] = histogram(scan.array, look.window[0] + 1, look.window[1] + 100)
            squares = flat(scan, *look.tissue, look.side)
            label = f"{title.split(',')[0]}, {noise(squares, scan.spacing[0])[0]:.0f} HU"
            spectra[label] = power(squares, scan.spacing[0])
        charts += [Chart("HU", values, "y"), Chart("noise of flat tissue, HU$^2$mm$^2$ over 1/mm", spectra)]
    return Picture(*rows, charts)


def compared(name: str, real: Scan, draw: Callable[[int], Scan], seeds: Sequence[int], look: Look) -> Iterator[str]:
    """Noise of the real scan, and the range over phantoms of `seeds`."""
    deviation, frequency = noise(flat(real, *look.tissue, look.side), real.spacing[0])
    yield f"{name}: noise {deviation:.1f} HU, mean frequency {frequency:.2f}/mm"
    scans = [draw(seed) for seed in seeds]
    found = np.array([noise(flat(scan, *look.tissue, look.side), scan.spacing[0]) for scan in scans])
    (low, slow), (high, fast) = np.nanmin(found, axis=0), np.nanmax(found, axis=0)
    yield f"{len(scans)} phantoms on its voxels: noise {low:.1f} to {high:.1f} HU, {slow:.2f} to {fast:.2f}/mm"


def seconds(work: Callable[[], object]) -> float:
    """Processor time of `work`."""
    begun = time.process_time()
    work()
    return time.process_time() - begun
