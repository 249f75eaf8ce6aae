"""What a virtual raster (VRT) may name: plain files of its folder or below, put side by side.

A VRT can make GDAL open any file as pixels, follow addresses, run code and nest without end. So it is read as XML here, and
only a mosaic passes; elements are allowed by name and place, since GDAL learns new ones with every version. GDAL is given
what was read, not the file, whose text it would read in a way of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from domains.satellite.hardened_xml import parse_xml
from sr_core.errors import InputError

MAX_SOURCES = 1000
SOURCE = {
    "SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "NODATA", "UseMaskBand", "ScaleOffset", "ScaleRatio",
}  # fmt: skip
# By parent, what gdalbuildvrt and gdal_translate write; warped, raw, derived (functions) and pansharpened bands are not among it.
ALLOWED = {
    "VRTDataset": {"SRS", "GeoTransform", "GCPList", "Metadata", "VRTRasterBand", "MaskBand", "OverviewList", "BlockXSize", "BlockYSize"},
    "VRTRasterBand": {"SimpleSource", "ComplexSource", "Metadata", "Description", "NoDataValue", "HideNoDataValue", "ColorInterp",
                      "Offset", "Scale", "UnitType", "CategoryNames", "MaskBand", "Histograms"},
    "MaskBand": {"VRTRasterBand"},
    "SimpleSource": SOURCE,
    "ComplexSource": SOURCE,
    "Metadata": {"MDI"},
    "GCPList": {"GCP"},
    "CategoryNames": {"Category"},
    "Histograms": {"HistItem"},
    "HistItem": {"HistMin", "HistMax", "BucketCount", "IncludeOutOfRange", "Approximate", "HistCounts"},
}  # fmt: skip
SPECIAL = re.compile(r"://|<|^/vsi|^[A-Za-z][A-Za-z0-9_+.-]*:|[\0-\37]", re.ASCII)
REMEDY = "Make a plain file of it: rio convert in.vrt out.tif"
BESIDE = "Put the VRT beside or above its files, or convert it: rio convert in.vrt out.tif"


@dataclass(frozen=True)
class Mosaic:
    """What a VRT that may be opened says, its sources by full paths, and these: each once, links followed."""

    text: str
    sources: tuple[Path, ...]


def read_mosaic(path: Path) -> Mosaic:
    """Read a VRT as text and say what it is made of; nothing that it names is opened.

    Raises
    ------
    InputError
        If it is damaged, is more than a mosaic of files, or names anything outside of its folder.
    """
    root = parse_xml(path)
    if root.tag != "VRTDataset":
        raise InputError(f"{path.name} is no VRT file (its root is {root.tag[:40]})", "a VRT file", "Leave it out.")
    folder = path.resolve().parent
    found: dict[Path, None] = {}
    for element in root.iter():
        _check_plain(path, element)
        if element.tag == "SourceFilename":
            target = _source(path, folder, element)
            element.text = str(target)
            element.attrib = {"relativeToVRT": "0"}
            found[target] = None
    if not 1 <= len(found) <= MAX_SOURCES:
        raise InputError(f"{path.name} names {len(found)} files", f"1 to {MAX_SOURCES}", REMEDY)
    return Mosaic(ElementTree.tostring(root, encoding="unicode"), tuple(found))


def _check_plain(path: Path, element: ElementTree.Element) -> None:
    """Refuse classes of bands, and elements where they do not belong. GDAL takes attributes in any case."""
    for name, value in element.attrib.items():
        if name.lower() == "subclass" and value not in ("", "VRTSourcedRasterBand"):
            raise InputError(f"{path.name} uses {value[:40]}", "a plain mosaic of files", REMEDY)
    allowed = ALLOWED.get(element.tag, set())
    for child in element:
        if child.tag not in allowed:
            raise InputError(f"{path.name} uses <{child.tag[:40]}> in <{element.tag}>", "a plain mosaic of files", REMEDY)


def _source(path: Path, folder: Path, element: ElementTree.Element) -> Path:
    """Give the file that a source names, links followed."""
    text = (element.text or "").strip()
    shown = f"{path.name} names {text[:60]!r}"
    if not text or SPECIAL.search(text):
        raise InputError(f"{shown}, which is no plain path", "plain files in its folder", BESIDE)
    relative = {name.lower(): value for name, value in element.attrib.items()}.get("relativetovrt", "0")
    try:
        target = (folder / text if relative == "1" else Path(text).absolute()).resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{shown}, a link in a circle", "plain files in its folder", BESIDE) from error
    if not target.is_relative_to(folder):
        raise InputError(f"{shown}, which leads out of its folder", "plain files in its folder or below", BESIDE)
    if not target.is_file():
        raise InputError(f"{shown}, which is not there", "all of its files", "Get the missing file.")
    return target
