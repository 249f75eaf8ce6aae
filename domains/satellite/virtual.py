"""What a VRT leads to, looked at before GDAL follows it: a VRT is text that can name any file, address or function."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from domains.satellite.hardened_xml import local, parse_xml
from sr_core.errors import InputError

MAX_SOURCES = 1000
# What gdalbuildvrt and gdal_translate write; warped, raw, derived (functions) and pansharpened bands are not among it.
ALLOWED = {
    "VRTDataset", "SRS", "GeoTransform", "GCPList", "GCP", "Metadata", "MDI", "VRTRasterBand", "MaskBand", "Description", "UnitType",
    "Offset", "Scale", "NoDataValue", "HideNoDataValue", "ColorInterp", "CategoryNames", "Category", "Histograms", "HistItem", "HistMin",
    "HistMax", "BucketCount", "IncludeOutOfRange", "Approximate", "HistCounts", "OverviewList", "SimpleSource", "ComplexSource",
    "SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "NODATA", "ScaleOffset", "ScaleRatio", "LUT", "UseMaskBand",
    "BlockXSize", "BlockYSize",
}  # fmt: skip
SUBCLASSES = {None, "", "VRTSourcedRasterBand"}


def sources_of(path: Path) -> tuple[Path, ...]:
    """Give the files that a VRT is made of, each once, resolved.

    Raises
    ------
    InputError
        If it is no VRT, or asks for more than pixels of files in its own folder or below.
    """
    root = parse_xml(path)
    if local(root) != "VRTDataset":
        raise InputError(f"{path.name} is no VRT file (its root is {local(root)[:40]})", "a VRT file", "Leave it out.")
    folder = path.resolve().parent
    found: dict[Path, None] = {}
    for element in root.iter():
        if (name := local(element)) not in ALLOWED or element.get("subClass") not in SUBCLASSES:
            odd = element.get("subClass") or name
            raise InputError(
                f"{path.name} uses {odd[:40]}", "a VRT of plain pixels of files", f"Convert it: rio convert {path.name} out.tif"
            )
        if name == "SourceFilename":
            found[_inside(path, folder, element)] = None
    if not found:
        raise InputError(f"{path.name} names no file", "a VRT of files", "Leave it out.")
    if len(found) > MAX_SOURCES:
        remedy = f"Convert it: rio convert {path.name} out.tif"
        raise InputError(f"{path.name} is made of {len(found)} files", f"at most {MAX_SOURCES}", remedy)
    return tuple(found)


def _inside(path: Path, folder: Path, element: ElementTree.Element) -> Path:
    text = (element.text or "").strip()
    remedy = "Put the VRT beside or above its files, or convert it: rio convert in.vrt out.tif"
    if not text or "\0" in text or text.startswith("/vsi") or "://" in text or "<" in text:
        raise InputError(f"{path.name} is made of {text[:60]!r}", "plain files in its folder", remedy)
    try:
        target = (folder / text).resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path.name} is made of a link in a circle", "plain files in its folder", remedy) from error
    if not target.is_relative_to(folder):
        raise InputError(f"{path.name} leads out of its folder", "plain files in its folder or below", remedy)
    if not target.is_file():
        raise InputError(f"{path.name} is made of {target.name}, which is not there", "all of its files", "Get the missing file.")
    return target
