"""Sentinel-2 products (SAFE folders): one image for every pixel size, with the radiometry of the product's own metadata.

`reflectance = (DN + offset) / quantification`, DN 0 is no data. The offset (-1000 from processing baseline 04.00 on) is read from the
metadata, never from the date: old scenes were processed again.

References
----------
ESA, "Sentinel-2 Products Specification Document", S2-PDGS-TAS-DI-PSD; "Sentinel-2 processing baseline 04.00".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from domains.satellite.hardened_xml import named, parse_xml, text_of
from domains.satellite.stack import ClassMask, Stack
from sr_core.errors import InputError

METADATA = ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml")
# Bands at the pixel size at which they are measured. Level 2A also holds averages of them on coarser grids, which are left out.
NATIVE = {
    "10m": ("B02", "B03", "B04", "B08"),
    "20m": ("B05", "B06", "B07", "B8A", "B11", "B12"),
    "60m": ("B01", "B09", "B10"),
}
BY_ID = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
SIZE_OF = {band: size for size, bands in NATIVE.items() for band in bands}
OFFSET_SINCE = 4.0  # processing baseline
# Scene classification (level 2A): 0 no data, 1 saturated or defective. Clouds and shadows are measured light and stay.
UNUSABLE_CLASSES = (0, 1)
MAX_FILES = 2000
ENTRY = re.compile(r"(?P<tile>T\d{2}[A-Z]{3})_.*?(?P<band>B\d[0-9A]|SCL)(?:_(?P<size>10m|20m|60m))?$")
FILE_ENDINGS = (".jp2", ".tif", ".tiff", ".TIF")
AGAIN = "Get the product again."


@dataclass(frozen=True)
class _Entry:
    """A file that the metadata list, without its ending."""

    text: str
    tile: str
    band: str
    size: str


def metadata_of(root: Path) -> Path | None:
    """Give the metadata file of a folder that is a Sentinel-2 product; None where it is none."""
    return next((root / name for name in METADATA if (root / name).is_file()), None)


def parts(root: Path) -> tuple[str, ...]:
    """Name the images of a product: "10m", "20m", "60m", led by the tile where it holds several.

    Raises
    ------
    InputError
        If its metadata cannot be read, or list no band.
    """
    _, tree = _metadata(root)
    entries = [entry for entry in _entries(root, tree) if SIZE_OF.get(entry.band) == entry.size]
    if not entries:
        raise InputError(f"{root.name} lists no image of a band", "a level 1C or 2A product with IMAGE_FILE entries", AGAIN)
    tiles = sorted({entry.tile for entry in entries})
    return tuple(
        size if len(tiles) == 1 else f"{tile}-{size}"
        for tile in tiles
        for size in NATIVE
        if any((entry.tile, entry.size) == (tile, size) for entry in entries)
    )


def stack(root: Path, part: str) -> Stack:
    """Describe one image of a product.

    Raises
    ------
    InputError
        If a band is missing, lies outside of the product, or the radiometry is not stated.
    """
    metadata, tree = _metadata(root)
    tile, _, size = part.rpartition("-")
    here = [entry for entry in _entries(root, tree) if not tile or entry.tile == tile]
    found = {entry.band: entry for entry in here if entry.size == size and entry.band in NATIVE.get(size, ())}
    if not found:
        raise InputError(f"{root.name} has no image {part!r}", "one of " + ", ".join(parts(root)), "Ingest it again.")
    layers = tuple((band, _file(root, found[band], part)) for band in NATIVE[size] if band in found)
    scale, offset, said = _radiometry(root, tree, [band for band, _ in layers])
    classes = min((e for e in here if e.band == "SCL"), key=lambda e: (e.size != size, e.size), default=None)
    names = {
        "SPACECRAFT_ID": "SPACECRAFT_NAME", "PROCESSING_LEVEL": "PROCESSING_LEVEL", "PROCESSING_BASELINE": "PROCESSING_BASELINE",
        "PRODUCT_URI": "PRODUCT_URI",
    }  # fmt: skip
    tags = {tag: text for tag, name in names.items() if (text := text_of(tree, name))}
    return Stack(
        name=f"{root.name}, {part}", layers=layers, scale=scale, offset=offset, unit="reflectance", nodata=0.0, others=(metadata,),
        mask=None if classes is None else ClassMask(_file(root, classes, part), UNUSABLE_CLASSES),
        tags={"INSTRUMENT": "MSI", **tags, "RADIOMETRY_SOURCE": f"{metadata.name}: {said}"},
        acquired=text_of(tree, "PRODUCT_START_TIME") or text_of(tree, "DATATAKE_SENSING_START"),
    )  # fmt: skip


def _metadata(root: Path) -> tuple[Path, ElementTree.Element]:
    path = metadata_of(root)
    if path is None:
        raise InputError(f"{root.name} holds none of {', '.join(METADATA)}", "a Sentinel-2 product", "Give the folder that ends in .SAFE.")
    return path, parse_xml(path)


def _entries(root: Path, tree: ElementTree.Element) -> list[_Entry]:
    made: list[_Entry] = []
    for count, element in enumerate(named(tree, "IMAGE_FILE")):
        if count >= MAX_FILES:
            raise InputError(f"{root.name} lists more than {MAX_FILES} files", "fewer", AGAIN)
        text = (element.text or "").strip()
        if found := ENTRY.match(text.rpartition("/")[2]):
            band = found["band"]
            made.append(_Entry(text, found["tile"], band, found["size"] or SIZE_OF.get(band, "")))
    return made


def _file(root: Path, entry: _Entry, part: str) -> Path:
    """Find a listed file, inside of the product only."""
    folder = root.resolve()
    for ending in FILE_ENDINGS:
        try:
            path = (folder / f"{entry.text}{ending}").resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{root.name}, {part}: {entry.band} cannot be followed", "a file in the product", AGAIN) from error
        if not path.is_relative_to(folder):
            raise InputError(f"{root.name}, {part}: {entry.band} lies outside of the product", "a file in it", AGAIN)
        if path.is_file():
            return path
    raise InputError(f"{root.name}, {part}: the file of {entry.band} is missing", "all bands of the image", AGAIN)


def _radiometry(root: Path, tree: ElementTree.Element, bands: Iterable[str]) -> tuple[float, float, str]:
    """Give scale and offset of reflectance, and what they were read from."""
    stated = text_of(tree, "BOA_QUANTIFICATION_VALUE") or text_of(tree, "QUANTIFICATION_VALUE")
    quantification = _number(root, "the quantification value", stated)
    if quantification <= 0:
        raise InputError(f"{root.name} has the quantification value {quantification:g}", "a number above 0", AGAIN)
    elements = [*named(tree, "BOA_ADD_OFFSET"), *named(tree, "RADIO_ADD_OFFSET")]
    baseline = text_of(tree, "PROCESSING_BASELINE")
    if not elements:
        if baseline is None or _number(root, "the processing baseline", baseline) >= OFFSET_SINCE:
            given = f"{root.name} has processing baseline {baseline or 'unknown'} and states no offset"
            raise InputError(given, "the offset of reflectance, which baselines from 04.00 on have", AGAIN)
        return 1 / quantification, 0.0, f"quantification {quantification:g}, no offset (baseline {baseline})"
    ids = {e.get("bandId", ""): _file_name(e.get("physicalBand", "")) for e in named(tree, "Spectral_Information")}
    known = dict(enumerate(BY_ID))
    by_band: dict[str, float] = {}
    for element in elements:
        number = element.get("band_id", "")
        band = ids.get(number) or (known.get(int(number), "") if number.isdecimal() and len(number) < 3 else "")
        by_band[band] = _number(root, f"the offset of {band}", element.text)
    offsets = {by_band.get(band) for band in bands}
    if len(offsets) != 1 or None in offsets:
        raise InputError(f"{root.name} states {len(offsets)} different offsets for bands of one image", "one for all bands", AGAIN)
    offset = next(value for value in offsets if value is not None)
    return 1 / quantification, offset / quantification, f"quantification {quantification:g}, offset {offset:g}"


def _file_name(physical: str) -> str:
    """Turn the metadata's "B1" into the files' "B01"."""
    return f"B0{physical[1]}" if re.fullmatch(r"B\d", physical) else physical


def _number(root: Path, what: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{root.name} states {what} as {(text or '')[:40]!r}", "a number", AGAIN)
    return value
