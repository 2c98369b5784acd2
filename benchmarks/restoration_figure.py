"""Draw what pre-trained weights restore on chosen subjects, in cubes larger than those it was trained on.

python -m benchmarks.restoration_figure INIT STORE SUBJECT OUT.png [--side 64]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import modelsgenesis
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import initialise
from modelsgenesis.proxies.restoration import restore
from modelsgenesis.streams import generator
from modelsgenesis.training.figures import Restored, draw_restoration

SHOWN = 6


def main() -> None:
    """Draw the first cubes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("init", help="init source: run:PATH or file:PATH")
    parser.add_argument("store", type=Path)
    parser.add_argument("subject")
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--cubes", type=int, default=16)
    given = parser.parse_args()
    network = DenseNetwork(modelsgenesis.load(given.init), 1)
    initialise(network, given.init, head=True)
    store = modelsgenesis.open_store(given.store)
    scans = [scan for scan in store.scans if scan.subject == given.subject]
    sampler = CubeSampler(store, scans, CubeSettings(shape=(given.side,) * 3, tissue=(0.2, 0.9)))
    cubes, views = [], []
    for item in range(given.cubes):
        rng = generator(1, item)
        cube = sampler.cube(rng)
        cubes.append(cube)
        views.append(modelsgenesis.mixture("default").views(cube.array, rng))
    restored = restore(network, torch.from_numpy(np.stack([distorted for distorted, _ in views]))).numpy()
    found = [
        Restored(distorted[0], after[0], target[0], cube.spacing)
        for cube, (distorted, target), after in zip(cubes, views, restored, strict=True)
    ]
    draw_restoration(given.out, found[:SHOWN])


if __name__ == "__main__":
    main()
