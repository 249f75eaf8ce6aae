"""What bands are called in files: "B04", "Red (B04)", "nir08"."""

from __future__ import annotations

import re

# Colours by Sentinel-2's numbers, as catalogues name them.
SENTINEL2_COLOURS = {
    "coastal": "B1", "blue": "B2", "green": "B3", "red": "B4", "rededge1": "B5", "rededge2": "B6", "rededge3": "B7", "nir": "B8",
    "nir08": "B8A", "nir09": "B9", "swir16": "B11", "swir22": "B12",
}  # fmt: skip


def words(band: str) -> list[str]:
    """Give a band's name, lower case: the whole, then word by word."""
    plain = band.strip().lower()
    return [plain, *re.split(r"[\s()\[\],;:/]+", plain)]


def sentinel2_number(band: str) -> str | None:
    """Give the number of a band of Sentinel-2, "B2" to "B8A" to "B12", however it is written; None where it is no such name."""
    said = words(band)
    for word in said:
        if numbered := re.fullmatch(r"b0*(\d{1,2}a?)", word):
            return "B" + numbered[1].upper()
    if any("edge" in word for word in said[1:]):
        return next((SENTINEL2_COLOURS[word] for word in said if word in SENTINEL2_COLOURS and "edge" in word), None)
    return next((SENTINEL2_COLOURS[word] for word in said if word in SENTINEL2_COLOURS), None)
