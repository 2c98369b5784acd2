"""Where a network's weights come from, and writing them with their provenance.

An init source is ``scratch`` (PyTorch's default), ``scratch:he``, ``scratch:xavier``, a name of the zoo such as
``genesis-chest-ct``, ``run:PATH`` (a run folder), ``file:PATH`` (safetensors, or a PyTorch file such as the published
``Genesis_Chest_CT.pt``), ``hf:OWNER/REPO`` (the Hugging Face hub), or a plain path. Loading never falls back to
scratch: it returns a report of every tensor, and fails when none fits.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from modelsgenesis.errors import GenesisError, UsageError, first_line
from modelsgenesis.files import replacing
from modelsgenesis.models.foreign.nnssl import is_nnssl, read_nnssl
from modelsgenesis.models.foreign.published import recognised
from modelsgenesis.models.sources import LOCATIONS, parted
from modelsgenesis.registry import Registry
from modelsgenesis.types import JSON

HEAD_PREFIXES = ("out_tr.", "dense_1.", "dense_2.", "fc.")
"""Beginnings of the names of heads: ours, and that of torchvision's ResNet."""
_OTHER_HEAD, _OUT_OF_SCOPE = "head of another task", "scope is encoder"
_SECOND_NAME = "second name of a tensor"
COUNTER = "num_batches_tracked"
STATISTICS = ("running_mean", "running_var")
_WRAPPED = re.compile(r"(module\.|_orig_mod\.)*(backbone\.)?")
"""What a name begins with in the state dict of a network of `models.heads`: as it is, in DataParallel, compiled."""


@dataclass
class LoadReport:
    """What became of every tensor.

    Attributes:
        source: the init URI.
        loaded: names copied as they are.
        adapted: name -> how it was changed to fit.
        skipped: name in the source -> why it was not used.
        missing: names in the network that got nothing and keep their random start (a new head, usually).
        unfilled: those of `missing` that the source was to fill: of the scope, and no head of another task.
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)

    @property
    def taken(self) -> frozenset[str]:
        """Names of the network's tensors that came from the source."""
        return frozenset((*self.loaded, *self.adapted))

    def to_dict(self) -> JSON:
        """Plain values for a manifest."""
        return asdict(self)

    @property
    def warnings(self) -> list[str]:
        """What a user must hear: half of the source or more does not fit, or most of the network got nothing.

        Heads of other tasks, second names, and what lies outside the scope do not count.
        """
        harmless = (_OTHER_HEAD, _OUT_OF_SCOPE, _SECOND_NAME)
        unfit = [name for name, why in self.skipped.items() if why not in harmless]
        told = []
        if unfit and len(unfit) >= len(self.taken):
            told.append(
                f"init {self.source}: {len(unfit)} of {len(unfit) + len(self.taken)} tensors do not fit the network, "
                f"such as {', '.join(unfit[:3])} ({self.skipped[unfit[0]]}); is it of another network or width?"
            )
        if self.taken and len(self.unfilled) > len(self.taken):
            told.append(
                f"init {self.source}: {len(self.unfilled)} tensors of the network got nothing, such as "
                f"{', '.join(self.unfilled[:3])}, and only {len(self.taken)} did: most of it starts at random"
            )
        return told

    def summary(self) -> str:
        """One line, and one for each reason to skip."""
        counts = f"{len(self.loaded)} tensors loaded, {len(self.adapted)} adapted"
        lines = [f"init {self.source}: {counts}, {len(self.skipped)} skipped, {len(self.missing)} new"]
        for reason in sorted(set(self.skipped.values())):
            names = [name for name, why in self.skipped.items() if why == reason]
            lines.append(f"  skipped, {reason}: {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}")
        return "\n".join(lines)


InitSource = Callable[[str, nn.Module, str, bool], LoadReport]
"""(rest of the URI, network, scope, with head) -> report."""


def initialise(network: nn.Module, uri: str | Path, scope: str = "encoder-decoder", head: bool = False) -> LoadReport:
    """Initialise `network` in place from the init source `uri`.

    Args:
        network: a network of `models.heads`.
        uri: the init source.
        scope: "encoder" or "encoder-decoder": what of the backbone is taken.
        head: take the head as well (to continue a task rather than begin another).

    Raises UsageError for an unknown source or scope, GenesisError when the file is unusable or no tensor fits.
    """
    if scope not in ("encoder", "encoder-decoder"):
        raise UsageError(f"init scope {scope!r} is unknown; valid: encoder, encoder-decoder")
    if not hasattr(network, "backbone"):
        raise UsageError(f"init of a {type(network).__name__}: has no backbone; give DenseNetwork(backbone, classes)")
    kind, rest = parted(uri, INIT_SOURCES.names())
    report = INIT_SOURCES.get(kind)(rest, network, scope, head)
    report.source = str(uri)
    return report


