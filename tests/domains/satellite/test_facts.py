"""What scenes declare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from made_scenes import write_tiff

from domains.satellite.domain import DOMAIN
from sr_core.log import Silent

PIXELS = np.random.default_rng(0).integers(1, 200, (3, 128, 128), np.uint8)


def said(path: Path) -> dict[str, list[Any]]:
    (source,), _ = DOMAIN.discover([path], Silent())
    found: dict[str, list[Any]] = {}
    for fact in DOMAIN.facts(source):
        found.setdefault(fact.name, []).append(fact.value)
    return found


def test_a_scene_with_everything(five_bands: Path) -> None:
    found = said(five_bands)
    assert found["sensor"] == ["made up"] and found["stored type"] == ["uint16"] and "unit" not in found
    assert found["band"] == ["B02", "B03", "B04", "B08", "B11"] and found["compression"] == ["lossless"]
    assert found["pixel size"] == [pytest.approx(10.0)]


def test_level_and_baseline(tmp_path: Path) -> None:
    tags = {"PROCESSING_LEVEL": "Level-2A", "PROCESSING_BASELINE": "04.00", "SATELLITE": "S2B", "SENSOR": "MSI"}
    path = write_tiff(tmp_path / "a.tif", PIXELS, edit=lambda dataset: dataset.update_tags(**tags))
    found = said(path)
    assert (found["processing level"], found["processing baseline"], found["sensor"]) == (["Level-2A"], ["04.00"], ["MSI S2B"])
    assert "pixel size" not in found and "band" not in found


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"compress": "jpeg"}, "lossy JPEG"), ({"compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"}, "lossy JPEG"),
        ({"compress": "deflate"}, "lossless"), ({"compress": "lzw"}, "lossless"), ({}, "lossless"),
    ],
)  # fmt: skip
def test_compression(tmp_path: Path, options: dict[str, Any], word: str) -> None:
    path = write_tiff(tmp_path / "a.tif", PIXELS, tiled=True, blockxsize=64, blockysize=64, **options)
    assert said(path)["compression"] == [word]


def test_degrees_become_metres(tmp_path: Path) -> None:
    """At 60 degrees north, a degree of longitude is half as long as one of latitude."""
    degrees = 10 / 111_320
    transform = Affine(2 * degrees, 0, 10, 0, -degrees, 60)
    path = write_tiff(tmp_path / "a.tif", PIXELS, crs="EPSG:4326", transform=transform)
    assert said(path)["pixel size"] == [pytest.approx(10.0, rel=0.01)]
