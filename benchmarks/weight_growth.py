"""How much pre-training made weights grow: `python -m benchmarks.weight_growth WEIGHTS.safetensors...`.

Prints, for each convolution before a norm, the Euclidean norm of its weight over that of a fresh one (see
`modelsgenesis.models.rescaling`).
"""

import sys

import torch

from modelsgenesis.config import build
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.rescaling import sizes
from modelsgenesis.models.weights import initialise, provenance_of


def main() -> None:
    """Print a table a file."""
    for path in sys.argv[1:]:
        torch.manual_seed(0)
        backbone = build(BackboneSettings, provenance_of(f"file:{path}")["backbone"], path)
        network = DenseNetwork(build_backbone(backbone), 1)
        fresh = sizes(network)
        initialise(network, f"file:{path}")
        print(path)
        for name, size in sizes(network).items():
            print(f"  {size / fresh[name]:5.2f}  {name}")


if __name__ == "__main__":
    main()
