"""Making scenes by script, and sending them through a writer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from sr_core.raster import Window
from sr_core.records import Source

HOLE = (slice(40, 52), slice(30, 47))  # nodata rows and columns of the five-band scene


def write_tiff(path: Path, pixels: np.ndarray, **profile: Any) -> Path:
    """Write (C, H, W) as a GeoTIFF; `edit` is called with the open data set."""
    edit: Callable[[Any], None] = profile.pop("edit", lambda dataset: None)
    mask = profile.pop("mask", None)
    count, height, width = pixels.shape
    with warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED="NO"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", height=height, width=width, count=count, dtype=pixels.dtype, **profile) as dataset:
            dataset.write(pixels)
            edit(dataset)
            if mask is not None:
                dataset.write_mask(mask)
    return path


def nearest(
    writer: Any, scene: Any, source: Source, scale: int, side: int = 64, half_width: float | None = 0.01, residual: bool = False
) -> None:
    """Send a scene through a writer, every LR pixel repeated."""
    _, height, width = source.shape
    for row in range(0, height, side):
        window = Window(row, 0, min(side, height - row), width)
        raster = scene.read(window)
        mean = raster.pixels.repeat(scale, axis=1).repeat(scale, axis=2)
        mask = raster.mask.repeat(scale, axis=0).repeat(scale, axis=1)
        half = None if half_width is None else np.full_like(mean, half_width)
        rest = np.full(raster.pixels.shape, 0.5, np.float32) if residual else None
        writer.write(window.scaled(scale), np.where(mask, mean, np.nan), mask, half, rest)
