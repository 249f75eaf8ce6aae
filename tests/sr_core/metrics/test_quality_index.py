"""UIQI and Q2n: golden numbers of an independent program, algebra, masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import Protocol, q2n, uiqi
from sr_core.metrics.quality_index import cayley_dickson, conjugate

PLAIN = Protocol(data_range=1, border=0)
I = np.arange(64).reshape(8, 8)  # noqa: E741
X = np.stack([I, 3 * I % 17, 5 * I % 23, 7 * I % 29]) + 1.0
Y = 0.9 * X + np.stack([11 * I % 7, 13 * I % 5, 2 * I % 3, 17 * I % 11])


def test_uiqi_golden() -> None:
    x = I[None].astype(float)
    assert uiqi(x, x, PLAIN) == pytest.approx(1, abs=1e-14)
    assert uiqi(0.5 * x + 10, x, PLAIN) == pytest.approx(0.7840211440, abs=5e-11)
    assert uiqi(0.5 * x[:, ::-1] + 10, x, PLAIN) == pytest.approx(-0.7598974165, abs=5e-11)
    assert uiqi(Y, X, PLAIN) == pytest.approx(0.9547240, abs=5e-8)


def test_q2n_golden() -> None:
    assert q2n(Y, X, PLAIN, block=8) == pytest.approx(0.9749914413, abs=5e-11)
    assert q2n(Y[:3], X[:3], PLAIN, block=8) == pytest.approx(0.9854325, abs=5e-8)
    assert q2n(X, X, PLAIN, block=8) == pytest.approx(1, abs=1e-14)
    x = I[None].astype(float)
    assert q2n(0.5 * x[:, ::-1] + 10, x, PLAIN, block=8) == pytest.approx(0.7598974165, abs=5e-11)


def test_uiqi_slides_by_one() -> None:
    random = np.random.default_rng(0)
    x = random.random((1, 13, 11)) + 1000
    y = x + random.normal(0, 0.2, x.shape)
    values = []
    for i in range(6):
        for j in range(4):
            p, q = x[0, i : i + 8, j : j + 8].ravel(), y[0, i : i + 8, j : j + 8].ravel()
            c = np.cov(p, q)
            values.append(4 * c[0, 1] * p.mean() * q.mean() / ((c[0, 0] + c[1, 1]) * (p.mean() ** 2 + q.mean() ** 2)))
    assert uiqi(y, x, PLAIN) == pytest.approx(np.mean(values), abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_flat_windows(value: float) -> None:
    flat = np.full((2, 40, 40), value)
    for metric in (uiqi, q2n):
        assert metric(flat, flat, PLAIN) == 1
        assert metric(flat + 1, flat, PLAIN) == 0


def numbers(seed: int, parts: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, parts))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), parts=st.sampled_from([1, 2, 4, 8]))
def test_hypercomplex_products(seed: int, parts: int) -> None:
    a, b, _ = numbers(seed, parts)
    assert np.linalg.norm(cayley_dickson(a, b)) == pytest.approx(np.linalg.norm(a) * np.linalg.norm(b))  # a normed algebra up to 8 parts
    own = cayley_dickson(a, conjugate(a))
    assert own[0] == pytest.approx(a @ a) and np.abs(own[1:]).max(initial=0) < 1e-12
    assert conjugate(cayley_dickson(a, b)) == pytest.approx(cayley_dickson(conjugate(b), conjugate(a)))
    if parts == 2:
        z = complex(*a) * complex(*b)
        assert cayley_dickson(a, b) == pytest.approx([z.real, z.imag])


def test_only_whole_windows_enter() -> None:
    random = np.random.default_rng(2)
    hr = random.random((3, 64, 70))
    sr = hr + random.normal(0, 0.1, hr.shape)
    mask = np.ones((64, 70), dtype=bool)
    mask[:, 32:] = False
    spoiled, spoiled_hr = sr.copy(), hr.copy()
    spoiled[:, ~mask], spoiled_hr[:, ~mask] = np.nan, -32768.0
    for metric in (uiqi, q2n):
        assert metric(spoiled, spoiled_hr, PLAIN, mask) == pytest.approx(metric(sr[..., :32], hr[..., :32], PLAIN), abs=1e-12)
    mask = np.ones((64, 70), dtype=bool)
    mask[::7, ::7] = False
    with pytest.raises(ShapeError, match="8 x 8 usable"):
        uiqi(sr, hr, PLAIN, mask)
    with pytest.raises(ShapeError, match="32 x 32 usable"):
        q2n(sr, hr, PLAIN, mask)


def test_refusals() -> None:
    small = np.zeros((1, 7, 40))
    with pytest.raises(ShapeError, match="at least 8"):
        uiqi(small, small, PLAIN)
    with pytest.raises(ShapeError, match="at least 32"):
        q2n(small, small, PLAIN)
    with pytest.raises(InputError, match="windows of 1"):
        uiqi(small, small, PLAIN, window=1)


def test_swapped_bands_would_be_seen() -> None:
    assert q2n(Y[[1, 0, 2, 3]], X, PLAIN, block=8) < 0.9
