"""What stored weights restore of scans, each distortion alone too, and their probe, without training.

    python -m benchmarks.check_weights INIT STORE [SUBJECT...]

Network, cube and distortions are those that the weights say. Prints the baselines (doing nothing, best constant, each
cube's own mean; the probe of a random network) and the scores.
"""

import argparse
from pathlib import Path

import torch

from modelsgenesis.config import build
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.store import open_store
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.weights import initialise, provenance_of
from modelsgenesis.pretrain import PretrainSettings
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.training.loop import make_fabric
from modelsgenesis.training.validation import RestorationCheck


def main() -> None:
    """Print a line for each score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("init", help="init source: run:PATH or file:PATH")
    parser.add_argument("store", type=Path)
    parser.add_argument("subjects", nargs="*", help="whose scans; all")
    given = parser.parse_args()
    about, store = provenance_of(given.init), open_store(given.store)
    config = PretrainSettings(
        distortions=about["distortions"],
        cubes=CubeSettings(shape=tuple(about["cube"])),
        backbone=build(BackboneSettings, about["backbone"], given.init),
    )
    scans = [scan for scan in store.scans if not given.subjects or scan.subject in given.subjects]
    fabric, proxy = make_fabric(config.loop), Restoration(config.distortions)
    torch.manual_seed(config.seed)
    network = proxy.network(build_backbone(config.backbone))
    check = RestorationCheck(proxy.mixture, CubeSampler(store, scans, config.cubes), network, config, fabric)
    initialise(network, given.init, head=True)
    for title, found in (("baselines", check.baselines), ("weights", check.scores(network))):
        print(title)
        for name, value in found.items():
            print(f"  {name:<12} {value:.5f}")


if __name__ == "__main__":
    main()
