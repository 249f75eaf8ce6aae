"""What a scene declares of how it was made: tags, stored type, compression, pixel size, bands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from domains.common.geometry import spacing
from domains.satellite.header import Header, quiet, read_header
from domains.satellite.products import open_source
from sr_core.records import Fact, Source

SENSOR = ("SENSOR", "SENSOR_ID", "INSTRUMENT", "PLATFORM", "SATELLITE", "SPACECRAFT_ID")
LEVEL = ("PROCESSING_LEVEL", "PRODUCT_LEVEL", "PRODUCT_TYPE")
BASELINE = ("PROCESSING_BASELINE",)
MAY_LOSE = ("jpeg", "webp", "jxl", "lerc")  # unless the file says that nothing was lost
DEGREE_M = 111_320.0  # of latitude


def facts(source: Source) -> Sequence[Fact]:
    """Give the facts of a scene from its header. Its unit is none of them: a model of one unit refuses others, and one of any takes them.

    Raises
    ------
    InputError
        If the file cannot be opened any more.
    """
    with quiet(), open_source(source) as dataset:
        return tuple(_facts(dataset, read_header(source.path, dataset, source.size)))


def _facts(dataset: Any, header: Header) -> Iterator[Fact]:
    tags = {key.upper(): str(value).strip() for key, value in dataset.tags().items()}
    for name, keys in (("sensor", SENSOR), ("processing level", LEVEL), ("processing baseline", BASELINE)):
        if said := " ".join(dict.fromkeys(tags[key] for key in keys if tags.get(key))):
            yield Fact(name=name, value=said)
    yield Fact(name="stored type", value=header.encoding.dtype)
    yield Fact(name="compression", value=_compression(dataset))
    if (size := pixel_metres(dataset, header)) is not None:
        yield Fact(name="pixel size", value=size, unit="m", sampled=True)
    for index in header.indexes:
        if described := dataset.descriptions[index - 1]:
            yield Fact(name="band", value=described)


def _compression(dataset: Any) -> str:
    said = dataset.tags(ns="IMAGE_STRUCTURE")
    kind = str(said.get("COMPRESSION", "")).lower()
    lossy = next((word for word in MAY_LOSE if word in kind), None)
    if lossy is None or said.get("COMPRESSION_REVERSIBILITY", "").upper() == "LOSSLESS" or said.get("MAX_Z_ERROR") == "0":
        return "lossless"
    return f"lossy {lossy.upper()}"


def pixel_metres(dataset: Any, header: Header) -> float | None:
    """Give the side of a pixel on the ground, in metres; None where the file does not say where it lies."""
    if header.transform is None or not dataset.crs:
        return None
    across, down = spacing(header.transform)
    if dataset.crs.is_geographic:
        _, south, _, north = dataset.bounds
        shrink = math.cos(math.radians(min(89.0, abs(south + north) / 2)))
        return DEGREE_M * math.sqrt(across * down * shrink)
    if not dataset.crs.is_projected:
        return None  # a local or geocentric system: rasterio gives no factor for its units
    return float(dataset.crs.linear_units_factor[1]) * math.sqrt(across * down)
