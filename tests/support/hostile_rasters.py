"""Broken and hostile rasters, made by script: each with the error class and the words of its refusal."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from hostile_vrts import VRTS
from made_scenes import write_tiff
from rasterio.enums import ColorInterp
from raw_tiff import (
    BITS,
    COUNTS,
    DEFLATE,
    GDAL_METADATA,
    GDAL_NODATA,
    HEADER,
    LENGTH,
    OFFSETS,
    PIXEL_SCALE,
    ROWS,
    SAMPLES,
    TIE_POINT,
    TILE_COUNTS,
    TILE_OFFSETS,
    WIDTH,
    Entry,
    patch_tag,
    strips,
    tiles,
    write_raw,
)  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """How a file is made at a path, which words its refusal holds, and of which class the error is."""

    make: Callable[[Path], None]
    reason: str
    error: str = "InputError"

    @property
    def name(self) -> str:
        """What is wrong with it."""
        return self.make.__name__


def noise(height: int = 90, width: int = 100, bands: int = 1) -> np.ndarray:
    """Bytes 1 to 254, the same every time."""
    return np.random.default_rng(3).integers(1, 255, (bands, height, width)).astype(np.uint8)


def plain_data() -> bytes:
    """The pixels of a picture of 90 rows of 100 columns."""
    return noise().tobytes()


# Cut short, or of another kind.


def truncated_strips(path: Path) -> None:
    write_tiff(path, noise(), compress="DEFLATE", blockysize=10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def truncated_header(path: Path) -> None:
    write_tiff(path, noise())
    path.write_bytes(path.read_bytes()[:20])


def truncated_directory(path: Path) -> None:
    write_raw(path, strips(100, 90, 90, [HEADER], [9000]), plain_data())
    path.write_bytes(path.read_bytes()[: HEADER + 9000 + 40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def one_byte(path: Path) -> None:
    path.write_bytes(b"I")


def text(path: Path) -> None:
    path.write_text("This is not a picture.\n" * 50)


def png_by_another_name(path: Path) -> None:
    from PIL import Image

    Image.fromarray(noise()[0]).save(path, format="PNG")


def garbage_after_magic(path: Path) -> None:
    path.write_bytes(b"II*\0" + bytes(range(256)) * 4)


def directory_that_is_its_own_next(path: Path) -> None:
    write_raw(path, {WIDTH: Entry([100])}, next_directory=HEADER)


def vrt_by_another_name(path: Path) -> None:
    path.write_text(VRTS["raw_bytes_of_a_system_file"].text)


# Claims that the file cannot hold.


def strip_offset_past_the_end(path: Path) -> None:
    write_raw(path, strips(100, 90, 90, [10**9], [9000]), plain_data())


def huge_byte_count(path: Path) -> None:
    write_raw(path, strips(100, 90, 90, [HEADER], [2**32 - 1], compression=DEFLATE), plain_data())


def strip_table_shorter_than_the_picture(path: Path) -> None:
    write_raw(path, strips(100, 9000, 10, [HEADER], [1000]), plain_data())


def strip_table_that_claims_a_billion(path: Path) -> None:
    tags = strips(100, 90, 1, [HEADER] * 80, [100] * 80)
    tags[OFFSETS], tags[COUNTS] = Entry([HEADER] * 80, 10**9), Entry([100] * 80, 10**9)
    write_raw(path, tags, plain_data())


def patched_size(path: Path) -> None:
    write_tiff(path, noise())
    patch_tag(path, WIDTH, 100000)
    patch_tag(path, LENGTH, 100000)


def two_billion_a_side(path: Path) -> None:
    side = 2**31 - 1
    write_raw(path, tiles(side, side, (512, 512), [0], [0]))


def four_billion_a_side(path: Path) -> None:
    side = 2**32 - 1
    write_raw(path, strips(side, side, side, [HEADER], [9000]), plain_data())


def sparse_bomb(path: Path) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=50000, width=50000, count=1, dtype="uint8", tiled=True, blockxsize=4096, blockysize=4096,
        SPARSE_OK=True,
    ):  # fmt: skip
        pass


def one_block_many_times(path: Path) -> None:
    block = zlib.compress(bytes(512 * 512), 9)
    write_raw(path, tiles(40960, 40960, (512, 512), [HEADER] * 6400, [len(block)] * 6400, compression=DEFLATE), block)


def block_that_inflates_beyond_its_size(path: Path) -> None:
    block = zlib.compress(b"\7" * (200 << 20), 9)  # 200 MiB where 4 KiB are declared
    write_raw(path, tiles(100, 90, (64, 64), [HEADER] * 4, [len(block)] * 4, compression=DEFLATE), block)


def huge_block(path: Path) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=16384, width=16384, count=1, dtype="uint16", tiled=True, blockxsize=16384, blockysize=16384,
        compress="ZSTD", SPARSE_OK=True,
    ):  # fmt: skip
        pass
    with path.open("ab") as stream:
        stream.write(b"\0" * 400_000)  # large enough for the claim of its size to pass


def tiles_of_one_pixel(path: Path) -> None:
    write_raw(path, tiles(700, 700, (1, 1), [HEADER] * 700 * 700, [1] * 700 * 700), plain_data())


def millions_of_tiles(path: Path) -> None:
    count = 1250 * 1250
    tags = tiles(20000, 20000, (16, 16), [0], [0])
    write_raw(path, tags | {TILE_OFFSETS: Entry([HEADER] * count), TILE_COUNTS: Entry([256] * count)}, plain_data())


def block_larger_than_a_window(path: Path) -> None:
    """Tall tiles: a square window of that height would take 3.8 GiB."""
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 8000, "interleave": "band"}
    write_tiff(path, np.zeros((64, 8000, 80), np.uint8), nodata=0, compress="DEFLATE", **layout)


# Bands.


def many_bands(path: Path) -> None:
    write_tiff(path, noise(70, 70, 65))


def lying_samples(path: Path) -> None:
    write_tiff(path, noise())
    patch_tag(path, SAMPLES, 65535)


def all_of_65535_bands(path: Path) -> None:
    write_raw(path, strips(70, 70, 70, [HEADER], [70 * 70 * 65535], bands=65535), bytes(70 * 70 * 1000))


def no_samples(path: Path) -> None:
    write_tiff(path, noise())
    patch_tag(path, SAMPLES, 0)


def complex_numbers(path: Path) -> None:
    write_tiff(path, noise().astype(np.complex64))


def three_bits(path: Path) -> None:
    write_raw(path, strips(100, 90, 90, [HEADER], [9000]) | {BITS: Entry([3]), ROWS: Entry([7])}, plain_data()[:100])


def colour_table(path: Path) -> None:
    write_tiff(path, noise(), photometric="palette", edit=lambda dataset: dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (9, 9, 9, 255)}))


def only_alpha(path: Path) -> None:
    write_tiff(path, noise(), edit=lambda dataset: setattr(dataset, "colorinterp", (ColorInterp.alpha,)))


# Values.


def all_nodata(path: Path) -> None:
    write_tiff(path, np.zeros((2, 90, 100), np.uint8), nodata=0)


def all_nan(path: Path) -> None:
    write_tiff(path, np.full((1, 90, 100), np.nan, np.float32))


def nan_and_infinite(path: Path) -> None:
    pixels = np.full((1, 90, 100), np.inf, np.float32)
    pixels[0, ::2], pixels[0, ::3] = -np.inf, np.nan
    write_tiff(path, pixels)


def tiny(path: Path) -> None:
    write_tiff(path, noise(20, 20))


def damaged_jpeg(path: Path) -> None:
    rows, cols = np.mgrid[:256, :256]
    write_tiff(path, ((rows + cols) // 2)[None].astype(np.uint8), compress="JPEG", tiled=True, blockxsize=64, blockysize=64)
    data = bytearray(path.read_bytes())
    scan = data.rfind(b"\xff\xda")
    data[scan - 40 : scan + 8] = bytes(48)
    path.write_bytes(data)


def damaged_deflate(path: Path) -> None:
    write_tiff(path, noise(), compress="DEFLATE")
    data = bytearray(path.read_bytes())
    data[len(data) - 3000 : len(data) - 2900] = b"\xff" * 100
    path.write_bytes(data)


# Metadata that contradict each other.


def described(path: Path, items: str, **more: Entry) -> None:
    """A sound picture with GDAL's own metadata as they stand in the file."""
    tags = strips(100, 90, 90, [HEADER], [9000]) | {GDAL_METADATA: Entry(f"<GDALMetadata>{items}</GDALMetadata>".encode())}
    write_raw(path, tags, plain_data())