def from_scratch(rest: str, network: nn.Module, scope: str, head: bool) -> LoadReport:  # noqa: ARG001 - InitSource
    """Random weights: "" (PyTorch's default, uniform), "he" (MSRA normal) or "xavier" (uniform)."""
    fill: dict[str, Callable[[Tensor], Tensor]] = {
        "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "xavier": nn.init.xavier_uniform_,
    }
    if rest and rest not in fill:
        raise UsageError(f"init scratch:{rest} is unknown; valid: scratch, scratch:he, scratch:xavier")
    for module in network.modules() if rest else ():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.Conv2d | nn.Linear):
            fill[rest](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return LoadReport(f"scratch:{rest}" if rest else "scratch", missing=list(named_tensors(network)))


def _from_place(kind: str) -> InitSource:
    """The init source of the files that `LOCATIONS` finds: safetensors, or a PyTorch file holding a state dict (opened
    without running code)."""

    def take(rest: str, network: nn.Module, scope: str, head: bool) -> LoadReport:
        return _load(f"{kind}:{rest}", read_weights(LOCATIONS[kind](rest))[0], network, scope, head)

    return take


from_run, from_file, from_zoo, from_hf = (_from_place(kind) for kind in ("run", "file", "zoo", "hf"))

INIT_SOURCES: Registry[InitSource] = Registry(
    "init source", {kind: f"{__name__}:from_{kind}" for kind in ("scratch", *LOCATIONS)}
)


def named_tensors(network: nn.Module) -> dict[str, Tensor]:
    """The network's tensors by their published names (no ``backbone.`` prefix, no batch counters)."""
    named = {name.removeprefix("backbone."): tensor for name, tensor in network.state_dict().items()}
    return {name: tensor for name, tensor in named.items() if not name.endswith(COUNTER)}


def save_weights(path: Path, network: nn.Module, provenance: JSON) -> None:
    """Write the tensors of `network` with `provenance` (JSON) in the header, atomically.

    Raises GenesisError naming `path` when the disk refuses.
    """
    write_tensors(path, named_tensors(network), provenance)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], provenance: JSON) -> None:
    """Write tensors, by their published names, as `save_weights` does."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(tensors, metadata={"provenance": json.dumps(provenance)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)  # safetensors' own writing hides what the disk says


def read_weights(path: Path) -> tuple[dict[str, Tensor], JSON]:
    """Tensors by published name, and the provenance ({} where the file has none).

    Raises GenesisError when `path` is missing, damaged, or not a file of tensors.
    """
    if path.is_dir():
        raise GenesisError(f"{path}: is a folder, no file of weights; of a run, write run:PATH")
    if not path.is_file():
        raise GenesisError(f"{path}: no such weights file; check the path")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt") as stored:
                provenance = (stored.metadata() or {}).get("provenance")
                tensors = _published({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise GenesisError(f"{path}: is damaged or no safetensors file ({error}); fetch it again") from error
        return tensors, _told(provenance, path) or recognised(tensors)
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds on a damaged or unsafe pickle
        unsafe = re.search(r"Unsupported \S[^\n]*?(?= was not|$)", str(error), re.MULTILINE)
        raise GenesisError(
            f"{path}: cannot be opened safely as PyTorch weights ({unsafe[0] if unsafe else first_line(error)}); name "
            "a file of weights, or save the state dict alone"
        ) from error
    if is_nnssl(content):
        return read_nnssl(content, str(path))
    content = content if isinstance(content, Mapping) else {}
    state = content.get("state_dict", content)
    tensors = _published(state if isinstance(state, Mapping) else {})
    if not tensors:
        held = f" but {', '.join(map(str, list(content)[:5]))}" if content else ""
        raise GenesisError(f"{path}: holds no tensors by name{held}; save a state dict, alone or as state_dict")
    return tensors, _told(content.get("provenance"), path) or recognised(tensors)


def _published(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict by their published names, without the counters of batches."""
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return {_WRAPPED.sub("", name, 1): value for name, value in tensors.items() if not name.endswith(COUNTER)}


