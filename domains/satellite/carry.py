"""What an output GeoTIFF carries over from its input, put on the finer grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

from domains.common.geometry import finer_centre, finer_edge, finer_transform
from domains.satellite.header import Header

# Stale after upscaling, or said anew by the writer.
_STALE = ("STATISTICS_", "TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION", "TIFFTAG_RESOLUTIONUNIT", "TIFFTAG_MINSAMPLEVALUE")
_OWN = ("TIFFTAG_MAXSAMPLEVALUE", "SR_", "OVR_RESAMPLING_ALG")
AREA_OR_POINT = "AREA_OR_POINT"
# Namespaces of tags that GDAL makes anew, or that are carried as what they mean.
_MADE = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "RPC", "COLOR_PROFILE", "TIFF", "SUBDATASETS", "GEOLOCATION", "LocationInfo")


def lasting_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Give the tags that still hold after upscaling."""
    return {key: value for key, value in tags.items() if not key.startswith((*_STALE, *_OWN)) and key != AREA_OR_POINT}


def dataset_tags(source: Any) -> dict[str, str]:
    """Give the tags of a scene that still hold; those of a namespace, which a COG would lose, with its name in front."""
    kept = lasting_tags(source.tags())
    for space in source.tag_namespaces():
        if space not in _MADE and not space.startswith("xml:"):
            kept |= {f"{space}_{key}": text for key, text in lasting_tags(source.tags(ns=space)).items()}
    return kept


def carry_place(source: Any, target: Any, header: Header, scale: int) -> None:
    """Give `target` the place of `source` on the grid `scale` times finer (1: the same grid).

    Affine transform, coordinate system, ground control points and rational polynomial coefficients. GDAL's control points are
    in corner coordinates, its coefficients in centre coordinates.
    """
    points, points_crs = source.gcps
    if header.transform is not None:
        target.transform = Affine(*finer_transform(header.transform, scale))
        if source.crs:
            target.crs = source.crs
    elif points:
        finer = [
            GroundControlPoint(row=finer_edge(p.row, scale), col=finer_edge(p.col, scale), x=p.x, y=p.y, z=p.z, id=p.id, info=p.info)
            for p in points
        ]
        target.gcps = (finer, points_crs or CRS())  # points may stand in a file that names no coordinate system
    elif source.crs:
        target.crs = source.crs
    if source.rpcs:
        target.rpcs = finer_rpc(source.rpcs, scale)
    # Control points with pixel-is-point do not survive GeoTIFF, so files with them are written as areas.
    target.update_tags(**{AREA_OR_POINT: "Area" if points else source.tags().get(AREA_OR_POINT, "Area")})


def finer_rpc(rpc: RPC, scale: int) -> RPC:
    """Give rational polynomial coefficients for the finer grid: line and sample offsets and scales change, the rest stays."""
    body = rpc.to_dict()
    body["line_off"] = finer_centre(rpc.line_off, scale)
    body["samp_off"] = finer_centre(rpc.samp_off, scale)
    body["line_scale"] = scale * rpc.line_scale
    body["samp_scale"] = scale * rpc.samp_scale
    return RPC(**body)


def carry_bands(source: Any, target: Any, header: Header) -> None:
    """Give `target` the names, tags and colour roles of the bands of `source`, alpha (if any) as the last band."""
    roles: list[ColorInterp] = []
    for number, index in enumerate(header.indexes, 1):
        if source.descriptions[index - 1]:
            target.set_band_description(number, source.descriptions[index - 1])
        if tags := lasting_tags(source.tags(index)):
            target.update_tags(number, **tags)
        roles.append(source.colorinterp[index - 1])
    if target.count > len(header.indexes):
        roles.append(ColorInterp.alpha)
    if len(roles) == target.count:
        target.colorinterp = roles


def carry_radiometry(source: Any, target: Any, header: Header) -> None:
    """Give `target` the scale, offset and unit of every band of `source`."""
    extra = target.count - len(header.indexes)
    target.scales = (*(source.scales[i - 1] for i in header.indexes), *([1.0] * extra))
    target.offsets = (*(source.offsets[i - 1] for i in header.indexes), *([0.0] * extra))
    for number, index in enumerate(header.indexes, 1):
        if source.units[index - 1]:
            target.set_band_unit(number, source.units[index - 1])
