"""From the store to the network: reading, distorting and collating cubes as training does, on one core.

python -m benchmarks loader
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.extraction import plain_corner
from benchmarks.material import store
from benchmarks.reference import Reference
from benchmarks.rows import Row, milliseconds, seconds
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.pretrain import PretrainSettings, cube_batches
from modelsgenesis.streams import generator
from modelsgenesis.training.loop import make_fabric
from modelsgenesis.training.settings import LoopSettings

CUBE, BATCH = (64, 64, 32), 8


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Cubes a second and core; and how that compares with what the released code does for a cube."""
    opened = store(folder)
    config = PretrainSettings(
        cubes=CubeSettings(shape=CUBE), loop=LoopSettings(steps=40 * repeats + 5, batch_size=BATCH, accelerator="cpu")
    )
    sampler = CubeSampler(opened, opened.scans, config.cubes)
    batches = cube_batches(sampler, config, 0, make_fabric(config.loop))
    for _ in range(5):
        next(batches)
    times = [seconds(lambda: next(batches)) for _ in range(40 * repeats)]
    ours = float(np.median(times)) / BATCH
    yield Row(
        "loader to network, 64x64x32, a core",
        1 / ours,
        "cubes/s",
        f"{milliseconds(ours)} a cube (best batch {milliseconds(min(times) / BATCH)})",
        "two thirds distortions, a quarter decompression, the rest scaling and collating",
        must=400,
        goal=700,
    )
    volumes, reference = [scan.intensity.decode(opened.read(scan)) for scan in opened.scans], Reference(0)
    plain = []
    for item in range(2 * repeats):

        def released(item: int = item) -> None:
            number, corner = plain_corner(volumes, generator(2, item))
            window = tuple(slice(c, c + side) for c, side in zip(corner, CUBE, strict=True))
            reference.mixture(np.clip((volumes[number][window] + 1000) / 2000, 0, 1)[None].astype(np.float32))

        plain.append(seconds(released))
    slow = float(np.mean(plain))
    yield Row(
        "the same against the released way (rule voxel by voxel, plain distortions)",
        slow / ours,
        "x",
        f"{milliseconds(ours)} a cube, {milliseconds(slow)}",
        "as above",
    )
