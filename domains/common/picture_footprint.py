"""What reading a picture and writing its upscaled version takes: pictures are held whole."""

from __future__ import annotations

import numpy as np

from sr_core.domain import Footprint
from sr_core.records import Source

HALF_WIDTH, CODES = 4, 2  # bytes a value: in memory, in the interval picture
ENCODING = 25  # bytes a value while the interval picture is made of the half-widths: float64 on the way to the codes
STORE_S, INTERVAL_S = 80e-9, 60e-9  # CPU seconds a value: the picture, the interval picture


def footprint(source: Source, scale: int, interval: bool) -> Footprint:
    """Give the footprint of a picture; sizes are those of uncompressed files."""
    item = np.dtype(source.dtype).itemsize
    read = int(np.prod(source.shape))
    values = read * scale**2
    held = 2 * read * item + values * (item + (HALF_WIDTH if interval else 0))
    making = values * max(2 * item, ENCODING if interval else 0)
    return Footprint(
        memory=held, finishing=held + making, output=values * (item + (CODES if interval else 0)), working=0,
        cpu_s=values * (STORE_S + (INTERVAL_S if interval else 0)),
    )  # fmt: skip
