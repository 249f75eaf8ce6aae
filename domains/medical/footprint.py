"""What reading a slice or a series and writing its derived version takes: decoded slices, and the maps made of the flat files."""

from __future__ import annotations

import numpy as np

from domains.medical.read import SLICE_CACHE
from sr_core.domain import Footprint
from sr_core.records import Source

FLOAT = 4  # bytes of a half-width, in the flat file and in the map
MAPPING = 24  # bytes a value while a parametric map is made: the flat file's pages, the array, its filled copy, its frames, its file
DERIVING = 64 << 20  # bytes of slices that are read at once from the flat file
STORE_S, MAP_S = 30e-9, 60e-9  # CPU seconds a value: the images, a map


def footprint(source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
    """Give the footprint of a slice or a series."""
    item = np.dtype(source.dtype).itemsize
    read = int(np.prod(source.shape))
    values, pixels = read * scale**2, read // source.shape[0] * scale**2
    maps = FLOAT * ((values if interval else 0) + (read if residual else 0))
    held = min(read * item, SLICE_CACHE)
    largest = values if interval else read if residual else 0
    return Footprint(
        memory=held, finishing=held + max(MAPPING * largest, min(2 * values * item, 2 * DERIVING) + 2 * pixels * item),
        output=values * item + maps, working=values * item + maps + pixels // scale**2, cpu_s=values * STORE_S + maps // FLOAT * MAP_S,
    )  # fmt: skip
