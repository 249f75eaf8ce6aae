"""What reading a scene and writing its upscaled version takes: the cache of its blocks, the flat files, the files made of them."""

from __future__ import annotations

import numpy as np

from domains.satellite.header import CACHE_BYTES
from domains.satellite.interval import interval_encoding
from sr_core.domain import Footprint
from sr_core.raster import Encoding
from sr_core.records import Source

COPYING = 128 << 20  # bytes that the copy as COG holds beside the cache: blocks in compression, overviews, windows read back
STORE_S = 20e-9  # CPU seconds a value: encoded, written, read again, compressed


def footprint(source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
    """Give the footprint of a scene; sizes are those of uncompressed files."""
    item = np.dtype(source.dtype).itemsize
    read = int(np.prod(source.shape))
    values = read * scale**2
    width = np.dtype(interval_encoding(Encoding.of(source.dtype)).dtype).itemsize if interval else 0
    files = values * (item + width) + (4 * read if residual else 0)
    largest = values * max(item, width)
    count = 1 + interval + residual / scale**2
    return Footprint(
        memory=min(CACHE_BYTES, read * item), finishing=min(CACHE_BYTES, read * item + files) + min(COPYING, largest), output=files,
        working=files + read // source.shape[0] + (4 << 20), cpu_s=STORE_S * values * count,
    )  # fmt: skip
