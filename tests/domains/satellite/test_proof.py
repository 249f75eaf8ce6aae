"""A finished file that states another place, other values or another nodata than its input is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from domains.satellite.header import quiet
from domains.satellite.proof import require_as_stated
from sr_core.errors import OutputError

PLACE = Affine(10, 0, 500000, 0, -10, 4000000)
STATED: dict[str, Any] = {"scales": (1e-4,), "offsets": (-0.1,), "nodata": 0.0}


def made(path: Path, side: int, transform: Affine | None, *, crs: str = "EPSG:32633", scale: float = 1e-4, offset: float = -0.1,
         nodata: float | None = 0.0, points: int = 0) -> Path:  # fmt: skip
    placed = {} if transform is None else {"transform": transform, "crs": crs}
    shape = {"height": side, "width": side, "count": 1, "dtype": "uint16"}
    with quiet(), rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape, **placed) as file:
        file.write(np.ones((1, side, side), np.uint16))
        file.scales, file.offsets = (scale,), (offset,)
        if points:
            file.gcps = ([GroundControlPoint(n, n, n, n) for n in range(points)], "EPSG:4326")
    return path


def prove(tmp_path: Path, source: Path, **changes: Any) -> None:
    given = {"transform": PLACE * Affine.scale(0.5), **changes}
    with quiet(), rasterio.open(source) as dataset:
        require_as_stated(made(tmp_path / "sr.tif", 20, **given), dataset, 2, **STATED)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return made(tmp_path / "lr.tif", 10, PLACE)


def test_a_file_that_states_what_its_input_states_passes(tmp_path: Path, source: Path) -> None:
    prove(tmp_path, source)
    prove(tmp_path, made(tmp_path / "plain.tif", 10, None), transform=None)
    prove(tmp_path, made(tmp_path / "points.tif", 10, None, points=4), transform=None, points=4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"transform": PLACE * Affine.scale(0.5) * Affine.translation(0.5, 0)}, "lies 0.5 px beside its place"),
        ({"transform": PLACE}, "px beside its place"),
        ({"transform": None}, "lies inf px|px beside"),
        ({"crs": "EPSG:32634"}, "another coordinate system"),
        ({"scale": 1.01e-4}, "scale factors"),
        ({"offset": 0.0}, "offsets"),
        ({"nodata": None}, "nodata value None"),
        ({"nodata": 65535.0}, "nodata value 65535"),
    ],
)
def test_a_file_that_states_otherwise_is_refused(tmp_path: Path, source: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OutputError, match=said):
        prove(tmp_path, source, **changes)


def test_a_place_that_the_input_does_not_state_and_lost_control_points_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="inf px beside its place"):
        prove(tmp_path, made(tmp_path / "plain.tif", 10, None), crs="EPSG:32633")
    with pytest.raises(OutputError, match="has 0 ground control points"):
        prove(tmp_path, made(tmp_path / "points.tif", 10, None, points=4), transform=None)