def _told(provenance: Any, path: Path) -> JSON:
    """The provenance in a file, {} where there is none; GenesisError when it cannot be read."""
    try:
        told = json.loads(provenance or "{}")
    except (TypeError, ValueError):
        told = None
    if not isinstance(told, dict):
        raise GenesisError(f"{path}: its provenance is damaged; fetch it again, or save the state dict alone")
    return told


def describe_weights(path: Path) -> JSON:
    """What a file of weights holds, and what it says of its origin; raises as `read_weights`."""
    tensors, provenance = read_weights(path)
    parameters = sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(STATISTICS))
    return {"weights": path.name, "tensors": len(tensors), "parameters": parameters, **provenance}


def provenance_of(uri: str | Path) -> JSON:
    """What the weights of the init source say of their origin; {} for scratch and for files that tell nothing.

    Raises UsageError for an unknown source, GenesisError as `read_weights`, and for a run that is not finished.
    """
    path = file_of(uri)
    return {} if path is None else read_weights(path)[1]


def file_of(uri: str | Path) -> Path | None:
    """The file of the init source `uri`, None for random weights; raises as `provenance_of`."""
    kind, rest = parted(uri, INIT_SOURCES.names())
    return LOCATIONS[kind](rest) if kind in LOCATIONS else None


def weights_file(uri: str | Path) -> Path:
    """The file of the init source `uri`; UsageError for random weights, else raises as `provenance_of`."""
    path = file_of(uri)
    if path is None:
        raise UsageError(f"{uri}: random weights are in no file; name pre-trained ones")
    return path


def _load(source: str, tensors: Mapping[str, Tensor], network: nn.Module, scope: str, head: bool) -> LoadReport:
    report, own = LoadReport(source), named_tensors(network)
    backbone: Any = network.backbone
    prefixes = (*backbone.encoder_prefixes, *HEAD_PREFIXES) if scope == "encoder" else ("",)
    chosen: dict[str, Tensor] = {}
    second = tuple(f"{child}." for child in getattr(backbone, "second_names", ()))
    for name, tensor in tensors.items():
        reason = _SECOND_NAME if name.startswith(second) else _unwanted(name, own, prefixes, head)
        fitted = None if reason else _fit(tensor, own[name], name in backbone.first_convolutions)
        if fitted is None:
            report.skipped[name] = reason or f"shape {tuple(tensor.shape)} does not fit {tuple(own[name].shape)}"
        else:
            chosen[name] = fitted[0]
            if fitted[1]:
                report.adapted[name] = fitted[1]
            else:
                report.loaded.append(name)
    if not chosen:
        why = next((f"{name}: {why}" for name, why in report.skipped.items()), "the source holds no tensors")
        raise GenesisError(f"{source}: no tensor fits the network ({why}); check the backbone's name and width")
    report.missing = [name for name in own if name not in chosen]
    report.unfilled = [name for name in report.missing if not _outside(name, prefixes, head)]
    for name, tensor in chosen.items():
        own[name].copy_(tensor)  # state_dict shares memory with the network
    return report


def _unwanted(name: str, own: Mapping[str, Tensor], prefixes: tuple[str, ...], head: bool) -> str:
    return _outside(name, prefixes, head) or ("" if name in own else "the network has no such tensor")


def _outside(name: str, prefixes: tuple[str, ...], head: bool) -> str:
    """Why a tensor is not wanted whatever the other side holds; empty for one that is."""
    if name.startswith(HEAD_PREFIXES) and not head:
        return _OTHER_HEAD
    return "" if name.startswith(prefixes) else _OUT_OF_SCOPE


def _fit(tensor: Tensor, own: Tensor, sees_input: bool) -> tuple[Tensor, str] | None:
    """The tensor as the network needs it and how it was changed, None when it cannot fit."""
    if tensor.shape == own.shape:
        return tensor, ""
    others_equal = tensor.shape[0] == own.shape[0] and tensor.shape[2:] == own.shape[2:]
    if not sees_input or not others_equal:
        return None
    channels = own.shape[1]  # the same response to the same image in every channel
    mean = tensor.sum(1, keepdim=True) / channels
    return mean.expand(own.shape), f"{tensor.shape[1]} input channels spread over {channels}"
