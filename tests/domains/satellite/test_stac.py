"""The STAC item beside an upscaled scene: valid, true to the files, relative, and honest about what is not known."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from made_scenes import nearest, write_tiff
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import get_local_schema_cache
from rasterio.warp import transform
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from domains.satellite.acquired import FIRST, acquired, read_time
from domains.satellite.read import GeoScene, discover
from domains.satellite.write import CogWriter
from sr_core.domain import OutputPlan
from sr_core.log import Silent
from sr_core.raster import OutputFile
from sr_core.trust.claim import no_claim
from sr_core.trust.verdict import CheckResult, Verdict, judge, limit

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
SCALE = 3
TIME = "2026-01-02T03:04:05+00:00"


def checked() -> Verdict:
    checks: list[CheckResult] = [
        limit("spectral angle, mean", 0.12, unit="degrees", threshold=0.3, source="physical: known", sentence="it stays", bicubic=0.2),
        limit("NDVI change, 95 %", float("nan"), unit="", threshold=0.01, source="physical: known", sentence="it stays"),
    ]
    claim = no_claim("There is no calibration.", group_kind="place", operator="0" * 64)
    return judge(claim, checks, software="sr-trust 0.1.0, torch 2.13.0", time=TIME)


def upscale(path: Path, target: Path, verdict: Verdict, **settings: Any) -> tuple[OutputFile, ...]:
    sources, refusals = discover([path], Silent())
    assert not refusals, refusals
    plan = OutputPlan(target, SCALE, "edsr 0123", "bicubic x3", "none", {"SR_NOTICE": ""}, **settings)
    with GeoScene(sources[0]) as scene, CogWriter(sources[0], plan) as writer:
        nearest(writer, scene, sources[0], SCALE, residual=plan.residual)
        return writer.finish(verdict)


def item_of(target: Path) -> dict[str, Any]:
    """Read the item of a result, once it is found to be valid by the schemas of STAC's core, which pystac holds."""
    item: dict[str, Any] = json.loads(target.with_suffix(".stac.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    schemas = get_local_schema_cache()
    registry: Any = Registry().with_resources((url, Resource(contents=body, specification=DRAFT7)) for url, body in schemas.items())
    core = next(body for url, body in schemas.items() if url.endswith("/item.json"))
    jsonschema.Draft7Validator(core, registry=registry, format_checker=jsonschema.FormatChecker()).validate(item)
    return item


def test_item_of_a_rotated_scene(five_bands: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "sr.tif"
    files = upscale(five_bands, target, checked(), residual=True)
    assert [f.role for f in files] == ["image", "interval", "residual", "stac", "verdict"]
    item, read = item_of(target), pystac.Item.from_file(str(target.with_suffix(".stac.json")))
    assert item["id"] == "sr" and item["links"] == [
        {"rel": "derived_from", "href": "../five.tif", "type": "image/tiff; application=geotiff", "title": "five.tif"}
    ]
    assert set(item["assets"]) == {"data", "uncertainty", "residual", "verdict"}
    for name, asset in item["assets"].items():
        place = target.parent / asset["href"]
        assert place.is_file(), name
        if name != "verdict":
            assert asset["file:checksum"] == "1220" + hashlib.sha256(place.read_bytes()).hexdigest()
            assert asset["file:size"] == place.stat().st_size
    assert item["assets"]["verdict"]["type"] == "application/json"
    with rasterio.open(five_bands) as lr, rasterio.open(target) as sr, rasterio.open(target.with_name("sr.interval.tif")) as interval:
        grid = ProjectionExtension.ext(read)
        assert grid.code == "EPSG:32719" and grid.shape == [*sr.shape] and grid.transform == pytest.approx(tuple(sr.transform)[:6])
        bands = RasterExtension.ext(read.assets["data"]).bands
        assert bands is not None and [b.scale for b in bands] == [*sr.scales] and [b.offset for b in bands] == [*sr.offsets]
        assert (
            {b.nodata for b in bands} == {0} and {b.data_type for b in bands} == {"uint16"} and {b.unit for b in bands} == {"reflectance"}
        )
        assert [band["name"] for band in item["assets"]["data"]["bands"]] == [*sr.descriptions]
        widths = RasterExtension.ext(read.assets["uncertainty"]).bands
        assert widths is not None and widths[0].scale == interval.scales[0] and widths[0].nodata == interval.nodata == 65535
        # Every corner of the scene lies on the outline, and the box holds the outline.
        (ring,) = item["geometry"]["coordinates"]
        for col, row in ((0, 0), (91, 0), (0, 143), (91, 143)):
            x, y = lr.transform @ (col, row)
            (lon,), (lat,) = transform(lr.crs, "EPSG:4326", [x], [y])
            assert min(np.hypot(lon - p[0], lat - p[1]) for p in ring) < 2e-7
        lons, lats = zip(*ring, strict=True)
        assert item["bbox"] == [min(lons), min(lats), max(lons), max(lats)]
    assert sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring)) > 0  # counter-clockwise
    assert item["assets"]["residual"]["proj:shape"] == [143, 91] and item["assets"]["residual"]["raster:bands"][0]["nodata"] == "nan"


def test_trust_stands_in_item_and_tags(five_bands: Path, tmp_path: Path) -> None:
    upscale(five_bands, tmp_path / "sr.tif", checked())
    properties = item_of(tmp_path / "sr.tif")["properties"]
    assert properties["sr:verdict"] == "fail" and properties["sr:claim_level"] == "none" and properties["sr:scale"] == SCALE
    assert properties["sr:claim"].startswith("There is no") or "no calibration" in properties["sr:claim"]
    named = {check["name"]: check for check in properties["sr:checks"]}
    angle = named["spectral angle, mean"]
    assert (angle["value"], angle["bicubic"], angle["threshold"], angle["outcome"]) == (0.12, 0.2, 0.3, "pass")
    assert named["NDVI change, 95 %"]["value"] is None and named["NDVI change, 95 %"]["outcome"] == "fail"
    assert properties["processing:software"] == {"sr-trust": "0.1.0", "torch": "2.13.0"} and properties["created"] == "2026-01-02T03:04:05Z"
    assert properties["gsd"] == pytest.approx(10 / SCALE) and properties["platform"] == "made up"
    with rasterio.open(tmp_path / "sr.tif") as sr:
        assert sr.tags()["SR_CHECKS"] == "spectral angle, mean: 0.12 degrees (pass); NDVI change, 95 %: nan (fail)"


def test_a_time_that_is_not_known_is_a_span(five_bands: Path, tmp_path: Path) -> None:
    upscale(five_bands, tmp_path / "sr.tif", checked())
    properties = item_of(tmp_path / "sr.tif")["properties"]
    assert properties["datetime"] is None
    assert (properties["start_datetime"], properties["end_datetime"]) == ("1858-01-01T00:00:00Z", "2026-01-02T03:04:05Z")


def test_no_place_no_geometry(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8))
    upscale(path, tmp_path / "sr.tif", checked())
    item = item_of(tmp_path / "sr.tif")
    assert item["geometry"] is None and "bbox" not in item and "proj:code" not in item["properties"] and "gsd" not in item["properties"]


