"""Checkpoints in the published form of nnssl, the pre-training framework beside nnU-Net: read as weights of ours.

Such a file holds `network_weights`, by nnU-Net's names, and an `nnssl_adaptation_plan`: the architecture, where encoder
and stem are, the spacing, the patch and the normalisation of the pre-training. Arrays there are (C, Z, Y, X).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models.foreign.nnunet_plans import RESIDUAL, axis_order, described_architecture
from modelsgenesis.types import JSON

WEIGHTS, PLAN, CITATIONS = "network_weights", "nnssl_adaptation_plan", "citations"
OURS = "modelsgenesis"
"""Entry of the plan that holds the provenance of weights exported here."""
UNTRANSPOSED = (0, 1, 2)
_ENCODER = "encoder.stages"
_FIXED = "ResEncL"
"""nnssl's name of the L preset."""
_SECOND = {"conv": "all_modules.0", "norm": "all_modules.1"}


def is_nnssl(content: Any) -> bool:
    """Whether the content of a PyTorch file is such a checkpoint."""
    return isinstance(content, Mapping) and WEIGHTS in content and PLAN in content


def read_nnssl(content: Mapping[str, Any], source: str) -> tuple[dict[str, Tensor], JSON]:
    """Tensors by our names, in our order of the axes, and what the plan says of their origin.

    Raises GenesisError listing what keeps the network from being one of ours.
    """
    plan = content[PLAN]
    try:
        held = plan["pretrain_plan"]
        transpose = held.get("transpose_forward") or UNTRANSPOSED
        backbone = _backbone(plan, transpose, source)
        key: str = plan["key_to_encoder"]
        configuration = next(iter(held["configurations"].values()))
        patch, spacing = configuration.get("patch_size"), configuration.get("spacing")
    except UsageError as error:
        raise GenesisError(str(error)) from error
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise GenesisError(
            f"{source}: its adaptation plan lacks what tells the network ({type(error).__name__}: {error}); fetch the "
            "checkpoint again, or export it with its plan"
        ) from error
    if not key.endswith(_ENCODER):
        raise GenesisError(f"{source}: its encoder is at {key!r}, not at {_ENCODER!r} of a residual or plain U-Net")
    order = axis_order(transpose)
    tensors = dict(_renamed(content[WEIGHTS], key.removesuffix(_ENCODER), order))
    if not tensors:
        raise GenesisError(f"{source}: has no tensors below {key!r}; its adaptation plan is of another network")
    if OURS in plan:
        return tensors, plan[OURS]
    told: JSON = {
        "command": "pretrain",
        "recognised": "a checkpoint of nnssl, by its adaptation plan",
        "backbone": backbone,
        "normalisation": configuration.get("normalization_schemes"),
        "data": held.get("dataset_name"),
        "citations": content.get(CITATIONS, []),
    }
    if patch:
        told["cube"] = [patch[axis] for axis in order]
    if spacing and None not in spacing:
        sides = [float(spacing[axis]) for axis in order]
        told["scale"] = {"spacing": {"median": sides, "low": sides, "high": sides}, "drawn": False}
    return tensors, told


def second_names(name: str) -> list[str]:
    """All names that nnU-Net's networks give to our tensor `name`."""
    names = [name]
    for short, full in _SECOND.items():
        if f".{full}." in name:
            names.append(name.replace(f".{full}.", f".{short}."))
    return names + [f"decoder.{each}" for each in names if each.startswith("encoder.")]


def turned(tensor: Tensor, order: tuple[int, int, int]) -> Tensor:
    """A tensor with the axes of its kernel in the given order; others as they are."""
    return tensor.permute(0, 1, *(2 + axis for axis in order)).contiguous() if tensor.ndim == 5 else tensor


def _backbone(plan: JSON, transpose: Any, source: str) -> JSON:
    """The settings of the backbone that the plan describes; raises UsageError listing what differs."""
    described = plan["architecture_plans"]
    name, arguments = described["arch_class_name"], described["arch_kwargs"]
    shape: JSON = {"name": "resenc", "width": 32, "preset": "L"}
    if name != _FIXED:
        architecture = described_architecture(name, arguments or {}, transpose, source)
        shape = {
            "name": "resenc" if architecture.network == RESIDUAL else "plainconv",
            "width": architecture.features[0],
            "plans": architecture.text(),
        }
    return {**shape, "norm": "instance", "input_channels": int(plan["pretrain_num_input_channels"])}


def _renamed(given: Mapping[str, Tensor], prefix: str, order: tuple[int, int, int]) -> Iterator[tuple[str, Tensor]]:
    """Tensors of encoder and decoder by our names; second names and segmentation layers are left out."""
    for name, tensor in given.items():
        if not name.startswith(prefix):
            continue
        own = re.sub(r"\.(conv|norm)\.(?=[^.]+$)", lambda found: f".{_SECOND[found[1]]}.", name.removeprefix(prefix))
        if own.startswith(("encoder.", "decoder.stages.", "decoder.transpconvs.")):
            yield own, turned(tensor, order)
