"""Target tasks: labelled data, what a pre-trained network is judged on."""

from collections.abc import Callable

from modelsgenesis.registry import Registry
from modelsgenesis.targets.base import Target

TARGETS: Registry[Callable[..., Target]] = Registry("target", {"folder": "modelsgenesis.targets.folder:read_folder"})
"""Name -> (folder or file of the data, selection of labels) -> Target."""
