"""What a virtual raster or a product is made of, and files of every format, are held to the same guards as a TIFF."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import hostile_rasters
import numpy as np
import pytest
from hostile_rasters import noise
from hostile_vrts import mosaic
from made_products import make_landsat, make_safe, write_jp2
from made_scenes import write_tiff

from domains.satellite.hardened_xml import parse_xml
from domains.satellite.landsat import read_mtl
from domains.satellite.opening import is_placed, open_file
from domains.satellite.read import discover
from sr_core.errors import InputError
from sr_core.log import Silent

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

KILLER = Path(__file__).resolve().parents[2] / "data" / "fuzz" / "ycbcr_of_one_band.tif"
SPARSE = {"tiled": True, "blockxsize": 64, "blockysize": 64, "SPARSE_OK": True}


def sentences(path: Path) -> str:
    return " | ".join(refusal.sentence for refusal in discover([path], Silent())[1])


def vrt(folder: Path, head: str = "", band: str = "") -> Path:
    text = mosaic("good.tif").replace("<VRTRasterBand", f"{head}<VRTRasterBand").replace("<SimpleSource>", f"{band}<SimpleSource>")
    (folder / "m.vrt").write_text(text)
    return folder / "m.vrt"


def holed() -> np.ndarray:
    pixels = np.zeros((1, 128, 128), np.uint8)
    pixels[:, :64, :64] = 9
    return pixels


def test_a_source_of_a_virtual_raster_that_would_kill_the_decoder(tmp_path: Path) -> None:
    (tmp_path / "good.tif").write_bytes(KILLER.read_bytes())
    assert "m.vrt cannot be read: good.tif says YCbCr with 1 bands" in sentences(vrt(tmp_path))


def test_a_source_of_a_virtual_raster_that_lacks_blocks(tmp_path: Path) -> None:
    write_tiff(tmp_path / "good.tif", holed(), **SPARSE)
    assert "does not hold the block at row 0, column 64" in sentences(vrt(tmp_path))
    write_tiff(tmp_path / "good.tif", holed(), nodata=0, **SPARSE)
    assert not sentences(vrt(tmp_path, band="<NoDataValue>0</NoDataValue>"))


@pytest.mark.parametrize(
    ("head", "band", "reason"),
    [
        ("", "<Scale>1e308</Scale>", "scale 1e\\+308"),
        ("", "<NoDataValue>0.5</NoDataValue>", "uint8 cannot hold"),
        ("<GeoTransform>5e5, 10, 10, 5e6, 10, 10</GeoTransform>", "", "six finite numbers"),
    ],
)
def test_what_a_virtual_raster_says_of_itself(tmp_path: Path, head: str, band: str, reason: str) -> None:
    write_tiff(tmp_path / "good.tif", noise())
    with pytest.raises(InputError, match=reason):
        raise InputError(sentences(vrt(tmp_path, head, band)), "", "")


def test_a_band_of_a_product_that_would_kill_the_decoder(tmp_path: Path) -> None:
    mtl = make_landsat(tmp_path)
    band = next(path for path in mtl.parent.iterdir() if path.name.upper().endswith("_B4.TIF"))
    band.write_bytes(KILLER.read_bytes())
    assert f"{band.name} says YCbCr with 1 bands" in sentences(mtl)


def test_blocks_that_a_band_of_a_product_lacks_are_its_nodata(tmp_path: Path) -> None:
    mtl = make_landsat(tmp_path)
    band = next(path for path in mtl.parent.iterdir() if path.name.upper().endswith("_B4.TIF"))
    with open_file(band) as dataset:
        pixels, place = dataset.read(), {"crs": dataset.crs, "transform": dataset.transform}
    before = {s.part: s.shape for s in discover([mtl], Silent())[0]}
    pixels[:, :64, :64] = 0
    write_tiff(band, pixels, **SPARSE, **place)
    assert {s.part: s.shape for s in discover([mtl], Silent())[0]} == before


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    for name in ("a_MTL.txt", "MTD_MSIL2A.xml", "a.jp2", "a.vrt", "a.nc", "a.h5"):
        os.mkfifo(tmp_path / name)
        assert "no regular file" in sentences(tmp_path / name)
        assert not is_placed(tmp_path / name)
        for reader in (open_file, read_mtl, parse_xml):
            with pytest.raises(InputError, match="no regular file"):
                reader(tmp_path / name)


def test_time_is_bounded_for_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [make_safe(tmp_path), write_jp2(tmp_path / "a.jp2", noise()), write_tiff(tmp_path / "good.tif", noise()), vrt(tmp_path)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["light"] = noise()[0]
    assert not any(map(sentences, [*given, tmp_path / "a.h5"]))
    monkeypatch.setattr("domains.satellite.guard.START_S", -1e9)
    assert all("is not through" in sentences(path) for path in [*given, tmp_path / "a.h5"])


def test_a_jpeg_2000_file_without_place(tmp_path: Path) -> None:
    """GDAL left its transform unset, so that it held what had lain in memory before."""
    path = write_jp2(tmp_path / "a.jp2", noise())
    (tmp_path / "a.jp2.aux.xml").write_text("<PAMDataset><GeoTransform>0, 9, 0, 0, 0, -9</GeoTransform></PAMDataset>")
    (tmp_path / "a.j2w").write_text("9\n0\n0\n-9\n1\n2\n")
    for _ in range(5):
        (source,), refusals = discover([path], Silent())
        assert source.geometry == "no georeference" and not refusals


def test_objects_without_end_in_a_circle(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["light"] = noise()[0]
        file.create_group("g")["round"] = file["/"]
    assert not [s for s in discover([tmp_path / "a.h5"], Silent())[0] if s.part != "light" and s.part]
    hostile_rasters.empty(tmp_path / "b.h5")
    assert "is empty" in sentences(tmp_path / "b.h5")
