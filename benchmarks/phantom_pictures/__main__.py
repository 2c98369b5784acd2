"""Measure phantoms against real scans, and draw them side by side.

    python -m benchmarks.phantom_pictures KIND DATA [OUT]

KIND is one of chest, ctpa, abdomen, brain, radiograph, carotid, or all. DATA is the folder of the real images, a folder
a source. The figures of docs/phantoms.md are printed; with OUT, `OUT/KIND.png` is drawn too. Times are of one core.
"""

import argparse
from pathlib import Path

from benchmarks.panels import draw
from benchmarks.phantom_pictures import abdomen, brain, carotid, chest, ctpa, radiograph

KINDS = {
    "chest": chest,
    "ctpa": ctpa,
    "abdomen": abdomen,
    "brain": brain,
    "radiograph": radiograph,
    "carotid": carotid,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=[*KINDS, "all"])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    given = parser.parse_args()
    for name in KINDS if given.kind == "all" else [given.kind]:
        if given.out:
            draw(KINDS[name].picture(given.data), given.out / f"{name}.png")
        for line in KINDS[name].figures(given.data):
            print(f"{name}: {line}", flush=True)


if __name__ == "__main__":
    main()
