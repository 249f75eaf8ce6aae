"""Outlines in longitude and latitude: curved sides, the antimeridian, the poles, control points, coefficients."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from made_scenes import write_tiff
from rasterio.control import GroundControlPoint
from rasterio.warp import transform

from domains.satellite.header import read_header
from domains.satellite.opening import open_file
from domains.satellite.outline import Outline, outline

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def outline_of(path: Path) -> Outline | None:
    with open_file(path) as dataset:
        return outline(dataset, read_header(path, dataset))


def scene(path: Path, **profile: Any) -> Path:
    return write_tiff(path, np.full((1, 70, 80), 90, np.uint8), **profile)


def area(ring: list[tuple[float, float]]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring)) / 2


def test_the_antimeridian_cuts_a_scene_in_two(tmp_path: Path) -> None:
    # 80 pixels of 1250 m around 180 degrees at 63 north, in zone 1: 179.0 east to 178.98 west.
    (x,), (y,) = transform("EPSG:4326", "EPSG:32601", [-180.0], [63.0])
    found = outline_of(scene(tmp_path / "a.tif", crs="EPSG:32601", transform=Affine(1250, 0, x - 50_000, 0, -1250, y + 43_750)))
    assert found is not None and found.geometry["type"] == "MultiPolygon"
    west, south, east, north = found.bbox
    assert 178 < west < 180 and -180 < east < -178 and 62 < south < 63 < north < 64
    for ring in found.rings:
        assert area(ring) > 0 and ring[0] == ring[-1] and all(-180 <= lon <= 180 for lon, _ in ring)
    assert max(lon for lon, _ in found.rings[0]) == 180 and min(lon for lon, _ in found.rings[1]) == -180
    # Both parts together are as large as the scene moved to where nothing cuts it.
    moved = outline_of(scene(tmp_path / "b.tif", crs="EPSG:32602", transform=Affine(1250, 0, x - 50_000, 0, -1250, y + 43_750)))
    assert moved is not None and sum(map(area, found.rings)) == pytest.approx(area(moved.rings[0]), rel=1e-6)


def test_longitudes_beyond_180_are_put_where_they_belong(tmp_path: Path) -> None:
    found = outline_of(scene(tmp_path / "a.tif", crs="EPSG:4326", transform=Affine(0.1, 0, 200, 0, -0.1, 10)))
    assert found is not None and found.bbox == [-160.0, 3.0, -152.0, 10.0]


def test_a_pole_inside(tmp_path: Path) -> None:
    found = outline_of(scene(tmp_path / "a.tif", crs="EPSG:3031", transform=Affine(2500, 0, -100_000, 0, -2500, 87_500)))
    assert found is not None and found.bbox[0] == -180 and found.bbox[2] == 180 and found.bbox[1] == -90 and -90 < found.bbox[3] < -88


def test_control_points_give_the_outline_of_the_affine_scene(tmp_path: Path) -> None:
    place, utm = Affine(10, 2, 5e5, 1, -10, 5e6), rasterio.crs.CRS.from_epsg(32633)
    corners = [(r, c, *(place @ (c, r))) for r, c in ((0, 0), (0, 80), (70, 0), (70, 80))]
    points = [GroundControlPoint(row=r, col=c, x=x, y=y) for r, c, x, y in corners]
    by_points = outline_of(scene(tmp_path / "gcp.tif", edit=lambda dataset: setattr(dataset, "gcps", (points, utm))))
    affine = outline_of(scene(tmp_path / "affine.tif", crs=utm, transform=place))
    assert by_points is not None and affine is not None
    np.testing.assert_allclose(by_points.rings[0], affine.rings[0], atol=2e-7)


def test_coefficients_place_a_real_scene(shared_data: Path) -> None:
    path = shared_data / "satellite" / "formats" / "rpcs.tif"
    found = outline_of(path)
    assert found is not None
    with rasterio.open(path) as dataset:
        rpc = dataset.rpcs
        west, south, east, north = found.bbox
        assert abs((west + east) / 2 - rpc.long_off) < rpc.long_scale and abs((south + north) / 2 - rpc.lat_off) < rpc.lat_scale


def test_no_place(tmp_path: Path) -> None:
    assert outline_of(scene(tmp_path / "a.tif")) is None
    assert outline_of(scene(tmp_path / "b.tif", transform=Affine(10, 0, 5e5, 0, -10, 5e6))) is None
