"""Files that lie: each becomes a refusal with one sentence, none costs much, none stops the others."""

from __future__ import annotations

import os
import re
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from made_scenes import write_tiff
from rasterio.enums import ColorInterp

from domains.satellite.domain import DOMAIN
from domains.satellite.read import discover
from sr_core.log import Silent

IMAGE_WIDTH, IMAGE_LENGTH, SAMPLES, ROWS_PER_STRIP = 256, 257, 277, 278
VRT = """<VRTDataset rasterXSize="100" rasterYSize="100"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">
<SourceFilename relativetoVRT="0">/etc/passwd</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset>
<LineOffset>1</LineOffset></VRTRasterBand></VRTDataset>"""


def patch_tag(path: Path, tag: int, value: int) -> None:
    """Overwrite a short or long value in the first directory of a little-endian TIFF."""
    data = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    for place in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, place)[0] == tag:
            struct.pack_into("<HI", data, place + 2, 4, 1)
            struct.pack_into("<I", data, place + 8, value)
    path.write_bytes(bytes(data))


def noise(height: int = 90, width: int = 100, bands: int = 1) -> np.ndarray:
    return np.random.default_rng(3).integers(1, 255, (bands, height, width)).astype(np.uint8)


def truncated(path: Path) -> None:
    write_tiff(path, noise(), compress="DEFLATE", blockysize=10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("This is not a picture.\n" * 50)


def vrt(path: Path) -> None:
    path.write_text(VRT)


def garbage_after_magic(path: Path) -> None:
    path.write_bytes(b"II*\0" + bytes(range(256)) * 4)


def absurd_size(path: Path) -> None:
    write_tiff(path, noise())
    patch_tag(path, IMAGE_WIDTH, 100000)
    patch_tag(path, IMAGE_LENGTH, 100000)


def sparse_bomb(path: Path) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=50000, width=50000, count=1, dtype="uint8", tiled=True, blockxsize=4096, blockysize=4096,
        SPARSE_OK=True,
    ):  # fmt: skip
        pass


def huge_block(path: Path) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=16384, width=16384, count=1, dtype="uint16", tiled=True, blockxsize=16384, blockysize=16384,
        compress="ZSTD", SPARSE_OK=True,
    ):  # fmt: skip
        pass
    with path.open("ab") as stream:
        stream.write(b"\0" * 400_000)  # large enough for the claim of its size to pass


def many_bands(path: Path) -> None:
    write_tiff(path, noise(70, 70, 65))


def lying_samples(path: Path) -> None:
    write_tiff(path, noise())
    patch_tag(path, SAMPLES, 65535)


def no_samples(path: Path) -> None:
    write_tiff(path, noise())
    patch_tag(path, SAMPLES, 0)


def nan_transform(path: Path) -> None:
    write_tiff(path, noise(), crs="EPSG:32633", transform=Affine(10.0, 0.0, float("nan"), 0.0, -10.0, 5e6))


def singular_transform(path: Path) -> None:
    write_tiff(path, noise(), crs="EPSG:32633", transform=Affine(10.0, 10.0, 5e5, 10.0, 10.0, 5e6))


def all_nodata(path: Path) -> None:
    write_tiff(path, np.zeros((2, 90, 100), np.uint8), nodata=0)


def all_nan(path: Path) -> None:
    write_tiff(path, np.full((1, 90, 100), np.nan, np.float32))


def tiny(path: Path) -> None:
    write_tiff(path, noise(20, 20))


def complex_numbers(path: Path) -> None:
    write_tiff(path, noise().astype(np.complex64))


def zero_scale(path: Path) -> None:
    write_tiff(path, noise(), edit=lambda dataset: setattr(dataset, "scales", (0.0,)))


def mixed_scales(path: Path) -> None:
    write_tiff(path, noise(bands=2), edit=lambda dataset: setattr(dataset, "scales", (1e-4, 1.0)))


def colour_table(path: Path) -> None:
    write_tiff(path, noise(), photometric="palette", edit=lambda dataset: dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (9, 9, 9, 255)}))


def only_alpha(path: Path) -> None:
    write_tiff(path, noise(), edit=lambda dataset: setattr(dataset, "colorinterp", (ColorInterp.alpha,)))


CASES: list[tuple[Callable[[Path], None], str]] = [
    (truncated, "cannot be"),
    (empty, "is empty"),
    (text, "is no TIFF file"),
    (vrt, "is no TIFF file"),
    (garbage_after_magic, "cannot be opened"),
    (absurd_size, "100000 x 100000|cannot be"),
    (sparse_bomb, "50000 x 50000"),
    (huge_block, "blocks of 512 MiB"),
    (many_bands, "65 bands"),
    (lying_samples, "65535 bands|cannot be"),
    (no_samples, "0 bands|cannot be|no band"),
    (nan_transform, "six finite numbers"),
    (singular_transform, "six finite numbers"),
    (all_nodata, "no valid pixel"),
    (all_nan, "no valid pixel"),
    (tiny, "20 x 20 pixels"),
    (complex_numbers, "complex64"),
    (zero_scale, "scale 0"),
    (mixed_scales, "different scale"),
    (colour_table, "classes"),
    (only_alpha, "no band of pixels"),
]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("make", "reason"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_refused_with_a_sentence(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "bad.tif")
    write_tiff(tmp_path / "good.tif", noise() + np.uint8(1))
    sources, refusals = DOMAIN.discover([tmp_path], Silent())
    assert [s.path.name for s in sources] == ["good.tif"]
    (refusal,) = refusals
    assert re.search(reason, refusal.sentence), refusal.sentence
    assert "; expected " in refusal.sentence and refusal.sentence.endswith((".", "tif"))
    assert "\n" not in refusal.sentence and "passwd" not in refusal.sentence


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bombs_cost_no_memory(tmp_path: Path) -> None:
    sparse_bomb(tmp_path / "a.tif")
    huge_block(tmp_path / "b.tif")
    absurd_size(tmp_path / "c.tif")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sources, refusals = discover([tmp_path], Silent())
    assert not sources and len(refusals) == 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_name_that_is_no_utf8(tmp_path: Path) -> None:
    write_tiff(tmp_path / "plain.tif", noise())
    (tmp_path / "plain.tif").rename(os.fsdecode(os.fsencode(tmp_path) + b"/na\xefve.tif"))
    sources, refusals = discover([tmp_path], Silent())
    assert not sources and "no UTF-8" in refusals[0].sentence
    assert "na?ve.tif" in refusals[0].to_json()


@pytest.mark.parametrize("name", ["a<b.tif", "odd name ü.tif", "-x.tif"])
def test_names(tmp_path: Path, name: str) -> None:
    write_tiff(tmp_path / "plain.tif", noise())
    (tmp_path / "plain.tif").rename(tmp_path / name)
    sources, refusals = discover([tmp_path], Silent())
    assert (len(sources), len(refusals)) == ((0, 1) if "<" in name else (1, 0))
