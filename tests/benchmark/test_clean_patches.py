"""Errors on clean patches: by running statistics and by those of batches, as PyTorch's own batch norm has them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.clean_patches import errors, main
from modelsgenesis.data.store import Store
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import save_weights


def about(norm: str, name: str = "unet3d_light") -> dict[str, Any]:
    backbone = {"name": name, "width": 2, "norm": norm, "input_channels": 1}
    return {"command": "pretrain", "backbone": backbone, "cube": [16, 16, 16], "modality": "ct"}


def network(norm: str) -> DenseNetwork:
    torch.manual_seed(0)
    return DenseNetwork(build_backbone(BackboneSettings("unet3d_light", 2, norm)), 1)


def learnt(norm: str) -> DenseNetwork:
    """A network whose running statistics are those of some cubes, but not of those that are restored."""
    made = network(norm)
    for _ in range(3):
        made.train()(torch.rand(4, 1, 16, 16, 16) ** 2)
    return made


def saved(path: Path, made: nn.Module, norm: str) -> Path:
    save_weights(path, made, about(norm))
    return path


@pytest.fixture
def cubes() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((16, 1, 16, 16, 16), np.float32))


@pytest.mark.parametrize("norm", ["batch", "running"])
def test_batch_norm_by_either_statistics(norm: str, cubes: Tensor, tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", learnt(norm), norm)
    found = errors(path, about(norm), cubes)
    plain = network("running")  # PyTorch's own batch norm
    plain.load_state_dict(learnt(norm).state_dict(), strict=False)
    with torch.no_grad():
        alone = torch.cat([plain.eval()(cube[None]) for cube in cubes])
        of_batches = {size: torch.cat([plain.train()(part) for part in cubes.split(size)]).sigmoid() for size in (2, 8)}
    assert found.running == pytest.approx((alone.sigmoid() - cubes).square().mean().item(), rel=1e-5)
    assert found.small == pytest.approx((of_batches[2] - cubes).square().mean().item(), rel=1e-5)
    assert found.large == pytest.approx((of_batches[8] - cubes).square().mean().item(), rel=1e-5)
    assert found.constant == pytest.approx(np.var(cubes.numpy().astype(float)))
    assert len({round(value, 6) for value in (found.running, found.small, found.large)}) == 3


def test_a_norm_that_does_not_look_at_the_batch_has_one_error(cubes: Tensor, tmp_path: Path) -> None:
    found = errors(saved(tmp_path / "w.safetensors", learnt("group"), "group"), about("group"), cubes)
    assert found.small == pytest.approx(found.running, rel=1e-5)
    assert found.large == pytest.approx(found.running, rel=1e-5)


def test_the_command_prints_a_line_a_file(
    phantom_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(saved(tmp_path / f"{norm}.safetensors", learnt(norm), norm)) for norm in ("batch", "group")]
    main([*paths, "--store", str(phantom_store.path), "--cubes", "8"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split() == ["weights", "norm", "running", "batch", "of", "2", "batch", "of", "8", "constant"]
    assert [line.split()[:2] for line in lines] == [["batch", "batch"], ["group", "group"]]
    assert len({line.split()[-1] for line in lines}) == 1  # the same cubes


def test_cubes_that_the_weights_did_not_see_are_told(
    phantom_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = {"axes": 3, "spacing": {name: [1.7, 1.7, 1.7] for name in ("low", "median", "high")}}
    path = tmp_path / "fine.safetensors"
    save_weights(path, learnt("group"), {**about("group"), "modality": "mr", "scale": fine})
    main([str(path), "--store", str(phantom_store.path), "--cubes", "8"])
    modality, scale = capsys.readouterr().err.splitlines()
    assert "trained on mr, these data are ct" in modality
    assert "1.7 mm" in scale
    assert "7 mm" in scale


def test_what_cannot_be_measured_is_an_error(phantom_store: Store, cubes: Tensor, tmp_path: Path) -> None:
    headless = saved(tmp_path / "headless.safetensors", network("running").backbone, "running")
    with pytest.raises(GenesisError, match=r"headless\.safetensors: lacks out_tr\.final_conv\.weight, out_tr"):
        errors(headless, about("running"), cubes)
    whole = saved(tmp_path / "whole.safetensors", network("group"), "group")
    with pytest.raises(UsageError, match="--cubes 9: must be a multiple of 8"):
        main([str(whole), "--store", str(phantom_store.path), "--cubes", "9"])
    save_weights(tmp_path / "tuned.safetensors", network("running"), {**about("running"), "command": "finetune"})
    with pytest.raises(UsageError, match=r"tuned\.safetensors: is not of genesis pretrain"):
        main([str(tmp_path / "tuned.safetensors"), "--store", str(phantom_store.path)])
