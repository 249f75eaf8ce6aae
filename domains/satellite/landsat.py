"""Landsat scenes: band files beside a text of metadata (`..._MTL.txt`), Collections 1 and 2, levels 1 and 2.

Level 2 reflectance and temperature, and level 1 radiance, are `DN * multiplier + addend`; level 1 reflectance is that over the sine of
the sun's elevation. DN 0 is fill.

References
----------
USGS, "Landsat 8-9 Collection 2 Level 2 Science Product Guide"; "Using the USGS Landsat Level-1 Data Product".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domains.satellite.guard import check_regular
from domains.satellite.stack import ClassMask, Stack
from sr_core.errors import InputError

ENDING = "_MTL.txt"
MAX_BYTES = 1 << 20  # a scene's metadata have 15 kB
UNUSABLE_CLASSES = (1,)  # of QA_PIXEL: fill, and nothing else. Clouds and their shadows are measured light and stay.
BAND = re.compile(r"FILE_NAME_BAND_((?:ST_)?B?\d+(?:_VCID_\d)?)")
CONTENTS = ("PRODUCT_CONTENTS", "PRODUCT_METADATA")
QUALITY = ("FILE_NAME_QUALITY_L1_PIXEL", "FILE_NAME_BAND_QUALITY")
WITH_PAN = ("ETM", "OLI")  # sensors whose band 8 is panchromatic
AGAIN = "Get the scene again."

Groups = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class _Band:
    """A band of a scene: its number as the metadata have it, kind of light, file, scale and offset."""

    number: str
    kind: str
    file: str
    scale: float
    offset: float
    unit: str

    @property
    def name(self) -> str:
        return f"B{self.number.removeprefix('ST_').removeprefix('B')}"


def is_metadata(path: Path) -> bool:
    """Say whether a file is named as a scene's metadata are."""
    return path.name.upper().endswith(ENDING.upper())


def read_mtl(path: Path) -> Groups:
    """Read a scene's metadata: by group, values by name, quotes removed.

    Raises
    ------
    InputError
        If it is too large, or no such text.
    """
    check_regular(path)
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise InputError(f"{path.name} has {size} bytes", f"at most {MAX_BYTES}", "Leave it out.")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path} ({error.strerror})", "a file that can be read", "Check the path and its permissions.") from error
    groups: dict[str, dict[str, str]] = {}
    open_groups: list[str] = []
    for line in lines:
        name, equals, value = (text.strip() for text in line.partition("="))
        if not equals:
            continue
        if name == "GROUP":
            open_groups.append(value)
        elif name == "END_GROUP":
            if not open_groups or open_groups.pop() != value:
                raise InputError(f"{path.name} ends the group {value[:40]!r}, which is not open", "groups within each other", AGAIN)
        elif open_groups:
            groups.setdefault(open_groups[-1], {})[name] = value.strip('"')
    if open_groups or not any(name in groups for name in CONTENTS):
        raise InputError(f"{path.name} is no whole Landsat metadata text", f"one with a group {' or '.join(CONTENTS)}", AGAIN)
    return groups


def parts(path: Path) -> tuple[str, ...]:
    """Name the images of a scene: "reflective", "panchromatic", "thermal"; led to by its bands where a kind has several radiometries.

    Raises
    ------
    InputError
        If its metadata cannot be read, list no band, or state no radiometry.
    """
    return tuple(_images(path, read_mtl(path)))


def stack(path: Path, part: str) -> Stack:
    """Describe one image of a scene.

    Raises
    ------
    InputError
        If a band is missing or lies outside of the scene's folder, or the radiometry is not stated.
    """
    groups = read_mtl(path)
    images = _images(path, groups)
    if part not in images:
        raise InputError(f"{path.name} has no image {part!r}", "one of " + ", ".join(images), "Ingest it again.")
    bands, flat = images[part], _flat(groups)
    quality = next((flat[key] for key in QUALITY if key in flat), None)
    tags: dict[str, str] = {tag: flat[tag] for tag in ("SPACECRAFT_ID", "SENSOR_ID", "DATE_ACQUIRED") if tag in flat}
    tags["PROCESSING_LEVEL"] = _level(groups)
    date, time = flat.get("DATE_ACQUIRED"), flat.get("SCENE_CENTER_TIME")
    return Stack(
        name=f"{path.name}, {part}", layers=tuple((band.name, _file(path, band.file, part)) for band in bands), scale=bands[0].scale,
        offset=bands[0].offset, unit=bands[0].unit, nodata=0.0, others=(path,),
        mask=None if quality is None or part == "panchromatic" else ClassMask(_file(path, quality, part), UNUSABLE_CLASSES),
        tags={**tags, "RADIOMETRY_SOURCE": path.name}, acquired=f"{date}T{time}" if date and time else date,
    )  # fmt: skip


