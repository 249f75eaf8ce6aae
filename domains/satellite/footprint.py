"""What reading a scene and writing its upscaled version takes: the writer's files, and the cache in which they are made."""

from __future__ import annotations

import numpy as np

from domains.satellite.header import CACHE_BYTES
from domains.satellite.write import interval_encoding
from sr_core.domain import Footprint
from sr_core.raster import Encoding
from sr_core.records import Source

COPYING = 32 << 20  # bytes that the copy as COG holds beside the cache: blocks in compression, overviews of a row of blocks
STORE_S = 50e-9  # CPU seconds a value: encoded, written, read again, compressed


def footprint(source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
    """Give the footprint of a scene; sizes are those of uncompressed files."""
    item = np.dtype(source.dtype).itemsize
    values = int(np.prod(source.shape)) * scale**2
    width = np.dtype(interval_encoding(Encoding.of(source.dtype)).dtype).itemsize if interval else 0
    files = values * (item + width) + (4 * values // scale**2 if residual else 0)
    cache = min(CACHE_BYTES, files + values // scale**2 * item)
    count = 1 + interval + residual / scale**2
    return Footprint(
        memory=cache, finishing=cache + min(COPYING, files), output=files, working=files + (4 << 20), cpu_s=STORE_S * values * count
    )
