"""Weights of any source as one safetensors file, with more said of them."""

from pathlib import Path

from modelsgenesis.config import read_yaml
from modelsgenesis.errors import UsageError
from modelsgenesis.models.catalogue import ABOUT
from modelsgenesis.models.weights import read_weights, weights_file, write_tensors
from modelsgenesis.places import located

SCALE = "scale"


def convert(source: str, out: Path, about: Path | None = None) -> str:
    """Write the tensors of `source`, by their published names, with its provenance to the safetensors file `out`.

    Args:
        source: as of `models.load.load`.
        out: the file.
        about: a YAML file with some of `ABOUT`, and `scale` where the provenance tells none.

    Returns a line for the console. Raises UsageError for entries that are unknown or contradict the provenance, and for
    another suffix.
    """
    if out.suffix != ".safetensors":
        raise UsageError(f"{out}: convert writes safetensors; name it .safetensors, or see genesis weights export")
    tensors, provenance = read_weights(weights_file(source))
    if about is not None:
        told = dict(read_yaml(located(about)))
        unknown = sorted(set(told) - {*ABOUT, SCALE})
        if unknown:
            raise UsageError(f"{about}: {unknown[0]}: unknown; valid: {', '.join((*ABOUT, SCALE))}")
        scale = told.pop(SCALE, None)
        if scale is not None and provenance.get(SCALE, scale) != scale:
            raise UsageError(f"{about}: scale: the weights say {provenance[SCALE]}; leave it out")
        provenance |= {"about": told} | ({SCALE: scale} if scale is not None else {})
    write_tensors(out, tensors, provenance)
    return f"{out}: {len(tensors)} tensors, {out.stat().st_size / 1e6:.1f} MB"