def _images(path: Path, groups: Groups) -> dict[str, tuple[_Band, ...]]:
    """Group the bands by kind, and by radiometry where a kind has several: an image has one scale and one offset."""
    kinds: dict[str, dict[tuple[float, float], list[_Band]]] = {}
    for band in _bands(path, groups):
        kinds.setdefault(band.kind, {}).setdefault((band.scale, band.offset), []).append(band)
    made: dict[str, tuple[_Band, ...]] = {}
    for kind, by_radiometry in kinds.items():
        for bands in by_radiometry.values():
            name = kind if len(by_radiometry) == 1 else "-".join([kind, *(band.name for band in bands)])
            made[name] = tuple(bands)
    if not made:
        raise InputError(f"{path.name} lists no band", "FILE_NAME_BAND_n of at least one", AGAIN)
    return made


def _bands(path: Path, groups: Groups) -> list[_Band]:
    contents = next(groups[name] for name in CONTENTS if name in groups)
    flat, second = _flat(groups), _level(groups).startswith("L2")
    made: list[_Band] = []
    for key, file in contents.items():
        if not (found := BAND.fullmatch(key)):
            continue
        number = found[1]
        quantity, group, kind, unit = "REFLECTANCE", "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", "reflective", "reflectance"
        if second and number.startswith("ST_"):
            quantity, group, kind, unit = "TEMPERATURE", "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS", "thermal", "K"
        elif not second:
            group = "LEVEL1_RADIOMETRIC_RESCALING" if "LEVEL1_RADIOMETRIC_RESCALING" in groups else "RADIOMETRIC_RESCALING"
            if f"REFLECTANCE_MULT_BAND_{number}" not in groups.get(group, {}):
                quantity, kind, unit = "RADIANCE", "thermal", "W/(m2 sr um)"
            elif number == "8" and flat.get("SENSOR_ID", "").startswith(WITH_PAN):
                kind = "panchromatic"
        stated = groups.get(group, {})
        scale = _number(path, stated, f"{quantity}_MULT_BAND_{number}")
        offset = _number(path, stated, f"{quantity}_ADD_BAND_{number}")
        if not second and quantity == "REFLECTANCE":
            elevation = _number(path, flat, "SUN_ELEVATION")
            if not 0 < elevation <= 90:
                raise InputError(f"{path.name} has the sun at {elevation:g} degrees", "a scene by day", "Leave it out.")
            scale, offset = scale / math.sin(math.radians(elevation)), offset / math.sin(math.radians(elevation))
        if scale == 0:
            raise InputError(f"{path.name} has the multiplier 0 for band {number}", "another number", AGAIN)
        made.append(_Band(number, kind, file, scale, offset, unit))
    return made


def _level(groups: Groups) -> str:
    flat = _flat(groups)
    contents = next(groups[name] for name in CONTENTS if name in groups)
    return contents.get("PROCESSING_LEVEL") or flat.get("DATA_TYPE") or "L1"


def _flat(groups: Groups) -> dict[str, str]:
    """Give all values by name; those of the product itself win over those of the level it was made from."""
    flat: dict[str, str] = {}
    for name, values in groups.items():
        if name not in CONTENTS:
            flat = {**values, **flat}
    for name in CONTENTS:
        flat |= groups.get(name, {})
    return flat


def _number(path: Path, stated: Mapping[str, str], name: str) -> float:
    try:
        value = float(stated.get(name, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path.name} states {name} as {stated.get(name, '')[:40]!r}", "a number", AGAIN)
    return value


def _file(path: Path, name: str, part: str) -> Path:
    if not name or "/" in name or "\\" in name or "\0" in name or not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
        raise InputError(f"{path.name}, {part}: {name[:40]!r} is no file beside it", "files of the scene's folder", AGAIN)
    if not (path.parent / name).is_file():
        raise InputError(f"{path.name}, {part}: {name[:80]} is missing", "all files of the image", AGAIN)
    return path.parent / name
