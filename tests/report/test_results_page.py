"""docs/results.md from benchmarks: the part named changes, the rest of the page does not."""

from pathlib import Path

import pytest

from benchmarks.pieces import unpack
from benchmarks.results_page import PAGE, filled, placed, section
from modelsgenesis.errors import UsageError


def test_only_the_named_part_changes() -> None:
    page = "# Results\n\nprose\n\n<!-- a -->\nold\n<!-- end of a -->\n\n<!-- b -->\n<!-- end of b -->\nmore\n"
    found = placed(placed(page, "a", r"new \1 table"), "b", "other")
    assert found.split("\n\n")[:2] == ["# Results", "prose"]
    assert "old" not in found
    assert r"new \1 table" in found
    assert found.endswith("<!-- b -->\n\nother\n<!-- end of b -->\nmore\n")
    with pytest.raises(UsageError, match="no part between <!-- c -->"):
        placed(page, "c", "text")


def test_section_has_verdict_scores_and_differences(benchmark_folder: Path) -> None:
    text = section(benchmark_folder)
    assert "**Scores on the test subjects**" in text
    assert "**Differences from the reference**" in text
    assert text.index("seeds an arm") < text.index("**Scores")


def test_a_part_may_have_another_reference(benchmark_folder: Path) -> None:
    page = filled(
        "<!-- a -->\n<!-- end of a -->\n<!-- a:genesis -->\n<!-- end of a:genesis -->\n", "a", benchmark_folder
    )
    first, second = page.split("<!-- a:genesis -->")
    assert "Genesis is better than scratch on NCC" in first
    assert "Scratch is worse than genesis on NCC" in second
    assert "**Differences from the reference**" in second
    assert "**Scores on the test subjects**" not in second


@pytest.mark.parametrize("kept", sorted((PAGE.parents[1] / "evidence").iterdir()), ids=lambda path: path.name)
def test_the_page_is_what_the_kept_runs_print(kept: Path, tmp_path: Path) -> None:
    unpack(kept, tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, kept.name, tmp_path) == page
