"""Single files of other formats than GeoTIFF, and what they may not lead to."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from made_products import grid, write_jp2
from made_scenes import write_tiff

from domains.satellite import opening
from domains.satellite.read import GeoScene, discover
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Source

PIXELS = np.random.default_rng(4).integers(1, 4000, (2, 90, 100)).astype(np.uint16)
BAND = """<VRTDataset rasterXSize="100" rasterYSize="90">{head}<VRTRasterBand dataType="UInt16" band="1"{kind}><NoDataValue>0</NoDataValue>
<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>2</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""


def vrt(path: Path, name: str = "a.tif", relative: int = 1, kind: str = "", head: str = "") -> Path:
    path.write_text(BAND.format(name=name, relative=relative, kind=kind, head=head))
    return path


def only(path: Path) -> Source:
    sources, refusals = discover([path], Silent())
    assert not refusals, refusals
    return sources[0]


def refused(path: Path) -> str:
    sources, refusals = discover([path], Silent())
    assert not sources and len(refusals) == 1
    return refusals[0].sentence


def read(source: Source, window: Window | None = None) -> np.ndarray:
    with GeoScene(source) as scene:
        return scene.read(window or Window(0, 0, *source.shape[1:])).pixels


def test_jp2(tmp_path: Path) -> None:
    source = only(write_jp2(tmp_path / "a.jp2", PIXELS, **grid(10)))
    assert (source.shape, source.dtype, source.geometry) == ((2, 90, 100), "uint16", "EPSG:32633, 10 m")
    np.testing.assert_array_equal(read(source, Window(5, 7, 33, 40)), PIXELS[:, 5:38, 7:47])


def test_cut_jp2(tmp_path: Path) -> None:
    path = write_jp2(tmp_path / "a.jp2", PIXELS, **grid(10))
    path.write_bytes(path.read_bytes()[:4000])
    assert "cannot be" in refused(path)


def test_vrt(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", PIXELS, **grid(10))
    source = only(vrt(tmp_path / "v.vrt"))
    np.testing.assert_array_equal(read(source), PIXELS[1:])
    assert [path.name for path in source.members] == ["v.vrt", "a.tif"]
    together, _ = discover([tmp_path], Silent())
    assert len(together) == 2 and len({s.group.id for s in together}) == 1  # the same pixels, though the VRT states no place
    write_tiff(tmp_path / "a.tif", PIXELS + 1, **grid(10))
    assert only(tmp_path / "v.vrt").sha256 != source.sha256  # what it leads to is part of it


def test_vrt_stays_in_its_folder(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", PIXELS, **grid(10))
    folder = tmp_path / "in"
    folder.mkdir()
    for name, relative in (("../a.tif", 1), (str(tmp_path / "a.tif"), 0), ("/etc/passwd", 0)):
        assert "leads out of its folder" in refused(vrt(folder / "v.vrt", name, relative))
    (folder / "l.tif").symlink_to(tmp_path / "a.tif")
    assert "leads out of its folder" in refused(vrt(folder / "v.vrt", "l.tif"))
    for name in ("/vsicurl/http://127.0.0.1/a.tif", "http://127.0.0.1/a.tif", "&lt;VRTDataset/&gt;"):
        assert "no plain path" in refused(vrt(folder / "v.vrt", name, 0))
    assert "not there" in refused(vrt(folder / "v.vrt", "gone.tif"))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"kind": ' subClass="VRTDerivedRasterBand"'}, "uses VRTDerivedRasterBand"),
        ({"kind": ' subClass="VRTRawRasterBand"'}, "uses VRTRawRasterBand"),
        ({"head": "<PixelFunctionCode>import os</PixelFunctionCode>"}, "uses <PixelFunctionCode>"),
        ({"head": "<GDALWarpOptions/>"}, "uses <GDALWarpOptions>"),
        ({"name": "v.vrt"}, "is made of v.vrt"),
        ({"name": "t.tif"}, "t.tif is no TIFF file"),
    ],
)
def test_vrt_is_plain_pixels(tmp_path: Path, settings: dict[str, str], reason: str) -> None:
    write_tiff(tmp_path / "a.tif", PIXELS)
    (tmp_path / "t.tif").write_text("<VRTDataset/>")
    assert reason in refused(vrt(tmp_path / "v.vrt", **settings))


def test_entities_in_a_vrt(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", PIXELS)
    path = vrt(tmp_path / "v.vrt")
    path.write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + path.read_text())
    assert "document type" in refused(path)


