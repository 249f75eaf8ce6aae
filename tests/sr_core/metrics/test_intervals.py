"""Interval score, calibration error, mean opinion: golden numbers of an independent program, planted faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import calibration_error, interval_score, mean_opinion

Y = np.arange(1.0, 6)
LOW, HIGH = np.array([0.5, 2.1, 2.5, 3, 4.9]), np.array([1.5, 3, 3.5, 4, 5.5])
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def central(sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.random.default_rng(0).normal(size=10_000)
    reach = sigma * norm.ppf(0.5 + np.array(LEVELS) / 2)[:, None] * np.ones(10_000)
    return truth, -reach, reach


def test_interval_score_golden() -> None:
    assert interval_score(Y, LOW, HIGH, 0.1) == pytest.approx(1.3, abs=1e-12)
    assert calibration_error(Y, LOW[None], HIGH[None], (0.9,)).coverage == (0.8,)


def test_calibration_golden() -> None:
    curve = calibration_error(*central(1), LEVELS)
    assert curve.coverage == pytest.approx((0.0936, 0.2477, 0.4982, 0.7518, 0.9017, 0.9503), abs=1e-12)
    assert curve.error == pytest.approx(0.00238333, abs=5e-9)


def test_halved_interval_would_be_seen() -> None:
    curve = calibration_error(*central(0.5), LEVELS)
    assert curve.coverage == pytest.approx((0.0451, 0.1191, 0.2606, 0.4295, 0.5899, 0.6728), abs=1e-12)
    assert curve.error > 0.2


def test_masked() -> None:
    truth = np.array([[1.0, np.nan], [3.0, 4.0]])
    low, high = truth - 1, truth + 1
    low[1, 1], high[1, 1] = 9, 10
    mask = np.array([[True, False], [True, False]])
    assert interval_score(truth, low, high, 0.1, mask) == 2
    assert calibration_error(truth, low[None], high[None], (0.9,), mask).coverage == (1.0,)
    bands = [np.stack([v, v]) for v in (truth, low, high)]
    assert interval_score(bands[0], bands[1], bands[2], 0.1, mask) == 2
    with pytest.raises(InputError, match="not a number"):
        interval_score(truth, low, high, 0.1)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(level=st.sampled_from([0.5, 0.8, 0.9, 0.95]), wrong=st.floats(-2, 2).filter(lambda v: abs(v) > 0.2))
def test_interval_score_is_proper(level: float, wrong: float) -> None:
    truth = norm.ppf((np.arange(4000) + 0.5) / 4000)
    reach = norm.ppf(0.5 + level / 2)
    best = interval_score(truth, np.full(4000, -reach), np.full(4000, reach), 1 - level)
    assert interval_score(truth, np.full(4000, wrong - reach), np.full(4000, wrong + reach), 1 - level) > best


def test_refusals() -> None:
    with pytest.raises(InputError, match="alpha"):
        interval_score(Y, LOW, HIGH, 1.0)
    with pytest.raises(InputError, match="below their start"):
        interval_score(Y, HIGH, LOW, 0.1)
    with pytest.raises(ShapeError, match="one shape"):
        interval_score(Y, LOW[:4], HIGH, 0.1)
    with pytest.raises(ShapeError, match="no value"):
        interval_score(Y, LOW, HIGH, 0.1, np.zeros(5, dtype=bool))
    with pytest.raises(InputError, match="levels"):
        calibration_error(Y, LOW[None], HIGH[None], (90.0,))
    with pytest.raises(ShapeError, match="one interval a level"):
        calibration_error(Y, LOW[None], HIGH[None], (0.5, 0.9))


def test_mean_opinion_golden() -> None:
    found = mean_opinion([4, 5, 3, 4, 4, 5, 3, 4])
    assert (found.mean, found.raters) == (4.0, 8)
    assert found.standard_deviation == pytest.approx(0.7559289, abs=5e-8)
    assert (found.low, found.high) == pytest.approx((3.3680276, 4.6319724), abs=5e-8)


@pytest.mark.parametrize(("raters", "t"), [(5, 2.776445), (10, 2.262157), (20, 2.093024), (30, 2.045230)])
def test_t_values(raters: int, t: float) -> None:
    ratings = 3 + 0.01 * np.arange(raters)
    found = mean_opinion(ratings)
    assert found.high is not None and found.standard_deviation is not None
    assert (found.high - found.mean) * np.sqrt(raters) / found.standard_deviation == pytest.approx(t, abs=5e-7)


def test_raters_are_counted_not_ratings() -> None:
    each = np.array([[5, 5, 5, np.nan], [3, np.nan, 3, 3], [4, 4, 4, 4], [np.nan] * 4])
    assert mean_opinion(each) == mean_opinion([5, 3, 4])
    assert mean_opinion([4.0]).low is None and mean_opinion([[4, 5, 3]]).high is None
    clipped = mean_opinion([1, 5])
    assert (clipped.low, clipped.high) == (1, 5)
    with pytest.raises(InputError, match="1 \\(bad\\)"):
        mean_opinion([0, 4])
    with pytest.raises(ShapeError, match="at least one"):
        mean_opinion([np.nan])
