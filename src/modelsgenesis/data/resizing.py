"""Whole images at another number of pixels, the same for the pre-training and for the target."""

import numpy as np

from modelsgenesis.types import FloatArray, Shape


def resize_image(image: FloatArray, shape: Shape) -> FloatArray:
    """An image or volume (C, X, Y(, Z)) at `shape`, by linear interpolation.

    Antialiasing, which there is for images only, keeps what is thinner than a pixel of the smaller image.
    """
    import torch

    mode = "trilinear" if len(shape) == 3 else "bilinear"
    given = torch.from_numpy(np.ascontiguousarray(image))[None]
    resized = torch.nn.functional.interpolate(given, shape, mode=mode, antialias=len(shape) == 2)
    return np.asarray(resized[0].numpy(), np.float32)