def zero_scale(path: Path) -> None:
    described(path, '<Item name="SCALE" sample="0" role="scale">0</Item>')


def nan_scale(path: Path) -> None:
    described(path, '<Item name="SCALE" sample="0" role="scale">nan</Item>')


def infinite_offset(path: Path) -> None:
    described(path, '<Item name="OFFSET" sample="0" role="offset">inf</Item>')


def overflowing_scale(path: Path) -> None:
    described(path, '<Item name="SCALE" sample="0" role="scale">1e308</Item><Item name="OFFSET" sample="0" role="offset">1e308</Item>')


def mixed_scales(path: Path) -> None:
    write_tiff(path, noise(bands=2), edit=lambda dataset: setattr(dataset, "scales", (1e-4, 1.0)))


def vanishing_scale(path: Path) -> None:
    described(path, '<Item name="SCALE" sample="0" role="scale">1e-320</Item>')


def nodata_between_numbers(path: Path) -> None:
    write_raw(path, strips(100, 90, 90, [HEADER], [9000]) | {GDAL_NODATA: Entry(b"0.5")}, plain_data())


def nodata_out_of_type(path: Path) -> None:
    write_raw(path, strips(100, 90, 90, [HEADER], [9000]) | {GDAL_NODATA: Entry(b"-9999")}, plain_data())


