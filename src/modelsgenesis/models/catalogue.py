"""What weights say of themselves: the list of the zoo, and the model card of any file."""

from dataclasses import dataclass
from typing import Any

from modelsgenesis import zoo
from modelsgenesis.models.weights import describe_weights, weights_file
from modelsgenesis.types import JSON

ABOUT = ("title", "data", "licence", "compute", "figures", "tested", "not_for", "command")
"""What a person adds to the provenance of weights, under `about`; `command` made them."""
_UNSAID = "not stated"


@dataclass(frozen=True)
class Model:
    """Weights of the package.

    Attributes:
        name: what `load` and `--init` take.
        title: what they are, in a line.
        network: backbone and width.
        parameters: of the network, its restoration head included.
        modality: "ct", "mr" or "image".
        cube: voxels of the cubes of the training, (X, Y, Z) or (X, Y).
        scale: mm per voxel, or pixels across, in words.
        licence: SPDX name.
        megabytes: of the file.
    """

    name: str
    title: str
    network: str
    parameters: int
    modality: str
    cube: tuple[int, ...]
    scale: str
    licence: str
    megabytes: float

    def __str__(self) -> str:
        """One line."""
        cube = "x".join(map(str, self.cube))
        return (
            f"{self.name:<22} {self.title}; {self.network}, cubes {cube}, {self.scale}; {self.licence}, "
            f"{self.megabytes:.1f} MB"
        )


def list_models() -> list[Model]:
    """The weights that come with the package, by name."""
    return [_model(name) for name in zoo.names()]


def _model(name: str) -> Model:
    path = zoo.file_of(name)
    facts = describe_weights(path)
    about = facts.get("about", {})
    return Model(
        name,
        about.get("title", _UNSAID),
        _network(facts),
        facts["parameters"],
        facts["modality"],
        tuple(facts["cube"]),
        scale_in_words(facts.get("scale", {})),
        about.get("licence", _UNSAID),
        path.stat().st_size / 1e6,
    )


def card(model: str) -> str:
    """The model card of weights in Markdown, of what their file says alone.

    Raises UsageError for random weights, else as `models.load.load`.
    """
    path = weights_file(model)
    facts = describe_weights(path)
    about = {name: facts.get("about", {}).get(name, _UNSAID) for name in ABOUT}
    window = facts.get("intensity")
    rows: dict[str, Any] = {
        "network": _network(facts),
        "parameters": f"{facts['parameters']:,} in {facts['tensors']} tensors, the head of the training included",
        "task": " ".join(str(facts.get(name, "")) for name in ("command", "proxy", "distortions")).strip() or _UNSAID,
        "input": _of_input(facts, window),
        "scale": scale_in_words(facts.get("scale", {})),
        "training data": about["data"],
        "licence": about["licence"],
        "recipe": _recipe(facts),
        "made by": f"`{about['command']}`" if about["command"] != _UNSAID else _UNSAID,
        "compute": about["compute"],
        "restoration and probe": about["figures"],
        "tested on": about["tested"],
        "not for": about["not_for"],
        "versions": ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items()) or _UNSAID,
    }
    title = about["title"] if about["title"] != _UNSAID else path.name
    lines = [
        f"# {model}",
        "",
        title,
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {said} |" for name, said in rows.items()),
    ]
    use = f'import modelsgenesis as mg\n\nnetwork = mg.segmenter("{model}", classes=3)'
    return "\n".join([*lines, "", "```python", use, "```", ""])


def scale_in_words(scale: JSON) -> str:
    """The scale of a provenance (`data.scale`) for people."""
    if "spacing" in scale:
        low, high = (scale["spacing"][end] for end in ("low", "high"))
        if low == high:
            return f"{_numbers(low)} mm"
        return f"{_numbers(low)} to {_numbers(high)} mm{', drawn for each cube' if scale.get('drawn') else ''}"
    if "across" in scale:
        return f"images {_numbers(scale['across'])} pixels across"
    return "scale " + _UNSAID


def _numbers(values: list[float]) -> str:
    shown = [f"{value:g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else " x ".join(shown)


def _network(facts: JSON) -> str:
    held = facts.get("backbone")
    return f"{held['name']} of width {held['width']}, norm {held['norm']}" if held else _UNSAID


def _of_input(facts: JSON, window: JSON | None) -> str:
    if window is None:
        return _UNSAID
    values = {
        "ct": f"CT of {window['low']:g} to {window['high']:g} HU",
        "mr": "MR, percentiles 0.5 and 99.5 of each scan",
    }
    shown = values.get(facts.get("modality", ""), "images, their whole range")
    cube = "x".join(map(str, facts.get("cube", ())))
    return f"{shown}, mapped to [0, 1]; {facts.get('orientation', 'LPS')} order; cubes of {cube}"


def _recipe(facts: JSON) -> str:
    cubes = f"{facts['cubes']:,} cubes" if "cubes" in facts else ""
    steps = f"{facts['step']:,} steps" if "step" in facts else ""
    reached = f"validation {facts['validation']:.4g}" if "validation" in facts else ""
    return ", ".join(part for part in (steps, cubes, reached) if part) or _UNSAID
