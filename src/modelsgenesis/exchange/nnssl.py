"""`--to nnssl` and `--to nnunetv2`: checkpoints from which nnU-Net v2 fine-tunes.

`nnssl`: for `nnUNetv2_preprocess_like_nnssl` or `nnUNetv2_plan_like_dynamic`, then `nnUNetv2_train_pretrained`.
`nnunetv2`: for `nnUNetv2_train -pretrained_weights`, where the plans have the same architecture.

The kernels are turned from our axes (X, Y, Z) to nnU-Net's (Z, Y, X), so that it computes the same. Our weights expect
a window mapped to [0, 1], nnU-Net normalises in its own way: both are linear maps of the scan, and the instance norm
after the first convolution undoes any such map, except at the border, where zeros are padded, and outside the window,
where we clip. Other norms do not undo it, which is why they are refused.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modelsgenesis.errors import UsageError
from modelsgenesis.files import replacing
from modelsgenesis.models import BACKBONES
from modelsgenesis.models.foreign.nnssl import CITATIONS, OURS, PLAN, UNTRANSPOSED, WEIGHTS, second_names, turned
from modelsgenesis.models.foreign.nnunet import chosen_architecture
from modelsgenesis.models.foreign.nnunet_plans import RESIDUAL, Architecture, axis_order, theirs
from modelsgenesis.models.weights import read_weights, weights_file
from modelsgenesis.models.whole import held_backbone
from modelsgenesis.types import JSON

PLAN_FILE = "adaptation_plan.json"
"""Beside the checkpoint; nnU-Net asks the hub for it before it fetches the checkpoint."""
TRAINER = "ModelsGenesis"
_CITED = [
    {
        "type": "Pre-training method",
        "name": "Models Genesis",
        "apa_citations": [
            "Zhou, Z., Sodha, V., Rahman Siddiquee, M. M., Feng, R., Tajbakhsh, N., Gotway, M. B., & Liang, J. (2019). "
            "Models Genesis: Generic autodidactic models for 3D medical image analysis. MICCAI 2019, 384-393."
        ],
    },
    {
        "type": "Architecture",
        "name": "nnU-Net",
        "apa_citations": [
            "Isensee, F., Jaeger, P. F., Kohl, S. A. A., Petersen, J., & Maier-Hein, K. H. (2021). nnU-Net: "
            "a self-configuring method for deep learning-based biomedical image segmentation. Nature Methods, 18."
        ],
    },
]


def to_nnssl(source: str, out: Path) -> list[str]:
    """Write the checkpoint `out` and, beside it, its adaptation plan; lines to tell.

    Raises UsageError listing why the network is none that nnU-Net builds, else as `read_weights`.
    """
    weights, architecture, provenance = _theirs(source, out)
    plan = _plan(architecture, provenance)
    told = json.dumps({**plan, "trainer_name": TRAINER}, indent=1)
    with replacing(out) as temporary:
        torch.save({WEIGHTS: weights, PLAN: plan, CITATIONS: _CITED, "trainer_name": TRAINER}, temporary)
    with replacing(out.with_name(PLAN_FILE)) as temporary:
        temporary.write_text(told + "\n", encoding="utf-8")
    spacing = next(iter(plan["pretrain_plan"]["configurations"].values()))["spacing"]
    return [
        f"{out}: {len(weights)} names of tensors, and {PLAN_FILE} beside it",
        f"  spacing for -am like_pretrained: {spacing or 'none, cubes were drawn at several: nnU-Net keeps its own'}",
        "  nnUNetv2_preprocess_like_nnssl loads stem and encoder, nnUNetv2_plan_like_dynamic what fits of them; the "
        "decoder is in the file, but neither reads it",
        *_differences(provenance),
    ]


def to_nnunetv2(source: str, out: Path) -> list[str]:
    """Write the checkpoint `out` for -pretrained_weights; lines to tell. Raises as `to_nnssl`."""
    weights, architecture, provenance = _theirs(source, out)
    with replacing(out) as temporary:
        torch.save({WEIGHTS: weights}, temporary)
    return [
        f"{out}: {len(weights)} names of tensors, encoder and decoder, for plans of a {architecture.network} "
        f"with features {list(architecture.features)}",
        *_differences(provenance),
    ]


def _theirs(source: str, out: Path) -> tuple[dict[str, Tensor], Architecture, JSON]:
    """Tensors by every name that nnU-Net has for them, the architecture and the provenance."""
    if out.suffix != ".pth":
        raise UsageError(f"{out}: nnU-Net's checkpoints end in .pth; name it so")
    tensors, provenance = read_weights(weights_file(source))
    held = held_backbone(provenance, source)
    kind: Any = BACKBONES.get(held.name)
    network: str = getattr(kind, "network", "")
    unlike = [] if network else [f"backbone.name {held.name} (nnU-Net builds resenc and plainconv)"]
    unlike += [] if held.norm == "instance" else [f"backbone.norm {held.norm} (nnU-Net's is instance)"]
    if unlike:
        raise UsageError(f"{source}: nnU-Net does not build its network: {'; '.join(unlike)}; pre-train with those")
    architecture = chosen_architecture(network, held.width, held.preset, held.plans)
    order = axis_order(UNTRANSPOSED)
    parts = {
        name: turned(tensor, order) for name, tensor in tensors.items() if name.startswith(("encoder.", "decoder."))
    }
    named = {name: tensor for own, tensor in parts.items() for name in second_names(own)}
    return named, architecture, provenance


def _plan(architecture: Architecture, provenance: JSON) -> JSON:
    """The adaptation plan; lists of sides are (z, y, x)."""
    residual, arguments = architecture.network == RESIDUAL, theirs(architecture)
    stem = "encoder.stem" if residual else "encoder.stages.0"
    first = f"{stem}.convs.0" if residual else f"{stem}.0.convs.0"
    spacing, patch = _spacing(provenance), _patch(architecture, provenance)
    configuration = {
        "data_identifier": "modelsgenesis",
        "preprocessor_name": "DefaultPreprocessor",
        "spacing_style": "onemmiso" if spacing == [1.0, 1.0, 1.0] else "median" if spacing else "noresample",
        "normalization_schemes": ["ZScoreNormalization"] * provenance["backbone"]["input_channels"],
        "use_mask_for_norm": [False] * provenance["backbone"]["input_channels"],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_mask": "resample_data_or_seg_to_shape",
        "resampling_fn_mask_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
        "spacing": spacing,
        "patch_size": patch,
    }
    return {
        "architecture_plans": {
            "arch_class_name": f"dynamic_network_architectures.architectures.unet.{architecture.network}",
            "arch_kwargs": arguments,
            "arch_kwargs_requiring_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "architecture_kwargs": arguments,  # where nnU-Net's dynamic trainer looks
        "pretrain_plan": {
            "dataset_name": str(provenance.get("data", "")),
            "plans_name": "modelsgenesis",
            "original_median_spacing_after_transp": spacing or [1.0, 1.0, 1.0],
            "image_reader_writer": "SimpleITKIO",
            "transpose_forward": list(UNTRANSPOSED),
            "transpose_backward": list(UNTRANSPOSED),
            "experiment_planner_used": "modelsgenesis",
            "configurations": {"3d_fullres": configuration},
        },
        "pretrain_num_input_channels": provenance["backbone"]["input_channels"],
        "recommended_downstream_patchsize": patch,
        "key_to_encoder": "encoder.stages",
        "key_to_stem": stem,
        "keys_to_in_proj": [f"{first}.conv", f"{first}.all_modules.0"],
        "key_to_lpe": None,
        OURS: provenance,
    }


def _spacing(provenance: JSON) -> list[float] | None:
    """The spacing (z, y, x) of the pre-training in mm, None where there was no single one."""
    told = provenance.get("scale", {}).get("spacing")
    if told is None or told["low"] != told["high"]:
        return None
    return [float(side) for side in reversed(told["median"])]


def _patch(architecture: Architecture, provenance: JSON) -> list[int]:
    """The cubes of the pre-training (z, y, x), enlarged to what the network divides."""
    steps = [1, 1, 1]
    for stride in architecture.strides:
        steps = [one * other for one, other in zip(steps, stride, strict=True)]
    cube = provenance.get("cube") or steps
    return [-(-side // step) * step for side, step in zip(reversed(cube), reversed(steps), strict=True)]


def _differences(provenance: JSON) -> list[str]:
    """What nnU-Net does otherwise than the pre-training, and what that costs."""
    held = provenance.get("intensity", {})
    window = f"{held['low']:g} to {held['high']:g} " if provenance.get("modality") == "ct" and held else ""
    return [
        f"  intensities: pre-trained on a window {window}clipped and mapped to [0, 1]; nnU-Net z-scores. The first "
        "instance norm undoes the difference, but for the padded border of a patch and for values outside the window",
        f"  axes are turned to nnU-Net's (Z, Y, X); it does not turn scans to {provenance.get('orientation', 'LPS')}: "
        "scans stored in another orientation look mirrored to these weights",
    ]
