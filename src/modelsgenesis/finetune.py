"""`genesis finetune`: train a target task from labelled data, from scratch or from pre-trained weights."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from modelsgenesis.config import digest, settings, to_dict
from modelsgenesis.data.cubes import generator
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import write_json
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.weights import initialise, read_weights, save_weights
from modelsgenesis.predict import Predictor, write_cases
from modelsgenesis.progress import Progress
from modelsgenesis.run import Run
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.patches import PatchSampler, PatchSettings, fit_scan
from modelsgenesis.targets.prepared import ImageSettings, PreparedCase, PreparedTarget, prepare_target
from modelsgenesis.targets.split import Split, SplitChoice, fraction_of, split, strata_of
from modelsgenesis.training.augmentation import Augmentation, Strength
from modelsgenesis.training.batches import step_batches
from modelsgenesis.training.checks import CheckSettings, ClassificationCheck, SegmentationCheck
from modelsgenesis.training.figures import draw_curves, draw_segmentations
from modelsgenesis.training.inference import InferenceSettings, Recipe
from modelsgenesis.training.loop import Batch, fit, make_fabric
from modelsgenesis.training.losses import build_loss
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.types import JSON

SHOWN = 4
"""Test cases in the figure."""
