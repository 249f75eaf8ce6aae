"""Flat files that grow row by row: what a kill or a fault leaves of them, and what is taken over."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sr_core.canvas import HALF_WIDTH, MASK, RESIDUAL, STORED, Canvas, Layout, by_rows, encoded_rows, row_blocks
from sr_core.errors import DeliveryError, OutputError, ShapeError
from sr_core.raster import Encoding, Window

LAYOUT = Layout((3, 10, 7), 2, "uint16", half_width="float32", residual=True)
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 60000, (3, 20, 14)).astype(np.uint16)
HALF = RNG.random((3, 20, 14), np.float32)
REST = RNG.random((3, 10, 7), np.float32)
USABLE = RNG.random((10, 7)) > 0.3


def add(canvas: Canvas, rows: int, note: str = "") -> None:
    first = canvas.rows
    fine, coarse = slice(2 * first, 2 * (first + rows)), slice(first, first + rows)
    arrays = {STORED: by_rows(IMAGE[:, fine]), HALF_WIDTH: by_rows(HALF[:, fine]), RESIDUAL: by_rows(REST[:, coarse])}
    mask = USABLE[coarse].repeat(2, 0).repeat(2, 1)
    canvas.append(arrays, mask, clipped=first, claimed=first == 4, note=note or f"from {first}")


def finished(folder: Path) -> Canvas:
    canvas = Canvas(folder, LAYOUT)
    while not canvas.whole:
        add(canvas, min(4, 10 - canvas.rows))
    return canvas


def assert_is_the_image(canvas: Canvas) -> None:
    np.testing.assert_array_equal(canvas.read(STORED), IMAGE)
    np.testing.assert_array_equal(canvas.read(HALF_WIDTH), HALF)
    np.testing.assert_array_equal(canvas.read(RESIDUAL), REST)
    np.testing.assert_array_equal(canvas.mask(Window(0, 0, 20, 14)), USABLE.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(canvas.mask(Window(3, 5, 8, 6)), USABLE.repeat(2, 0).repeat(2, 1)[3:11, 5:11])


def test_what_was_appended_is_there_and_again_for_the_next_run(tmp_path: Path) -> None:
    canvas = finished(tmp_path / "rows")
    assert_is_the_image(canvas)
    again = Canvas(tmp_path / "rows", LAYOUT)
    assert_is_the_image(again)
    assert again.notes == ("from 0", "from 4", "from 8") and again.clipped == 12 and again.claimed
    assert sum(path.stat().st_size for path in (tmp_path / "rows").glob("*.raw")) == LAYOUT.nbytes == 20 * 14 * 3 * 6 + 70 * 13


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size - size)


def flip(name: str, place: int) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[place] ^= 1
        (folder / name).write_bytes(data)

    return fault


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


ROW = 2 * 14 * 3 * 2  # bytes of STORED that an LR row covers


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (lambda folder: None, 8),
        (cut("stored.raw", 1), 4),
        (cut("mask.raw", 1), 4),
        (cut("half_width.raw", ROW * 2 * 5), 0),
        (flip("stored.raw", 0), 0),
        (flip("stored.raw", 5 * ROW), 4),
        (flip("residual.raw", -1), 4),
        (cut("journal", 1), 4),  # the line break: the line may be torn
        (cut("journal", 30), 4),
        (flip("journal", 20), 0),  # the head: perhaps another layout
        (flip("journal", -20), 4),
        (gone("journal"), 0),
        (gone("residual.raw"), 0),
        (lambda folder: (folder / "journal").open("ab").write(b"0000"), 8),
        (lambda folder: (folder / "stored.raw").open("ab").write(bytes(700)), 8),
    ],
)
def test_damaged_rows_and_those_below_are_made_again(fault: Callable[[Path], Any], left: int, tmp_path: Path) -> None:
    canvas = Canvas(tmp_path / "rows", LAYOUT)
    add(canvas, 4)
    add(canvas, 4)
    fault(tmp_path / "rows")
    assert Canvas(tmp_path / "rows", LAYOUT).rows == left
    assert Canvas(tmp_path / "rows", LAYOUT).rows == left
    assert_is_the_image(finished(tmp_path / "rows"))
    assert_is_the_image(Canvas(tmp_path / "rows", LAYOUT))


def test_rows_of_another_layout_are_not_used(tmp_path: Path) -> None:
    finished(tmp_path / "rows")
    for other in (Layout((3, 10, 7), 2, "int16", half_width="float32", residual=True), Layout((3, 10, 7), 2, "uint16")):
        assert Canvas(tmp_path / "rows", other).rows == 0


def test_only_the_next_rows_are_taken(tmp_path: Path) -> None:
    canvas = Canvas(tmp_path / "rows", LAYOUT)
    add(canvas, 4)
    good = np.zeros((3, 4, 14), np.float32)
    canvas.check(Window(8, 0, 4, 14), good, np.ones((4, 14), bool))
    for window in (Window(0, 0, 4, 14), Window(10, 0, 4, 14), Window(8, 0, 4, 12), Window(8, 2, 4, 12), Window(8, 0, 3, 14)):
        with pytest.raises(ShapeError, match="from row 8 on"):
            canvas.check(window, np.zeros((3, window.height, window.width), np.float32), np.ones((window.height, window.width), bool))
    with pytest.raises(ShapeError, match="from row 8 on"):
        canvas.check(Window(8, 0, 14, 14), np.zeros((3, 14, 14), np.float32), np.ones((14, 14), bool))
    half_pixel = np.ones((4, 14), bool)
    half_pixel[0, 0] = False
    with pytest.raises(ShapeError, match="cuts LR pixels"):
        canvas.check(Window(8, 0, 4, 14), good, half_pixel)
    good[1, 2:, :2] = np.nan
    with pytest.raises(OutputError, match="not finite"):
        canvas.check(Window(8, 0, 4, 14), good, np.ones((4, 14), bool))
    hole = np.ones((4, 14), bool)
    hole[2:, :2] = False
    canvas.check(Window(8, 0, 4, 14), good, hole)
    with pytest.raises(ShapeError, match="4 of 10 LR rows written"):
        canvas.require_whole()


def test_a_full_disk_costs_the_rows_in_the_making_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = Canvas(tmp_path / "rows", LAYOUT)
    add(canvas, 4)
    honest, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeliveryError, match=r"No space left on device.*the same command then goes on"):
        add(canvas, 4)
    assert canvas.rows == 4
    monkeypatch.undo()
    assert Canvas(tmp_path / "rows", LAYOUT).rows == 4
    assert_is_the_image(finished(tmp_path / "rows"))


def test_data_reach_the_disk_before_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = Canvas(tmp_path / "rows", LAYOUT)
    synced: list[str] = []
    honest = os.fsync

    def watched(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        honest(handle)

    monkeypatch.setattr(os, "fsync", watched)
    add(canvas, 4)
    assert synced == ["stored.raw", "mask.raw", "half_width.raw", "residual.raw", "journal"]


def test_encoded_rows_count_what_was_cut() -> None:
    encoding = Encoding("uint8", low=1)
    mean = np.array([[[0.4, 0.6, 255.4, 255.6]], [[np.nan, 7.5, -9.0, 300.0]]], np.float32)
    mask = np.array([[False, True, True, True]])
    rows, clipped = encoded_rows(encoding, mean, mask, 0, extra=1)
    assert rows.shape == (1, 3, 4) and rows.dtype == np.uint8 and clipped == 3  # 255.6, -9 and 300; not what is masked
    assert rows[0, :2].tolist() == [[0, 1, 255, 255], [0, 8, 1, 255]]


def test_row_blocks_cover_all_rows() -> None:
    assert list(row_blocks(5, 3, budget=7)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(row_blocks(2, 100, budget=7)) == [slice(0, 1), slice(1, 2)]
    assert MASK in LAYOUT.files()
