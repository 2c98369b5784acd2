"""Target tasks: labelled data, what a pre-trained network is judged on."""

from modelsgenesis.registry import Registry
from modelsgenesis.targets.base import TargetTask

NAMES = ("ncc", "ncs", "ecc", "lcs", "bms", "dxc", "iuc", "cubs", "organs", "medmnist", "medmnist3d", "folder")
"""Each is a module of that name here, with its `TASK`."""

TARGETS: Registry[TargetTask] = Registry("target", {name: f"modelsgenesis.targets.{name}:TASK" for name in NAMES})
