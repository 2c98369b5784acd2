"""Target tasks: labelled data, what a pre-trained network is judged on."""

from modelsgenesis.registry import Registry
from modelsgenesis.targets.base import TargetTask

TARGETS: Registry[TargetTask] = Registry("target", {name: f"modelsgenesis.targets.{name}:TASK" for name in ("folder",)})
