"""Bands that lie in files of their own, put together as one image by a VRT in memory. Nothing is copied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rasterio

from domains.satellite.guard import refusing
from domains.satellite.header import check_bounds, gdal_settings, quiet
from domains.satellite.opening import open_file
from sr_core.errors import InputError

ACQUIRED = "ACQUISITION_DATE"  # tag with the date and time of the measurement
TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32", "float32": "Float32",
    "float64": "Float64",
}  # fmt: skip


@dataclass(frozen=True)
class ClassMask:
    """A file of class codes, on a grid that is a whole number of times coarser or the same, and the codes that mean: no measurement."""

    path: Path
    unusable: tuple[int, ...]

    @property
    def table(self) -> str:
        """GDAL's look-up table: codes in rising order, values between two entries interpolated, so both neighbours are stated."""
        ends: dict[int, int] = {-1: 255, 65536: 255}
        for code in self.unusable:
            ends |= {near: 255 for near in (code - 1, code + 1) if near not in self.unusable}
        ends |= dict.fromkeys(self.unusable, 0)
        return ",".join(f"{code}:{ends[code]}" for code in sorted(ends))


@dataclass(frozen=True)
class Stack:
    """An image of many files.

    Attributes
    ----------
    name : what it is called in errors.
    layers : band names and their one-band files, in order.
    scale, offset, unit : physical value = stored value * scale + offset.
    nodata : stored value that means nothing was measured.
    mask : class codes that mark what is unusable, or None.
    tags : what the product says of itself.
    others : files that were read for it, besides bands and mask.
    acquired : date and time of the measurement (ISO 8601), or None.
    """

    name: str
    layers: tuple[tuple[str, Path], ...]
    scale: float
    offset: float
    unit: str
    nodata: float
    others: tuple[Path, ...]
    mask: ClassMask | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    acquired: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that it is made of."""
        mask = () if self.mask is None else (self.mask.path,)
        return (*self.others, *(path for _, path in self.layers), *mask)


def open_stack(stack: Stack) -> Any:
    """Open an image of many files as one data set. Close the result.

    Radiometry is the product's; what the files say of it is not applied, and must not contradict it.

    Raises
    ------
    InputError
        If a file cannot be read, does not fit the others, or contradicts the product's radiometry.
    """
    with refusing(f"{stack.layers[0][1].name} cannot be read"), quiet(), open_file(stack.layers[0][1]) as first:
        height, width, dtype = first.height, first.width, first.dtypes[0]
        place = first.crs.to_wkt() if first.crs else "", tuple(first.transform)[:6], first.tags(ns="IMAGE_STRUCTURE")
    if dtype not in TYPES:
        raise InputError(f"{stack.layers[0][1].name} has pixels of type {dtype}", "one of " + ", ".join(TYPES), "Get the file again.")
    root = ElementTree.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    crs, (a, b, c, d, e, f), structure = place
    if crs:
        _add(root, "SRS", crs)
    if (a, b, c, d, e, f) != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
        _add(root, "GeoTransform", ", ".join(repr(float(v)) for v in (c, a, b, f, d, e)))
    said = {**stack.tags, **({ACQUIRED: stack.acquired} if stack.acquired else {})}
    for domain, tags in (("", said), ("IMAGE_STRUCTURE", _compression(structure))):
        body = ElementTree.SubElement(root, "Metadata", {"domain": domain} if domain else {})
        for key, value in tags.items():
            ElementTree.SubElement(body, "MDI", key=key).text = value
    for number, (name, path) in enumerate(stack.layers, 1):
        _check_layer(stack, path, (height, width, dtype), place[:2])
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType=TYPES[dtype], band=str(number))
        for tag, text in (
            ("Description", name), ("UnitType", stack.unit), ("NoDataValue", repr(stack.nodata)), ("Offset", repr(stack.offset)),
            ("Scale", repr(stack.scale)),
        ):  # fmt: skip
            _add(band, tag, text)
        _add_source(band, "SimpleSource", path, (height, width), (height, width))
    if stack.mask is not None:
        with refusing(f"{stack.mask.path.name} cannot be read"), quiet(), open_file(stack.mask.path) as classes:
            coarse = classes.height, classes.width
            check_bounds(stack.mask.path, classes, stack.mask.path.stat().st_size)
        if height % coarse[0] or width % coarse[1] or height // coarse[0] != width // coarse[1]:
            given = f"{stack.mask.path.name} has {coarse[1]} x {coarse[0]} pixels beside {width} x {height}"
            raise InputError(given, "a grid a whole number of times coarser", "Get the product again.")
        band = ElementTree.SubElement(ElementTree.SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
        _add(_add_source(band, "ComplexSource", stack.mask.path, coarse, (height, width)), "LUT", stack.mask.table)
    with refusing(f"{stack.name} cannot be opened", "a whole, undamaged product"), gdal_settings(), quiet():
        return rasterio.open(ElementTree.tostring(root, encoding="unicode"), driver="VRT")


def _check_layer(stack: Stack, path: Path, form: tuple[int, int, str], place: tuple[str, tuple[float, ...]]) -> None:
    with refusing(f"{path.name} cannot be read"), quiet(), open_file(path) as layer:
        check_bounds(path, layer, path.stat().st_size, zero_is_nodata=stack.nodata == 0)
        own = layer.height, layer.width, layer.dtypes[0]
        if layer.count != 1 or own != form:
            given = f"{path.name} has {layer.count} bands of {own[1]} x {own[0]} pixels of {own[2]}"
            raise InputError(given, f"one of {form[1]} x {form[0]} of {form[2]}, as the other bands", "Get the product again.")
        if (layer.crs.to_wkt() if layer.crs else "", tuple(layer.transform)[:6]) != place:
            raise InputError(
                f"{path.name} lies elsewhere than {stack.layers[0][1].name}", "one grid for all bands", "Get the product again."
            )
        stored = float(layer.scales[0]), float(layer.offsets[0])
    if stored == (1.0, 0.0):
        return
    if not all(math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12) for x, y in zip(stored, (stack.scale, stack.offset), strict=True)):
        raise InputError(
            f"{path.name} states scale {stored[0]:g} and offset {stored[1]:g}, its product {stack.scale:g} and {stack.offset:g}",
            "one statement: nobody can tell which of them still has to be applied",
            "Give the files without the product's metadata, or the product as it was delivered.",
        )


def _compression(structure: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in structure.items() if key.startswith("COMPRESSION")}


def _add(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def _add_source(band: ElementTree.Element, kind: str, path: Path, size: tuple[int, int], onto: tuple[int, int]) -> ElementTree.Element:
    source = ElementTree.SubElement(band, kind)
    ElementTree.SubElement(source, "SourceFilename", relativeToVRT="0").text = str(path.resolve())
    _add(source, "SourceBand", "1")
    for tag, (height, width) in (("SrcRect", size), ("DstRect", onto)):
        ElementTree.SubElement(source, tag, xOff="0", yOff="0", xSize=str(width), ySize=str(height))
    return source
