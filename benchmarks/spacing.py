"""What a cube at a spacing drawn from a range costs, beside one of the scan's own voxels.

python -m benchmarks spacing
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.material import SPACING, store
from benchmarks.rows import Row, milliseconds, seconds
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.streams import generator

FINEST = min(SPACING)
RANGE = (FINEST, 3.5 * FINEST)
"""As the plans have it: from the scans' own spacing to that of the coarsest target."""
CUBES = ((64, 64, 32), (32, 32, 32))


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Mean over a range, of cubes that take turns."""
    opened, restoration = store(folder), Restoration()
    for shape in CUBES:
        plain, drawn = (
            CubeSampler(opened, opened.scans, CubeSettings(shape=shape, spacing=spacing)) for spacing in (None, RANGE)
        )
        cut: tuple[list[float], list[float]] = ([], [])
        whole: tuple[list[float], list[float]] = ([], [])
        for item in range(10 + 60 * repeats):
            for number, sampler in enumerate((plain, drawn)):
                rng = generator(0, item)
                cubes = []
                cutting = seconds(lambda: cubes.append(sampler.cube(rng)))  # noqa: B023
                distorting = seconds(lambda: restoration.views(cubes[0].array, rng))  # noqa: B023
                if item >= 10:  # the first ones compile and open
                    cut[number].append(cutting)
                    whole[number].append(cutting + distorting)
        name = "x".join(map(str, shape))
        for what, times, must in (("cut and distorted", whole, 1.3), ("cut alone", cut, None)):
            before, after = (float(np.mean(found)) for found in times)
            yield Row(
                f"cube of {name} at {RANGE[0]:g} to {RANGE[1]:g} mm, {what}",
                after / before,
                "x",
                f"{milliseconds(after)} a cube, {milliseconds(before)} at the scan's own spacing",
                "reading up to twice as many voxels an axis as the cube has, and interpolating" if must is None else "",
                must=must,
                less=True,
            )