def test_hdf5_of_several_images(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["light"] = PIXELS
        file["group/heat"] = PIXELS[0].astype(np.float64) / 7
        file["short"] = np.ones((2, 3), np.uint16)
    sources, refusals = discover([tmp_path / "a.h5"], Silent())
    assert {s.part: (s.shape, s.dtype) for s in sources} == {"light": ((2, 90, 100), "uint16"), "group/heat": ((1, 90, 100), "float64")}
    assert "short has 3 x 2 pixels" in refusals[0].sentence and len({s.group.id for s in sources}) == 1
    np.testing.assert_array_equal(read(next(s for s in sources if s.part == "light")), PIXELS)


def test_hdf5_holds_its_own_data(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(PIXELS.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", PIXELS.shape, PIXELS.dtype, external=[(str(tmp_path / "raw"), 0, PIXELS.nbytes)])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["b"] = h5py.ExternalLink(str(tmp_path / "c.h5"), "c")
    assert "takes a from another file" in refused(tmp_path / "a.h5")
    assert "takes b from another file" in refused(tmp_path / "b.h5")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("d", (40000, 40000), np.uint16, chunks=(20000, 20000))
    assert "chunks of 762 MiB" in refused(tmp_path / "d.h5")


def test_netcdf(tmp_path: Path) -> None:
    assert "netCDF" in opening.drivers()
    flat = write_tiff(tmp_path / "flat.tif", PIXELS[:1], **grid(30))
    with rasterio.open(flat) as source, rasterio.Env(GDAL_PAM_ENABLED="NO"):
        rasterio.shutil.copy(source, str(tmp_path / "a.nc"), driver="netCDF", FORMAT="NC4")
    flat.unlink()
    source = only(tmp_path / "a.nc")
    assert source.shape == (1, 90, 100) and source.geometry.endswith("30 m")
    np.testing.assert_array_equal(read(source)[0], PIXELS[0])


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.hdf").write_bytes(b"\x0e\x03\x13\x01" + bytes(100))
    assert "is a HDF4 file, and this GDAL has no HDF4 driver" in refused(tmp_path / "m.hdf")
    monkeypatch.setattr(opening, "drivers", lambda: frozenset({"GTiff"}))
    assert "no JP2OpenJPEG driver" in refused(write_jp2(tmp_path / "a.jp2", PIXELS))


def test_a_format_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    for name, kind in (("a.jp2", "JPEG 2000"), ("a.nc", "netCDF"), ("a.h5", "HDF5"), ("a.vrt", "VRT"), ("a.tif", "TIFF")):
        (tmp_path / name).write_bytes(b"no image at all")
        assert f"is no {kind} file" in refused(tmp_path / name)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_stored_types(tmp_path: Path, dtype: str) -> None:
    source = only(write_tiff(tmp_path / "a.tif", (PIXELS % 200).astype(dtype), **grid(10)))
    assert source.dtype == dtype
    np.testing.assert_array_equal(read(source), PIXELS % 200)


def test_a_new_file_changes_only_its_own_place(tmp_path: Path) -> None:
    for number in range(3):
        write_tiff(
            tmp_path / f"{number}.tif", PIXELS + number, crs="EPSG:32633", transform=rasterio.Affine(10, 0, 5e5 + 1e5 * number, 0, -10, 5e6)
        )
    before, _ = discover([tmp_path], Silent())
    assert discover([tmp_path], Silent())[0] == before
    write_tiff(tmp_path / "new.tif", PIXELS + 9, crs="EPSG:32633", transform=rasterio.Affine(10, 0, 9e5, 0, -10, 5e6))
    after, _ = discover([tmp_path], Silent())
    assert [s for s in after if s.path.name != "new.tif"] == before and len(after) == 4


class Recorded(Silent):
    """Keeps how far the work was."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.steps.append((done, total))


def test_files_are_read_side_by_side_in_a_fixed_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        write_tiff(tmp_path / f"{number}.tif", PIXELS + number)
    (tmp_path / "3.tif").write_bytes(b"II*\0 cut")
    made = []
    for threads in (1, 4):
        monkeypatch.setattr("domains.satellite.read.THREADS", threads)
        log = Recorded()
        made.append(discover([tmp_path], log))
        assert log.steps == [(done, 7) for done in range(1, 8)]
    assert made[0] == made[1] and [s.path.name for s in made[0][0]] == ["0.tif", "1.tif", "2.tif", "4.tif", "5.tif", "6.tif"]


def test_a_coordinate_system_that_is_nowhere_on_earth(tmp_path: Path) -> None:
    """Found by damaging files at random: such a system ended the whole search."""
    local = 'LOCAL_CS["WGS 84 / UTM zone 33N",LOCAL_DATUM["Unknown",0],UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    write_tiff(tmp_path / "a.tif", PIXELS, crs=local, transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6))
    write_tiff(tmp_path / "b.tif", PIXELS + 1, **grid(10))
    sources, refusals = discover([tmp_path], Silent())
    assert len(sources) == 2 and not refusals and len({s.group.id for s in sources}) == 2


def test_places_by_control_points_and_coefficients(tmp_path: Path) -> None:
    """Scenes that state their place in other ways than a transform are grouped with their neighbours, too."""
    from rasterio.control import GroundControlPoint
    from rasterio.rpc import RPC

    points = [GroundControlPoint(row=r, col=c, x=15.0 + c / 1e4, y=46.0 - r / 1e4) for r in (0, 90) for c in (0, 100)]
    ones = [1.0, *[0.0] * 19]
    rpc = RPC(0, 100, 45.9955, 0.0045, ones, ones, 45, 45, 15.005, 0.005, ones, ones, 50, 50)

    def placed(dataset: object) -> None:
        dataset.rpcs = rpc  # type: ignore[attr-defined]

    degrees = rasterio.Affine(1e-4, 0, 15.009, 0, -1e-4, 46.0)
    write_tiff(tmp_path / "gcp.tif", PIXELS, gcps=points, crs="EPSG:4326")
    write_tiff(tmp_path / "rpc.tif", PIXELS + 1, edit=placed)
    write_tiff(tmp_path / "beside.tif", PIXELS + 2, crs="EPSG:4326", transform=degrees)
    write_tiff(tmp_path / "far.tif", PIXELS + 3, crs="EPSG:4326", transform=rasterio.Affine(1e-4, 0, 18.0, 0, -1e-4, 46.0))
    group = {s.path.stem: s.group.id for s in discover([tmp_path], Silent())[0]}
    assert group["gcp"] == group["rpc"] == group["beside"] != group["far"]
