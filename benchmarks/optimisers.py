"""Which optimiser and rate: short pre-trainings that differ in nothing else.

    python -m benchmarks.optimisers STORE OUT [--steps 200]

Prints for each the restoration error on unseen subjects as a share of the best constant's. Width 8, cubes of 32x32x32.
"""

import argparse
from pathlib import Path

from modelsgenesis.data.cubes import CubeSettings
from modelsgenesis.errors import GenesisError
from modelsgenesis.models import BackboneSettings
from modelsgenesis.pretrain import PretrainSettings, pretrain
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.validation import RestorationCheckSettings

CANDIDATES = {
    "released: sgd 1, no clipping": OptimSettings(
        "sgd", lr=1.0, weight_decay=0.0, schedule="plateau", warmup_steps=0, clip=0.0
    ),
    "sgd 0.1, warm-up, cosine, clipping": OptimSettings("sgd", lr=0.1, weight_decay=0.0),
    "adamw 0.0005, warm-up, cosine": OptimSettings(lr=5e-4),
    "adamw 0.002, warm-up, cosine": OptimSettings(lr=2e-3),
    "adamw 0.008, warm-up, cosine": OptimSettings(lr=8e-3),
}


def main() -> None:
    """Run the candidates and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    for number, (name, optim) in enumerate(CANDIDATES.items()):
        config = PretrainSettings(
            cubes=CubeSettings(shape=(32, 32, 32)),
            check=RestorationCheckSettings(cubes=128, cubes_alone=8, probe_cubes=64),
            backbone=BackboneSettings(width=8),
            loop=LoopSettings(steps=given.steps, validate_every=given.steps, accelerator="cpu"),
            optim=optim,
        )
        try:
            run = pretrain(given.store, given.out / f"candidate-{number}", config, resume=True)
            result = f"{run.manifest()['best']['share']:.1%} of the best constant's error"
        except GenesisError as error:
            result = f"stopped: {error}"
        print(f"{name:<36} {result}", flush=True)


if __name__ == "__main__":
    main()
