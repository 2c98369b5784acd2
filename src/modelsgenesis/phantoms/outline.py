"""The outline of a flat shape as readers draw it on a screen: the pixels just outside of it, in order."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_ROUND = [(-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1)]


def outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Pixels (N, 2) round the one connected shape in `mask` (X, Y), closed: the last is the first.

    They touch each other by a side or a corner, lie in the order of a walk round the shape, and none is in it; they may
    lie one pixel outside of the array.
    """
    wide = ndimage.binary_dilation(np.pad(mask, 2))
    start = tuple(int(v) for v in np.argwhere(wide)[0])
    walk, at, came = [start], start, 0
    while True:
        for step in range(1, 9):  # clockwise from where the walk came from
            turn = (came + step) % 8
            x, y = at[0] + _ROUND[turn][0], at[1] + _ROUND[turn][1]
            if wide[x, y]:
                break
        at, came = (x, y), (turn + 5) % 8 if turn % 2 else (turn + 6) % 8
        walk.append(at)
        if at == start:
            break
    return np.array(walk, dtype=np.int64) - 2
