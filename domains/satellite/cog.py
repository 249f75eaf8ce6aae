"""Working files in tiles, and their copy as valid Cloud Optimized GeoTIFFs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError

from domains.satellite.header import gdal_settings, quiet
from sr_core.errors import OutputError

TILE = 512  # px; windows that are multiples of it are written without rereading a tile
OPTIONS = {
    "COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "YES", "BLOCKSIZE": str(TILE), "BIGTIFF": "IF_SAFER",
    "OVERVIEW_RESAMPLING": "AVERAGE", "NUM_THREADS": "2",
}  # fmt: skip
# AVERAGE overviews leave nodata out; CUBIC would let it spread.


def create_tiled(path: Path, *, height: int, width: int, count: int, dtype: str, nodata: float | None) -> Any:
    """Create an uncompressed tiled GeoTIFF that is written and read back by window.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    try:
        with gdal_settings(), quiet():
            return rasterio.open(
                path, "w+", driver="GTiff", height=height, width=width, count=count, dtype=dtype, nodata=nodata,
                tiled=True, blockxsize=TILE, blockysize=TILE, BIGTIFF="IF_SAFER",
            )  # fmt: skip
    except RasterioError as error:
        raise OutputError(f"{path.parent} ({error})", "a folder that can be written", "Give another output path.") from error


def copy_as_cog(working: Path, place: Path) -> None:
    """Copy a closed working file as a Cloud Optimized GeoTIFF and prove that it is valid.

    Raises
    ------
    OutputError
        If it cannot be written or is not valid.
    """
    from rio_cogeo.cogeo import cog_validate

    try:
        with gdal_settings(), quiet():
            rasterio.shutil.copy(str(working), str(place), driver="COG", **OPTIONS)
            valid, errors, _ = cog_validate(str(place), quiet=True)
    except RasterioError as error:
        raise OutputError(f"{place.name} ({error})", "a place with enough room", "Free some space or give another output path.") from error
    if not valid:
        raise OutputError(f"{place.name}: {'; '.join(errors)}", "a valid Cloud Optimized GeoTIFF", "Report this with the input file.")
