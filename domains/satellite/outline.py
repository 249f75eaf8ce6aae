"""The outline of a scene on the earth, as GeoJSON wants it (RFC 7946): longitude and latitude, cut where it crosses the antimeridian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.transform import GCPTransformer, RPCTransformer
from rasterio.warp import transform

from domains.satellite.header import Header, gdal_settings, quiet

EARTH = "EPSG:4326"
POINTS = 21  # on each side of the scene: its sides are curves in longitude and latitude
DIGITS = 7  # of a degree: 1 cm
Ring = list[tuple[float, float]]


@dataclass(frozen=True)
class Outline:
    """Where a scene lies.

    Attributes
    ----------
    rings : closed outer rings of (longitude, latitude) in degrees, counter-clockwise; two where the antimeridian cuts the scene.
    """

    rings: tuple[Ring, ...]

    @property
    def geometry(self) -> dict[str, object]:
        """Give the GeoJSON geometry."""
        if len(self.rings) == 1:
            return {"type": "Polygon", "coordinates": [self.rings[0]]}
        return {"type": "MultiPolygon", "coordinates": [[ring] for ring in self.rings]}

    @property
    def bbox(self) -> list[float]:
        """Give west, south, east, north; west is the larger one where the antimeridian cuts the scene."""
        lats = [lat for ring in self.rings for _, lat in ring]
        first, last = ([lon for lon, _ in ring] for ring in (self.rings[0], self.rings[-1]))
        return [min(first), min(lats), max(last), max(lats)]


def outline(dataset: Any, header: Header) -> Outline | None:
    """Give the outline of a scene by its transform, control points or rational polynomial coefficients; None where it has no place.

    The outline by coefficients is that at their mean height, since a file does not hold the terrain.
    """
    try:
        with gdal_settings(), quiet():
            placed = _sides(dataset, header)
    except (
        RasterioError,
        CPLE_BaseError,
        ValueError,
    ):  # a coordinate system that has no way to longitude and latitude, or points that fit no surface
        return None
    if placed is None or not np.isfinite(placed).all() or (np.abs(placed) > 1e6).any():
        return None
    return _on_the_globe(placed[0], placed[1])


def _sides(dataset: Any, header: Header) -> npt.NDArray[np.float64] | None:
    """Give longitudes and latitudes along the sides of the scene, (2, N)."""
    along = np.linspace(0, 1, POINTS)[:-1]
    cols = header.width * np.concatenate([along, np.ones(POINTS - 1), 1 - along, np.zeros(POINTS - 1)])
    rows = header.height * np.concatenate([np.zeros(POINTS - 1), along, np.ones(POINTS - 1), 1 - along])
    points, points_crs = dataset.gcps
    if header.transform is not None and header.crs:
        a, b, c, d, e, f = header.transform
        return _to_earth(dataset.crs, a * cols + b * rows + c, d * cols + e * rows + f)
    if points and points_crs:
        with GCPTransformer(points) as by_points:
            return _to_earth(points_crs, *by_points.xy(rows, cols, offset="ul"))
    if dataset.rpcs:
        with RPCTransformer(dataset.rpcs) as by_rpc:
            return np.array(by_rpc.xy(rows, cols, zs=np.full(len(rows), dataset.rpcs.height_off), offset="ul"), np.float64)
    return None


def _to_earth(crs: Any, xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array(transform(crs, EARTH, np.asarray(xs), np.asarray(ys))[:2], np.float64)


def _on_the_globe(lons: npt.NDArray[np.float64], lats: npt.NDArray[np.float64]) -> Outline:
    whole = np.unwrap(np.append(lons, lons[0]), period=360)
    if abs(whole[-1] - whole[0]) > 180:  # once around: a pole lies inside
        south, north = (-90.0, float(lats.max())) if lats.mean() < 0 else (float(lats.min()), 90.0)
        return Outline((_closed([(-180.0, south), (180.0, south), (180.0, north), (-180.0, north)]),))
    unwrapped = whole[:-1] - 360 * math.floor((whole[:-1].min() + 180) / 360)
    ring = list(zip(unwrapped.tolist(), lats.tolist(), strict=True))
    if unwrapped.max() <= 180:
        return Outline((_closed(ring),))
    west = _half(ring, keep_below=True)
    east = [(lon - 360, lat) for lon, lat in _half(ring, keep_below=False)]
    return Outline((_closed(west), _closed(east)))


def _half(ring: Ring, keep_below: bool) -> Ring:
    """Cut a ring at 180 degrees and give one side.

    References
    ----------
    Sutherland, Hodgman, "Reentrant polygon clipping", CACM 17 (1974), doi:10.1145/360767.360802, for one edge.
    """
    kept: Ring = []
    for (lon, lat), (after, later) in zip(ring, [*ring[1:], ring[0]], strict=True):
        inside, follows = (lon <= 180) == keep_below, (after <= 180) == keep_below
        if inside:
            kept.append((lon, lat))
        if inside != follows:
            kept.append((180.0, lat + (later - lat) * (180 - lon) / (after - lon)))
    return kept


def _closed(ring: Ring) -> Ring:
    """Round a ring, turn it counter-clockwise and repeat its first point at the end."""
    rounded = [(round(lon, DIGITS), round(lat, DIGITS)) for lon, lat in ring]
    pairs = zip(rounded, [*rounded[1:], rounded[0]], strict=True)
    if sum(lon * later - after * lat for (lon, lat), (after, later) in pairs) < 0:
        rounded.reverse()
    return [*rounded, rounded[0]]
