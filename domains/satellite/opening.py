"""Opening a raster file with the one driver that its first bytes ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio

from domains.satellite.guard import check_regular, refusing
from domains.satellite.hdf5 import check_hdf5
from domains.satellite.header import TIFF_STARTS, check_bounds, gdal_settings, quiet
from domains.satellite.virtual import read_mosaic
from sr_core.errors import InputError

MAX_PARTS = 64
HDF5_START = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Format:
    """A file format: the driver that reads it, how its files begin, and how their names end."""

    name: str
    driver: str
    starts: tuple[bytes, ...]
    suffixes: tuple[str, ...]


TIFF = Format("TIFF", "GTiff", TIFF_STARTS, (".tif", ".tiff"))
JP2 = Format("JPEG 2000", "JP2OpenJPEG", (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), (".jp2", ".j2k"))
VRT = Format("VRT", "VRT", (b"<VRTDataset", b"<?xml"), (".vrt",))
NETCDF = Format("netCDF", "netCDF", (b"CDF\x01", b"CDF\x02", b"CDF\x05", HDF5_START), (".nc", ".nc4"))
HDF5 = Format("HDF5", "HDF5", (HDF5_START,), (".h5", ".hdf5", ".he5"))
HDF4 = Format("HDF4", "HDF4", (b"\x0e\x03\x13\x01",), (".hdf",))  # its driver is in no rasterio wheel
FORMATS = (TIFF, JP2, VRT, NETCDF, HDF5, HDF4)
SUFFIXES = tuple(suffix for kind in FORMATS for suffix in kind.suffixes)
PARTED = {"netCDF": "netCDF", "HDF5": "HDF5Image"}  # drivers whose files may hold several images, and the drivers of these


def drivers() -> frozenset[str]:
    """Give the names of the drivers that this GDAL has."""
    with gdal_settings() as environment:
        return frozenset(environment.drivers())


def open_file(path: Path, part: str = "") -> Any:
    """Open a raster file for reading, by its content and by no other driver. Close the result.

    Parameters
    ----------
    part : name of the image in a netCDF or HDF5 file that holds several.

    Raises
    ------
    InputError
        If it is of no format that is read, the driver is missing, it leads out of its folder, or cannot be opened.
    """
    check_regular(path)
    text = str(path.resolve())
    if any(mark in text for mark in ("<", "://", '"')) or text.startswith("/vsi"):
        raise InputError(f"path {text}", "a plain file path", "Move or rename the file.")
    kind = _format(path)
    if kind.driver not in drivers():
        given = f"{path.name} is a {kind.name} file, and this GDAL has no {kind.driver} driver"
        raise InputError(given, "a format whose driver is there (see sr doctor)", "Convert it to GeoTIFF with a GDAL that has it.")
    name, driver = text, kind.driver
    if kind is VRT:
        mosaic = read_mosaic(path)
        for source in mosaic.sources:
            _check_source(path, source)
        name = mosaic.text
    if _starts(path) == HDF5_START:
        check_hdf5(path)
    if part:
        if driver not in PARTED or '"' in part:
            raise InputError(f"{path.name} has no part {part}", "a file that holds several images", "Ingest it again.")
        driver = PARTED[driver]
        name = f'NETCDF:"{text}":{part}' if kind is NETCDF else f'HDF5:"{text}"://{part}'
    described = "GeoTIFF" if kind is TIFF else f"{kind.name} file"
    with refusing(f"{path.name} cannot be opened", f"a whole, undamaged {described}"), gdal_settings(), quiet():
        return rasterio.open(name, driver=driver)


def parts_of(path: Path) -> tuple[str, ...]:
    """Name the images in a file: one without a name, or those of a netCDF or HDF5 file that holds several.

    Raises
    ------
    InputError
        If it cannot be opened, or holds too many.
    """
    with refusing(f"{path.name} cannot be read"), quiet(), open_file(path) as dataset:
        inside: list[str] = list(dataset.subdatasets) if dataset.driver in PARTED else []
    if not inside:
        return ("",)
    if len(inside) > MAX_PARTS:
        remedy = "Take those that you need into a file of their own."
        raise InputError(f"{path.name} holds {len(inside)} images", f"at most {MAX_PARTS}", remedy)
    return tuple(_part_name(entry, path) for entry in inside)


def is_placed(path: Path) -> bool:
    """Say whether a file is a TIFF that states a place on earth, or that its values are reflectance; never raises."""
    try:
        if _format(path) is not TIFF:
            return False
        with refusing(f"{path.name} cannot be read"), quiet(), open_file(path) as dataset:
            placed = not dataset.transform.is_identity or dataset.crs or dataset.gcps[0] or dataset.rpcs
            return bool(placed) or any("reflectance" in (unit or "").lower() for unit in dataset.units)
    except InputError:
        return False


def files_of(path: Path) -> Iterator[Path]:
    """Give a file and those that it takes its pixels from."""
    yield path
    if path.suffix.lower() in VRT.suffixes:
        yield from read_mosaic(path).sources


def _part_name(entry: str, path: Path) -> str:
    """Give the name of a part from GDAL's name of it: `NETCDF:"a.nc":x`, `HDF5:a.h5://x`."""
    return entry.rpartition(f"{path.resolve()}")[2].lstrip('"').removeprefix(":").lstrip("/")


def _format(path: Path) -> Format:
    start, suffix = _starts(path), path.suffix.lower()
    expected = next((kind for kind in FORMATS if suffix in kind.suffixes), TIFF)
    if expected in (TIFF, JP2):
        # Either may hide under the other's name; a VRT never does: it is text that leads elsewhere.
        found = next((kind for kind in (TIFF, JP2) if start.startswith(kind.starts)), None)
    else:
        found = expected if start.startswith(expected.starts) else HDF5 if expected is HDF4 and start.startswith(HDF5_START) else None
    if found is None:
        given = f"{path.name} is empty" if not start else f"{path.name} is no {expected.name} file (it begins with {start[:4]!r})"
        wanted = "a GeoTIFF" if expected is TIFF else f"a {expected.name} file"
        raise InputError(given, wanted, "Leave it out, or convert it: rio convert in out.tif")
    return found


def _starts(path: Path) -> bytes:
    check_regular(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(11)
    except OSError as error:
        raise InputError(f"{path} ({error.strerror})", "a file that can be read", "Check the path and its permissions.") from error
    return start[:8] if start.startswith(HDF5_START) else start.lstrip()


def _check_source(path: Path, source: Path) -> None:
    """Refuse a VRT on files that would not be read by themselves, or on further VRTs."""
    try:
        if _format(source) not in (TIFF, JP2):
            raise InputError(f"{path.name} is made of {source.name}", "a VRT of TIFF or JPEG 2000 files", "Convert these first.")
        with refusing(f"{source.name} cannot be read"), quiet(), open_file(source) as dataset:
            check_bounds(source, dataset, source.stat().st_size)
    except InputError as error:
        given = error.given if path.name in error.given else f"{path.name} cannot be read: {error.given}"
        raise InputError(given, error.expected, error.remedy) from error
