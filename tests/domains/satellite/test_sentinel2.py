"""Sentinel-2 products: what is an image of them, their radiometry, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from made_products import NATIVE, PHYSICAL, make_safe, numbers
from made_scenes import nearest

from domains.satellite.domain import DOMAIN
from domains.satellite.read import GeoScene, discover, is_scene
from sr_core.domain import OutputPlan
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Refusal, Source
from sr_core.trust.verdict import Verdict

BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]>'


def found(*paths: Path) -> tuple[dict[str, Source], list[Refusal]]:
    sources, refusals = discover(paths, Silent())
    return {source.part: source for source in sources}, refusals


def only_refusal(*paths: Path) -> str:
    sources, refusals = discover(paths, Silent())
    assert not sources
    (sentence,) = {refusal.sentence for refusal in refusals}
    return sentence


def whole(source: Source) -> Any:
    with GeoScene(source) as scene:
        return scene.read(Window(0, 0, *source.shape[1:]))


def test_one_image_for_every_pixel_size(tmp_path: Path) -> None:
    root = make_safe(tmp_path)
    sources, refusals = found(tmp_path)
    assert not refusals and is_scene(root)
    assert {part: source.bands for part, source in sources.items()} == NATIVE
    assert [sources[p].shape for p in ("10m", "20m", "60m")] == [(4, 432, 432), (6, 216, 216), (2, 72, 72)]
    assert {s.unit for s in sources.values()} == {"reflectance"} and {s.path for s in sources.values()} == {root}
    assert {s.acquired for s in sources.values()} == {"2022-01-25T10:03:11.024Z"}
    assert len({s.group.id for s in sources.values()}) == 1 and len({s.sha256 for s in sources.values()}) == 3
    assert [s.geometry for s in sources.values()] == ["EPSG:32633, 10 m", "EPSG:32633, 20 m", "EPSG:32633, 60 m"]
    for source in sources.values():
        assert not any(word in str(path) for path in source.members for word in ("AOT", "CLDPRB"))
        assert [f.value for f in DOMAIN.facts(source) if f.name in ("processing baseline", "compression")] == ["04.00", "lossless"]


def test_reflectance_and_mask(tmp_path: Path) -> None:
    make_safe(tmp_path)
    sources, _ = found(tmp_path)
    raster = whole(sources["10m"])
    expected = (numbers("B04", 10)[0].astype(float) - 1000) / 10000
    np.testing.assert_allclose(raster.pixels[2], expected, atol=1e-6)
    usable = np.ones((432, 432), bool)
    usable[7, 8] = False  # DN 0 in one band
    usable[6:8, 10:12] = False  # defective, at 20 m; a cloud stays
    usable[18:20, 18:20] = False  # no data
    np.testing.assert_array_equal(raster.mask, usable)
    assert not whole(sources["20m"]).mask[3, 5] and whole(sources["20m"]).mask.sum() == 216 * 216 - 2


def test_a_window_is_a_cut_of_the_whole(tmp_path: Path) -> None:
    make_safe(tmp_path, sizes=("20m",))
    sources, _ = found(tmp_path)
    with GeoScene(sources["20m"]) as scene:
        part = scene.read(Window(2, 3, 40, 31))
    raster = whole(sources["20m"])
    np.testing.assert_array_equal(part.pixels, raster.pixels[:, 2:42, 3:34])
    np.testing.assert_array_equal(part.mask, raster.mask[2:42, 3:34])


def test_level_1c_and_old_baselines(tmp_path: Path) -> None:
    make_safe(tmp_path / "1c", level="1C", sizes=("10m",))
    make_safe(tmp_path / "old", baseline="02.12", offset=None, sizes=("10m",))
    new, _ = found(tmp_path / "1c")
    old, _ = found(tmp_path / "old")
    stored = numbers("B02", 10)[0].astype(float)
    np.testing.assert_allclose(whole(new["10m"]).pixels[0], (stored - 1000) / 10000, atol=1e-6)
    np.testing.assert_allclose(whole(old["10m"]).pixels[0], stored / 10000, atol=1e-6)


def states(scale: float, offset: float) -> Any:
    def edit(dataset: Any) -> None:
        dataset.scales, dataset.offsets = (scale,), (offset,)

    return edit


def test_radiometry_in_file_and_metadata_is_applied_once(tmp_path: Path) -> None:
    make_safe(tmp_path, sizes=("10m",), ending=".tif", edit=states(1e-4, -0.1))
    sources, _ = found(tmp_path)
    np.testing.assert_allclose(whole(sources["10m"]).pixels[2], (numbers("B04", 10)[0].astype(float) - 1000) / 10000, atol=1e-6)


def test_contradictory_radiometry_is_refused(tmp_path: Path) -> None:
    make_safe(tmp_path, sizes=("10m",), ending=".tif", edit=states(1e-4, 0.0))
    assert "states scale 0.0001 and offset 0, its product 0.0001 and -0.1" in only_refusal(tmp_path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"offset": None}, "baseline 04.00 and states no offset"),
        ({"offset": None, "baseline": None}, "baseline unknown and states no offset"),
        ({"quantification": "0"}, "quantification value 0"),
        ({"quantification": "ten"}, "as 'ten'"),
        ({"quantification": "nan"}, "as 'nan'"),
        ({"offset": {band: -1000 if band != "B3" else 0 for band in PHYSICAL}}, "2 different offsets"),
        ({"head": BOMB}, "document type"),
    ],
)  # fmt: skip
def test_unclear_radiometry_is_refused(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    make_safe(tmp_path, sizes=("10m",), ending=".tif", **settings)
    assert reason in only_refusal(tmp_path)


def test_a_missing_band_stops_its_image_only(tmp_path: Path) -> None:
    root = make_safe(tmp_path, sizes=("10m", "20m"), ending=".tif")
    next(root.rglob("*_B03_10m.tif")).unlink()
    sources, refusals = found(root)
    assert list(sources) == ["20m"] and "10m: the file of B03 is missing" in refusals[0].sentence


def test_metadata_cannot_lead_out_of_the_product(tmp_path: Path) -> None:
    root = make_safe(tmp_path / "in", sizes=("10m",), ending=".tif")
    inside = next(root.rglob("*_B03_10m.tif"))
    inside.rename(tmp_path / inside.name)
    metadata = root / "MTD_MSIL2A.xml"
    metadata.write_text(metadata.read_text().replace(inside.relative_to(root).with_suffix("").as_posix(), f"../../{inside.stem}"))
    assert "B03 lies outside of the product" in only_refusal(root)
    inside.symlink_to(tmp_path / inside.name)
    metadata.write_text(metadata.read_text().replace(f"../../{inside.stem}", inside.relative_to(root).with_suffix("").as_posix()))
    assert "outside" in only_refusal(root)


def test_a_file_of_a_product_is_refused_alone(tmp_path: Path) -> None:
    root = make_safe(tmp_path, sizes=("10m",), ending=".tif")
    band = next(root.rglob("*_B03_10m.tif"))
    assert "is a part of S2A_MSIL2A" in only_refusal(band)
    alone, each = discover([band.parent], Silent())
    assert not alone and len(each) == 4 and all("is a part of" in refusal.sentence for refusal in each)
    sources, refusals = found(root / "MTD_MSIL2A.xml", band)
    assert list(sources) == ["10m"] and not refusals


def test_the_upscaled_image_keeps_place_radiometry_and_mask(tmp_path: Path, verdict: Verdict) -> None:
    make_safe(tmp_path, sizes=("20m",))
    source = found(tmp_path)[0]["20m"]
    plan = OutputPlan(target=tmp_path / "out.tif", scale=2, model="m", operator="o", claim="none", tags={}, interval=False)
    with GeoScene(source) as scene, DOMAIN.create(source, plan) as writer:
        nearest(writer, scene, source, 2, half_width=None)
        writer.finish(verdict)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.descriptions == NATIVE["20m"] and set(file.units) == {"reflectance"}
        np.testing.assert_allclose((file.scales[0], file.offsets[0]), (1e-4, -0.1))
        assert file.res == (10, 10) and file.crs == "EPSG:32633" and file.bounds[0] == 600000
        assert file.tags()["SPACECRAFT_ID"] == "Sentinel-2A" and "offset -1000" in file.tags()["RADIOMETRY_SOURCE"]
        np.testing.assert_array_equal(file.read(5), numbers("B11", 20)[0].repeat(2, 0).repeat(2, 1) * (file.read_masks(5) > 0))
        assert (file.read_masks(1) == 0).sum() == 8
