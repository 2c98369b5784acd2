"""`configs/inference.json` of a MONAI bundle: MONAI's transforms that do what this package does to a scan."""

from typing import Any

from modelsgenesis.data.intensity import MR_PERCENTILES
from modelsgenesis.data.scale import ORIENTATION
from modelsgenesis.types import JSON

_TRANSFORMS = "monai.transforms"
_RAS = [["L", "R"], ["P", "A"], ["I", "S"]]
"""Ends of the axes of the space that NibabelReader reads into."""


def inference(facts: JSON, network: JSON) -> JSON:
    """The configuration.

    Args:
        facts: `monai_bundle._facts`.
        network: entries that build the network, `network_def` among them.
    """
    return {
        "imports": ["$import collections", "$import glob", "$import numpy", "$import os", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/scans'",
        "output_dir": "$@bundle_root + '/predictions'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "files": _files(facts["channels"]),
        **network,
        "network": "$(@network_def.load_state_dict(torch.load(@bundle_root + '/models/model.pt', "
        "map_location='cpu', weights_only=True)), @network_def.to(@device).eval())[1]",
        **_unit(facts),
        "preprocessing": {"_target_": f"{_TRANSFORMS}.Compose", "transforms": _before(facts)},
        "inferer": {
            "_target_": "monai.inferers.SlidingWindowInferer",
            "roi_size": facts["patch"],
            "sw_batch_size": facts["windows"],
            "overlap": facts["overlap"],
            "mode": "gaussian",
        },
        "postprocessing": {"_target_": f"{_TRANSFORMS}.Compose", "transforms": _after(facts)},
        "dataset": {
            "_target_": "monai.data.Dataset",
            "data": "$[{'image': file} for file in @files]",
            "transform": "@preprocessing",
        },
        "predict": "$torch.inference_mode()(lambda item: @postprocessing({**item, 'pred': "
        "@inferer(item['image'][None].to(@device), @network)[0].cpu()}))",
        "run": ["$collections.deque((@predict(item) for item in @dataset), maxlen=0)"],
    }


def _files(channels: int) -> str:
    """The scans of the folder; of several channels, NAME_0000, NAME_0001, ... are one case."""
    found = "sorted(glob.glob(os.path.join(@dataset_dir, '*.nii*')))"
    if channels == 1:
        return f"${found}"
    return (
        f"$[[file.replace('_0000.nii', f'_{{channel:04d}}.nii') for channel in range({channels})] "
        f"for file in {found} if '_0000.nii' in file]"
    )


def _unit(facts: JSON) -> JSON:
    """Of scans scaled each by itself: a function of one channel to [0, 1]."""
    if facts["range"] is not None:
        return {}
    ends = "(lambda values, low, high: ((values - low) / (high - low)).clip(0, 1))"
    return {
        "unit": f"$lambda channel: {ends}(channel, "
        f"*numpy.percentile(channel[channel > channel.min()].cpu().numpy(), {list(MR_PERCENTILES)}).tolist())"
    }


def _before(facts: JSON) -> list[JSON]:
    """Read, turn, resample and scale, in the order of `data.convert`."""
    image: JSON = {"keys": "image"}
    chain: list[JSON] = [
        {"_target_": f"{_TRANSFORMS}.LoadImaged", **image, "ensure_channel_first": True, "reader": "NibabelReader"},
        {"_target_": f"{_TRANSFORMS}.Orientationd", **image, "axcodes": ORIENTATION, "labels": _RAS},
    ]
    if facts["spacing"] is not None:  # over the same field of view, the border repeated, as `data.volume.resample`
        chain.append(
            {
                "_target_": f"{_TRANSFORMS}.Spacingd",
                **image,
                "pixdim": facts["spacing"],
                "mode": "bilinear",
                "padding_mode": "border",
                "align_corners": True,
                "scale_extent": True,
                "dtype": "$numpy.float64",
            }
        )
    if facts["range"] is None:
        scaled: Any = "$lambda image: torch.stack([@unit(channel) for channel in image])"
        chain.append({"_target_": f"{_TRANSFORMS}.Lambdad", **image, "func": scaled, "track_meta": True})
    else:
        low, high = facts["range"]
        ends = {"a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0, "clip": True}
        chain.append({"_target_": f"{_TRANSFORMS}.ScaleIntensityRanged", **image, **ends})
    return [*chain, {"_target_": f"{_TRANSFORMS}.EnsureTyped", **image, "dtype": "$torch.float32"}]


def _after(facts: JSON) -> list[JSON]:
    """Probabilities, taken back to the grid of the source before the most likely structure is chosen; and written."""
    pred: JSON = {"keys": "pred"}
    back = {
        "_target_": f"{_TRANSFORMS}.Invertd",
        **pred,
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    }
    save = {
        "_target_": f"{_TRANSFORMS}.SaveImaged",
        **pred,
        "output_dir": "@output_dir",
        "output_postfix": "seg" if facts["segments"] else "restored",
        "output_dtype": "$numpy.uint8" if facts["segments"] else "$numpy.float32",
        "separate_folder": False,
        "resample": False,
    }
    if not facts["segments"]:
        return [{"_target_": f"{_TRANSFORMS}.Activationsd", **pred, "sigmoid": True}, back, save]
    return [
        {"_target_": f"{_TRANSFORMS}.Activationsd", **pred, "softmax": True},
        back,
        {"_target_": f"{_TRANSFORMS}.AsDiscreted", **pred, "argmax": True},
        save,
    ]
