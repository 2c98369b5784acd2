"""All speed measurements in one table: `make bench`, or `python -m benchmarks [PART...]`.

Each part runs in a process of its own. What is compared takes turns within one run, so that a ratio means the same on
any machine; the absolute figures do not. With `--write` the table becomes docs/performance.md.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.table import PAGE, PARTS, page, part
from modelsgenesis.files import write_text


def main() -> None:
    """Print the rows as they come; write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), help="which; all")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each measurement")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"), help="for phantoms and their store; kept")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args()
    rows: list[Row] = []
    for name in given.parts or PARTS:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = pool.submit(part, name, given.folder, given.repeats).result()
        for row in found:
            print("  ".join(row.cells()), flush=True)
        rows += found
    below = [row.what for row in rows if row.verdict == "below"]
    print(f"{len(rows)} rows, {len(below)} below what is asked for{': ' if below else ''}{'; '.join(below)}")
    if given.write:
        gpu = PAGE.with_name("performance_gpu.md")
        write_text(PAGE, page(rows, "\n" + gpu.read_text() if gpu.is_file() else ""))


if __name__ == "__main__":
    main()
