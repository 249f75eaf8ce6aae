"""What reading a picture and writing its upscaled version takes: pictures are read whole, and encoded whole."""

from __future__ import annotations

import numpy as np

from sr_core.domain import Footprint
from sr_core.records import Source

HALF_WIDTH, CODES = 4, 2  # bytes a value: in the flat file, in the interval picture
COPIES = 5  # of the stored values while they are encoded: the flat file's pages, a contiguous copy, those in a file's order, the file
STORE_S, INTERVAL_S = 80e-9, 60e-9  # CPU seconds a value: the picture, the interval picture


def footprint(source: Source, scale: int, interval: bool) -> Footprint:
    """Give the footprint of a picture; sizes are those of uncompressed files."""
    item = np.dtype(source.dtype).itemsize
    read = int(np.prod(source.shape))
    values = read * scale**2
    making = values * max(COPIES * item, item + HALF_WIDTH + COPIES * CODES if interval else 0)
    rows = values * (item + (HALF_WIDTH if interval else 0)) + read // source.shape[0]
    return Footprint(
        memory=2 * read * item, finishing=read * item + making, output=values * (item + (CODES if interval else 0)), working=rows,
        cpu_s=values * (STORE_S + (INTERVAL_S if interval else 0)),
    )  # fmt: skip
