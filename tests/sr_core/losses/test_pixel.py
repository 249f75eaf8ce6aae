"""Pixel losses: values by hand, and the property that makes each what it is."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sr_core.errors import ShapeError
from sr_core.losses import PIXEL_LOSSES, charbonnier, l1, l2, laplace, magnitude

A = torch.tensor([[[[0.0, 1.0], [2.0, -3.0]]]])
B = torch.tensor([[[[0.0, 3.0], [2.0, 1.0]]]])


def test_values_by_hand() -> None:
    assert l1(A, B).item() == pytest.approx((2 + 4) / 4)
    assert l2(A, B).item() == pytest.approx((4 + 16) / 4)
    assert charbonnier(A, B, 1e-6).item() == pytest.approx(1.5, abs=1e-5)


@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES))
def test_zero_at_equality(name: str) -> None:
    assert PIXEL_LOSSES[name](A, A.clone()).item() == pytest.approx(0.0, abs=1e-7)


def test_charbonnier_has_a_gradient_at_zero_where_l1_jumps() -> None:
    x = torch.full((1, 1, 1, 1), 1e-6, requires_grad=True)
    charbonnier(x, torch.zeros_like(x)).backward()
    assert x.grad is not None and abs(x.grad.item()) < 1e-2


@pytest.mark.parametrize("name", sorted(PIXEL_LOSSES))
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="HR grid"):
        PIXEL_LOSSES[name](A, B[..., :1])


def test_integers_are_refused() -> None:
    with pytest.raises(ShapeError, match="float"):
        l1(A.int(), B.int())


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=30))
def test_magnitude_is_smallest_at_the_mean_absolute_error(errors: list[float]) -> None:
    error = torch.tensor(errors)[None, None, None]
    best = error.abs().mean()
    least = magnitude(torch.full_like(error, float(best)), error)
    for other in (0.5 * best + 0.01, 1.5 * best + 0.01):
        assert magnitude(torch.full_like(error, float(other)), error) >= least - 1e-6


def test_magnitude_sends_nothing_back_through_the_error() -> None:
    spread = torch.ones(1, 1, 2, 2, requires_grad=True)
    error = torch.ones(1, 1, 2, 2, requires_grad=True)
    magnitude(spread * 2, error).backward()
    assert error.grad is None and spread.grad is not None


def test_magnitude_counts_only_what_has_weight() -> None:
    spread, error = torch.zeros(1, 1, 1, 2), torch.tensor([[[[2.0, 100.0]]]])
    assert magnitude(spread, error, torch.tensor([[[[1.0, 0.0]]]])).item() == pytest.approx(4.0)
    with pytest.raises(ShapeError, match="counts"):
        magnitude(spread, error, torch.zeros(1, 1, 1, 2))


def test_laplace_is_the_negative_log_likelihood_and_its_gradient_the_formula() -> None:
    """Oracle: SciPy's Laplace distribution; d/db (log b + |e| / b) = (b - |e|) / b²."""
    scale = torch.tensor([[[[0.2, 1.0, 3.0]]]], dtype=torch.float64, requires_grad=True)
    error = torch.tensor([[[[-0.5, 0.0, 2.0]]]], dtype=torch.float64, requires_grad=True)
    loss = laplace(scale, error)
    said = stats.laplace.logpdf(error.detach().numpy(), scale=scale.detach().numpy())
    assert loss.item() == pytest.approx(-said.mean() - math.log(2), abs=1e-12)
    loss.backward()
    b, e = scale.detach(), error.detach().abs()
    assert scale.grad is not None and torch.allclose(scale.grad, (b - e) / b**2 / 3, atol=1e-14)
    assert error.grad is None
    with pytest.raises(ShapeError):
        laplace(scale, error[..., :1])


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.floats(0.01, 5), min_size=3, max_size=30))
def test_laplace_is_smallest_at_the_mean_absolute_error(errors: list[float]) -> None:
    error = torch.tensor(errors, dtype=torch.float64)[None, None, None]
    best = float(error.abs().mean())
    least = laplace(torch.full_like(error, best), error)
    for other in (0.5 * best, 0.9 * best, 1.1 * best, 2 * best):
        assert laplace(torch.full_like(error, other), error) >= least
