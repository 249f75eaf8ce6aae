"""Bounds by number: windows that cover once and stay small, time by length, places that numbers can tell apart."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from made_scenes import write_tiff

from domains.satellite.guard import START_S, WINDOW_BYTES, Allowance, check_place, check_values, pass_windows, printable, refusing
from domains.satellite.header import read_header
from domains.satellite.opening import open_file
from sr_core.errors import InputError, UnitError
from sr_core.raster import Encoding


@pytest.mark.parametrize(
    ("shape", "block", "pixel_bytes"),
    [
        ((700, 900), (1, 900), 2),
        ((700, 900), (700, 900), 2),
        ((3000, 2500), (512, 512), 8),
        ((3000, 2500), (256, 16), 512),
        ((2000, 70), (2000, 16), 64 * 8),
        ((70, 3000), (70, 3000), 64 * 8),
        ((5, 7), (100000, 100000), 1),
    ],
)
def test_windows_cover_once_and_stay_small(shape: tuple[int, int], block: tuple[int, int], pixel_bytes: int) -> None:
    seen = np.zeros(shape, np.uint8)
    for window in pass_windows(*shape, block, pixel_bytes):
        seen[window.row : window.row + window.height, window.col : window.col + window.width] += 1
        assert window.height * window.width * pixel_bytes <= WINDOW_BYTES
    assert (seen == 1).all()


def test_windows_hold_whole_blocks_where_they_fit() -> None:
    starts = {(w.row % 384, w.col % 640) for w in pass_windows(5000, 5000, (384, 640), 8)}
    assert starts == {(0, 0)}
    strips = list(pass_windows(30, 40_000_000, (1, 40_000_000), 1))
    assert len(strips) == 30 and {w.width for w in strips} == {40_000_000}


def test_time_is_allowed_by_length() -> None:
    clock = itertools.count(0, 40).__next__
    allowance = Allowance("small.tif", 1 << 20, clock=clock)
    assert allowance.seconds == START_S + 4
    allowance.check()
    with pytest.raises(InputError, match=r"small.tif was read for 80 s .* at most 64 s for 1048576 bytes"):
        allowance.check()
    large = Allowance("large.tif", 1 << 30, clock=itertools.count(0, 40).__next__)
    for _ in range(100):
        large.check()


def test_places_that_numbers_can_tell_apart() -> None:
    check_place("a.tif", (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), 10980, 10980)
    check_place("a.tif", (8.9e-5, 0.0, -180.0, 0.0, -8.9e-5, 90.0), 10, 10)
    check_place("a.tif", (0.01, 0.003, 7e5, -0.003, -0.01, 9e6), 10, 10)  # a drone's pixels, rotated
    for transform in ((1e-9, 0.0, 5e5, 0.0, -1e-9, 5e6), (1e308, 0.0, 0.0, 0.0, 1e308, 0.0), (1e200, 0.0, 0.0, 0.0, 1e200, 0.0)):
        with pytest.raises(InputError, match="differ in their coordinates"):
            check_place("a.tif", transform, 100, 100)


@pytest.mark.parametrize("nodata", [-1.0, 256.0, 0.5, float("nan"), float("inf")])
def test_nodata_that_no_pixel_holds(nodata: float) -> None:
    with pytest.raises(InputError, match="uint8 cannot hold"):
        check_values("a.tif", Encoding.of("uint8"), nodata)
    check_values("a.tif", Encoding.of("float32"), nodata)


def test_usual_scales_pass() -> None:
    for scale, offset in ((1e-4, -0.1), (2.75e-5, -0.2), (0.00341802, 149.0), (-1.0, 0.0), (1e12, 0.0)):
        check_values("a.tif", Encoding.of("uint16", scale, offset), 0.0)


def test_every_failure_becomes_one_sentence_that_a_terminal_does_not_obey() -> None:
    with pytest.raises(InputError) as caught, refusing("a.tif cannot be opened"):
        raise RuntimeError("\x1b[31mred\nand more " + "x" * 500)
    assert str(caught.value).startswith("a.tif cannot be opened ( [31mred and more xxx") or "\x1b" not in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 320
    with pytest.raises(UnitError), refusing("a.tif cannot be opened"):
        Encoding.of("uint8", 0.0)
    with pytest.raises(KeyboardInterrupt), refusing("a.tif cannot be opened"):
        raise KeyboardInterrupt


def test_hooks_of_the_interpreter_are_put_back() -> None:
    before = sys.unraisablehook, sys.excepthook
    with pytest.raises(InputError), refusing("a"):
        assert (sys.unraisablehook, sys.excepthook) != before
        raise ValueError
    assert (sys.unraisablehook, sys.excepthook) == before


def test_hooks_are_put_back_when_threads_overlap() -> None:
    before = sys.unraisablehook, sys.excepthook
    first, second = refusing("a"), refusing("b")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.unraisablehook is not before[0]
    second.__exit__(None, None, None)
    assert (sys.unraisablehook, sys.excepthook) == before


def test_printable_keeps_what_is_plain() -> None:
    assert printable("größer als 5 µm") == "größer als 5 µm"
    assert printable("a\0b\x07c") == "a b c"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_blocks_left_out_need_a_nodata_value(tmp_path: Path) -> None:
    pixels = np.zeros((1, 128, 128), np.uint8)
    pixels[:, :64, :64] = 9
    layout = {"tiled": True, "blockxsize": 64, "blockysize": 64, "SPARSE_OK": True}
    with open_file(write_tiff(tmp_path / "said.tif", pixels, nodata=0, **layout)) as dataset:
        assert read_header(tmp_path / "said.tif", dataset).nodata == 0
    with open_file(write_tiff(tmp_path / "silent.tif", pixels, **layout)) as dataset, pytest.raises(InputError) as caught:
        read_header(tmp_path / "silent.tif", dataset)
    assert "does not hold the block at row 0, column 64 of band 1" in str(caught.value)
