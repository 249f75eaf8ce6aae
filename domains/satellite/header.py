"""What a raster says of itself, read and bounded before any pixel is.

Files lie: a TIFF may claim sizes that no memory holds, and GDAL would open a text file's bytes as pixels through a VRT
named `.tif`. So the driver is forced by the first bytes, side files are not looked at, and sizes are bounded by what
the file can hold.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning

from domains.common.geometry import Affine6, spacing
from domains.satellite.guard import check_blocks, check_codec, check_place, check_values, refusing
from sr_core.errors import InputError
from sr_core.raster import Encoding

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
MAX_BANDS = 64
MAX_PIXELS = 4_000_000_000  # rows x columns; a Sentinel-2 tile has 120 million
MAX_BLOCK_BYTES = 64 << 20  # a window of one pixel decodes a whole block
MAX_EXPANSION = 2000  # DEFLATE reaches 1032; more than this in a large file is a bomb or holds nothing
SMALL_BYTES = 64 << 20  # below this many raw bytes no expansion is a danger
REFLECTANCE_LIMIT = 20.0  # a scaled integer whose range lies within +-20 is read as reflectance where no unit is declared
CACHE_BYTES = 256 << 20  # in bytes: `Env` takes no mebibytes


def gdal_settings() -> rasterio.Env:
    """Give the settings under which every file is opened: no side files, no network, no code, bounded cache, two threads for compression.

    PAM is a source of places that is switched off; were it not named, GDAL would leave the transform of a JPEG 2000 file without
    place unset, and what lay in memory would be read as one.

    They hold whatever the environment says: with GTIFF_IGNORE_READ_ERRORS a damaged file would be zeros and no error.
    """
    return rasterio.Env(
        GDAL_PAM_ENABLED="NO", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX=CACHE_BYTES, GDAL_NUM_THREADS="2",
        GDAL_GEOREF_SOURCES="INTERNAL,PAM", GTIFF_IGNORE_READ_ERRORS="NO", GDAL_VRT_ENABLE_PYTHON="NO",
        CPL_VSIL_CURL_ALLOWED_EXTENSIONS=".none", GDAL_TIFF_INTERNAL_MASK=True,
    )  # fmt: skip


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the one warning that a file without georeference always causes: it is a state that we handle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@dataclass(frozen=True)
class Header:
    """What is needed to read and write a scene.

    Attributes
    ----------
    height, width : pixels.
    indexes : band numbers from 1, alpha left out.
    alpha : band number of alpha, or None.
    bands : their names.
    encoding : how values are stored; nodata codes at the ends of the type's range are outside of its [low, high].
    unit : physical unit.
    nodata : stored value that means nothing was measured, or None (NaN for some floating-point files).
    dataset_mask : whether the file holds a mask of its own.
    transform : affine transform of the grid, or None.
    crs : coordinate system as text, "" where there is none.
    geometry : coordinate system and pixel size in words.
    block : (rows, columns) of a stored block.
    points, points_crs : where a file without transform lies: its ground control points, or the corners of what its polynomial
        coefficients hold for; and their coordinate system.
    """

    height: int
    width: int
    indexes: tuple[int, ...]
    alpha: int | None
    bands: tuple[str, ...]
    encoding: Encoding
    unit: str
    nodata: float | None
    dataset_mask: bool
    transform: Affine6 | None
    crs: str
    geometry: str
    block: tuple[int, int]
    points: tuple[tuple[float, float], ...] = ()
    points_crs: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return len(self.indexes), self.height, self.width


def read_header(path: Path, dataset: Any, size: int | None = None) -> Header:
    """Read and check everything but pixels.

    Parameters
    ----------
    size : bytes of all the files that hold the pixels; None: of `path` alone.

    Raises
    ------
    InputError
        If the file is of a kind that is not read, or claims more than is safe.
    UnitError
        If its scale or offset is not usable.
    """
    with refusing(f"the header of {path.name} cannot be read"), gdal_settings(), quiet():
        return _read_header(path, dataset, path.stat().st_size if size is None else size)


def _read_header(path: Path, dataset: Any, size: int) -> Header:
    check_bounds(path, dataset, size)
    alpha = next((i for i, role in enumerate(dataset.colorinterp, 1) if role == ColorInterp.alpha), None)
    indexes = tuple(i for i in range(1, dataset.count + 1) if i != alpha)
    if not indexes:
        raise InputError(f"{path.name} has no band of pixels", "at least one", "Leave it out.")
    if any(role == ColorInterp.palette for role in dataset.colorinterp):
        raise InputError(f"{path.name} holds classes with a colour table", "measured values", "Leave it out: classes cannot be upscaled.")
    transform, crs = _georeference(path, dataset)
    encoding = _encoding(path, dataset, indexes)
    check_values(path.name, encoding, dataset.nodata)
    points, points_crs = _points(dataset)
    flags = [flag for band in dataset.mask_flag_enums for flag in band]
    dataset_mask = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    for index in (0, *indexes):
        dataset.tags(index)  # text that does not decode shows here
    return Header(
        height=dataset.height, width=dataset.width, indexes=indexes, alpha=alpha,
        bands=tuple(dataset.descriptions[i - 1] or f"band {i}" for i in indexes),
        encoding=encoding, unit=_unit(dataset, indexes, encoding), nodata=dataset.nodata,
        dataset_mask=dataset_mask,
        transform=transform, crs=crs, geometry=_geometry(dataset, transform), block=dataset.block_shapes[0],
        points=points, points_crs=points_crs,
    )  # fmt: skip


def check_bounds(path: Path, dataset: Any, size: int, zero_is_nodata: bool = False) -> None:
    """Refuse what would take too much to read, kill the decoder, or give pixels that nobody measured.

    Parameters
    ----------
    size : bytes on disk of all files that hold the pixels.
    zero_is_nodata : a product says so, whatever its file says: blocks that the file lacks are marked by it.

    Raises
    ------
    InputError
        If there are too many pixels for the size, too many bands or blocks, blocks that are too large or missing, or pixels of
        another type.
    """
    count, height, width = dataset.count, dataset.height, dataset.width
    if not 1 <= count <= MAX_BANDS:
        remedy = "Choose bands: rio stack in.tif --bidx 1,2,3 out.tif"
        raise InputError(f"{path.name} has {count} bands", f"1 to {MAX_BANDS}", remedy)
    kinds = set(dataset.dtypes)
    if len(kinds) > 1 or not kinds <= set(DTYPES):
        raise InputError(f"{path.name} has pixels of type {', '.join(sorted(kinds))}", "one of " + ", ".join(DTYPES), "Convert it first.")
    raw = height * width * count * np.dtype(dataset.dtypes[0]).itemsize
    if height * width > MAX_PIXELS or (raw > SMALL_BYTES and raw > MAX_EXPANSION * size):
        raise InputError(
            f"{path.name} claims {width} x {height} pixels in {count} bands and has {size} bytes",
            f"at most {MAX_PIXELS} pixels, and no more than the file can hold",
            "Leave it out: its header is wrong, or it holds nothing.",
        )
    rows, cols = dataset.block_shapes[0]
    together = count if dataset.profile.get("interleave") == "pixel" else 1
    block = rows * cols * together * np.dtype(dataset.dtypes[0]).itemsize
    if block > MAX_BLOCK_BYTES:
        remedy = "Write it in tiles: rio convert --co TILED=YES in.tif out.tif"
        raise InputError(f"{path.name} has blocks of {block >> 20} MiB", f"at most {MAX_BLOCK_BYTES >> 20} MiB", remedy)
    check_codec(path.name, dataset)
    marked = ColorInterp.alpha in dataset.colorinterp or any(MaskFlags.all_valid not in flags for flags in dataset.mask_flag_enums)
    check_blocks(path.name, dataset, may_lack=marked or zero_is_nodata)


def _georeference(path: Path, dataset: Any) -> tuple[Affine6 | None, str]:
    crs = dataset.crs.to_string() if dataset.crs else ""
    matrix = tuple(float(v) for v in dataset.transform)[:6]
    transform: Affine6 = (matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5])
    check_place(path.name, transform, dataset.height, dataset.width)
    # GDAL reports the identity for a file without georeference.
    return (None if transform == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0) else transform), crs


def _points(dataset: Any) -> tuple[tuple[tuple[float, float], ...], str]:
    points, crs = dataset.gcps
    if points:
        return tuple((float(p.x), float(p.y)) for p in points), crs.to_string() if crs else ""
    if (rpc := dataset.rpcs) is None:
        return (), ""
    longs = rpc.long_off - rpc.long_scale, rpc.long_off + rpc.long_scale
    lats = rpc.lat_off - rpc.lat_scale, rpc.lat_off + rpc.lat_scale
    return tuple((float(x), float(y)) for x in longs for y in lats), "EPSG:4326"


def _encoding(path: Path, dataset: Any, indexes: tuple[int, ...]) -> Encoding:
    pairs = {(float(dataset.scales[i - 1]), float(dataset.offsets[i - 1])) for i in indexes}
    if len(pairs) > 1:
        given = f"{path.name} has bands of different scale and offset ({len(pairs)} kinds)"
        raise InputError(given, "one for all bands", "Split the file by kind of band.")
    scale, offset = pairs.pop()
    encoding = Encoding.of(dataset.dtypes[0], scale, offset)
    if not encoding.is_integer or dataset.nodata is None or not math.isfinite(dataset.nodata):
        return encoding
    low, high = encoding.low, encoding.high
    # A code at an end of the range, or below zero in a signed type, bounds the measurements; codes in between do not.
    if dataset.nodata == low or low < dataset.nodata < -1:
        low = dataset.nodata + 1
    elif dataset.nodata == high:
        high -= 1
    return Encoding(encoding.dtype, scale, offset, low, high)


def _unit(dataset: Any, indexes: tuple[int, ...], encoding: Encoding) -> str:
    declared = {(dataset.units[i - 1] or "").strip() for i in indexes} - {""}
    if len(declared) == 1:
        unit = declared.pop()
        return "reflectance" if "reflectance" in unit.lower() else unit
    described = " ".join(dataset.tags().get(key, "") for key in ("units", "UNITS", "description", "TIFFTAG_IMAGEDESCRIPTION"))
    scaled = encoding.is_integer and encoding.scale != 1
    if "reflectance" in described.lower() and (scaled or not encoding.is_integer):  # whole numbers are "reflectance x 10000"
        return "reflectance"
    if scaled and all(abs(end) <= REFLECTANCE_LIMIT for end in encoding.valid_range):
        return "reflectance"
    return "scaled value" if encoding.scale != 1 or encoding.offset != 0 else "DN"


def _geometry(dataset: Any, transform: Affine6 | None) -> str:
    if transform is None:
        if dataset.gcps[0]:
            return f"{len(dataset.gcps[0])} ground control points"
        return "rational polynomial coefficients" if dataset.rpcs else "no georeference"
    across, down = spacing(transform)
    size = f"{across:.6g}" if math.isclose(across, down, rel_tol=1e-6) else f"{across:.6g} x {down:.6g}"
    if not dataset.crs:
        return f"no coordinate system, pixels of {size}"
    code = dataset.crs.to_epsg()
    name = f"EPSG:{code}" if code else "own coordinate system"
    return f"{name}, {size} {_length_unit(dataset.crs)}"


def _length_unit(crs: Any) -> str:
    if crs.is_geographic:
        return "degrees"
    name = str(crs.linear_units or "units")
    return "m" if name.lower() in ("metre", "meter", "m") else name
