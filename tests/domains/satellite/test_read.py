"""Reading: radiometry, masks, places, and every real file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from made_scenes import HOLE, write_tiff
from rasterio.enums import ColorInterp

from domains.satellite.domain import DOMAIN
from domains.satellite.read import GeoScene, discover, is_scene
from sr_core.errors import InputError, ShapeError
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import SPLITS

NORTH_UP = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5200000.0)


def only(path: Path) -> Any:
    sources, refusals = discover([path], Silent())
    assert not refusals, refusals
    return sources[0]


def test_radiometry_mask_and_description(five_bands: Path) -> None:
    source = only(five_bands)
    assert source.shape == (5, 143, 91)
    assert (source.unit, source.dtype, source.geometry) == ("reflectance", "uint16", "EPSG:32719, 10 m")
    with GeoScene(source) as scene, rasterio.open(five_bands) as file:
        assert (scene.encoding.low, scene.encoding.high) == (1, 65535)
        assert scene.encoding.valid_range == pytest.approx((-0.0999, 6.4535))
        raster = scene.read(Window(20, 10, 60, 50))
        stored = file.read()[:, 20:80, 10:60]
    np.testing.assert_allclose(raster.pixels, stored.astype(float) * 1e-4 - 0.1, rtol=1e-6, atol=1e-7)
    expected = np.ones((143, 91), bool)
    expected[HOLE] = False
    np.testing.assert_array_equal(raster.mask, expected[20:80, 10:60])
    assert raster.bands == ("B02", "B03", "B04", "B08", "B11")


def test_window_outside_is_refused(five_bands: Path) -> None:
    with GeoScene(only(five_bands)) as scene, pytest.raises(ShapeError, match="inside 91 x 143"):
        scene.read(Window(0, 60, 10, 40))


def test_nan_is_not_usable_in_any_band(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((2, 70, 80), np.float32)
    pixels[1, 3, 4] = np.nan
    pixels[0, 5, 6] = -9999.0
    source = only(write_tiff(tmp_path / "f.tif", pixels, nodata=-9999.0, crs="EPSG:32633", transform=NORTH_UP))
    with GeoScene(source) as scene:
        mask = scene.read(Window(0, 0, 70, 80)).mask
        assert scene.encoding.step == 0
    assert np.argwhere(~mask).tolist() == [[3, 4], [5, 6]]


def test_alpha_is_a_mask_and_no_band(tmp_path: Path) -> None:
    pixels = np.full((4, 70, 80), 9, np.uint8)
    pixels[3] = 255
    pixels[3, 10:20] = 0

    def edit(dataset: Any) -> None:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)

    source = only(write_tiff(tmp_path / "a.tif", pixels, crs="EPSG:32633", transform=NORTH_UP, edit=edit))
    assert source.shape == (3, 70, 80)
    with GeoScene(source) as scene:
        mask = scene.read(Window(0, 0, 70, 80)).mask
    assert not mask[10:20].any() and mask[:10].all() and mask[20:].all()


def test_internal_mask(tmp_path: Path) -> None:
    pixels = np.full((1, 70, 80), 9, np.uint8)
    mask = np.ones((70, 80), bool)
    mask[:, 7] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        source = only(write_tiff(tmp_path / "m.tif", pixels, crs="EPSG:32633", transform=NORTH_UP, mask=mask))
    with GeoScene(source) as scene:
        np.testing.assert_array_equal(scene.read(Window(0, 0, 70, 80)).mask, mask)


@pytest.mark.parametrize(
    ("dtype", "nodata", "low", "high"),
    [
        ("uint16", 0, 1, 65535),
        ("uint8", 255, 0, 254),
        ("int16", -9999, -9998, 32767),
        ("int16", -32768, -32767, 32767),
        ("uint16", 7, 0, 65535),
    ],
)
def test_nodata_codes_bound_the_valid_range(tmp_path: Path, dtype: str, nodata: int, low: int, high: int) -> None:
    pixels = np.full((1, 70, 70), 50, dtype)
    source = only(write_tiff(tmp_path / "n.tif", pixels, nodata=nodata))
    with GeoScene(source) as scene:
        assert (scene.encoding.low, scene.encoding.high) == (low, high)


def test_units(tmp_path: Path) -> None:
    pixels = np.full((1, 70, 70), 50, np.uint16)

    def unit(**settings: Any) -> str:
        def edit(dataset: Any) -> None:
            for name, value in settings.items():
                setattr(dataset, name, value)

        path = write_tiff(tmp_path / f"{len(list(tmp_path.iterdir()))}.tif", pixels + len(list(tmp_path.iterdir())), edit=edit)
        return str(only(path).unit)

    assert unit() == "DN"
    assert unit(scales=(1e-4,)) == "reflectance"
    assert unit(scales=(2.75e-5,), offsets=(-0.2,)) == "reflectance"
    assert unit(scales=(0.00341802,), offsets=(149.0,)) == "scaled value"
    assert unit(scales=(0.00341802,), offsets=(149.0,), units=("K",)) == "K"
    assert unit(units=("Surface Reflectance",)) == "reflectance"

    def described(pixels: np.ndarray) -> str:
        def edit(dataset: Any) -> None:
            dataset.update_tags(UNITS="digital numbers, reflectance x 10000")

        return str(only(write_tiff(tmp_path / f"described-{pixels.dtype}.tif", pixels, edit=edit)).unit)

    assert described(pixels + 1000) == "DN"  # whole numbers are not reflectance, whatever they stand for
    assert described(np.full((1, 70, 70), 0.25, np.float32)) == "reflectance"


def test_a_placed_raster_says_that_it_is_a_scene(tmp_path: Path) -> None:
    pixels = np.full((1, 70, 70), 50, np.uint16)

    def reflectance(dataset: Any) -> None:
        dataset.units = ("reflectance",)

    assert is_scene(write_tiff(tmp_path / "crs.tif", pixels, crs="EPSG:32633", transform=NORTH_UP))
    assert is_scene(write_tiff(tmp_path / "transform.tif", pixels, transform=NORTH_UP))
    assert is_scene(write_tiff(tmp_path / "unit.tif", pixels, edit=reflectance))
    assert not is_scene(write_tiff(tmp_path / "scan.tif", pixels))
    (tmp_path / "tile.jp2").write_bytes(b"")  # refused later, with a sentence
    assert is_scene(tmp_path / "tile.jp2")
    for name, content in (("text.tif", b"no image"), ("empty.tif", b""), ("cut.tif", b"II*\0")):
        (tmp_path / name).write_bytes(content)
        assert not is_scene(tmp_path / name)
    assert not is_scene(tmp_path / "gone.tif") and not is_scene(tmp_path)


def test_places(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def scene(name: str, x: float, epsg: int = 32633) -> None:
        pixels = rng.integers(1, 9, (1, 70, 70)).astype(np.uint8)
        write_tiff(tmp_path / name, pixels, crs=f"EPSG:{epsg}", transform=Affine(10.0, 0.0, x, 0.0, -10.0, 5200000.0))

    scene("a.tif", 500000)
    scene("b.tif", 500700)  # shares an edge with a
    scene("c.tif", 501390)  # overlaps b by 10 m
    scene("d.tif", 510000)
    write_tiff(tmp_path / "e.tif", rng.integers(1, 9, (1, 70, 70)).astype(np.uint8))
    write_tiff(tmp_path / "f.tif", rng.integers(1, 9, (1, 70, 70)).astype(np.uint8))
    sources, _ = discover([tmp_path], Silent())
    group = {s.path.stem: s.group.id for s in sources}
    assert group["a"] == group["b"] == group["c"]
    assert len(set(group.values())) == 4


def test_side_files_are_ignored(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "s.tif", np.full((1, 70, 70), 50, np.uint8), crs="EPSG:32633", transform=NORTH_UP)
    (tmp_path / "s.tif.aux.xml").write_text(
        "<PAMDataset><GeoTransform>0,1,0,0,0,-1</GeoTransform>"
        "<PAMRasterBand band='1'><NoDataValue>50</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    assert only(path).geometry == "EPSG:32633, 10 m"


def test_same_content_twice_is_refused(tmp_path: Path) -> None:
    one = write_tiff(tmp_path / "1.tif", np.full((1, 70, 70), 50, np.uint8))
    (tmp_path / "2.tif").write_bytes(one.read_bytes())
    sources, refusals = discover([tmp_path], Silent())
    assert [s.path.name for s in sources] == ["1.tif"]
    assert "same content as 1.tif" in refusals[0].sentence


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        discover([tmp_path / "nowhere"], Silent())


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = write_tiff(tmp_path / "x.tif", np.full((1, 70, 70), 50, np.uint8))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "l.tif").symlink_to(outside)
    (tmp_path / "in" / "loop.tif").symlink_to(tmp_path / "in" / "loop.tif")
    sources, refusals = discover([tmp_path / "in"], Silent())
    assert not sources
    assert "link out of" in refusals[0].sentence and "circle" in refusals[1].sentence


def test_changed_file_is_refused(five_bands: Path) -> None:
    source = only(five_bands)
    write_tiff(five_bands, np.full((1, 70, 70), 50, np.uint8))
    with pytest.raises(InputError, match="changed since"):
        GeoScene(source)


def test_real_scenes(shared_data: Path) -> None:
    folder = shared_data / "satellite"
    sources, refusals = discover([folder], Silent())
    own = [s for s in sources if s.path.parent == folder]
    assert len(own) == 11 and len({s.group.id for s in own}) == 10
    by_name = {s.path.name: s for s in sources}
    assert by_name["patagonia_sentinel2_10m.tif"].group == by_name["patagonia_sentinel2_20m.tif"].group
    assert by_name["RGB.byte.tif"].group == by_name["RGB.byte.gcp.vrt"].group == by_name["RGB.byte.rpc.vrt"].group
    assert {s.path.name for s in sources if s not in own} == {
        "RGB.byte.tif", "RGBA.uint16.tif", "int16_nodata_hole.tif", "int16_scale_offset_tags.tif", "rgb_internal_mask.tif", "rpcs.tif",
        "RGB.byte.gcp.vrt", "RGB.byte.rpc.vrt", "modis_nodata.nc", "sentinel2_15bit.jp2", "sentinel2_8bit_rgb.jp2",
    }  # fmt: skip
    reasons = {r.path.name: r.sentence for r in refusals}
    assert len(reasons) == 4 and len(sources) == 22 and len(sources) + len(refusals) == sum(p.is_file() for p in folder.rglob("*"))
    assert "no valid pixel" in reasons["all-nodata.tif"] and "10 x 15" in reasons["rotated.tif"]
    assert "3 x 2" in reasons["float32.tif"] and "3 x 2" in reasons["float_nan.tif"]
    split = DOMAIN.split(sources, 2, 16, 0)
    sides = [{region.group.id for region in split.part(name)} for name in SPLITS]
    assert sum(map(len, sides)) == len(set().union(*sides)) == len({s.group.id for s in sources})
    with GeoScene(by_name["canberra_landsat5_19920323.tif"]) as scene:
        mask = scene.read(Window(0, 0, 404, 456)).mask
    assert 0.04 < 1 - mask.mean() < 0.09  # the description of the data says 6 %
