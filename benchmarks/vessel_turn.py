"""Time of a cube along its vessel: found in the voxels, turned, and as the target `ecc` gives it, first and again.

python -m benchmarks.vessel_turn [--candidates 20]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from modelsgenesis.phantoms.ctpa import write_ctpa
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.patches import PatchSettings, classified_input
from modelsgenesis.targets.prepared import ImageSettings, PreparedCase, prepare_target
from modelsgenesis.targets.vessel import align, block_side

SIDE, SPACING = 32, 0.625


def main() -> None:
    """Print milliseconds of processor time a cube."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = write_ctpa(Path(folder) / "ctpa", 2, 0, (160, 160, 96), (1.5, 1.5, 1.5))
        target = TARGETS.get("ecc").open(data, {"orientation": "vessel"}, Path(folder))
        prepared = prepare_target(target, ImageSettings(spacing=(SPACING,) * 3), Path(folder))
        cases, choice = prepared.cases[: given.candidates], PatchSettings(shape=(SIDE,) * 3)
        rng = np.random.default_rng(0)

        def each(work: Callable[[PreparedCase], object]) -> float:
            begun = time.process_time()
            for case in cases:
                work(case)
            return 1000 * (time.process_time() - begun) / len(cases)

        blocks = {case.case.id: prepared.image_around(case, case.centre, (block_side(SIDE),) * 3)[0] for case in cases}
        print(f"found and turned: {each(lambda case: align(blocks[case.case.id], SIDE, SPACING)):.1f} ms a cube")
        for name in ("first", "again"):
            print(f"ecc, {name}: {each(lambda case: classified_input(prepared, case, choice, rng)):.1f} ms a cube")


if __name__ == "__main__":
    main()
