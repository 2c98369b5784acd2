"""Whether the size of the sliding windows changes what a segmentation finds.

    python -m benchmarks.windows RUN... --images volume-1{6..9}.nii --truths segmentation-1{6..9}.nii

Prints the mean Dice over scans and structures of each run, for windows of up to sixteen training patches and of one.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from modelsgenesis.data.volume import read_volume
from modelsgenesis.evaluate.metrics import dice
from modelsgenesis.predict import Predictor

CHOICES = ((16, 0.25), (16, 0.5), (1, 0.25), (1, 0.5))
"""Largest window in patches, and overlap."""


def scores(predictor: Predictor, image: Path, truth: Path) -> list[float]:
    """Mean Dice over the structures of one scan, for each of `CHOICES`."""
    recipe, given = predictor.recipe, predictor.input([read_volume(image)])
    values, found = read_volume(truth).array, []
    for window, overlap in CHOICES:
        inference = replace(recipe.inference, window=window, overlap=overlap, probabilities=False)
        predictor.recipe = replace(recipe, inference=inference)
        with TemporaryDirectory() as folder:
            written = Path(folder) / predictor.segment(given, "scan", Path(folder))["prediction"]
            labels = read_volume(written).array
        found.append(mean(dice(np.isin(values, of), labels == int(one)) for one, of in recipe.truth_map.items()))
    predictor.recipe = recipe
    return found


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=Path, required=True)
    parser.add_argument("--truths", nargs="+", type=Path, required=True, help="of the images, in their order")
    given = parser.parse_args()
    pairs = list(zip(given.images, given.truths, strict=True))
    print("run", *(f"window {window}, overlap {overlap}" for window, overlap in CHOICES), sep="  ")
    for run in given.runs:
        predictor = Predictor(run / "weights.safetensors")
        found = [scores(predictor, image, truth) for image, truth in pairs]
        print(run.name, *(f"{mean(column):.3f}" for column in zip(*found, strict=True)), sep="  ", flush=True)


if __name__ == "__main__":
    main()
