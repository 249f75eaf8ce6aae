"""Scenes made by script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from made_scenes import HOLE, write_tiff

from sr_core.trust.claim import no_claim
from sr_core.trust.verdict import Verdict, judge


@pytest.fixture
def five_bands(tmp_path: Path) -> Path:
    """A scene that is rotated, higher than wide, of odd sizes, with 5 bands, a hole, scale, a non-zero offset, tags and names."""
    rng = np.random.default_rng(5)
    rows, cols = np.mgrid[0:143, 0:91]
    smooth = 3000 + 900 * np.sin(rows / 7) * np.cos(cols / 5)
    pixels = np.stack([smooth * (1 + 0.2 * band) + rng.normal(0, 40, smooth.shape) for band in range(5)]).astype(np.uint16)
    pixels[:, *HOLE] = 0
    transform = Affine.translation(500000.0, 5200000.0) @ Affine.rotation(17.0) @ Affine.scale(10.0, -10.0)

    def edit(dataset: Any) -> None:
        dataset.descriptions = ("B02", "B03", "B04", "B08", "B11")
        dataset.scales, dataset.offsets = (1e-4,) * 5, (-0.1,) * 5
        dataset.units = ("reflectance",) * 5
        dataset.update_tags(PLATFORM="made up", STATISTICS_MEAN="1", AREA_OR_POINT="Area")
        dataset.update_tags(2, wavelength="560", STATISTICS_MAXIMUM="9")

    return write_tiff(
        tmp_path / "five.tif", pixels, crs="EPSG:32719", transform=transform, nodata=0, tiled=True, blockxsize=64, blockysize=64, edit=edit
    )


@pytest.fixture
def verdict() -> Verdict:
    return judge(no_claim("There is no calibration.", group_kind="place", operator="0" * 64), [])
