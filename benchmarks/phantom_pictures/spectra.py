"""Power spectra of squares within slices, and where in a CT scan noise can be measured."""

import numpy as np
from scipy import ndimage

from benchmarks.panels import Array, Curve, Scan

SPREAD = 70  # HU by which a flat square may vary once it is smoothed
SLOW = 5  # pixels, deviation of what is taken for tissue rather than noise


def power(squares: Array, step: float = 1) -> Curve:
    """Frequency (cycles per mm, or per pixel) and mean power density of `squares` (N, n, n) with pixels of `step`."""
    n = squares.shape[-1]
    hann = np.outer(np.hanning(n), np.hanning(n))
    middle = squares - squares.mean(axis=(1, 2), keepdims=True)
    mean = (np.abs(np.fft.fft2(middle * hann)) ** 2).mean(axis=0) * step**2 / (hann**2).sum()
    ring = np.rint(np.hypot(*np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n))) * n).astype(int)
    wanted = np.arange(1, n // 2 + 1)
    return wanted / n / step, np.asarray(ndimage.mean(mean, ring, wanted))


def flat(scan: Scan, low: float, high: float, n: int) -> Array:
    """Axial squares (N, n, n) of even tissue between `low` and `high` HU, without what is slow in them."""
    found = []
    for z in range(0, scan.array.shape[2], 2):
        plane = scan.array[:, :, z]
        smooth = ndimage.gaussian_filter(plane, 3)
        most, least = ndimage.maximum_filter(smooth, n), ndimage.minimum_filter(smooth, n)
        good = (least > low) & (most < high) & (most - least < SPREAD)
        good[: n // 2], good[-n // 2 :], good[:, : n // 2], good[:, -n // 2 :] = False, False, False, False
        rest = plane - ndimage.gaussian_filter(plane, SLOW)
        places = np.argwhere(good)[:: n * n // 4]
        found += [rest[x - n // 2 : x + n // 2, y - n // 2 : y + n // 2] for x, y in places]
    return np.array(found, np.float64).reshape(-1, n, n)


def noise(squares: Array, step: float) -> tuple[float, float]:
    """Median deviation of flat squares, and the mean frequency of their power in 1/mm."""
    if not len(squares):
        return float("nan"), float("nan")
    frequency, density = power(squares, step)
    density = density * frequency  # the ring of a frequency is as long as the frequency is high
    return float(np.median(squares.std(axis=(1, 2)))), float((frequency * density).sum() / density.sum())
