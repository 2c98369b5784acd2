"""`--to torch`: a PyTorch file with the keys of the published `Genesis_Chest_CT.pt` (PAPER 1.3)."""

import json
from pathlib import Path

import torch

from modelsgenesis.files import replacing
from modelsgenesis.models.whole import whole


def export(source: str, out: Path) -> list[str]:
    """Write {"state_dict": {"module.NAME": tensor}, "provenance": JSON} to the file `out`.

    The original network loads it, strictly, when the weights are of the 3D U-Net; other networks keep names of their
    own. This package reads it as `file:OUT`, its provenance included. Raises as `source.whole`, and GenesisError when
    the disk refuses.
    """
    given = whole(source)
    tensors = given.network.state_dict()  # with the counters of batch norms, which strict loading wants
    named = {f"module.{name.removeprefix('backbone.')}": tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(out) as temporary:
        torch.save({"state_dict": named, "provenance": json.dumps(given.provenance)}, temporary)
    choice = given.network.backbone.choice
    lines = [f"{out}: {len(named)} tensors of {choice.name}, width {choice.width}, under `state_dict`, `module.NAME`"]
    if choice.name != "unet3d":
        lines.append(f"  the names are those of {choice.name}: the original 3D network does not load them")
    elif choice.norm not in ("running", "batch"):
        lines.append(f"  the norm is {choice.norm}: the original network, which has batch norms, gives something else")
    elif not given.pretrained:
        lines.append("  the head is that of the task; the original network of as many outputs (n_class) loads it")
    if choice.name == "unet3d" and choice.width != 32:
        lines.append(f"  the width is {choice.width}, that of the original network 32: build it with these channels")
    return lines
