"""Histograms: upper edges, exact coverage, and merging that changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.trust.histogram import BINS, CELLS, Joint, cells, quantile_cell, upper_edge


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=200), st.floats(0.05, 0.99))
@settings(derandomize=True, deadline=None)
def test_quantile_is_an_upper_edge_that_holds_the_share(values: list[float], share: float) -> None:
    array = np.array(values)
    counts = np.bincount(cells(array), minlength=CELLS)
    edge = upper_edge(quantile_cell(counts, share))
    assert np.mean(array <= edge * (1 + 1e-9)) >= share - 1e-9
    exact = np.sort(array)[math.ceil(share * array.size * (1 - 1e-12)) - 1]
    assert edge >= exact * (1 - 1e-9)
    if 1e-4 < exact < 1e4:
        assert edge <= exact * 10 ** (8 / BINS) * (1 + 1e-9)


@pytest.mark.parametrize(("value", "cell"), [(0.0, 0), (1e-4, 0), (1e4, BINS), (2e4, BINS + 1), (math.inf, BINS + 1), (math.nan, BINS + 1)])
def test_ends_of_the_axis(value: float, cell: int) -> None:
    assert cells(np.array([value]))[0] == cell


def test_edges_grow_and_end_in_infinity() -> None:
    edges = [upper_edge(c) for c in range(CELLS)]
    assert edges == sorted(edges) and edges[0] == pytest.approx(1e-4) and edges[BINS] == pytest.approx(1e4) and math.isinf(edges[-1])


def test_nine_of_ten_is_a_share_of_nine_tenths() -> None:
    counts = np.bincount(cells(np.array([1.0] * 9 + [100.0])), minlength=CELLS)
    assert upper_edge(quantile_cell(counts, 0.9)) < 1.1


def test_joint_histograms_merge() -> None:
    rng = np.random.default_rng(0)
    a, b = np.exp(rng.normal(size=(2, 500)))
    whole, left, right = Joint(), Joint(), Joint()
    whole.update(a, cells(b))
    left.update(a[:200], cells(b[:200]))
    right.update(a[200:], cells(b[200:]))
    left.merge(right)
    assert np.array_equal(whole.counts, left.counts) and whole.counts.sum() == 500
