"""The demonstration scene: a real Sentinel-2 cut from an installed package."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp

from domains.satellite.header import gdal_settings, quiet
from sr_core.errors import InputError, OutputError

NAME = "sentinel2_demo.tif"
BANDS = ("B02", "B03", "B04", "B08")
SIDE = 300  # px
SCALE = 1e-4  # reflectance a stored step
CREDIT = "Contains modified Copernicus Sentinel data. Cut from the package spyndex 0.12.0 (MIT)."


def demo(folder: Path) -> list[Path]:
    """Write a real Sentinel-2 cut (4 bands at 10 m, 300 x 300) as a GeoTIFF, the same bytes every time.

    It has scale, unit and band names; the package states no place, so the file has no georeference.

    Raises
    ------
    InputError
        If the package `spyndex` is not installed.
    OutputError
        If the folder cannot be written.
    """
    pixels = read_pixels()
    path, working = folder / NAME, folder / f".{NAME}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with gdal_settings(), quiet(), rasterio.open(
            working, "w", driver="GTiff", height=SIDE, width=SIDE, count=len(BANDS), dtype="uint16", tiled=True, blockxsize=256,
            blockysize=256, compress="DEFLATE", predictor=2, interleave="pixel",
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
            dataset.descriptions = BANDS
            dataset.scales = (SCALE,) * len(BANDS)
            dataset.offsets = (0.0,) * len(BANDS)
            dataset.units = ("reflectance",) * len(BANDS)
            dataset.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
            dataset.update_tags(TIFFTAG_COPYRIGHT=CREDIT, AREA_OR_POINT="Area")
        working.replace(path)
    except (OSError, rasterio.errors.RasterioError) as error:
        raise OutputError(f"{folder} ({error})", "a folder that can be written", "Give another folder.") from error
    return [path]


def read_pixels() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint16]]:
    """Read the cut from the installed package without importing it (its own loader wants more packages).

    Returns
    -------
    uint16 (4, 300, 300)
        Stored values, reflectance x 10000.

    Raises
    ------
    InputError
        If the package is missing or holds something else.
    """
    spec = find_spec("spyndex")
    remedy = 'Install it: pip install "sr-trust[demo]"'
    if spec is None or spec.origin is None:
        raise InputError("the package spyndex is not installed", "the package that holds the demonstration scene", remedy)
    path = Path(spec.origin).parent / "data" / "S2_10m.json"
    try:
        pixels = np.asarray(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} in the package spyndex ({error})", "spyndex 0.12.0", remedy) from error
    if pixels.shape == (SIDE, SIDE, len(BANDS)):
        pixels = np.moveaxis(pixels, -1, 0)
    if pixels.shape != (len(BANDS), SIDE, SIDE) or pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise InputError(f"{path.name} holds an array of shape {pixels.shape}", f"{len(BANDS)} bands of {SIDE} x {SIDE}", remedy)
    return pixels.astype(np.uint16)
