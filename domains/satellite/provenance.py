"""What an upscaled GeoTIFF says of itself: the tags of `domains.satellite.write`, read back."""

from __future__ import annotations

from pathlib import Path

from rasterio.errors import RasterioError

from domains.satellite.header import gdal_settings, quiet
from domains.satellite.opening import open_file
from sr_core.errors import InputError

NEEDED = {"SR_MODEL", "SR_CLAIM"}  # a tag that merely begins so may be somebody else's (surface reflectance)


def provenance(path: Path) -> dict[str, str]:
    """Give the `SR_` tags of a scene, interval or residual that an upscale wrote; empty where none did."""
    try:
        with open_file(path) as dataset, gdal_settings(), quiet():
            tags = {name: text for name, text in dataset.tags().items() if name.startswith("SR_")}
    except (InputError, RasterioError):
        return {}
    if not tags.keys() >= NEEDED:
        return {}
    if "SR_VERDICT" in tags:  # status: sentence
        tags["SR_VERDICT"] = tags["SR_VERDICT"].partition(": ")[2]
    return tags