def test_level_and_sensor_are_kept_and_the_item_beside_goes_first(tmp_path: Path) -> None:
    def edit(dataset: Any) -> None:
        dataset.update_tags(PROCESSING_LEVEL="L2A", PLATFORM="Sentinel-2A", INSTRUMENT="MSI", SENSING_TIME="2020-01-15T10:34:09.024Z")

    path = write_tiff(
        tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8), crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6), edit=edit
    )
    upscale(path, tmp_path / "a.tif", checked())
    properties = item_of(tmp_path / "a.tif")["properties"]
    assert properties["processing:level"] == "L2A" and properties["datetime"] == "2020-01-15T10:34:09.024Z"
    assert (properties["platform"], properties["instruments"]) == ("sentinel-2a", ["msi"])
    given = {"datetime": "2020-01-15T10:34:10Z", "platform": "sentinel-2b", "eo:cloud_cover": 3.5, "file:size": 7, "gsd": 10}
    (tmp_path / "lr.json").write_text(json.dumps({"type": "Feature", "stac_version": "1.0.0", "properties": given}))
    upscale(path, tmp_path / "b.tif", checked())
    item = item_of(tmp_path / "b.tif")
    assert item["links"][0] == {"rel": "derived_from", "href": "lr.json", "type": "application/geo+json", "title": "lr.json"}
    properties = item["properties"]
    assert (properties["datetime"], properties["platform"], properties["eo:cloud_cover"]) == ("2020-01-15T10:34:10Z", "sentinel-2b", 3.5)
    assert properties["gsd"] == pytest.approx(10 / SCALE) and "file:size" not in properties and properties["processing:level"] == "L2A"


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"type": "Feature"}', '{"type": "Feature", "stac_version": "1.0.0", "properties": 3}']
)
def test_something_else_beside_the_scene_is_let_be(tmp_path: Path, text: str) -> None:
    path = write_tiff(tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8))
    (tmp_path / "lr.json").write_text(text)
    upscale(path, tmp_path / "sr.tif", checked())
    assert item_of(tmp_path / "sr.tif")["links"][0]["href"] == "lr.tif"


