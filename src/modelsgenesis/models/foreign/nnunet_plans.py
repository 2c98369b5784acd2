"""The shape of nnU-Net's networks: its presets, and the architecture of any plans file, in our order of the axes.

nnU-Net's arrays are (C, Z, Y, X), further transposed by `transpose_forward` of the plans; ours are (C, X, Y, Z). What
is said here of axes is (x, y, z).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from modelsgenesis.errors import UsageError
from modelsgenesis.places import located
from modelsgenesis.types import JSON

RESIDUAL, PLAIN = "ResidualEncoderUNet", "PlainConvUNet"
BLOCKS = {RESIDUAL: "n_blocks_per_stage", PLAIN: "n_conv_per_stage"}
"""Network class -> its argument that counts the blocks (or convolutions) of each stage of the encoder."""
CONFIGURATION = "3d_fullres"
OPERATIONS: JSON = {
    "conv_op": "Conv3d",
    "conv_bias": True,
    "norm_op": "InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "nonlin": "LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
"""What nnU-Net's planners choose for every 3D network; classes by the last part of their names."""
_SIZES = ("n_stages", "features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage_decoder", "dropout_op_kwargs")
_PRESETS = {"S": 4, "M": 6, "L": 6}
_RESIDUAL_BLOCKS = (1, 3, 4, 6, 6, 6)
_WIDEST = 10
"""nnU-Net's features stop at 320 for a width of 32."""

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network, one entry a stage of the encoder.

    Attributes:
        network: `RESIDUAL` or `PLAIN`.
        features: channels.
        kernels: sides of the convolutions, (x, y, z).
        strides: of the first convolution of the stage, (x, y, z).
        blocks: residual blocks, or plain convolutions.
        decoder: convolutions of each stage of the decoder, the deepest first.
    """

    network: str
    features: tuple[int, ...]
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    blocks: tuple[int, ...]
    decoder: tuple[int, ...]

    def text(self) -> str:
        """As JSON, which `read_architecture` reads."""
        return json.dumps(asdict(self), separators=(",", ":"))


def preset(network: str, name: str, width: int) -> Architecture:
    """nnU-Net's network for volumes of equal voxels.

    Args:
        network: `RESIDUAL` or `PLAIN`.
        name: M or L, which are the same 3D network of six stages (deepest stride 32) in nnU-Net and differ in patch
            and memory; S or empty: its first four stages (deepest stride 8), for small cubes.
        width: channels of the first stage; nnU-Net's is 32.

    Raises UsageError for another name.
    """
    if (name or "S") not in _PRESETS:
        raise UsageError(f"backbone.preset: {name!r} is unknown; valid: {', '.join(_PRESETS)}")
    stages = _PRESETS[name or "S"]
    residual = network == RESIDUAL
    return Architecture(
        network,
        features=tuple(width * min(2**stage, _WIDEST) for stage in range(stages)),
        kernels=((3, 3, 3),) * stages,
        strides=((1, 1, 1), *((2, 2, 2),) * (stages - 1)),
        blocks=_RESIDUAL_BLOCKS[:stages] if residual else (2,) * stages,
        decoder=(1 if residual else 2,) * (stages - 1),
    )


def resolved(plans: str) -> str:
    """The architecture of a plans file as text; such text and nothing stay as they are.

    Raises UsageError where the file is no nnU-Net plans file or its network is not one of those here.
    """
    if not plans or plans.startswith("{"):
        return plans
    try:
        content = json.loads(located(plans).read_text(encoding="utf-8"))
        described = content["configurations"][CONFIGURATION]["architecture"]
        name, arguments = described["network_class_name"], described["arch_kwargs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"backbone.plans: {plans}: is no plans file of nnU-Net 2.5 or later with a {CONFIGURATION} network "
            f"({type(error).__name__}: {error}); plan again, or check the path"
        ) from error
    return described_architecture(name, arguments, content.get("transpose_forward", (0, 1, 2)), plans).text()


def read_architecture(text: str, network: str) -> Architecture:
    """The architecture in `text`; UsageError when it is damaged or of another class than `network`."""
    try:
        held = json.loads(text)
        values: JSON = {name: tuple(held[name]) for name in ("features", "blocks", "decoder")}
        values |= {name: tuple(tuple(each) for each in held[name]) for name in ("kernels", "strides")}
        found = Architecture(held["network"], **values)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"backbone.plans: {text[:60]!r} is no architecture; give a plans file of nnU-Net") from error
    if found.network != network:
        raise UsageError(
            f"backbone.plans: plan a {found.network}; set backbone.name to "
            f"{'resenc' if found.network == RESIDUAL else 'plainconv'}"
        )
    return found


def described_architecture(name: str, arguments: JSON, transpose: Sequence[int], source: str) -> Architecture:
    """The architecture that nnU-Net describes by a class and its arguments.

    Args:
        name: of the class, with or without its module.
        arguments: `arch_kwargs` of the plans.
        transpose: `transpose_forward` of the plans.
        source: names the file in messages.

    Raises UsageError listing all that differs from the networks here.
    """
    network = name.rpartition(".")[2]
    if network not in BLOCKS:
        raise UsageError(f"{source}: its network is {name}; only {RESIDUAL} and {PLAIN} are backbones here")
    unlike = [
        f"{key} {arguments.get(key)!r} (here {wanted!r})"
        for key, wanted in OPERATIONS.items()
        if _plain(arguments.get(key, wanted)) != wanted
    ]
    unlike += [key for key in arguments if key not in (*OPERATIONS, *_SIZES, BLOCKS[network])]
    if unlike:
        raise UsageError(f"{source}: its {network} differs from those here: {'; '.join(unlike)}")
    features, stages = arguments["features_per_stage"], len(arguments["features_per_stage"])
    found = Architecture(
        network,
        tuple(features),
        tuple(_ours(each, transpose) for each in _listed(arguments["kernel_sizes"], stages)),
        tuple(_ours(each, transpose) for each in _listed(arguments["strides"], stages)),
        tuple(_listed(arguments[BLOCKS[network]], stages)),
        tuple(_listed(arguments["n_conv_per_stage_decoder"], stages - 1)),
    )
    if found.strides[0] != (1, 1, 1):
        raise UsageError(f"{source}: its first stage has the strides {found.strides[0]}; they must be 1 here")
    return found


def theirs(architecture: Architecture) -> JSON:
    """`arch_kwargs` of nnU-Net for (C, Z, Y, X) arrays, with the full names of its classes."""
    full: JSON = {
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "nonlin": "torch.nn.LeakyReLU",
    }
    return {
        "n_stages": len(architecture.features),
        "features_per_stage": list(architecture.features),
        "kernel_sizes": [list(reversed(each)) for each in architecture.kernels],
        "strides": [list(reversed(each)) for each in architecture.strides],
        BLOCKS[architecture.network]: list(architecture.blocks),
        "n_conv_per_stage_decoder": list(architecture.decoder),
        **{name: full.get(name, value) for name, value in OPERATIONS.items()},
        "dropout_op_kwargs": None,
    }


def axis_order(transpose: Sequence[int]) -> tuple[int, int, int]:
    """For x, y and z, which spatial axis of nnU-Net's arrays it is."""
    order = [list(transpose).index(2 - axis) for axis in range(3)]
    return order[0], order[1], order[2]


def _ours(sides: Any, transpose: Sequence[int]) -> Triple:
    given = (sides,) * 3 if isinstance(sides, int) else tuple(sides)
    x, y, z = axis_order(transpose)
    return given[x], given[y], given[z]


def _listed(values: Any, count: int) -> list[Any]:
    return [values] * count if isinstance(values, int) else list(values)


def _plain(value: Any) -> Any:
    return value.rpartition(".")[2] if isinstance(value, str) else value