def georeferenced(path: Path, scale: tuple[float, float, float], at: tuple[float, float] = (5e5, 5e6)) -> None:
    tags = strips(100, 90, 90, [HEADER], [9000])
    tags |= {PIXEL_SCALE: Entry(scale), TIE_POINT: Entry((0.0, 0.0, 0.0, *at, 0.0))}
    write_raw(path, tags, plain_data())


def nan_transform(path: Path) -> None:
    write_tiff(path, noise(), crs="EPSG:32633", transform=Affine(10.0, 0.0, float("nan"), 0.0, -10.0, 5e6))


def singular_transform(path: Path) -> None:
    write_tiff(path, noise(), crs="EPSG:32633", transform=Affine(10.0, 10.0, 5e5, 10.0, 10.0, 5e6))


def pixels_of_no_size(path: Path) -> None:
    write_tiff(path, noise(), crs="EPSG:32633", transform=Affine(1e-320, 0.0, 5e5, 0.0, -1e-320, 5e6))


def pixels_beyond_numbers(path: Path) -> None:
    georeferenced(path, (1e308, 1e308, 0.0))


def pixels_lost_in_their_coordinates(path: Path) -> None:
    georeferenced(path, (1e-9, 1e-9, 0.0))


def description_that_is_no_utf8(path: Path) -> None:
    tags = strips(100, 90, 90, [HEADER], [9000])
    item = b'<GDALMetadata><Item name="DESCRIPTION" sample="0" role="description">\xff\xfe\xc3(</Item></GDALMetadata>'
    write_raw(path, tags | {GDAL_METADATA: Entry(item)}, plain_data())


# What is no regular file.


