"""Consistency: free for what the degradation cannot see, dear for what it can."""

from __future__ import annotations

import pytest
import torch

from sr_core.errors import ShapeError
from sr_core.losses import consistency
from sr_core.operators import make_operator


@pytest.mark.parametrize("kind", ["bicubic", "box"])
def test_null_space_is_free_and_range_is_not(kind: str) -> None:
    operator = make_operator(kind, 2)
    draws = torch.Generator().manual_seed(0)
    x, other = (torch.randn(2, 3, 16, 20, generator=draws, dtype=torch.float64) for _ in range(2))
    unseen = other - operator.pinv(operator.apply(other))
    assert unseen.abs().mean() > 0.3
    y = operator.apply(x)
    assert consistency(operator, x + unseen, y).item() == pytest.approx(0, abs=1e-10)
    assert consistency(operator, x + 0.25, y).item() == pytest.approx(0.25)  # a degradation keeps brightness


def test_the_margin_leaves_the_border_out() -> None:
    operator = make_operator("box", 2)
    x, y = torch.zeros(1, 1, 12, 12), torch.zeros(1, 1, 6, 6)
    y[..., 0, :] = 9.0
    assert consistency(operator, x, y, margin=1).item() == 0
    assert consistency(operator, x, y).item() == pytest.approx(9 / 6)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ShapeError):
        consistency(make_operator("box", 2), torch.zeros(1, 1, 12, 12), torch.zeros(1, 1, 5, 6))
