"""A small benchmark with all kinds of contents, and its report; built once for all tests of this folder."""

from pathlib import Path

import pytest

from modelsgenesis.report.build import Written, build_report
from tests.report.sample import Sample, write_benchmark

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
SMALL = Sample(
    {"ncc": {"scratch": 0.8, "genesis": 0.93}, "lcs": {"scratch": 0.7, "genesis": 0.84}},
    seeds=(0, 1, 2),
    fractions=(0.3, 1.0),
    spread=0.012,
    failures=((f"runs/lcs/{HOSTILE}", f"no such file: {HOSTILE}"),),
    shared={"lcs": 2},
    scaled=("ncc",),
)


@pytest.fixture(scope="session")
def benchmark_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two targets, two arms, three seeds, two shares of labels; a leak, a failure with a hostile message."""
    return write_benchmark(tmp_path_factory.mktemp("report") / "benchmark", SMALL)


@pytest.fixture(scope="session")
def written(benchmark_folder: Path) -> Written:
    """Its report."""
    return build_report([benchmark_folder], benchmark_folder.parent / "report.html")


@pytest.fixture(scope="session")
def html(written: Written) -> str:
    """The page as text."""
    return written.page.read_text(encoding="utf-8")
