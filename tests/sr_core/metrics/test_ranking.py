"""Ranking of errors: by hand, by SciPy, and at the ends of what is possible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sr_core.errors import ShapeError
from sr_core.metrics.ranking import rank_correlation, sparsification_area


def test_four_pixels_by_hand() -> None:
    """Errors 1 to 4, the two middle ones confused: what is left of 1, 2, 3, 4 pixels has means 1, 2, 2, 2.5 against 1, 1.5, 2, 2.5."""
    assert sparsification_area([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx((0 + 0.5 + 0 + 0) / 4 / 2.5)


def test_a_perfect_ranking_has_no_area_whatever_its_scale_and_a_constant_that_of_the_oracle() -> None:
    error = np.random.default_rng(0).exponential(size=(3, 40, 50))
    assert sparsification_area(error, np.sqrt(error) * 9) == pytest.approx(0, abs=1e-12)
    exponential = sparsification_area(error, np.ones_like(error))
    # The smallest share p of an exponential law has the mean 1 + (1 - p) log(1 - p) / p.
    assert exponential == pytest.approx(np.pi**2 / 6 - 1, abs=0.01)
    assert sparsification_area(error, -error) > exponential > sparsification_area(error, error + 0.5 * error[::-1])
    assert sparsification_area(np.zeros(5), np.arange(5)) == 0


def test_correlation_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 500), rng.integers(0, 9, 500) + 0.0
    b += a
    assert rank_correlation(a, b) == pytest.approx(float(stats.spearmanr(a, b)[0]), abs=1e-12)
    assert np.isnan(rank_correlation(a, np.ones(500)))
    with pytest.raises(ShapeError):
        rank_correlation(a, b[1:])
