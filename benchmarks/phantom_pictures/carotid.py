"""Phantom carotid frames beside real ones, and whether their speckle is speckle."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.panels import Picture
from benchmarks.phantom_pictures.radiograph import COMPARED, Images, charts, grey, levels, panel
from modelsgenesis.phantoms.carotid import carotid_video
from modelsgenesis.phantoms.ultrasound import Probe, envelope, scatterers

SHOWN = (2, 3, 5)
SCREENS = ("classification_201501061011050145VAS.png", "classification_201501061011390150VAS.png")


def _compared(data: Path) -> dict[str, Images]:
    """Real frames at half their size, so that their pixels are about as wide as the phantoms'."""
    folder = data / "carotid-ultrasound"
    real = [grey(folder / "longitudinal_201507211157170577.png")[::2, ::2]]
    real += [grey(folder / name)[182:838:2, 128:520:2] for name in SCREENS]
    videos = [carotid_video(np.random.default_rng(seed), 1) for seed in range(COMPARED)]
    return {"phantom": [video.frames[0].astype(float) for video in videos], "real": real}


def picture(data: Path) -> Picture:
    """Frames along the vessel."""
    compared = _compared(data)
    phantoms = [panel(compared["phantom"][seed], "phantom") for seed in SHOWN]
    return Picture(phantoms, [panel(image, "real") for image in compared["real"]], charts(compared))


def figures(data: Path) -> Iterator[str]:
    """Grey levels, spectrum, and the distribution of the envelope of homogeneous tissue with one look."""
    yield from levels(_compared(data))
    fields = [scatterers(np.random.default_rng(seed), (256, 200)) for seed in range(6)]
    samples = np.concatenate([envelope(field, 0.15, Probe(looks=1))[::24, ::8].ravel() for field in fields])
    apart = stats.kstest(samples, stats.rayleigh(scale=np.sqrt(0.5)).cdf).statistic
    ratio = samples.mean() / samples.std()
    yield f"Kolmogorov-Smirnov distance from Rayleigh {apart:.3f}, mean over deviation {ratio:.2f}"
