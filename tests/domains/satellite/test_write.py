"""Writing: georeference, radiometry, masks, companions, and nothing left behind when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from made_scenes import HOLE, nearest, write_tiff
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer
from rio_cogeo import cog_validate

from domains.satellite.read import GeoScene, discover
from domains.satellite.write import CogWriter
from sr_core.domain import OutputPlan
from sr_core.errors import OutputError, ShapeError
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Source
from sr_core.trust.verdict import Verdict

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
SCALE = 3


def only(path: Path) -> Source:
    sources, refusals = discover([path], Silent())
    assert not refusals, refusals
    return sources[0]


def plan(target: Path, **settings: Any) -> OutputPlan:
    fixed = {"scale": SCALE, "model": "edsr 0123", "operator": "bicubic x3", "claim": "none"}
    return OutputPlan(target=target, tags={"SR_CALIBRATION": "abc", "notice": ""}, **{**fixed, **settings})


def upscale(path: Path, target: Path, verdict: Verdict, *, half_width: float | None = 0.01, residual: bool = False, **settings: Any) -> Any:
    source = only(path)
    with GeoScene(source) as scene, CogWriter(source, plan(target, residual=residual, **settings)) as writer:
        nearest(writer, scene, source, settings.get("scale", SCALE), half_width=half_width, residual=residual)
        return writer.finish(verdict)


def test_round_trip(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    target = tmp_path / "out" / "sr.tif"
    files = upscale(five_bands, target, verdict, residual=True)
    assert [f.role for f in files] == ["image", "interval", "residual", "stac", "verdict"]
    assert {p.name for p in target.parent.iterdir()} == {"sr.tif", "sr.interval.tif", "sr.residual.tif", "sr.stac.json", "sr.verdict.json"}
    with rasterio.open(five_bands) as lr, rasterio.open(target) as sr:
        assert (sr.height, sr.width, sr.count) == (143 * SCALE, 91 * SCALE, 5)
        for col, row in ((0, 0), (91, 0), (0, 143), (91, 143)):
            expected = lr.transform @ (col, row)
            got = sr.transform @ (col * SCALE, row * SCALE)
            assert np.hypot(expected[0] - got[0], expected[1] - got[1]) < 1e-6 * 10  # 1e-6 px of 10 m
        assert sr.crs == lr.crs and sr.nodata == 0 and sr.dtypes == lr.dtypes
        assert sr.descriptions == lr.descriptions and sr.scales == lr.scales and sr.offsets == lr.offsets and sr.units == lr.units
        assert sr.colorinterp == lr.colorinterp
        tags = sr.tags()
        assert tags["PLATFORM"] == "made up" and "STATISTICS_MEAN" not in tags and tags["AREA_OR_POINT"] == "Area"
        assert sr.tags(2)["wavelength"] == "560" and "STATISTICS_MAXIMUM" not in sr.tags(2)
        assert tags["SR_MODEL"] == "edsr 0123" and tags["SR_OPERATOR"] == "bicubic x3" and tags["SR_CLAIM"] == verdict.claim.text
        assert tags["SR_CALIBRATION"] == "abc" and tags["SR_VERDICT"].startswith("warn") and "SR_NOTICE" not in tags
        np.testing.assert_array_equal(sr.read(), lr.read().repeat(SCALE, axis=1).repeat(SCALE, axis=2))
        hole = tuple(slice(s.start * SCALE, s.stop * SCALE) for s in HOLE)
        pixels = sr.read(1)
        assert (pixels[hole] == 0).all() and np.count_nonzero(pixels == 0) == 12 * 17 * SCALE**2


def test_outputs_are_valid_cogs(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    upscale(five_bands, tmp_path / "sr.tif", verdict, scale=6, residual=True)
    for name in ("sr.tif", "sr.interval.tif", "sr.residual.tif"):
        ok, errors, warnings = cog_validate(tmp_path / name, quiet=True)
        assert ok and not errors and not warnings, (name, errors, warnings)
    with rasterio.open(tmp_path / "sr.tif") as sr:
        assert sr.is_tiled and sr.overviews(1) and sr.block_shapes[0] == (512, 512) and sr.compression.name == "zstd"


def test_interval_and_residual(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    upscale(five_bands, tmp_path / "sr.tif", verdict, half_width=0.0123456, residual=True)
    with rasterio.open(tmp_path / "sr.interval.tif") as interval, rasterio.open(tmp_path / "sr.tif") as sr:
        assert interval.transform == sr.transform and interval.crs == sr.crs and interval.nodata == 65535
        assert interval.dtypes[0] == "uint16" and interval.descriptions == sr.descriptions
        decoded = interval.read(masked=True) * interval.scales[0]
        assert decoded.mask[0].sum() == 12 * 17 * SCALE**2
        assert decoded.min() >= 0.0123456 and decoded.max() <= 0.0123456 + interval.scales[0]  # never narrower
    with rasterio.open(tmp_path / "sr.residual.tif") as residual, rasterio.open(five_bands) as lr:
        assert residual.shape == lr.shape and residual.transform.almost_equals(lr.transform) and residual.dtypes[0] == "float32"
        assert np.isnan(residual.read(1)[HOLE]).all() and np.nansum(residual.read(1) == 0.5) == 143 * 91 - 12 * 17


def test_windows_without_interval_read_as_no_claim(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    source = only(five_bands)
    with CogWriter(source, plan(tmp_path / "sr.tif", scale=8)) as writer:
        for row in range(0, 143 * 8, 104):
            window = Window(row, 0, 104, 91 * 8)
            mean, mask = np.full((5, 104, 91 * 8), 0.3, np.float32), np.ones((104, 91 * 8), bool)
            writer.write(window, mean, mask, np.full_like(mean, 0.02 if row == 104 * 9 else np.nan), None)
        writer.finish(verdict)
    with rasterio.open(tmp_path / "sr.interval.tif") as interval:
        claimed = interval.read(1) != 65535
    assert claimed[104 * 9 : 104 * 10].all() and claimed.sum() == 104 * 91 * 8


def test_no_interval_file_without_a_claim(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    files = upscale(five_bands, tmp_path / "sr.tif", verdict, half_width=None)
    assert [f.role for f in files] == ["image", "stac", "verdict"]


def test_a_withdrawn_interval_is_a_file_without_values(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    files = upscale(five_bands, tmp_path / "sr.tif", verdict, half_width=float("nan"))
    assert [f.role for f in files] == ["image", "interval", "stac", "verdict"]
    with rasterio.open(files[1].path) as interval:
        assert (interval.read() == interval.nodata).all()


def test_verdict_file_holds_the_hashes(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    files = upscale(five_bands, tmp_path / "sr.tif", verdict)
    read = Verdict.from_json(files[-1].path.read_text(), "verdict")
    import hashlib

    assert read.inputs == (only(five_bands).sha256,)
    assert read.outputs == tuple(hashlib.sha256(f.path.read_bytes()).hexdigest() for f in files[:-1])
    assert json.loads(files[-1].path.read_text())["status"] == "warn"


def test_reread_is_what_the_file_holds(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    source = only(five_bands)
    window = Window(60, 30, 90, 90)
    with CogWriter(source, plan(tmp_path / "sr.tif")) as writer:
        for row in range(0, 429, 39):
            mean = np.full((5, 39, 273), 0.123456, np.float32)
            writer.write(Window(row, 0, 39, 273), mean, np.ones((39, 273), bool), None, None)
        raster = writer.reread(window)
        writer.finish(verdict)
    np.testing.assert_allclose(raster.pixels, 0.1235, atol=1e-7)  # one step is 1e-4
    with GeoScene(only(tmp_path / "sr.tif")) as scene:
        again = scene.read(window)
    np.testing.assert_array_equal(again.pixels, raster.pixels)
    np.testing.assert_array_equal(again.mask, raster.mask)


def test_measurement_never_becomes_nodata(tmp_path: Path, verdict: Verdict) -> None:
    pixels = np.full((1, 70, 70), 500, np.int16)
    pixels[0, 0, 0] = 100
    source = only(write_tiff(tmp_path / "lr.tif", pixels, nodata=100))
    with CogWriter(source, plan(tmp_path / "sr.tif")) as writer:
        mask = np.ones((210, 210), bool)
        mask[:3, :3] = False
        writer.write(Window(0, 0, 210, 210), np.full((1, 210, 210), 100.2, np.float32), mask, None, None)
        writer.finish(verdict)
    with rasterio.open(tmp_path / "sr.tif") as sr:
        assert (sr.read(1)[mask] == 101).all() and (sr.read(1)[~mask] == 100).all()


@pytest.mark.parametrize("nodata", [float("nan"), -9999.0, None])
def test_float_scenes(tmp_path: Path, verdict: Verdict, nodata: float | None) -> None:
    pixels = np.random.default_rng(0).random((2, 70, 81), np.float32)
    hole = np.nan if nodata is None or np.isnan(nodata) else nodata
    pixels[:, 5:9, 6:20] = hole
    path = write_tiff(tmp_path / "lr.tif", pixels, nodata=nodata)
    upscale(path, tmp_path / "sr.tif", verdict)
    with rasterio.open(tmp_path / "sr.tif") as sr, rasterio.open(tmp_path / "sr.interval.tif") as interval:
        np.testing.assert_array_equal(sr.read(), pixels.repeat(SCALE, axis=1).repeat(SCALE, axis=2))
        assert interval.dtypes[0] == "float32" and np.isnan(interval.read(1)).sum() == 4 * 14 * SCALE**2
    with GeoScene(only(tmp_path / "sr.tif")) as scene:
        assert (~scene.read(Window(0, 0, 210, 243)).mask).sum() == 4 * 14 * SCALE**2


def test_alpha_and_internal_mask_are_kept(tmp_path: Path, verdict: Verdict) -> None:
    mask = np.ones((70, 80), bool)
    mask[10:20, 5:30] = False
    rgba = np.concatenate([np.full((3, 70, 80), 90, np.uint16), mask[None] * np.uint16(65535)])
    roles = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    with_alpha = write_tiff(tmp_path / "alpha.tif", rgba, edit=lambda dataset: setattr(dataset, "colorinterp", roles))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with_mask = write_tiff(tmp_path / "mask.tif", rgba[:3].astype(np.uint8), mask=mask)
    for path in (with_alpha, with_mask):
        target = tmp_path / f"{path.stem}_sr.tif"
        upscale(path, target, verdict)
        assert cog_validate(target, quiet=True)[0]
        with rasterio.open(target) as sr, rasterio.open(path) as lr:
            assert sr.count == lr.count and sr.colorinterp == lr.colorinterp and sr.mask_flag_enums == lr.mask_flag_enums
            np.testing.assert_array_equal(sr.dataset_mask() > 0, mask.repeat(SCALE, axis=0).repeat(SCALE, axis=1))


def test_control_points_and_rpcs(tmp_path: Path, verdict: Verdict) -> None:
    pixels = np.full((1, 70, 80), 90, np.uint8)
    points = [GroundControlPoint(row=r, col=c, x=500000 + 10 * c, y=5e6 - 10 * r) for r, c in ((0, 0), (0, 80), (70, 0), (70.5, 80.25))]
    utm = rasterio.crs.CRS.from_epsg(32633)
    path = write_tiff(tmp_path / "gcp.tif", pixels, edit=lambda dataset: setattr(dataset, "gcps", (points, utm)))
    upscale(path, tmp_path / "gcp_sr.tif", verdict)
    with rasterio.open(tmp_path / "gcp_sr.tif") as sr:
        got, crs = sr.gcps
        assert crs.to_epsg() == 32633
        assert [(p.row, p.col, p.x) for p in got] == [(p.row * SCALE, p.col * SCALE, p.x) for p in points]
    some = [1.0] + [0.001] * 19
    rpc = RPC(
        height_off=100.0, height_scale=50.0, lat_off=45.0, lat_scale=1.0, line_den_coeff=some, line_num_coeff=some, line_off=35.0,
        line_scale=35.0, long_off=9.0, long_scale=1.0, samp_den_coeff=some, samp_num_coeff=some, samp_off=40.0, samp_scale=40.0,
    )  # fmt: skip
    path = write_tiff(tmp_path / "rpc.tif", pixels + np.uint8(1), edit=lambda dataset: setattr(dataset, "rpcs", rpc))
    upscale(path, tmp_path / "rpc_sr.tif", verdict)
    with rasterio.open(tmp_path / "rpc_sr.tif") as sr, rasterio.open(path) as lr:
        assert sr.rpcs.line_off == SCALE * lr.rpcs.line_off + (SCALE - 1) / 2 and sr.rpcs.samp_scale == SCALE * lr.rpcs.samp_scale
        assert sr.rpcs.line_num_coeff == lr.rpcs.line_num_coeff and sr.rpcs.lat_off == lr.rpcs.lat_off


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_ground_points_lie_where_they_lay_by_coefficients(shared_data: Path, tmp_path: Path, verdict: Verdict, scale: int) -> None:
    path = shared_data / "satellite" / "formats" / "rpcs.tif"
    upscale(path, tmp_path / "sr.tif", verdict, scale=scale)
    with rasterio.open(path) as lr, rasterio.open(tmp_path / "sr.tif") as sr:
        rng, rpc = np.random.default_rng(0), lr.rpcs
        lons = rpc.long_off + rpc.long_scale * rng.uniform(-1, 1, 200)
        lats = rpc.lat_off + rpc.lat_scale * rng.uniform(-1, 1, 200)
        heights = rpc.height_off + rpc.height_scale * rng.uniform(-1, 1, 200)
        assert positions(RPCTransformer(sr.rpcs), lons, lats, heights) == pytest.approx(
            scale * positions(RPCTransformer(rpc), lons, lats, heights), abs=scale * 1e-6
        )
        assert sr.rpcs.line_num_coeff == rpc.line_num_coeff and sr.rpcs.samp_den_coeff == rpc.samp_den_coeff
        assert (sr.rpcs.err_bias, sr.rpcs.height_off) == (rpc.err_bias, rpc.height_off)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_ground_points_lie_where_they_lay_by_control_points(tmp_path: Path, verdict: Verdict, scale: int) -> None:
    grid = [(r, c) for r in (0, 20, 45, 70) for c in (0, 25.5, 60, 80)]
    # A curved surface, so that a shift of half a pixel could not hide in an affine fit.
    points = [GroundControlPoint(row=r, col=c, x=5e5 + 10 * c + 0.004 * r * c, y=5e6 - 10 * r + 0.003 * c * c, z=12.5) for r, c in grid]
    utm = rasterio.crs.CRS.from_epsg(32633)
    path = write_tiff(tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8), edit=lambda dataset: setattr(dataset, "gcps", (points, utm)))
    upscale(path, tmp_path / "sr.tif", verdict, scale=scale)
    with rasterio.open(path) as lr, rasterio.open(tmp_path / "sr.tif") as sr:
        assert [p.z for p in sr.gcps[0]] == [12.5] * 16
        rng = np.random.default_rng(0)
        xs, ys = 5e5 + rng.uniform(0, 800, 200), 5e6 - rng.uniform(0, 700, 200)
        before, after = (positions(GCPTransformer(d.gcps[0]), xs, ys, np.zeros(200)) for d in (lr, sr))
        assert np.abs(after - scale * before).max() < scale * 1e-6


def positions(places: Any, xs: np.ndarray, ys: np.ndarray, zs: np.ndarray) -> np.ndarray:
    """Rows and columns of ground points, corners of pixels as whole numbers."""
    with places:
        return np.array(places.rowcol(xs, ys, zs=zs, op=lambda v: v), np.float64)


def test_names_of_tag_spaces_stand_before_their_tags(tmp_path: Path, verdict: Verdict) -> None:
    path = write_tiff(
        tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8), edit=lambda dataset: dataset.update_tags(ns="IMAGERY", CLOUDCOVER="7")
    )
    upscale(path, tmp_path / "sr.tif", verdict)
    with rasterio.open(tmp_path / "sr.tif") as sr:
        assert sr.tags()["IMAGERY_CLOUDCOVER"] == "7"


def test_pixel_is_point_keeps_its_corner(tmp_path: Path, verdict: Verdict) -> None:
    path = write_tiff(
        tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8), crs="EPSG:32633", transform=Affine(10.0, 0, 5e5, 0, -10.0, 5e6),
        edit=lambda dataset: dataset.update_tags(AREA_OR_POINT="Point"),
    )  # fmt: skip
    upscale(path, tmp_path / "sr.tif", verdict)
    with rasterio.open(path) as lr, rasterio.open(tmp_path / "sr.tif") as sr:
        assert sr.tags()["AREA_OR_POINT"] == "Point" and sr.bounds == lr.bounds


def test_no_georeference_stays_none(tmp_path: Path, verdict: Verdict) -> None:
    path = write_tiff(tmp_path / "lr.tif", np.full((1, 70, 80), 90, np.uint8))
    upscale(path, tmp_path / "sr.tif", verdict)
    with rasterio.open(tmp_path / "sr.tif") as sr:
        assert sr.crs is None and sr.transform.is_identity


class TestNothingIsLeft:
    def test_by_an_exception(self, five_bands: Path, tmp_path: Path) -> None:
        source, folder = only(five_bands), tmp_path / "out"
        with pytest.raises(RuntimeError), GeoScene(source) as scene, CogWriter(source, plan(folder / "sr.tif")) as writer:
            nearest(writer, scene, source, SCALE)
            raise RuntimeError("the network broke")
        assert list(folder.iterdir()) == []

    def test_when_the_copy_fails(self, five_bands: Path, tmp_path: Path, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
        import domains.satellite.write as module

        copies: list[Path] = []
        copy = module.copy_as_cog

        def failing(image: Path, place: Path, stored: np.ndarray) -> None:
            copies.append(place)
            if len(copies) == 2:
                raise OutputError("disk full", "room", "Free some.")
            copy(image, place, stored)

        monkeypatch.setattr(module, "copy_as_cog", failing)
        with pytest.raises(OutputError, match="disk full"):
            upscale(five_bands, tmp_path / "out" / "sr.tif", verdict)
        assert len(copies) == 2 and list((tmp_path / "out").iterdir()) == []

    def test_by_values_that_are_not_finite(self, five_bands: Path, tmp_path: Path) -> None:
        source = only(five_bands)
        mean = np.full((5, 30, 273), np.nan, np.float32)
        with pytest.raises(OutputError, match="not finite"), CogWriter(source, plan(tmp_path / "o" / "sr.tif")) as writer:
            writer.write(Window(0, 0, 30, 273), mean, np.ones((30, 273), bool), None, None)
        assert list((tmp_path / "o").iterdir()) == []

    def test_by_a_killed_run(self, five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
        stale = tmp_path / ".sr.tif.0123456789abcdef.resume"
        stale.mkdir()
        (tmp_path / ".sr.tif.lock").touch()
        (stale / "image.working.tif").write_bytes(b"half")
        upscale(five_bands, tmp_path / "sr.tif", verdict)
        assert not stale.exists() and not list(tmp_path.glob(".*"))


def test_window_that_does_not_fit(five_bands: Path, tmp_path: Path) -> None:
    with CogWriter(only(five_bands), plan(tmp_path / "sr.tif")) as writer, pytest.raises(ShapeError):
        writer.write(Window(0, 90 * SCALE, 6, 6), np.zeros((5, 6, 6), np.float32), np.ones((6, 6), bool), None, None)


def test_targets_that_are_refused(five_bands: Path, tmp_path: Path, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    source = only(five_bands)
    with pytest.raises(OutputError, match="is the input"):
        CogWriter(source, plan(five_bands, overwrite=True))
    (tmp_path / "there.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        CogWriter(source, plan(tmp_path / "there.tif"))
    (tmp_path / "beside.verdict.json").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        CogWriter(source, plan(tmp_path / "beside.tif"))
    with pytest.raises(OutputError, match="can be written"):
        CogWriter(source, plan(tmp_path / "there.tif" / "sr.tif"))
    with pytest.raises(OutputError, match="is a folder"):
        CogWriter(source, plan(tmp_path))
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(OutputError, match="0 MiB free"):
        CogWriter(source, plan(tmp_path / "sr.tif"))
    assert (tmp_path / "there.tif").read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beside.verdict.json", "five.tif", "there.tif"]


def test_overwriting_takes_old_companions_away(five_bands: Path, tmp_path: Path, verdict: Verdict) -> None:
    target = tmp_path / "sr.tif"
    upscale(five_bands, target, verdict)
    assert (tmp_path / "sr.interval.tif").exists()
    upscale(five_bands, target, verdict, half_width=None, overwrite=True)
    assert target.exists() and not (tmp_path / "sr.interval.tif").exists()


def test_real_scenes(shared_data: Path, tmp_path: Path, verdict: Verdict) -> None:
    for name in ("formats/RGBA.uint16.tif", "formats/rgb_internal_mask.tif", "formats/rpcs.tif", "formats/int16_scale_offset_tags.tif",
                 "mexico_landsat7_19991118.tif", "patagonia_sentinel2_20m.tif"):  # fmt: skip
        path, target = shared_data / "satellite" / name, tmp_path / Path(name).name
        upscale(path, target, verdict, scale=2)
        with rasterio.open(path) as lr, rasterio.open(target) as sr:
            assert cog_validate(target, quiet=True)[0] and sr.crs == lr.crs and sr.scales == lr.scales and sr.nodata == lr.nodata
            if not lr.rpcs:
                np.testing.assert_allclose(sr.bounds, lr.bounds, rtol=1e-12)
            lr_mask = np.logical_and.reduce([lr.read_masks(i) > 0 for i in range(1, lr.count + 1)])
            sr_mask = np.logical_and.reduce([sr.read_masks(i) > 0 for i in range(1, sr.count + 1)])
            np.testing.assert_array_equal(sr_mask, lr_mask.repeat(2, axis=0).repeat(2, axis=1))
