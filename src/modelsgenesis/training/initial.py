"""What fine-tuning takes over from the run or file it starts from, and whether the data fit it."""

from modelsgenesis.config import build, settings
from modelsgenesis.data.intensity import Intensity
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.foreign.nnunet_plans import resolved
from modelsgenesis.models.norm import used_norm
from modelsgenesis.types import JSON


@settings
class BackboneChoice:
    """The network; what is left open is that of the init source."""

    name: str = ""
    """A registered backbone; empty: the init source's, else unet3d."""
    width: int = 0
    """Base width; 0: the init source's, else 32."""
    norm: str = ""
    """running, group, instance or batch; empty: that of the init source, running where that is batch.

    `batch` normalises by the statistics of the batch at hand also at inference, as published: then a window's result
    depends on the windows beside it. `running` keeps the statistics of the training for inference, and goes on with
    those of weights pre-trained with `batch`, which hold the same tensors.
    """
    preset: str = ""
    """Size of nnU-Net's networks: S, M or L; empty: the init source's, else S."""
    plans: str = ""
    """A plans file of nnU-Net; empty: the init source's architecture."""

    def __post_init__(self) -> None:
        """As of `BackboneSettings`."""
        object.__setattr__(self, "plans", resolved(self.plans))

    @classmethod
    def of(cls, backbone: BackboneSettings) -> "BackboneChoice":
        """The choice that leaves nothing of `backbone` open."""
        return cls(backbone.name, backbone.width, backbone.norm, backbone.preset, backbone.plans)


def resolve(choice: BackboneChoice, provenance: JSON, uri: str, channels: int) -> BackboneSettings:
    """The backbone to build: the user's choice, then the init source's, then the defaults.

    Raises UsageError when the choice contradicts the init source, whose weights would not fit.
    """
    given = build(BackboneSettings, provenance["backbone"], uri) if "backbone" in provenance else None
    name = choice.name or (given.name if given else BackboneSettings.name)
    width = choice.width or (given.width if given else BackboneSettings.width)
    norm = used_norm(given.norm, choice.norm, uri) if given else choice.norm or BackboneSettings.norm
    preset, plans = choice.preset or (given.preset if given else ""), choice.plans or (given.plans if given else "")
    if given:
        pairs: dict[str, tuple[object, object]] = {"name": (name, given.name), "width": (width, given.width)}
        pairs |= {"preset": (preset, given.preset), "plans": (plans, given.plans)}
        for setting, (wanted, held) in pairs.items():
            if wanted != held:
                raise UsageError(
                    f"backbone.{setting} is {wanted}, but {uri} was trained with {held}; leave backbone.{setting} out, "
                    "or pre-train with it"
                )
    return BackboneSettings(name, width, norm, channels, preset, plans)


def mismatches(modality: str, intensity: Intensity, provenance: JSON) -> list[str]:
    """Warnings: the network would see intensities of another meaning than it was trained on."""
    found = []
    held = provenance.get("modality")
    if held is not None and held != modality:
        found.append(f"the init source was trained on {held}, these data are {modality}: transfer across modalities")
    window = provenance.get("intensity")
    if window is not None and held == modality == "ct":
        theirs, ours = (window["low"], window["high"]), (intensity.low, intensity.high)
        if theirs != ours:
            found.append(
                f"the init source saw the window {theirs[0]:g} to {theirs[1]:g} HU, these data {ours[0]:g} to "
                f"{ours[1]:g}; set images.window to the former unless the difference is meant"
            )
    return found
