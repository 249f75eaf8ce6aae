"""Which scenes show the same place."""

from __future__ import annotations

from collections.abc import Sequence

from rasterio.warp import transform_bounds

from domains.common.geometry import Box, connected
from domains.satellite.guard import refusing
from domains.satellite.header import Header, gdal_settings
from sr_core.errors import InputError

NAME_LENGTH = 12  # hexadecimal digits


def name_places(headers: Sequence[Header], digests: Sequence[str]) -> list[str]:
    """Give every scene the name of its place; scenes whose footprints touch or overlap share one.

    A place is named by the smallest content hash among its scenes, so that the name does not depend on paths or order. A
    scene without georeference is a place of its own.
    """
    boxes = [footprint(header) for header in headers]
    located = [i for i, box in enumerate(boxes) if box is not None]
    names = [digest[:NAME_LENGTH] for digest in digests]
    for members in connected([box for box in boxes if box is not None]):
        scenes = [located[m] for m in members]
        name = min(names[i] for i in scenes)
        for i in scenes:
            names[i] = name
    return names


def footprint(header: Header) -> Box | None:
    """Give the outer bounds of a scene in longitude and latitude; None where the file does not say them.

    The bounds of a rotated scene are larger than the scene itself: rather one place too few than a place on two sides.
    """
    if header.transform is None or not header.crs:
        return None
    a, b, c, d, e, f = header.transform
    corners = [(a * col + b * row + c, d * col + e * row + f) for col in (0, header.width) for row in (0, header.height)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    try:
        with refusing("a coordinate system"), gdal_settings():
            west, south, east, north = transform_bounds(header.crs, "EPSG:4326", min(xs), min(ys), max(xs), max(ys), densify_pts=21)
    except InputError:
        return None  # a coordinate system that has no way to longitude and latitude
    if not all(abs(v) < 1e6 for v in (west, south, east, north)):
        return None
    return Box(west, south, east, north)
