"""Which scenes show the same place."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence

from rasterio.warp import transform_bounds

from domains.common.geometry import Box, connected
from domains.satellite.guard import refusing
from domains.satellite.header import Header, gdal_settings
from sr_core.errors import InputError

NAME_LENGTH = 12  # hexadecimal digits


def name_places(headers: Sequence[Header], digests: Sequence[str], files: Sequence[Iterable[Hashable]]) -> list[str]:
    """Give every scene the name of its place; scenes whose footprints touch or overlap, or that share a file, have one.

    A place is named by the smallest content hash among its scenes, so that the name does not depend on paths or order. A
    scene that does not say where it lies is a place of its own.

    Parameters
    ----------
    headers, digests : of the scenes.
    files : what each scene is made of: images of one file, and a virtual image and its files, hold the same pixels.
    """
    boxes = [footprint(header) for header in headers]
    located = [i for i, box in enumerate(boxes) if box is not None]
    together = [[located[m] for m in members] for members in connected([box for box in boxes if box is not None])]
    holders: dict[Hashable, list[int]] = {}
    for i, own in enumerate(files):
        for file in own:
            holders.setdefault(file, []).append(i)
    names = [digest[:NAME_LENGTH] for digest in digests]
    for scenes in _merged([*together, *holders.values()]):
        name = min(names[i] for i in scenes)
        for i in scenes:
            names[i] = name
    return names


def _merged(lists: Iterable[Sequence[int]]) -> list[set[int]]:
    """Put lists together that have an entry in common, directly or through others."""
    merged: dict[int, set[int]] = {}
    for scenes in lists:
        whole = set(scenes).union(*(merged[i] for i in scenes if i in merged))
        merged |= dict.fromkeys(whole, whole)
    return list({id(whole): whole for whole in merged.values()}.values())


def footprint(header: Header) -> Box | None:
    """Give the outer bounds of a scene in longitude and latitude; None where the file does not say them.

    The bounds of a rotated scene are larger than the scene itself: rather one place too few than a place on two sides.
    """
    if header.transform is not None and header.crs:
        a, b, c, d, e, f = header.transform
        points = [(a * col + b * row + c, d * col + e * row + f) for col in (0, header.width) for row in (0, header.height)]
        crs = header.crs
    elif header.points and header.points_crs:
        points, crs = list(header.points), header.points_crs
    else:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if not all(map(math.isfinite, (*xs, *ys))):
        return None
    try:
        with refusing("a coordinate system"), gdal_settings():
            west, south, east, north = transform_bounds(crs, "EPSG:4326", min(xs), min(ys), max(xs), max(ys), densify_pts=21)
    except InputError:
        return None  # a coordinate system that has no way to longitude and latitude
    if not all(abs(v) < 1e6 for v in (west, south, east, north)):
        return None
    return Box(west, south, east, north)