def link_in_a_circle(path: Path) -> None:
    path.symlink_to(path.with_name("other.link"))
    path.with_name("other.link").symlink_to(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def link_out_of_the_folder(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def name_that_is_no_utf8(path: Path) -> None:
    write_tiff(path, noise())
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/na\xefve.tif"))


def name_that_is_markup(path: Path) -> None:
    write_tiff(path, noise())
    path.rename(path.with_name("<a>.tif"))


CASES = (
    Hostile(truncated_strips, "cannot be decoded"),
    Hostile(truncated_header, "cannot be opened"),
    Hostile(truncated_directory, "cannot be opened"),
    Hostile(empty, "is empty"),
    Hostile(one_byte, "is no TIFF file"),
    Hostile(text, "is no TIFF file"),
    Hostile(png_by_another_name, "is no TIFF file .*PNG"),
    Hostile(garbage_after_magic, "cannot be opened"),
    Hostile(directory_that_is_its_own_next, "cannot be opened|no band|cannot be"),
    Hostile(vrt_by_another_name, "is no TIFF file"),
    Hostile(strip_offset_past_the_end, "cannot be decoded"),
    Hostile(huge_byte_count, "cannot be"),
    Hostile(strip_table_shorter_than_the_picture, "does not hold the block at row 10, column 0"),
    Hostile(strip_table_that_claims_a_billion, "cannot be|does not hold the block"),
    Hostile(patched_size, "100000 x 100000|cannot be"),
    Hostile(two_billion_a_side, "2147483647 x 2147483647|cannot be"),
    Hostile(four_billion_a_side, "cannot be opened"),
    Hostile(sparse_bomb, "50000 x 50000"),
    Hostile(one_block_many_times, "40960 x 40960"),
    Hostile(huge_block, "blocks of 512 MiB"),
    Hostile(tiles_of_one_pixel, "blocks of 1 x 1 pixels"),
    Hostile(millions_of_tiles, "1562500 blocks"),
    Hostile(block_larger_than_a_window, "no valid pixel"),
    Hostile(many_bands, "65 bands"),
    Hostile(lying_samples, "65535 bands|cannot be"),
    Hostile(all_of_65535_bands, "65535 bands"),
    Hostile(no_samples, "0 bands|cannot be|no band"),
    Hostile(complex_numbers, "complex64"),
    Hostile(three_bits, "cannot be|does not hold the block"),
    Hostile(colour_table, "classes"),
    Hostile(only_alpha, "no band of pixels"),
    Hostile(all_nodata, "no valid pixel"),
    Hostile(all_nan, "no valid pixel"),
    Hostile(nan_and_infinite, "no valid pixel"),
    Hostile(tiny, "20 x 20 pixels"),
    Hostile(damaged_jpeg, "cannot be decoded"),
    Hostile(damaged_deflate, "cannot be decoded"),
    Hostile(zero_scale, "scale 0", "UnitError"),
    Hostile(nan_scale, "scale nan", "UnitError"),
    Hostile(infinite_offset, "offset inf", "UnitError"),
    Hostile(overflowing_scale, "scale 1e\\+308"),
    Hostile(mixed_scales, "different scale"),
    Hostile(vanishing_scale, "scale 9.99989e-321"),
    Hostile(nodata_between_numbers, "nodata value 0.5"),
    Hostile(nan_transform, "six finite numbers"),
    Hostile(singular_transform, "six finite numbers"),
    Hostile(pixels_of_no_size, "six finite numbers"),
    Hostile(pixels_beyond_numbers, "all of them finite"),
    Hostile(pixels_lost_in_their_coordinates, "differ in their coordinates"),
    Hostile(description_that_is_no_utf8, "header of bad.tif cannot be read .*utf-8"),
    Hostile(link_in_a_circle, "link in a circle"),
    Hostile(link_to_nothing, "link to nothing"),
    Hostile(link_out_of_the_folder, "link out of"),
    Hostile(pipe, "no regular file"),
    Hostile(name_that_is_no_utf8, "no UTF-8"),
    Hostile(name_that_is_markup, "plain file path"),
)
HARMLESS = (block_that_inflates_beyond_its_size, nodata_out_of_type)  # read as they are, at no cost: GDAL bounds or drops what they claim
