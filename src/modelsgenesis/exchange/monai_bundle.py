"""`--to monai-bundle`: a folder that `python -m monai.bundle run` infers with."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from modelsgenesis.data.scale import ORIENTATION
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.exchange.bundle_config import inference
from modelsgenesis.files import write_json, write_text
from modelsgenesis.models.catalogue import scale_in_words
from modelsgenesis.models.foreign.monai_networks import MonaiBackbone, plain
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.whole import Whole, whole
from modelsgenesis.training.inference import InferenceSettings, read_recipe
from modelsgenesis.types import JSON


def export(source: str, out: Path) -> list[str]:
    """Write the bundle of a segmentation, or of a pre-trained network that restores, into the new folder `out`.

    `configs/inference.json` reads NIfTI scans, brings them to the orientation, spacing and intensities of the weights,
    covers them with Gaussian-weighted windows and writes label maps (or restored scans) on the grid of the source.
    A network of MONAI is MONAI's own class there; others are classes of this package, which then has to be installed.

    Raises UsageError for networks of images and classifications, and when `out` holds something, else as
    `source.whole`.
    """
    given = whole(source)
    _refuse(source, given, out)
    facts = _facts(source, given)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        network = plain(given.network) if _is_monai(given.network) else given.network
        (partial / "models").mkdir(parents=True)
        torch.save(network.state_dict(), partial / "models" / "model.pt")
        write_json(partial / "configs" / "inference.json", inference(facts, _definition(given.network)))
        write_json(partial / "configs" / "metadata.json", _metadata(given, facts))
        write_text(partial / "docs" / "README.md", _read_me(source, given, facts))
        if out.is_dir():
            out.rmdir()  # empty: checked above
        partial.rename(out)
    except OSError as error:
        raise GenesisError(f"{out}: could not be written ({error.strerror or error}); free space or rights?") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    needs = "MONAI alone" if _is_monai(given.network) else "MONAI and modelsgenesis"
    return [
        f"{out}: a bundle for {needs}; python -m monai.bundle run --config_file {out / 'configs/inference.json'} "
        f"--bundle_root {out} --dataset_dir SCANS --output_dir OUT",
        *(f"  {line}" for line in facts["notes"]),
    ]


def _refuse(source: str, given: Whole, out: Path) -> None:
    network = given.network
    if not isinstance(network, DenseNetwork):
        raise UsageError(f"{source}: classifies; a bundle is for segmentation and restoration, use --to onnx")
    if network.backbone.axes != 3:
        raise UsageError(f"{source}: is a network of images; a bundle is for volumes, use --to onnx")
    if not (given.segments or given.pretrained):
        raise UsageError(f"{source}: neither a segmentation nor a pre-training; use --to torch")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: is there already; choose another --out or remove it")
    stride, patch = network.backbone.strides[-1], _patch(source, given)
    if _is_monai(network) and any(side % stride for side in patch):
        raise UsageError(
            f"{source}: windows of {'x'.join(map(str, patch))}, but MONAI's {network.backbone.monai} needs multiples "
            f"of {stride} and pads nothing; fine-tune with such a patch.shape"
        )


def _is_monai(network: Any) -> bool:
    return isinstance(network.backbone, MonaiBackbone)


def _patch(source: str, given: Whole) -> tuple[int, ...]:
    """Sides of a window."""
    if given.segments:
        return read_recipe(given.provenance, Path(source)).patch.shape
    if "cube" not in given.provenance:
        raise UsageError(f"{source}: does not say how large its cubes are; export the run itself")
    return tuple(given.provenance["cube"])


def _facts(source: str, given: Whole) -> JSON:
    """What the configuration needs to know, in plain values."""
    about = given.provenance
    if "intensity" not in about or "modality" not in about:
        raise UsageError(f"{source}: does not say how intensities are mapped to [0, 1]; export the run itself")
    sliding, spacing, window, labels = InferenceSettings(), None, None, {}
    if given.segments:
        recipe = read_recipe(about, Path(source))
        sliding, spacing, window, labels = recipe.sliding, recipe.images.spacing, recipe.images.window, recipe.labels
    elif "spacing" in about.get("scale", {}) and not about["scale"].get("drawn"):
        spread = about["scale"]["spacing"]
        spacing = spread["median"] if spread["low"] == spread["high"] else None
    patch = _patch(source, given)
    scaled_by_scan = about["modality"] == "mr" and window is None
    notes = []
    if sliding.window > 1:
        notes.append("windows are of one patch, those of genesis predict (inference.window) may be larger")
    if spacing is None:
        notes.append(f"scans keep their own spacing; the training: {scale_in_words(about.get('scale', {}))}")
    return {
        "patch": list(patch),
        "overlap": [int(sliding.overlap * side) / side for side in patch],
        "windows": sliding.windows,
        "spacing": None if spacing is None else list(spacing),
        "range": None if scaled_by_scan else [about["intensity"]["low"], about["intensity"]["high"]],
        "modality": about["modality"],
        "labels": labels,
        "channels": given.network.backbone.input_channels,
        "outputs": given.network.outputs,
        "segments": given.segments,
        "notes": notes,
    }


def _definition(network: Any) -> JSON:
    """The entries of the configuration that build the network; the last of them is `network_def`."""
    backbone, outputs = network.backbone, network.outputs
    if not isinstance(backbone, MonaiBackbone):
        made = {
            "_target_": f"{type(backbone).__module__}.{type(backbone).__qualname__}",
            "input_channels": backbone.input_channels,
            "width": backbone.width,
            "norm": backbone.norm,
        }
        whole_network = f"{DenseNetwork.__module__}.{DenseNetwork.__qualname__}"
        return {"network_def": {"_target_": whole_network, "backbone": made, "outputs": outputs}}
    target = {"_target_": f"monai.networks.nets.{backbone.monai}", **backbone.arguments}
    if backbone.output:
        return {"network_def": {**target, "out_channels": outputs}}
    inputs = backbone.decoder_channels
    head = {"_target_": "torch.nn.Conv3d", "in_channels": inputs, "out_channels": outputs, "kernel_size": 1}
    return {
        "backbone": {**target, "out_channels": inputs},
        "head": head,
        "network_def": "$torch.nn.Sequential(@backbone, @head)",
    }


def _metadata(given: Whole, facts: JSON) -> JSON:
    import monai
    import numpy

    own = {} if _is_monai(given.network) else {"modelsgenesis": version("modelsgenesis")}
    names = {"0": "background", **facts["labels"]} if facts["segments"] else {"0": "restored"}
    about = given.provenance.get("about", {})
    return {
        "version": "0.1.0",
        "changelog": {"0.1.0": "exported by genesis weights export"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": numpy.__version__,
        "required_packages_version": {"nibabel": "5.2", **own},
        "name": "Models Genesis",
        "task": "segmentation" if facts["segments"] else "restoration of distorted cubes",
        "description": about.get("title", "Made by modelsgenesis"),
        "authors": "modelsgenesis",
        "copyright": "",
        "data_source": about.get("data", ""),
        "data_type": "nibabel",
        "intended_use": "Research; not for diagnosis",
        "network_data_format": {
            "inputs": {"image": _format("image", facts, facts["channels"], [0, 1])},
            "outputs": {
                "pred": {
                    **_format("segmentation" if facts["segments"] else "image", facts, facts["outputs"], [0, 1]),
                    "channel_def": names,
                }
            },
        },
        "modelsgenesis": given.provenance,
    }


def _format(kind: str, facts: JSON, channels: int, values: list[int]) -> JSON:
    return {
        "type": "image",
        "format": kind,
        "modality": facts["modality"],
        "num_channels": channels,
        "spatial_shape": facts["patch"],
        "dtype": "float32",
        "value_range": values,
        "is_patch_data": True,
        "channel_def": {str(channel): "image" for channel in range(channels)},
    }


def _read_me(source: str, given: Whole, facts: JSON) -> str:
    spacing = "their own" if facts["spacing"] is None else " x ".join(f"{step:g}" for step in facts["spacing"]) + " mm"
    window = "percentiles 0.5 and 99.5 of each" if facts["range"] is None else "{:g} to {:g}".format(*facts["range"])
    what = ", ".join(facts["labels"].values()) if facts["segments"] else "restored scans"
    choice = given.network.backbone.choice
    return "\n".join(
        [
            "# Models Genesis",
            "",
            f"{choice.name} of width {choice.width}, norm {choice.norm}; exported from {Path(source).name}.",
            f"Input: {facts['channels']} channel(s), {ORIENTATION} order, spacing {spacing}, values {window} mapped to "
            "[0, 1].",
            f"Output: {what}.",
            "",
            "    python -m monai.bundle run --config_file configs/inference.json --bundle_root . "
            "--dataset_dir SCANS --output_dir OUT",
            "",
        ]
    )
