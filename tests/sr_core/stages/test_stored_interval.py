"""The interval as stored: rounding up passes, a narrower one fails wherever it is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sr_core.raster import Encoding, Float32Array, Raster, Window
from sr_core.stages.bands import Band
from sr_core.stages.overall import BandNote, cells, note_of
from sr_core.stages.stored_interval import StoredInterval
from sr_core.trust.verdict import CheckResult

SIDE = 300  # LR px: two windows
BOTH = tuple(cells(Window(0, 0, 32, SIDE)))
EDGE = 2 * BOTH[1].col  # SR px: where the second begins
RNG = np.random.default_rng(1)
WIDTH = (0.1 + RNG.random((2, 64, 2 * SIDE))).astype(np.float32)
MASK = RNG.random((32, SIDE)) > 0.2
FINE = MASK.repeat(2, 0).repeat(2, 1)


def noted(width: Float32Array = WIDTH) -> BandNote:
    zero = np.zeros((2, 32, SIDE), np.float32)
    lr = Raster(zero, MASK, ("a", "b"), "DN", Encoding.of("uint16").valid_range)
    return note_of(Band(Window(0, 0, 32, SIDE), lr, np.zeros_like(width), width, zero), 1.0)


def result(stored: Float32Array | None, note: BandNote | None = None) -> CheckResult:
    found = StoredInterval([BandNote.from_json((note or noted()).to_json(), "journal")])
    for window in BOTH:
        place = window.scaled(2).slices()
        found.take(window, None if stored is None else stored[(slice(None), *place)], FINE[place])
    return found.result()


def test_what_is_noted_is_the_mean_over_measured_values() -> None:
    first = noted().windows[0]
    inside = WIDTH[:, :, :EDGE][:, FINE[:, :EDGE]]
    assert first.claimed == inside.size and first.half_width == pytest.approx(inside.mean(dtype=np.float64), rel=1e-9)


def test_the_interval_as_it_was_made_passes_and_so_does_one_that_was_rounded_up() -> None:
    for stored in (WIDTH, np.ceil(WIDTH * 256) / np.float32(256), np.where(FINE, WIDTH, np.nan).astype(np.float32)):
        found = result(stored.astype(np.float32))
        assert found.outcome == "pass" and found.value is not None and found.value < 1e-6


@pytest.mark.parametrize("places", [slice(None), slice(0, EDGE), slice(EDGE, None)])
def test_a_narrower_one_fails_even_in_one_window(places: slice) -> None:
    stored = WIDTH.copy()
    stored[:, :, places] *= np.float32(0.99)
    found = result(stored)
    assert found.outcome == "fail" and found.value == pytest.approx(0.01, rel=1e-4)


def test_a_window_that_the_file_could_not_keep_wholly_is_left_out() -> None:
    stored = WIDTH * np.float32(0.5)
    stored[0, FINE] = np.nan
    assert result(stored).outcome == "skipped"


def test_without_an_interval_there_is_nothing_to_compare() -> None:
    assert result(None).outcome == "skipped"
    nothing = np.full_like(WIDTH, math.nan)
    assert noted(nothing).windows[0].claimed == 0 and result(nothing, noted(nothing)).outcome == "skipped"
