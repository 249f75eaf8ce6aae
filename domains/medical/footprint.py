"""What reading a slice or a series and writing its derived version takes: arrays in files, and the maps made of them."""

from __future__ import annotations

import numpy as np

from domains.medical.read import SLICE_CACHE
from sr_core.domain import Footprint
from sr_core.records import Source

FLOAT = 4  # bytes of a half-width, in memory and in the file
MAPPING = 16  # bytes a value while a parametric map is made: the array, its filled copy, its frames, its file
STORE_S, MAP_S = 30e-9, 60e-9  # CPU seconds a value: the images, a map


def footprint(source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
    """Give the footprint of a slice or a series.

    Notes
    -----
    The writer keeps its arrays in files. Their pages count as the process's memory while there is room, and are given back where there
    is not; they are counted here.
    """
    item = np.dtype(source.dtype).itemsize
    read = int(np.prod(source.shape))
    values, pixels = read * scale**2, read // source.shape[0] * scale**2
    maps = FLOAT * ((values if interval else 0) + (read if residual else 0))
    arrays = values * item + 2 * pixels + maps
    held = arrays + 2 * min(read * item, SLICE_CACHE)
    largest = values if interval else read if residual else 0
    return Footprint(
        memory=held, finishing=held + max(MAPPING * largest, 2 * pixels * item), output=values * item + maps, working=arrays,
        cpu_s=values * STORE_S + maps // FLOAT * MAP_S,
    )  # fmt: skip
