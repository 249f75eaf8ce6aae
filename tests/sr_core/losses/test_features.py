"""Losses on features: values by hand, and that texture forgets places where matching does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.losses import gram, matching, texture


def layer(seed: int, size: float = 1.0) -> Tensor:
    return size * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_matching_is_relative_layer_by_layer() -> None:
    real = [layer(1), layer(2, 1000.0)]
    assert matching([1.5 * x for x in real], real).item() == pytest.approx(0.5)
    assert matching([1.5 * real[0], real[1]], real).item() == pytest.approx(0.25)  # the large layer does not drown the small one


def test_nothing_flows_back_through_the_real_features() -> None:
    made, real = layer(1).requires_grad_(), layer(2).requires_grad_()
    (matching([made], [real]) + texture([made], [real])).backward()
    assert made.grad is not None and real.grad is None


def test_gram_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels of two pixels
    assert torch.equal(gram(features), torch.tensor([[[2.5, 5.5], [5.5, 12.5]]]))


def test_texture_forgets_where_pixels_lie_and_matching_does_not() -> None:
    real = layer(1)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    moved = real.flatten(2)[..., order].reshape(real.shape)
    assert torch.allclose(gram(moved), gram(real))
    assert texture([moved], [real]).item() == pytest.approx(0, abs=1e-12)
    assert matching([moved], [real]).item() > 0.5


def test_texture_sees_channels_that_no_longer_vary_together() -> None:
    real = layer(1)[:, :1].expand(2, 3, 4, 5)  # three channels that are one
    apart = torch.cat([real[:, :1], real[:, 1:2].roll(1, 3), real[:, 2:].roll(2, 2)], dim=1)
    assert texture([apart], [real]).item() > 0.2


def test_bfloat16_features_are_compared_in_float32() -> None:
    real = [layer(1).bfloat16()]
    for loss in (matching, texture):
        assert loss(real, real).dtype == torch.float32


def test_other_layers_are_refused() -> None:
    for made, real in (([], []), ([layer(1)], [layer(1), layer(2)])):
        with pytest.raises(ShapeError, match="layers"):
            matching(made, real)
    with pytest.raises(ShapeError, match="four axes"):
        gram(torch.zeros(3, 4))
