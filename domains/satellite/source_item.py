"""The STAC item that lies beside a scene, as far as it is there and can be believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from domains.satellite.acquired import read_time

LARGEST = 4 << 20  # bytes of an item that is read
# What stays true of an upscaled scene.
KEPT = ("platform", "instruments", "constellation", "mission", "processing:level", "processing:facility", "eo:cloud_cover", "eo:snow_cover")
PREFIXES = ("sat:", "view:", "grid:", "mgrs:", "landsat:", "s2:")


def item_beside(scene: Path) -> Path | None:
    """Give the place of the STAC item of a scene: `<name>.stac.json` or `<name>.json` beside it; None where there is none."""
    places = (scene.with_name(f"{scene.stem}.{ending}") for ending in ("stac.json", "json"))
    return next((place for place in places if _properties(place) is not None), None)


def carried(item: Path) -> dict[str, object]:
    """Give the properties of an item that hold of an upscaled scene, too: time, sensor, level, view; none where it changed meanwhile."""
    properties = _properties(item) or {}
    kept = {key: value for key, value in properties.items() if key in KEPT or key.startswith(PREFIXES)}
    return {**_times(properties), **kept}


def _times(properties: Mapping[str, object]) -> dict[str, object]:
    moment, start, end = (properties.get(key) for key in ("datetime", "start_datetime", "end_datetime"))
    if isinstance(moment, str) and read_time(moment):
        return {"datetime": moment}
    if all(isinstance(time, str) and read_time(time) for time in (start, end)):
        return {"datetime": None, "start_datetime": start, "end_datetime": end}
    return {}


def _properties(place: Path) -> dict[str, object] | None:
    """Read the properties of an item; None where a file is no item of a single feature."""
    try:
        if not place.is_file() or place.stat().st_size > LARGEST:
            return None
        body = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("type") != "Feature" or "stac_version" not in body:
        return None
    properties = body.get("properties")
    return properties if isinstance(properties, dict) else None
