"""Figures of an interval, by value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sr_core.errors import ShapeError
from sr_core.trust.interval import coverage, covered_share, largest_errors_held, mean_width

MASK = np.array([[True, True], [True, False]])


def image(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 2, 2)


def test_coverage_counts_valid_pixels_and_its_ends() -> None:
    assert coverage(image(1, 2, 3, 99), image(1, 1, 1, 1), image(0, 1, 1, 0), MASK) == pytest.approx(2 / 3)


def test_a_nan_half_width_holds_nothing() -> None:
    assert coverage(image(1, 1, 1, 1), image(1, 1, 1, 1), image(math.nan, 1, 1, 1), MASK) == pytest.approx(2 / 3)
    assert covered_share(image(math.nan, 1, 1, 1), MASK) == pytest.approx(2 / 3)
    assert covered_share(None, MASK) == 0.0


def test_width_is_cut_to_the_valid_range() -> None:
    assert mean_width(image(0, 5, 10, 0), image(2, 2, 2, 2), (0, 10), MASK) == pytest.approx((2 + 4 + 2) / 3)


def test_halved_interval_is_seen() -> None:
    rng = np.random.default_rng(1)
    hr, sr = rng.normal(size=(2, 1, 64, 64)).astype(np.float32)
    half = np.full_like(hr, np.quantile(np.abs(hr - sr), 0.9))
    mask = np.ones((64, 64), bool)
    assert coverage(hr, sr, half, mask) == pytest.approx(0.9, abs=0.001)
    assert coverage(hr, sr, half / 2, mask) < 0.65


def test_largest_errors() -> None:
    hr = np.zeros((1, 20, 20), np.float32)
    sr = hr.copy()
    sr[0, 0, :4] = (4, 3, 2, 1)
    mask = np.ones((20, 20), bool)
    assert largest_errors_held(hr, sr, np.full_like(hr, 2), mask) == 0.5
    assert largest_errors_held(hr, sr, np.full_like(hr, 2), mask, share=1 / 400) == 0.0


def test_no_valid_pixel_gives_nan() -> None:
    none = np.zeros((2, 2), bool)
    one = image(1, 1, 1, 1)
    assert math.isnan(coverage(one, one, one, none)) and math.isnan(largest_errors_held(one, one, one, none))
    assert math.isnan(mean_width(one, one, (0, 1), none)) and covered_share(one, none) == 0.0


def test_without_any_interval_there_is_no_coverage() -> None:
    one, none = image(1, 1, 1, 1), image(*[math.nan] * 4)
    assert math.isnan(coverage(one, one, none, MASK)) and math.isnan(largest_errors_held(one, one, none, MASK))
    assert math.isnan(mean_width(one, none, (0, 1), MASK)) and covered_share(none, MASK) == 0.0


def test_shapes_must_agree() -> None:
    with pytest.raises(ShapeError):
        coverage(image(1, 1, 1, 1), image(1, 1, 1, 1)[:, :1], image(1, 1, 1, 1), MASK)