def test_alpha_is_a_band_of_its_own(tmp_path: Path) -> None:
    from rasterio.enums import ColorInterp

    roles = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    pixels = np.full((4, 70, 80), 255, np.uint8)
    path = write_tiff(tmp_path / "lr.tif", pixels, edit=lambda dataset: setattr(dataset, "colorinterp", roles))
    upscale(path, tmp_path / "sr.tif", checked())
    asset = item_of(tmp_path / "sr.tif")["assets"]["data"]
    assert len(asset["bands"]) == len(asset["raster:bands"]) == 4 and asset["bands"][3]["name"] == "alpha"
    assert "nodata" not in asset["raster:bands"][0]


def test_the_item_is_replaced_with_its_image(five_bands: Path, tmp_path: Path) -> None:
    upscale(five_bands, tmp_path / "sr.tif", checked())
    before = item_of(tmp_path / "sr.tif")["assets"]["data"]["file:checksum"]
    copy = tmp_path / "five_again.tif"
    shutil.copy(five_bands, copy)
    with rasterio.open(copy, "r+") as dataset:
        pixels = dataset.read()
        dataset.write(np.where(pixels > 0, pixels + 1, 0).astype(np.uint16))
    upscale(copy, tmp_path / "sr.tif", checked(), overwrite=True)
    assert item_of(tmp_path / "sr.tif")["assets"]["data"]["file:checksum"] != before


@pytest.mark.parametrize(
    "name, tags, expected",
    [
        ("S2A_MSIL2A_20200115T103409_N0213_R108_T32TQM_20200115T122012.tif", {}, "2020-01-15T10:34:09+00:00"),
        ("T32TQM_20200115T103409_B02_10m.tif", {}, "2020-01-15T10:34:09+00:00"),
        ("LC08_L2SP_192028_20200115_20200823_02_T1_SR_B4.TIF", {}, "2020-01-15T00:00:00+00:00"),
        ("a.tif", {"DATE_ACQUIRED": "2020-01-15", "SCENE_CENTER_TIME": "10:34:09.1234567Z"}, "2020-01-15T10:34:09.123456+00:00"),
        ("a.tif", {"acquisition_datetime": "2020/01/15 12:34:09+02:00"}, "2020-01-15T10:34:09+00:00"),
        ("a.tif", {"TIFFTAG_DATETIME": "2021:01:01 00:00:00"}, FIRST.isoformat()),
        ("scene_20200115.tif", {"SENSING_TIME": "about noon"}, FIRST.isoformat()),
    ],
)
def test_the_time_is_read_where_it_is_said(name: str, tags: dict[str, str], expected: str) -> None:
    class Dataset:
        def tags(self, ns: str = "") -> dict[str, str]:
            return {} if ns else tags

    start = acquired(Dataset(), Path(name), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)).start
    assert start.astimezone(dt.UTC).isoformat() == expected


def test_a_date_is_all_of_that_day() -> None:
    day = read_time("2020-01-15")
    assert day is not None and (day.end - day.start) == dt.timedelta(hours=23, minutes=59, seconds=59)
    assert read_time("20200115T103409") is not None and read_time("2020-13-15") is None and read_time("") is None
