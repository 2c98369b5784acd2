"""Whether the size of the sliding windows changes what a segmentation finds.

    python -m benchmarks.windows RUN... --images volume-1{6..9}.nii --truths segmentation-1{6..9}.nii

Prints the mean Dice over scans and structures of each run, for windows as large as the default and of one patch.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from modelsgenesis.data.volume import on_source_grid, read_volume
from modelsgenesis.predict import Predictor
from modelsgenesis.training.inference import InferenceSettings, segment

CHOICES = ((InferenceSettings().window, 0.25), (1, 0.25), (1, 0.5))
"""Largest window in patches, and overlap."""


def dice(predictor: Predictor, image: Path, truth: Path) -> list[float]:
    """Mean Dice over the structures of one scan, for each of `CHOICES`."""
    recipe, given = predictor.recipe, predictor.input([read_volume(image)])
    values = np.asarray(read_volume(truth).array)
    found = []
    for window, overlap in CHOICES:
        choice = replace(recipe.sliding, window=window, overlap=overlap)
        logits = segment(predictor.network, given.image, recipe.patch.shape, choice)
        levels = [on_source_grid(level, given.prepared, nearest=False) for level in logits.softmax(0).cpu().numpy()]
        labels = np.argmax(levels, 0)
        scores = [_dice(labels == int(one), np.isin(values, of)) for one, of in recipe.truth_map.items()]
        found.append(float(np.mean(scores)))
    return found


def _dice(mine: np.ndarray, theirs: np.ndarray) -> float:
    return float(2 * (mine & theirs).sum() / max(1, mine.sum() + theirs.sum()))


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
        scores = [dice(predictor, image, truth) for image, truth in pairs]
        print(run.name, *(f"{score:.3f}" for score in np.mean(scores, 0)), sep="  ", flush=True)


if __name__ == "__main__":
    main()
