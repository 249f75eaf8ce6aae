"""From pixels in a flat file to a valid Cloud Optimized GeoTIFF, without a copy in between."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from domains.satellite.header import gdal_settings, quiet
from sr_core.errors import DeliveryError, OutputError
from sr_core.raster import windows

TILE = 512  # px
PROVEN = 16  # windows in which a written file is read back, at most
OPTIONS = {
    "COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "YES", "BLOCKSIZE": str(TILE), "BIGTIFF": "IF_SAFER",
    "OVERVIEW_RESAMPLING": "AVERAGE", "NUM_THREADS": "2",
}  # fmt: skip
# AVERAGE overviews leave nodata out; CUBIC would let it spread.


@dataclass(frozen=True)
class Flat:
    """A flat file beside the template: where each of its bands begins, and how far its rows are apart (bytes)."""

    path: Path
    dtype: str
    bands: int
    width: int

    def elements(self, band: int) -> Iterator[ElementTree.Element]:
        """Describe a band (from 0) in the words of GDAL's virtual format."""
        size = np.dtype(self.dtype).itemsize
        name = ElementTree.Element("SourceFilename", relativeToVRT="0")
        name.text = str(self.path.resolve())
        yield name
        order = {"ImageOffset": band * self.width * size, "PixelOffset": size, "LineOffset": self.bands * self.width * size}
        for tag, value in (*order.items(), ("ByteOrder", "LSB" if sys.byteorder == "little" else "MSB")):
            element = ElementTree.Element(tag)
            element.text = str(value)
            yield element


def create_template(path: Path, *, height: int, width: int, count: int, dtype: str, nodata: float | None) -> Any:
    """Create a GeoTIFF without pixels, to be given the tags and the place of an image.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    try:
        with gdal_settings(), quiet():
            return rasterio.open(
                path, "w+", driver="GTiff", height=height, width=width, count=count, dtype=dtype, nodata=nodata,
                tiled=True, blockxsize=TILE, blockysize=TILE, BIGTIFF="IF_SAFER", SPARSE_OK=True,
            )  # fmt: skip
    except RasterioError as error:
        raise OutputError(f"{path.parent} ({error})", "a folder that can be written", "Give another output path.") from error


def put_together(template: Path, pixels: Flat, mask: Flat | None = None) -> Path:
    """Make a virtual image of a closed template's tags and a flat file's pixels; nothing is copied.

    Parameters
    ----------
    mask : one band of uint8, 255 = usable, for a mask of the whole data set.
    """
    virtual = template.with_suffix(".vrt")
    with gdal_settings(), quiet():
        rasterio.shutil.copy(str(template), str(virtual), driver="VRT")
    root = ElementTree.parse(virtual).getroot()
    for number, band in enumerate(root.findall("VRTRasterBand")):
        _make_raw(band, pixels, number)
    if mask is not None:
        band = ElementTree.SubElement(ElementTree.SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
        _make_raw(band, mask, 0)
    ElementTree.ElementTree(root).write(virtual)
    return virtual


def _make_raw(band: ElementTree.Element, flat: Flat, number: int) -> None:
    band.set("subClass", "VRTRawRasterBand")
    for name in ("blockXSize", "blockYSize"):
        band.attrib.pop(name, None)
    for source in [child for child in band if child.tag.endswith("Source")]:
        band.remove(source)
    band.extend(flat.elements(number))


def copy_as_cog(image: Path, place: Path, stored: npt.NDArray[Any]) -> None:
    """Copy an image as a Cloud Optimized GeoTIFF, and prove that it is valid and holds what it should.

    Parameters
    ----------
    stored : (C, H, W), the values of its first bands; at most 16 windows of the file are compared with it.

    Raises
    ------
    DeliveryError
        If it cannot be written.
    OutputError
        If it is not valid, or reads differently.
    """
    from rio_cogeo.cogeo import cog_validate

    try:
        with gdal_settings(), quiet():
            rasterio.shutil.copy(str(image), str(place), driver="COG", **OPTIONS)
            valid, errors, _ = cog_validate(str(place), quiet=True)
            same = valid and _reads_as(place, stored)
    except (RasterioError, CPLE_BaseError) as error:
        remedy = "Free some space; the same command then goes on."
        raise DeliveryError(f"{place.name} cannot be written ({error})", "a place with enough room", remedy) from error
    if not valid:
        raise OutputError(f"{place.name}: {'; '.join(errors)}", "a valid Cloud Optimized GeoTIFF", "Report this with the input file.")
    if not same:
        raise OutputError(f"{place.name} reads differently from what was written", "the same values", "Report this with the input file.")


def _reads_as(place: Path, stored: npt.NDArray[Any]) -> bool:
    """Compare windows that are spread over a file, blocks that lie at its end among them."""
    channels, height, width = stored.shape
    places = list(windows(height, width, TILE))
    bands = list(range(1, channels + 1))
    with rasterio.open(place, driver="GTiff") as dataset:
        for w in places[:: -(-len(places) // PROVEN)] + places[-1:]:
            read = dataset.read(bands, window=FileWindow(w.col, w.row, w.width, w.height))
            if not np.array_equal(read, stored[(slice(None), *w.slices())], equal_nan=True):
                return False
    return True
