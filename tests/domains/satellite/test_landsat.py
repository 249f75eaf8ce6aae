"""Landsat scenes: their images, their radiometry, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from made_products import LANDSAT, make_landsat

from domains.satellite.read import GeoScene, discover, is_scene
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Source


def images(*paths: Path) -> dict[str, Source]:
    sources, refusals = discover(paths, Silent())
    assert not refusals, refusals
    return {source.part: source for source in sources}


def refused(path: Path) -> str:
    sources, refusals = discover([path], Silent())
    assert not sources
    return " ".join(refusal.sentence for refusal in refusals)


def read(source: Source) -> tuple[np.ndarray, np.ndarray]:
    with GeoScene(source) as scene:
        raster = scene.read(Window(0, 0, *source.shape[1:]))
    return raster.pixels, raster.mask


def stored(folder: Path, ending: str) -> np.ndarray:
    with rasterio.open(folder / f"{LANDSAT}_{ending}.TIF") as file:
        return file.read(1).astype(float)


def test_level_2(tmp_path: Path) -> None:
    metadata = make_landsat(tmp_path)
    found = images(tmp_path)
    assert list(found) == ["reflective", "thermal"] and is_scene(metadata)
    light, heat = found["reflective"], found["thermal"]
    assert (light.bands, light.unit, light.shape) == (("B2", "B3", "B4"), "reflectance", (3, 80, 90))
    assert (heat.bands, heat.unit) == (("B10",), "K") and light.group == heat.group
    assert light.acquired == "2015-05-02T01:15:10.1Z" and light.path == metadata
    pixels, mask = read(light)
    np.testing.assert_allclose(
        pixels[0][mask], (stored(tmp_path, "SR_B2") * 2.75e-5 - 0.2)[mask], atol=1e-6
    )  # level 2's numbers, not level 1's
    np.testing.assert_allclose(read(heat)[0][0][mask], (stored(tmp_path, "ST_B10") * 0.00341802 + 149)[mask], rtol=1e-6)
    expected = np.ones((80, 90), bool)
    expected[:4] = False  # DN 0
    expected[40, 41] = False  # fill by QA_PIXEL; a cloud stays
    np.testing.assert_array_equal(mask, expected)


def test_level_1_is_corrected_for_the_sun(tmp_path: Path) -> None:
    make_landsat(tmp_path, level=1)
    found = images(tmp_path)
    assert set(found) == {"reflective", "thermal", "panchromatic"}
    assert found["panchromatic"].shape == (1, 160, 180) and found["thermal"].unit == "W/(m2 sr um)"
    pixels, mask = read(found["reflective"])
    expected = (stored(tmp_path, "B3") * 2e-5 - 0.1) / math.sin(math.radians(30.0))
    np.testing.assert_allclose(pixels[1][mask], expected[mask], atol=1e-6)


def test_bands_of_different_radiometry_are_images_of_their_own(tmp_path: Path) -> None:
    make_landsat(tmp_path, level=1, gains=(2e-5, 3e-5))
    found = images(tmp_path)
    assert found["reflective-B2-B3"].bands == ("B2", "B3") and found["reflective-B4"].bands == ("B4",)


def test_files_of_a_scene(tmp_path: Path) -> None:
    metadata = make_landsat(tmp_path)
    band = tmp_path / f"{LANDSAT}_SR_B2.TIF"
    assert "is a part of" in refused(band)
    assert list(images(metadata, band)) == ["reflective", "thermal"]  # as a shell lists them
    (tmp_path / "other.tif").write_bytes(band.read_bytes())
    assert {s.path.name for s in discover([tmp_path], Silent())[0]} == {metadata.name, "other.tif"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("REFLECTANCE_MULT_BAND_3 = 2.75e-05", "REFLECTANCE_MULT_BAND_3 = much", "as 'much'"),
        ("REFLECTANCE_MULT_BAND_3 = 2.75e-05", "", "as ''"),
        ("END_GROUP = PRODUCT_CONTENTS", "", "is not open"),
        (f"{LANDSAT}_SR_B3.TIF", "../x.TIF", "is no file beside it"),
        (f"{LANDSAT}_SR_B3.TIF", "x.TIF", "x.TIF is missing"),
        ("PRODUCT_CONTENTS", "CONTENTS", "no whole Landsat"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    metadata = make_landsat(tmp_path)
    metadata.write_text(metadata.read_text().replace(old, new))
    _, refusals = discover([metadata], Silent())
    assert reason in refusals[0].sentence


def test_night(tmp_path: Path) -> None:
    assert "sun at -3 degrees" in refused(make_landsat(tmp_path, level=1, sun=-3.0))
