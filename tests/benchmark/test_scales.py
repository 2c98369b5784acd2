"""Plans: what they tell of scale before any work, and that those that are shipped match it."""

from dataclasses import replace
from importlib.resources import files

import pytest

from modelsgenesis.benchmark.loading import load_plan
from modelsgenesis.benchmark.plan import Plan
from modelsgenesis.benchmark.scales import scale_mismatches
from modelsgenesis.config import merge

SHIPPED = sorted(path.name[:-5] for path in files("modelsgenesis.plans").iterdir() if path.name.endswith(".yaml"))


def with_cubes(plan: Plan, name: str, **cubes: object) -> Plan:
    one = plan.pretraining[name]
    changed = replace(one, settings=merge(one.settings, {"cubes": cubes}))
    return replace(plan, pretraining={**plan.pretraining, name: changed})


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_plans_match_scale(name: str) -> None:
    assert list(scale_mismatches(load_plan(name, {}))) == []


def test_weights_of_another_spacing_are_named() -> None:
    found = list(scale_mismatches(with_cubes(load_plan("phantom-full", {}), "chest", spacing=None)))
    assert any(line.startswith("genesis on lcs: ") and "1.7x1.7x2 mm" in line for line in found)
    assert not any(" on ncc" in line or " on dxc" in line for line in found)
    narrow = scale_mismatches(with_cubes(load_plan("phantom-tiny", {}), "chest", spacing=2.6))
    assert [line.split(":")[0] for line in narrow] == ["genesis on lcs"]


def test_images_resized_otherwise_than_in_pretraining_are_named() -> None:
    plan = load_plan("phantom-full", {})
    larger = replace(plan.stores["xray"], prepare={"modality": "image", "resize": [224, 224]})
    found = list(scale_mismatches(replace(plan, stores={**plan.stores, "xray": larger})))
    assert {line.split(":")[0] for line in found} == {"genesis on dxc", "as-stored on dxc"}
    assert all("a factor of 2.3" in line for line in found)


def test_stated_pixel_sizes_are_compared() -> None:
    plan = load_plan("phantom-full", {})
    finer = replace(plan.stores["xray"], prepare={"modality": "image", "pixel_size": 0.2})
    cut = {"images": {"modality": "image", "pixel_size": 0.8}, "patch": {"shape": [96, 96], "fitting": "centre"}}
    dxc = replace(plan.data["dxc"], settings=merge(plan.data["dxc"].settings, cut))
    changed = replace(plan, stores={**plan.stores, "xray": finer}, data={**plan.data, "dxc": dxc})
    found = [line for line in scale_mismatches(changed) if " on dxc" in line]
    assert len(found) == 2
    assert all("0.2x0.2 mm" in line and "a factor of 4.0" in line for line in found)
