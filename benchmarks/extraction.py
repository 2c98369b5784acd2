"""Cubes by the released accept rule (PAPER 1.3): from the store, against the rule spelt out voxel by voxel on arrays.

    python -m benchmarks extraction

Both draw the same locations and accept the same cubes, which is checked.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import store
from benchmarks.rows import Row, milliseconds, seconds
from modelsgenesis.data.cubes import RELEASED_MARGIN, CubeSampler, CubeSettings
from modelsgenesis.streams import generator

CUBE = (64, 64, 32)
TRIES = 50


def plainly_accepted(cube: Any, further: Any) -> bool:
    """A voxel counts 1 as tissue, else a half when the voxel one slice further is; 15 % at most."""
    total = 0.0
    for x in range(cube.shape[0]):
        for y in range(cube.shape[1]):
            for z in range(cube.shape[2]):
                if cube[x, y, z] >= -150:
                    total += 1
                elif further[x, y, z] >= -150:
                    total += 0.5
    return total <= 0.15 * cube.size


def plain_corner(volumes: list[Any], rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
    """Scan and corner of the next accepted cube, as `CubeSampler` draws them."""
    number = int(rng.integers(len(volumes)))
    volume, low = volumes[number], np.array(RELEASED_MARGIN)
    high = np.array(volume.shape) - CUBE - low
    for _ in range(TRIES):
        x, y, z = corner = tuple(int(c) for c in rng.integers(low, high, endpoint=True))
        window = (slice(x, x + CUBE[0]), slice(y, y + CUBE[1]))
        cube, further = volume[(*window, slice(z, z + CUBE[2]))], volume[(*window, slice(z + 1, z + CUBE[2] + 1))]
        if plainly_accepted(cube, further):
            break
    return number, corner


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """The row of the table; the plain way takes a second a cube, so a few cubes tell."""
    opened = store(folder)
    volumes = [scan.intensity.decode(opened.read(scan)) for scan in opened.scans]
    sampler = CubeSampler(opened, opened.scans, CubeSettings(shape=CUBE, rule="released", tries=TRIES))
    sampler.cube(generator(0))
    ours = plain = 0.0
    cubes = 2 * repeats
    for item in range(cubes):
        found: list[Any] = []
        plain += seconds(lambda: found.append(plain_corner(volumes, generator(1, item))))  # noqa: B023
        ours += seconds(lambda: found.append(sampler.cube(generator(1, item))))  # noqa: B023
        (number, corner), cube = found
        if (opened.scans[number], corner) != (cube.scan, cube.corner):
            raise RuntimeError(f"cube {item}: {corner} by the plain rule, {cube.corner} from the store")
    yield Row(
        "cubes by the released accept rule, 64x64x32",
        plain / ours,
        "x",
        f"{milliseconds(ours / cubes)} a cube from the store, {milliseconds(plain / cubes)} voxel by voxel",
        "reading the accepted cube, and those that the table of tissue leaves undecided",
        must=400,
        goal=2000,
    )
