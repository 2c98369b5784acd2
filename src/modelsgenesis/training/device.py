"""Whether the device that the settings name is there, told before any scan is read."""

import torch

from modelsgenesis.errors import UsageError
from modelsgenesis.training.settings import LoopSettings


def refuse_absent_device(loop: LoopSettings) -> None:
    """UsageError when `loop.accelerator` names a device that PyTorch does not see here, or `loop.devices` too many."""
    kind, apple = loop.accelerator, torch.backends.mps.is_available()
    if kind == "mps" and not apple:
        raise UsageError("loop.accelerator mps: PyTorch sees no Apple GPU on this machine; choose auto or cpu")
    if kind not in ("cuda", "gpu") or (kind == "gpu" and apple):
        return
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"for CUDA {built}; its driver, or CUDA_VISIBLE_DEVICES?" if built else "for CPU only"
        raise UsageError(
            f"loop.accelerator {kind}: no CUDA GPU is seen on this machine (PyTorch {torch.__version__}, built {why}); "
            "choose auto or cpu"
        )
    there = torch.cuda.device_count()
    if loop.devices.isdecimal() and int(loop.devices) > there:
        raise UsageError(f"loop.devices {loop.devices}: this machine has {there} GPU; choose at most so many, or auto")
