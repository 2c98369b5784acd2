"""A device that is not there is told of in our own words, before any scan is read."""

from pathlib import Path
from unittest.mock import patch

import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.training.device import refuse_absent_device
from modelsgenesis.training.loop import make_fabric
from modelsgenesis.training.settings import LoopSettings


@pytest.mark.parametrize("kind", ["cuda", "gpu", "mps"])
def test_a_gpu_that_is_not_there(kind: str) -> None:
    with (
        patch("torch.cuda.is_available", return_value=False),
        patch("torch.backends.mps.is_available", return_value=False),
        pytest.raises(UsageError, match=rf"^loop.accelerator {kind}: .* on this machine.*; choose auto or cpu$"),
    ):
        refuse_absent_device(LoopSettings(accelerator=kind))


def test_more_gpus_than_there_are() -> None:
    with (
        patch("torch.cuda.is_available", return_value=True),
        patch("torch.cuda.device_count", return_value=1),
        patch("torch.backends.mps.is_available", return_value=False),
    ):
        for devices in ("1", "auto"):
            refuse_absent_device(LoopSettings(accelerator="cuda", devices=devices))
        with pytest.raises(UsageError, match="loop.devices 2: this machine has 1 GPU"):
            refuse_absent_device(LoopSettings(accelerator="cuda", devices="2"))


def test_nothing_is_read_before(tmp_path: Path) -> None:
    with patch("torch.cuda.is_available", return_value=False), pytest.raises(UsageError, match="loop.accelerator cuda"):
        finetune("folder", tmp_path, tmp_path / "run", FinetuneSettings(loop=LoopSettings(accelerator="cuda")))


@pytest.mark.parametrize(
    "changes", [{"devices": "two"}, {"devices": "-1"}, {"devices": "0"}, {"accelerator": "quantum"}]
)
def test_what_lightning_refuses(changes: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="loop.accelerator, devices, precision"):
        make_fabric(LoopSettings(**{"accelerator": "cpu", **changes}))  # type: ignore[arg-type]
