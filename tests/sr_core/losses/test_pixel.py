"""Pixel losses: values by hand, and the property that makes each what it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.errors import ShapeError
from sr_core.losses import PIXEL_LOSSES, charbonnier, l1, l2, magnitude

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
