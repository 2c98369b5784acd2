"""Plans: what does not fit is told at once; the shipped ones load; settings combine in their order."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelsgenesis.benchmark.checks import check
from modelsgenesis.benchmark.jobs import keys
from modelsgenesis.benchmark.loading import load_plan, missing, shipped
from modelsgenesis.benchmark.matrix import matrix
from modelsgenesis.benchmark.run import benchmark
from modelsgenesis.config import build
from modelsgenesis.errors import UsageError
from modelsgenesis.finetune import FinetuneSettings
from modelsgenesis.pretrain import PretrainSettings
from modelsgenesis.training.patience import refuse_idle_patience
from tests.benchmark.plans import TOY, loaded, write


@pytest.mark.parametrize("name", shipped())
def test_shipped_plans_fit(name: str) -> None:
    plan = load_plan(name)
    check(plan, name)
    jobs = matrix(plan)
    counts = Counter(job.kind for job in jobs)
    arms = Counter((job.cell.data, job.cell.arm) for job in jobs if job.kind == "run" and job.cell)
    assert counts["run"] == sum(arms.values()) > 0
    assert {arm for _, arm in arms} == set(plan.inits)
    assert plan.about
    of_data = {one.phantoms.seed for one in plan.data.values() if one.phantoms}
    of_stores = {one.phantoms.seed for one in plan.stores.values() if one.phantoms}
    assert len(of_data) == sum(one.phantoms is not None for one in plan.data.values())
    assert not of_data & of_stores  # no patient on both sides
    for job in jobs:
        if job.kind in ("run", "tuning", "pretraining"):
            kind = PretrainSettings if job.kind == "pretraining" else FinetuneSettings
            settings: Any = build(kind, job.settings, job.name)
            refuse_idle_patience(settings.loop, settings.optim)


def test_the_plan_of_real_tasks_fits(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    places = {"TASKS": str(tmp_path), "WEIGHTS": str(root / "weights")}
    plan = load_plan(str(root / "benchmarks" / "real.yaml"), places)
    check(plan, "real.yaml")
    assert list(plan.data) == ["lungs", "liver", "sarcoma-1", "sarcoma-2", "sarcoma-3", "xrays"]
    assert {job.cell.data for job in matrix(plan) if job.cell and job.cell.arm == "own"} == {"xrays"}


def test_the_shipped_plans_are_those_of_the_help() -> None:
    from modelsgenesis import cli

    assert all(name in str(cli.benchmark.__doc__) for name in shipped())
    assert set(load_plan("phantom-full").data) == {"ncc", "ncs", "ecc", "lcs", "bms", "dxc", "iuc"}


def test_papers_ask_for_their_data(tmp_path: Path) -> None:
    assert missing(load_plan("papers")) == ["BraTS", "CTPA", "ChestX-ray14", "LIDC", "LUNA16", "LiTS"]
    plan = load_plan("papers", {"LUNA16": str(tmp_path)}, only=["ncc"])
    check(plan, "papers")
    assert missing(plan) == []
    assert plan.data["ncc"].path == str(tmp_path)
    assert plan.stores["luna16"].scans == (f"{tmp_path}/subset[0-6]",)
    assert list(plan.pretraining) == ["chest-ct"]
    with pytest.raises(UsageError, match=r"--data LUNA: papers\.yaml names no such data; it has LUNA16, LIDC"):
        load_plan("papers", {"LUNA": "x"})
    with pytest.raises(UsageError, match="--only nodules: not among the data of papers.yaml: ncc, ncs"):
        load_plan("papers", only=["nodules"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sseeds": [1]}, "sseeds: no such setting, did you mean seeds?"),
        ({"data": {"ncc": {"targett": "x"}}}, "data.ncc.targett: no such setting, did you mean target?"),
        (
            {"data": {"ncc": {"phantoms": {"casess": 1}}}},
            "data.ncc.phantoms.casess: no such setting, did you mean cases?",
        ),
        ({"data": {"ncc": {"target": "nodules"}}}, "data.ncc.target: 'nodules' is unknown; valid: bms"),
        (
            {"data": {"ncc": {"metric": "hd95"}}},
            "data.ncc.metric: results cannot be judged by 'hd95'",
        ),
        ({"data": {"ncc": {"path": "x"}}}, "data.ncc: has phantoms and a path"),
        ({"data": {"ncc": {"phantoms": {"name": "lung"}}}}, "data.ncc.phantoms.name: 'lung' is unknown; valid: ct"),
        ({"data": {"a b": {"target": "ncc", "path": "x"}}}, "data.a b: names are letters"),
        ({"stores": {"chest": {"path": "x"}}}, "stores.chest: needs one of phantoms, scans, of and path"),
        ({"stores": {"chest": {"phantoms": {"seed": 0}}}}, "stores.chest.phantoms.seed: 0 is that of data.ncc too"),
        ({"stores": {"more": {"of": "lcs"}}}, "stores.more.of: lcs is not among the data: ncc"),
        ({"stores": {"more": {"of": "ncc", "sides": ["train"]}}}, "stores.more.sides: 'train' is unknown"),
        (
            {"pretraining": {"chest": {"store": "brain"}}},
            "pretraining.chest.store: brain is not among the stores: chest",
        ),
        (
            {"inits": {"genesis": {"init": "pretraining:brain"}}},
            "inits.genesis.init: no pretraining 'brain'; there: chest",
        ),
        ({"inits": {"genesis": {"init": {"nccc": "scratch"}}}}, "inits.genesis.init.nccc: neither data nor a backbone"),
        (
            {"inits": {"genesis": {"init": "hub:x"}}},
            "inits.genesis.init: unknown init source 'hub:x', and no such path; ",
        ),
        ({"inits": {"genesis": {"settings": {"loop": {"steps": 9}}}}}, "inits.genesis.settings: loop must be the same"),
        (
            {"inits": {"genesis": {"settings": {"split": {"seed": 9}}}}},
            "inits.genesis.settings: split must be the same",
        ),
        (
            {"inits": {"genesis": {"tune": {"optim.lr": [1, 2]}}}},
            "as many combinations as the others (scratch 0, genesis 2)",
        ),
        ({"inits": {"genesis": {"settings": {"optim": {"lrr": 1}}}}}, "optim.lrr: no such setting, did you mean lr?"),
        ({"settings": {"backbone": {"width": 4}}}, "backbone.width is 4, but pretraining:chest was trained with 2"),
        (
            {"settings": {"backbone": {"width": 0}}},
            "the arms would train different networks (scratch unet3d of width 32",
        ),
        (
            {"settings": {"optim": {"schedule": "plateau"}}},
            "ncc, scratch: loop.steps 4 with loop.validate_every 2 validates once before its last step, but "
            "optim.plateau_patience 6 needs 8",
        ),
        ({"tune": {"optim.schedule": ["cosine", "plateau"]}}, "ncc, genesis: loop.steps 4 with loop.validate_every 2"),
        (
            {"pretraining": {"chest": {"settings": {"loop": {"patience": 3}}}}},
            "pretraining.chest: loop.steps 2 with loop.validate_every 2 validates 0 times",
        ),
        ({"settings": {"patch": {"shape": [16, 16]}}}, "backbone unet3d needs 3 sides, not [16, 16]"),
        ({"tune": {"optim.lr": ["a b", "a/b"]}}, "two combinations would share the folder optim.lr=a_b"),
        ({"settings": {"seed": 3}}, "settings: seed is set by inits, seeds"),
        ({"data": {"ncc": {"settings": {"options": {"a": "b"}}}}}, "data.ncc.settings: options is set by"),
        ({"data": {"ncc": {"options": {"x": "{LUNNA}"}}}}, "{LUNNA}: is neither among the paths nor"),
        ({"tune": {"seed": [1, 2]}}, "tune: seed must be the same for all"),
        ({"tune": {"optim.lr": []}}, "tune.optim.lr: has no values"),
        ({"seeds": [1, 1]}, "seeds: [1, 1] must be distinct"),
        ({"tune_seeds": [9, 0]}, "tune_seeds: [9, 0] must be distinct numbers from 0 on, at least one,"),
        ({"seeds": {}}, "seeds: none for ncc, and no default"),
        ({"seeds": []}, "seeds: [] must be distinct"),
        ({"seeds": {"default": [0], "lcs": [1]}}, "seeds.lcs: neither data of the plan nor default"),
        ({"seeds": {"lcs": [1]}}, "seeds: none for ncc, and no default"),
        ({"seeds": {"default": [0], "ncc": [1, 1]}}, "seeds.ncc: [1, 1] must be distinct"),
        ({"seeds": {"ncc": [1, 1000]}}, "tune_seeds: [1000] must be distinct numbers from 0 on"),
        ({"fractions": [0.0]}, "fractions: [0.0] must be distinct, above 0 and at most 1"),
        ({"fractions": {"default": [1.0], "ncc": [1.0, 1.0]}}, "fractions.ncc: [1.0, 1.0] must be distinct"),
        ({"reference": "he"}, "reference: he is not among the inits: scratch, genesis"),
        ({"backbones": {"ncc": {}}}, "backbones.ncc: is the name of data too"),
    ],
)
def test_what_does_not_fit_is_named(changes: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        check(loaded(tmp_path, **changes), "plan.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("data", "[ncc]", "data = "),
        ("inits", "[scratch]", "inits = "),
        ("inits", "scratch", "inits = "),
        ("inits", "{genesis: {init: {3: scratch}}}", "inits.genesis.init"),
    ],
)
def test_what_is_no_mapping_is_named(section: str, value: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"base: {write(tmp_path).name}\n{section}: {value}\n")
    with pytest.raises(UsageError) as caught:
        check(load_plan(str(path)), "wrong.yaml")
    assert message in str(caught.value)


def test_data_that_are_left_out_ask_for_nothing(tmp_path: Path) -> None:
    changes: Any = {
        "paths": {"L": ""},
        "data": {"lcs": {"path": "x"}},
        "inits": {"genesis": {"init": {"lcs": "scratch", "default": "file:{L}/weights.safetensors"}}},
    }
    plan = str(write(tmp_path, **changes))
    assert missing(load_plan(plan)) == ["L"]
    assert missing(load_plan(plan, only=["lcs"])) == []
    assert load_plan(plan, only=["lcs"]).inits["genesis"].init == {"lcs": "scratch"}


def test_all_of_it_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        check(loaded(tmp_path, seeds=[-1], reference="he", fractions=[2.0]), "plan.yaml")
    assert all(part in str(caught.value) for part in ("plan.yaml: ", "seeds", "reference", "fractions"))


def test_settings_combine_in_their_order(tmp_path: Path) -> None:
    changes: Any = {
        "data": {"ncc": {"settings": {"optim": {"lr": 0.02}, "loss": "ce"}}},
        "settings": {"optim": {"lr": 0.01, "clip": 5.0, "warmup_steps": 3}},
        "backbones": {"small": {"optim": {"clip": 6.0}}},
        "inits": {"genesis": {"settings": {"optim": {"warmup_steps": 4}}}},
        "tune": {"optim.lr": [0.03, 0.04], "backbone.norm": ["running", "batch"]},
    }
    jobs = {job.name: job for job in matrix(loaded(tmp_path, **changes))}
    scratch, genesis = (jobs[f"runs/ncc/{arm}-small-1-0"].settings for arm in ("scratch", "genesis"))
    assert (scratch["optim"]["lr"], scratch["optim"]["clip"], scratch["optim"]["warmup_steps"]) == (0.02, 6.0, 3)
    assert genesis["optim"]["warmup_steps"] == 4
    assert (scratch["init"], genesis["init"]) == ("scratch", "run:pretraining/chest")
    assert scratch["sampling"] == "balanced"  # of the papers' recipe
    tried = jobs["tuning/ncc/genesis-small-1-1000-optim.lr=0.03+backbone.norm=batch"]
    assert (tried.settings["optim"]["lr"], tried.settings["backbone"]["norm"]) == (0.03, "batch")
    assert (tried.settings["held_out"], genesis["held_out"], tried.settings["seed"]) == (False, True, 1000)
    assert len(jobs["runs/ncc/genesis-small-1-0"].tuning) == 4


def test_tuning_at_the_largest_fraction_serves_all(tmp_path: Path) -> None:
    changes: Any = {"fractions": [1.0, 0.5], "tune": {"optim.lr": [0.1, 0.2]}}
    for each, trials in ((True, 8), (False, 4)):
        jobs = matrix(loaded(tmp_path, **changes, tune_each_fraction=each))
        assert sum(job.kind == "tuning" for job in jobs) == trials
        few = next(job for job in jobs if job.name == "runs/ncc/genesis-0.5-0")
        assert set(few.tuning) <= {job.name for job in jobs}
        assert few.tuning[0].startswith(f"tuning/ncc/genesis-{0.5 if each else 1}-1000")


def test_each_combination_is_tried_with_each_seed_of_tuning(tmp_path: Path) -> None:
    jobs = matrix(loaded(tmp_path, tune={"optim.lr": [0.1, 0.2]}, tune_seeds=[7, 8]))
    run = next(job for job in jobs if job.name == "runs/ncc/genesis-1-0")
    tried = {job.name: job.settings for job in jobs if job.name in run.tuning}
    assert [(one["seed"], one["optim"]["lr"]) for one in tried.values()] == [(7, 0.1), (7, 0.2), (8, 0.1), (8, 0.2)]
    assert list(run.choices.values()) == [{"optim": {"lr": rate}} for rate in (0.1, 0.2, 0.1, 0.2)]


def test_inits_by_data_and_backbone(tmp_path: Path) -> None:
    changes: Any = {
        "backbones": {"a": {}, "b": {"optim": {"lr": 0.5}}},
        "inits": {
            "genesis": {"init": {"a": "pretraining:chest", "ncc/b": "scratch:he"}},
            "he": {"init": {"b": "scratch:he"}},
        },
    }
    jobs = matrix(loaded(tmp_path, **changes))
    inits = {(j.cell.arm, j.cell.backbone): j.settings["init"] for j in jobs if j.kind == "run" and j.cell}
    assert inits["genesis", "a"] == "run:pretraining/chest"
    assert inits["genesis", "b"] == "scratch:he"
    assert set(inits) == {("scratch", "a"), ("scratch", "b"), ("genesis", "a"), ("genesis", "b"), ("he", "b")}


def test_seeds_come_round_by_round(tmp_path: Path) -> None:
    runs = [job.name for job in matrix(loaded(tmp_path, seeds=[3, 1])) if job.kind == "run"]
    assert runs == [f"runs/ncc/{arm}-1-{seed}" for seed in (3, 1) for arm in ("scratch", "genesis")]


def test_seeds_and_fractions_by_data(tmp_path: Path) -> None:
    changes: Any = {
        "data": {"more": {"target": "ncc", "phantoms": {**TOY["data"]["ncc"]["phantoms"], "seed": 1}}},
        "inits": {"genesis": None},
        "seeds": {"default": [4], "more": [3, 1]},
        "fractions": {"default": [1.0], "more": [0.5, 0.25]},
        "tune": {"optim.lr": [0.1]},
        "tune_each_fraction": False,
    }
    plan = loaded(tmp_path, **changes)
    check(plan, "plan.yaml")
    rounds = ["ncc/1-4", "more/0.5-3", "more/0.25-3", "more/0.5-1", "more/0.25-1"]
    trials = ["ncc/1-1000-optim.lr=0.1", "more/0.5-1000-optim.lr=0.1"]
    jobs = [job.name.replace("scratch-", "") for job in matrix(plan)]
    assert [name for name in jobs if "-" in name] == [f"tuning/{name}" for name in trials] + [
        f"runs/{name}" for name in rounds
    ]
    path = str(tmp_path / "plan.yaml")
    table = [re.split(" {2,}", line) for line in benchmark(path, tmp_path / "out", processes=1, dry=True).splitlines()]
    shown = {row[0]: row[4:7] for row in table if row[0] in ("ncc", "more")}
    assert shown == {"ncc": ["1", "4", "1"], "more": ["0.5 0.25", "3 1", "4"]}
    for name in ("ncc", "more"):
        only = load_plan(path, only=[name])
        check(only, "plan.yaml")
        assert (only.seeds_of(name), only.fractions_of(name)) == (plan.seeds_of(name), plan.fractions_of(name))
    above = tmp_path / "above.yaml"
    above.write_text("base: plan.yaml\ndata: {more: null}\n")  # takes its seeds and fractions along
    check(load_plan(str(above)), "above.yaml")
    above.write_text("base: plan.yaml\nseeds: [7]\n")  # in place of the mapping
    assert {load_plan(str(above)).seeds_of(name) for name in ("ncc", "more")} == {(7,)}


def test_a_plan_laid_over_another(tmp_path: Path) -> None:
    write(tmp_path)
    above = tmp_path / "above.yaml"
    above.write_text("base: plan.yaml\nseeds: [7]\ninits: {genesis: null}\nsettings: {check: {on: patches}}\n")
    plan = load_plan(str(above))
    assert (plan.seeds, list(plan.inits), plan.settings["backbone"]) == ((7,), ["scratch"], {"width": 2})
    assert plan.settings["check"] == {"most_cases": 8, "on": "patches"}  # `on` is a name, not true
    (tmp_path / "plan.yaml").write_text("base: above.yaml\n")
    with pytest.raises(UsageError, match=r"is its own base \(above.yaml -> plan.yaml -> above.yaml\)"):
        load_plan(str(above))
    with pytest.raises(UsageError, match="neither a file nor a shipped plan; shipped: difficulty, dimensions"):
        load_plan("phantom-tinyy")


def test_keys_follow_what_a_result_depends_on(tmp_path: Path) -> None:
    def of(**changes: Any) -> dict[str, str]:
        return keys(matrix(loaded(tmp_path, **changes)))

    before = of()
    store = of(stores={"chest": {"phantoms": {"cases": 3}}})
    assert before["runs/ncc/scratch-1-0"] == store["runs/ncc/scratch-1-0"]
    for name in ("stores/chest", "pretraining/chest", "runs/ncc/genesis-1-0"):
        assert before[name] != store[name]
    longer = of(settings={"loop": {"steps": 5}})
    assert before["pretraining/chest"] == longer["pretraining/chest"]
    assert before["runs/ncc/scratch-1-0"] != longer["runs/ncc/scratch-1-0"]
    assert before == {k: v for k, v in of(seeds=[0, 1]).items() if k in before}  # more cells leave the others alone
    weights = tmp_path / "weights.safetensors"
    by_file = {}
    for content in ("a", "b"):
        weights.write_text(content)
        by_file[content] = of(inits={"genesis": {"init": f"file:{weights}"}})["runs/ncc/genesis-1-0"]
    assert len({before["runs/ncc/genesis-1-0"], *by_file.values()}) == 3
    moved = weights.rename(tmp_path / "moved.safetensors")  # the same weights elsewhere
    assert of(inits={"genesis": {"init": f"file:{moved}"}})["runs/ncc/genesis-1-0"] == by_file["b"]
    tuned = of(tune={"optim.lr": [0.1]})  # what it chooses counts, not how much was tried
    assert before["runs/ncc/scratch-1-0"] == tuned["runs/ncc/scratch-1-0"]


def test_places_do_not_change_keys(tmp_path: Path) -> None:
    paths = {"L": str(tmp_path / "a" / "luna"), "D": str(tmp_path / "b")}
    changes: Any = {
        "paths": paths,
        "data": {"ncs": {"path": "{D}", "options": {"luna16": "{L}"}}, "ncc": None},
        "settings": {"images": {"spacing": [2, 2, 2]}},
    }
    plan = loaded(tmp_path, **changes)
    moved = replace(plan, data={"ncs": replace(plan.data["ncs"], path="/x", options={"luna16": "/elsewhere/luna"})})
    assert keys(matrix(plan)) == keys(matrix(moved))
    run = next(job for job in matrix(plan) if job.kind == "run")
    assert (run.place, run.options) == (paths["D"], {"luna16": paths["L"]})
