"""The types that cross module borders, in one place.

Arrays are (C, X, Y, Z) float32 in memory, or (C, X, Y) in 2D; voxel axes are in patient orientation LPS
(x to the left, y to the back, z to the head). A volume without channel axis is (X, Y, Z).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
"""A cube or image, (C, X, Y, Z) or (C, X, Y), float32; values in [0, 1] wherever distortions are involved."""

IntegerArray = npt.NDArray[np.integer[Any]]
"""Stored samples or labels, (X, Y, Z) or (X, Y)."""

Shape = tuple[int, ...]
"""Spatial shape: (X, Y, Z) or (X, Y), in voxels."""

Spacing = tuple[float, ...]
"""Millimetres per voxel along X, Y(, Z)."""

JSON = dict[str, Any]
"""A JSON object."""
