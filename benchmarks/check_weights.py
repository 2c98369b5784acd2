"""What weights restore of chosen subjects, measured again as their pre-training did, without training.

    python -m benchmarks.check_weights INIT STORE CONFIG.yaml SUBJECT...

Prints the baselines (doing nothing, best constant, each cube's own mean; the probe of a random network) and the scores.
"""

import argparse
from pathlib import Path

import torch

from modelsgenesis.config import load
from modelsgenesis.data.cubes import CubeSampler
from modelsgenesis.data.store import open_store
from modelsgenesis.models import build_backbone
from modelsgenesis.models.weights import initialise
from modelsgenesis.pretrain import PretrainSettings
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.training.loop import make_fabric
from modelsgenesis.training.validation import RestorationCheck


def main() -> None:
    """Print a line for each score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("init", help="init source: run:PATH or file:PATH")
    parser.add_argument("store", type=Path)
    parser.add_argument("config", type=Path, help="settings of the pre-training")
    parser.add_argument("subjects", nargs="+", help="its validation subjects")
    given = parser.parse_args()
    config, store = load(PretrainSettings, given.config), open_store(given.store)
    scans = [scan for scan in store.scans if scan.subject in set(given.subjects)]
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
