"""What run folders say of themselves: settings that differ by arm, hours, paths as seen from the report."""

from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.report.facts import Facts, common_settings, cost, read_facts, relative, spent, versions
from tests.report.sample import Sample, write_run


def facts(settings: dict[str, object] | None = None, **manifest: object) -> Facts:
    return Facts(Path("run"), "run", dict(manifest), settings or {})


def test_settings_shared_and_differing() -> None:
    found = {
        "scratch": [facts({"lr": 0.1, "seed": 0, "shape": [8, 8], "init": "scratch"}) for _ in range(2)],
        "genesis": [facts({"lr": 0.2, "seed": seed, "shape": [8, 8], "init": "run:x"}) for seed in (1, 0)],
    }
    found["scratch"][1].settings["seed"] = 1
    shared, differing = common_settings(found)
    assert shared == {"shape": "8 8"}
    assert differing["lr"] == "scratch: 0.1; genesis: 0.2"
    assert differing["seed"] == "0 and 1"


def test_a_setting_of_later_versions_is_absent_in_earlier_ones() -> None:
    _, differing = common_settings({"a": [facts({"x": 1})], "b": [facts({"x": 1, "new": True})]})
    assert differing == {"new": "a: –; b: True"}


def test_hours_on_gpu_and_cpu() -> None:
    found = cost([facts(seconds=3600, device="cuda:0"), facts(seconds=1800, device="cpu"), facts()])
    assert (found.gpu_hours, found.other_hours) == (1.0, 0.5)
    assert spent(found) == "1 GPU hours and 0.5 CPU hours of training and testing on cuda:0, cpu"
    assert "on H100" in spent(cost([facts(seconds=10, device="cuda:0", device_name="H100")]))


def test_versions() -> None:
    found = versions([facts(versions={"torch": "2.8"}), facts(versions={"torch": "2.9"}), facts(versions=None)])
    assert found == {"torch": ["2.8", "2.9"]}


def test_facts_of_a_folder(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a b"
    write_run(run, Sample({}, subjects=4, examples=False), "lcs", "scratch", 0.7, 0.3, 0)
    found = read_facts(run, tmp_path / "reports")
    assert found.shown == "../runs/a b"
    assert found.settings["backbone.width"] == 16
    assert found.sides == {"training": 6, "validation": 2, "test": 4, "unused": 14}
    assert (found.device, found.is_finished, found.commit) == ("cpu", True, "0123456789")
    assert relative(tmp_path, tmp_path) == "."


def test_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match="no run folder"):
        read_facts(tmp_path, tmp_path)
