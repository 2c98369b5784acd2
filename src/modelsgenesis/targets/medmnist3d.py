"""MedMNIST in 3D: as `medmnist`, for the files of volumes; another network and input, so another recipe."""

from pathlib import Path

from modelsgenesis.targets.base import NoOptions, Target, TargetTask
from modelsgenesis.targets.medmnist import MedMNISTOptions, read_medmnist


def _read(data: Path, options: NoOptions, cache: Path) -> Target:  # noqa: ARG001 - volumes have no colour
    return read_medmnist(data, MedMNISTOptions(), cache, axes=3)


TASK = TargetTask(
    about="classification of small volumes (MedMNIST 3D)",
    download="download a file such as organmnist3d.npz from medmnist.com (zenodo.org/records/10519652)",
    read=_read,
    recipe={
        "images": {"modality": "image"},
        "patch": {"shape": [32, 32, 32], "fitting": "resize"},
    },
)
