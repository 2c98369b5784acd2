"""Settings shared by pre-training and fine-tuning."""

from typing import Literal

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError


@settings
class OptimSettings:
    """Optimiser and learning-rate schedule."""

    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    """adamw, adam or sgd."""
    lr: float = 1e-3
    """Learning rate (after warm-up)."""
    momentum: float = 0.9
    """For sgd."""
    weight_decay: float = 0.01
    """Decoupled for adamw."""
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    """cosine (linear warm-up, then half a cosine to zero), plateau, or constant."""
    warmup_steps: int = 200
    """Steps of linear warm-up, for any schedule."""
    plateau_factor: float = 0.5
    """Schedule plateau: what the rate is multiplied with."""
    plateau_patience: int = 10
    """Schedule plateau: validations without improvement before that; needs two more of them before the last step."""
    floor: float = 1e-6
    """Schedule plateau: smallest learning rate."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 leaves it alone."""
    head_steps: int = 0
    """First steps in which tensors taken over from init stay as they are, while new ones (the head) learn."""
    loaded_lr: float = 1.0
    """Tensors taken over from init learn at this share of the rate; 1: all alike, as in the papers."""


@settings
class LoopSettings:
    """The training loop."""

    steps: int = 20_000
    """Optimiser steps in all."""
    batch_size: int = 8
    """Items a step and device."""
    accumulate: int = 1
    """Micro-batches a step; batch_size must be divisible by it."""
    validate_every: int = 500
    """Steps between validations; a checkpoint is written after each."""
    keep_at: tuple[int, ...] = ()
    """Items (cubes) after which the weights of that moment are kept, as `weights-100000-cubes.safetensors`."""
    patience: int = 0
    """Stop after this many validations without improvement, which needs one more before the last step; 0 never."""
    precision: str = "auto"
    """auto (bf16-mixed where bfloat16 is native to the device, else 32-true), or any of Lightning Fabric's names."""
    channels_last: bool = True
    """Memory format channels-last: faster on CPUs and GPUs."""
    compile: bool = False
    """torch.compile: a few percent on a CPU after a minute of compiling, more on a GPU; needs a C++ compiler."""
    devices: str = "1"
    """How many devices, or auto for all; on several, each takes batch_size items a step."""
    accelerator: str = "auto"
    """auto, cpu, cuda or mps."""
    tracker: str = ""
    """wandb or mlflow: scores and pictures also go to Weights & Biases or MLflow; TensorBoard has them whenever it is
    installed, below the run folder."""
    workers: int = -1
    """Loader processes; 0 loads in the training process, -1: 0 on a CPU, else up to 8."""

    def __post_init__(self) -> None:
        """Raises UsageError for numbers no training can be made of, and micro-batches that do not make up a batch."""
        for name in ("steps", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise UsageError(f"loop.{name}: {getattr(self, name)} must be 1 or more")
        if self.patience < 0:
            raise UsageError(f"loop.patience: {self.patience} must be 0 (never) or more")
        if self.batch_size % self.accumulate:
            raise UsageError(f"loop.batch_size {self.batch_size} is not divisible by loop.accumulate {self.accumulate}")
        if any(mark < 1 for mark in self.keep_at):
            raise UsageError(f"loop.keep_at: {self.keep_at}: numbers of items must be 1 or more")
