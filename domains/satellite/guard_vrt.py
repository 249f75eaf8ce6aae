"""What a virtual raster (VRT) may name: plain files of the given folder, put side by side.

A VRT can make GDAL open any file as pixels, follow addresses, run code and nest without end. So it is read as XML here, and
only a mosaic of TIFF files passes; elements are allowed by name, since GDAL learns new ones with every version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from domains.satellite.header import DTYPES, MAX_BANDS, MAX_PIXELS, TIFF_STARTS
from sr_core.errors import InputError

MAX_TEXT = 4 << 20  # bytes of XML; a mosaic of 10,000 files has about 3 MiB
MAX_SOURCES = 10_000
TYPES = {"Byte": "uint8", "Int8": "int8", "UInt16": "uint16", "Int16": "int16", "UInt32": "uint32", "Int32": "int32",
         "Float32": "float32", "Float64": "float64"}  # fmt: skip
DATASET = {"SRS", "GeoTransform", "GCPList", "Metadata", "VRTRasterBand", "MaskBand", "OverviewList", "BlockXSize", "BlockYSize"}
BAND = {"SimpleSource", "ComplexSource", "Metadata", "Description", "NoDataValue", "HideNoDataValue", "ColorInterp", "Offset", "Scale",
        "UnitType", "CategoryNames", "MaskBand", "Histograms"}  # fmt: skip
MASK = {"VRTRasterBand"}
SOURCE = {"SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "NODATA", "UseMaskBand", "ScaleOffset", "ScaleRatio"}
SPECIAL = re.compile(r"://|<|^/vsi|^[A-Za-z][A-Za-z0-9_+.-]*:", re.ASCII)
REMEDY = "Make a plain file of it: gdal_translate in.vrt out.tif"


@dataclass(frozen=True)
class Mosaic:
    """What a VRT that may be opened says: pixels, bands of one type, and the files it is made of."""

    height: int
    width: int
    bands: int
    dtype: str
    sources: tuple[Path, ...]


def check_vrt(path: Path, folder: Path) -> Mosaic:
    """Read a VRT as text and say what it is made of; nothing that it names is opened but for four bytes.

    Parameters
    ----------
    path : the VRT.
    folder : below it, all files that it names must lie.

    Raises
    ------
    InputError
        If it is damaged, is more than a mosaic of TIFF files, or names anything outside of `folder`.
    """
    root = _parsed(path)
    if root.tag != "VRTDataset":
        raise InputError(f"{path.name} is <{root.tag}>", "a virtual raster (VRTDataset)", "Leave it out.")
    _plain(path, root, DATASET)
    bands = root.findall("VRTRasterBand")
    for band in [*bands, *root.findall("MaskBand/VRTRasterBand"), *root.findall("VRTRasterBand/MaskBand/VRTRasterBand")]:
        _plain(path, band, BAND)
        for source in (*band.findall("SimpleSource"), *band.findall("ComplexSource")):
            _plain(path, source, SOURCE)
    for mask in root.iter("MaskBand"):
        _plain(path, mask, MASK)
    height, width = _size(path, root)
    kinds = sorted({band.get("dataType", "Byte") for band in bands})
    if len(kinds) != 1 or TYPES.get(kinds[0]) not in DTYPES or len(bands) > MAX_BANDS:
        given = f"{path.name} has {len(bands)} bands of type {', '.join(kinds) or 'none'}"
        raise InputError(given, f"1 to {MAX_BANDS} bands of one type", REMEDY)
    named = list(dict.fromkeys((element.text or "", element.get("relativeToVRT", "0")) for element in root.iter("SourceFilename")))
    if not 1 <= len(named) <= MAX_SOURCES:
        raise InputError(f"{path.name} names {len(named)} files", f"1 to {MAX_SOURCES}", REMEDY)
    sources = tuple(_source(path, folder.resolve(), text, relative == "1") for text, relative in named)
    return Mosaic(height, width, len(bands), TYPES[kinds[0]], sources)


def _parsed(path: Path) -> ElementTree.Element:
    if path.stat().st_size > MAX_TEXT:
        raise InputError(f"{path.name} has {path.stat().st_size} bytes", f"at most {MAX_TEXT} bytes of XML", REMEDY)
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def no_types(*_: object) -> None:  # entities are declared in it: the way to bombs and to other files
        raise InputError(f"{path.name} declares a document type", "plain XML", "Leave it out.")

    parser.StartDoctypeDeclHandler = no_types
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} does not read as XML ({error})", "a whole virtual raster", "Get the file again.") from error


def _plain(path: Path, element: ElementTree.Element, allowed: set[str]) -> None:
    kind = element.get("subClass", "VRTSourcedRasterBand")
    if kind != "VRTSourcedRasterBand":
        raise InputError(f"{path.name} holds a {kind}", "a plain mosaic of files", REMEDY)
    for child in element:
        if child.tag not in allowed:
            raise InputError(f"{path.name} holds <{child.tag}> in <{element.tag}>", "a plain mosaic of files", REMEDY)


def _size(path: Path, root: ElementTree.Element) -> tuple[int, int]:
    said = root.get("rasterXSize", ""), root.get("rasterYSize", "")
    sides = [int(text) if re.fullmatch(r"[0-9]{1,10}", text) else 0 for text in said]
    if min(sides) < 1 or sides[0] * sides[1] > MAX_PIXELS:
        raise InputError(f"{path.name} claims {said[0]} x {said[1]} pixels", f"at most {MAX_PIXELS} pixels", "Leave it out.")
    return sides[1], sides[0]


def _source(path: Path, folder: Path, text: str, relative: bool) -> Path:
    """Give the file that a source names."""
    if not text or SPECIAL.search(text) or "\0" in text:
        raise InputError(f"{path.name} names {text[:100]!r}, which is no plain path", "files beside it", REMEDY)
    try:
        real = (path.resolve().parent / text if relative else Path(text).absolute()).resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path.name} names {text[:100]!r}, a link in a circle", "files beside it", "Leave it out.") from error
    if not real.is_relative_to(folder):
        raise InputError(f"{path.name} names {text[:100]!r}, which lies outside of {folder.name}", "files of the given folder", REMEDY)
    if not real.is_file():
        raise InputError(f"{path.name} names {text[:100]!r}, which is not there", "all the files that it is made of", "Put them beside it.")
    with real.open("rb") as stream:
        if stream.read(4) not in TIFF_STARTS:
            raise InputError(f"{path.name} names {text[:100]!r}, which is no TIFF file", "TIFF files", REMEDY)
    return real
