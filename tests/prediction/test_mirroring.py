"""Names that tell left from right, and why mirroring is refused."""

import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.prediction.mirroring import refuse_mirroring, tells_sides

SIDED = (
    "left lung|Right Kidney|lung_left|lung_l|l_lung|LungL|RKidney|kidney-r|leftlung|kidneyright|heart_LV|RV|LUL|"
    "rein gauche|Lung.R|hippocampus_lh|LEFT|adrenal gland, right|lung (L)"
)
PLAIN = "lung|liver|bright|heart|L1|vertebra L5|cleft|spleen|tumour|wall|1|whole tumor|ulna|portal vein"


@pytest.mark.parametrize("name", SIDED.split("|"))
def test_sides_in_names(name: str) -> None:
    assert tells_sides(name)


@pytest.mark.parametrize("name", PLAIN.split("|"))
def test_names_without_a_side(name: str) -> None:
    assert not tells_sides(name)


def test_reasons() -> None:
    refuse_mirroring(["lung"], {"augmentation": "flips"}, "w")
    refuse_mirroring(["lung"], {"augmentation": "strong"}, "w")
    for labels, provenance, reason in (
        (["lung", "kidney_left"], {"augmentation": "flips"}, "'kidney_left' tells left from right"),
        (["lung"], {"augmentation": "light"}, "trained with augmentation light"),
        (["lung"], {}, "does not say how its training augmented"),
    ):
        with pytest.raises(UsageError, match=reason):
            refuse_mirroring(labels, provenance, "w")
