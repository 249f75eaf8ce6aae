"""The STAC item of an upscaled scene: what a catalogue needs to list it, find it and say how far it can be trusted.

References
----------
SpatioTemporal Asset Catalog 1.1.0 (stacspec.org), with the extensions projection 2.0.0, raster 1.1.0, processing 1.2.0 and file 2.1.0.
What the extensions do not name stands under the prefix `sr:`.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domains.common.geometry import finer_transform
from domains.satellite.acquired import acquired
from domains.satellite.facts import LEVEL, pixel_metres
from domains.satellite.header import Header
from domains.satellite.outline import outline
from domains.satellite.source_item import carried, item_beside
from sr_core.domain import OutputPlan
from sr_core.raster import Encoding
from sr_core.records import Digest, Source

if TYPE_CHECKING:
    from sr_core.trust.verdict import CheckResult, Verdict

VERSION = "1.1.0"
EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/v{version}/schema.json"
    for name, version in (("projection", "2.0.0"), ("raster", "1.1.0"), ("processing", "1.2.0"), ("file", "2.1.0"))
)
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PLATFORM, INSTRUMENT = ("PLATFORM", "SPACECRAFT_ID", "SATELLITE"), ("INSTRUMENT", "SENSOR_ID", "SENSOR")
SHA256 = "1220"  # multihash: sha2-256, 32 bytes
# What lies in the files, by the role of the writer: asset, title, roles.
ASSETS = {
    "image": ("data", "Upscaled image", ["data"]),
    "interval": ("uncertainty", "Half-width of the interval of each pixel", ["uncertainty", "metadata"]),
    "residual": ("residual", "Measurement minus the upscaled image degraded again, on the input's grid", ["metadata"]),
}


@dataclass(frozen=True)
class Piece:
    """A GeoTIFF of the result.

    Attributes
    ----------
    role : "image", "interval" or "residual".
    name : of the file.
    sha256, size : of its bytes.
    scale : pixels of its grid per pixel of the input.
    encoding, nodata : how values are stored; NaN or None for nodata, too.
    alpha : whether a band of opacity follows the others.
    """

    role: str
    name: str
    sha256: Digest
    size: int
    scale: int
    encoding: Encoding
    nodata: float | None
    alpha: bool = False


def item_text(dataset: Any, header: Header, like: Source, plan: OutputPlan, pieces: tuple[Piece, ...], verdict: Verdict) -> str:
    """Write the STAC item of a result.

    Parameters
    ----------
    dataset, header : the scene that was upscaled, open.
    like, plan : as the writer got them.
    pieces : the files, the image first.
    verdict : what was found of it.

    Returns
    -------
    str
        JSON. Geometry and bbox are left out (null) where the file states no place; a time that is not known becomes the span in which it
        must lie. Links and file names are relative to the item.
    """
    beside = item_beside(like.path)
    place = outline(dataset, header)
    item: dict[str, object] = {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": plan.target.stem,
        "geometry": place.geometry if place else None,
        **({"bbox": place.bbox} if place else {}),
        "properties": {
            **_known(dataset, header, like, plan.scale, verdict, {} if beside is None else carried(beside)),
            **_grid(dataset, header, plan.scale),
            **_trust(plan, verdict),
        },
        "links": [_derived_from(like.path if beside is None else beside, plan.target.parent, beside is not None)],
        "assets": {
            **{ASSETS[piece.role][0]: _asset(piece, dataset, header) for piece in pieces},
            "verdict": {
                "href": f"./{plan.target.stem}.verdict.json",
                "type": "application/json",
                "title": "Claim, checks and verdict",
                "roles": ["metadata"],
            },
        },
    }
    return json.dumps(_plain(item), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _known(dataset: Any, header: Header, like: Source, scale: int, verdict: Verdict, before: Mapping[str, object]) -> Mapping[str, object]:
    """Give time, sensor and processing; what an item of the input says goes first."""
    tags = {key.upper(): str(value).strip() for key, value in dataset.tags().items()}
    now = dt.datetime.fromisoformat(verdict.time) if verdict.time else dt.datetime.now(dt.UTC)
    level, platform, instrument = (next((tags[key] for key in keys if tags.get(key)), "") for keys in (LEVEL, PLATFORM, INSTRUMENT))
    metres = pixel_metres(dataset, header)
    return {
        **({} if "datetime" in before else acquired(dataset, like.path, now, like.acquired).properties),
        **({"created": verdict.time.replace("+00:00", "Z")} if verdict.time else {}),
        **({"platform": platform.lower()} if platform else {}),
        **({"instruments": [instrument.lower()]} if instrument else {}),
        **({"processing:level": level} if level else {}),
        **before,
        **({"gsd": metres / scale} if metres is not None else {}),  # the spacing of pixels; what they resolve is not s times finer
        "processing:lineage": f"{like.path.name}, upscaled x{scale}",
        **({"processing:software": _software(verdict.software)} if verdict.software else {}),
    }


def _software(text: str) -> dict[str, str]:
    """Turn "name 1.0, other 2.1" into names and versions."""
    return {name: version for name, _, version in (part.strip().partition(" ") for part in text.split(","))}


def _grid(dataset: Any, header: Header, scale: int) -> dict[str, object]:
    """Give what the projection extension says of the grid `scale` times finer."""
    grid: dict[str, object] = {"proj:shape": [header.height * scale, header.width * scale]}
    crs = dataset.crs or dataset.gcps[1]
    if crs:
        authority = crs.to_authority()
        grid["proj:code"] = ":".join(authority) if authority else None
        if authority is None:
            grid["proj:wkt2"] = crs.to_wkt(version="WKT2_2019")
    if header.transform is not None:
        a, b, c, d, e, f = header.transform
        corners = [(a * col + b * row + c, d * col + e * row + f) for col in (0, header.width) for row in (0, header.height)]
        xs, ys = zip(*corners, strict=True)
        grid |= {"proj:transform": list(finer_transform(header.transform, scale)), "proj:bbox": [min(xs), min(ys), max(xs), max(ys)]}
    return grid


def _trust(plan: OutputPlan, verdict: Verdict) -> dict[str, object]:
    return {
        "sr:scale": plan.scale,
        "sr:model": verdict.weights or plan.model,
        "sr:operator": plan.operator,
        "sr:calibration": verdict.calibration,
        "sr:claim": verdict.claim.text,
        "sr:claim_level": verdict.claim.level,
        "sr:covered_share": verdict.covered_share,
        "sr:invisible_size_px": verdict.invisible_size_px,
        "sr:verdict": verdict.status,
        "sr:reasons": list(verdict.reasons),
        "sr:checks": [_check(check) for check in verdict.checks],
        **({"sr:notice": plan.tags["SR_NOTICE"]} if plan.tags.get("SR_NOTICE") else {}),
    }


def _check(check: CheckResult) -> dict[str, object]:
    kept = {"name", "value", "unit", "bicubic", "threshold", "direction", "threshold_source", "outcome", "sentence"}
    return check.model_dump(include=kept)


def _asset(piece: Piece, dataset: Any, header: Header) -> dict[str, object]:
    key, title, roles = ASSETS[piece.role]
    metres = pixel_metres(dataset, header)
    common: dict[str, object] = {"data_type": piece.encoding.dtype}
    if piece.nodata is not None:
        common["nodata"] = "nan" if math.isnan(piece.nodata) else piece.nodata
    if metres is not None:
        common["spatial_resolution"] = metres / piece.scale
    stored = {"scale": piece.encoding.scale, "offset": piece.encoding.offset, "unit": header.unit}
    opacity = [{"data_type": piece.encoding.dtype, "unit": "opacity"}] if piece.alpha else []
    return {
        "href": f"./{piece.name}",
        "type": COG,
        "title": title,
        "roles": roles,
        "bands": [{"name": name} for name in (*header.bands, *(["alpha"] if piece.alpha else []))],
        "raster:bands": [*({**common, **stored} for _ in header.bands), *opacity],
        "file:checksum": SHA256 + piece.sha256,
        "file:size": piece.size,
        **(_grid(dataset, header, piece.scale) if key == "residual" else {}),
    }


def _derived_from(path: Path, folder: Path, is_item: bool) -> dict[str, object]:
    href = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    kind = "application/geo+json" if is_item else "image/tiff; application=geotiff"
    return {"rel": "derived_from", "href": href, "type": kind, "title": path.name}


def _plain(value: Any) -> Any:
    """Replace numbers that JSON does not have by null."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
