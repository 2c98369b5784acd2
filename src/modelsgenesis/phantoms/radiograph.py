"""Frontal chest X-rays projected from the three-dimensional chest phantom, with findings painted before projection."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.exposure import Exposure, developed
from modelsgenesis.phantoms.projection import Beam, attenuation, projected
from modelsgenesis.phantoms.thoracic import FINDINGS
from modelsgenesis.phantoms.thorax import Thorax, thorax
from modelsgenesis.streams import generator
from modelsgenesis.types import Shape

SHAPE: Shape = (224, 224)

# How often each finding is drawn, about the square root of its share in ChestX-ray14: rare ones are less rare here.
_OFTEN = {
    "Infiltration": 4.5,
    "Effusion": 3.7,
    "Atelectasis": 3.4,
    "Nodule": 2.5,
    "Mass": 2.4,
    "Pneumothorax": 2.3,
    "Consolidation": 2.2,
    "Pleural_Thickening": 1.8,
    "Cardiomegaly": 1.7,
    "Edema": 1.5,
    "Fibrosis": 1.3,
}
_SHADOW = 0.02  # line integral that a finding adds where it counts as visible: 2 % of the radiation


@dataclass(frozen=True)
class Radiograph:
    """One image and what is to be seen on it.

    Args:
        image: (X, Y) uint8: X to the patient's left, Y downwards; the right side is on the left, as usual.
        findings: their names as in ChestX-ray14; empty when there are none.
        extents: (X, Y) masks: where each finding changes the radiation by more than 2 %.
        view: `PA` or `AP`.
        spacing: mm per pixel of the detector.
    """

    image: npt.NDArray[np.uint8]
    findings: tuple[str, ...]
    extents: tuple[npt.NDArray[np.bool_], ...]
    view: str
    spacing: float


def radiograph(rng: np.random.Generator, shape: Shape = SHAPE, findings: Sequence[str] | None = None) -> Radiograph:
    """Draw one patient and X-ray her; everything random comes from `rng`.

    The same generator state gives the same patient, view and noise whatever the findings are.

    Args:
        rng: patient, findings and exposure.
        shape: pixels (X, Y).
        findings: names in FINDINGS; None draws them, none at all in half of the cases.

    Raises:
        UsageError: an unknown finding, or a shape that is not two numbers of at least 16.
    """
    person, picture = (np.random.default_rng(seed) for seed in rng.integers(2**62, size=2))
    return expose(picture, thorax(person), shape, findings)


def expose(
    rng: np.random.Generator, patient: Thorax, shape: Shape = SHAPE, findings: Sequence[str] | None = None
) -> Radiograph:
    """X-ray a `patient` without findings after giving her some; `patient` stays as it is. See `radiograph`."""
    if len(shape) != 2 or min(shape) < 16:
        raise UsageError(f"radiograph phantom: shape {tuple(shape)} must be two numbers of at least 16")
    seeds = rng.integers(2**62, size=4)
    names = drawn_findings(np.random.default_rng(seeds[0])) if findings is None else tuple(findings)
    for name in names:
        if name not in FINDINGS:
            raise UsageError(f"radiograph phantom: no finding {name!r}; valid: {', '.join(FINDINGS)}")
    beam = Beam.drawn(np.random.default_rng(seeds[1]))
    view = np.random.default_rng(seeds[2])
    exposure = Exposure.drawn(view, beam.view)
    size, spacing = (shape[0], shape[1]), patient.frame.spacing
    healthy = attenuation(patient.image)
    base = lines = projected(healthy, spacing, beam, size)
    sick, extents, before = patient.copy(), [], healthy
    for name in names:
        order = list(FINDINGS).index(name)  # a finding looks the same whichever others there are
        FINDINGS[name](generator(seeds[3], order), sick)
        after = attenuation(sick.image)
        changed = projected(after - before, spacing, beam, size)
        extents.append(np.abs(changed) > _SHADOW)
        lines, before = lines + changed, after
    image = developed(view, lines, base, exposure, beam.field)
    return Radiograph(image, names, tuple(extents), beam.view, beam.field / max(size))


def drawn_findings(rng: np.random.Generator) -> tuple[str, ...]:
    """None in half of the cases, else one to three, the commoner ones more often."""
    if rng.random() < 0.5:
        return ()
    often = np.array(list(_OFTEN.values()))
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]))
    chosen = rng.choice(list(_OFTEN), count, replace=False, p=often / often.sum())
    return tuple(sorted(str(name) for name in chosen))
