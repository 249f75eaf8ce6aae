"""The discriminator: its size, its freedom of size, and that a logit is one sample's own."""

from __future__ import annotations

import pytest
import torch

from sr_core.errors import ShapeError
from sr_core.training.discriminator import Discriminator


def made(width: int = 8, channels: int = 1, seed: int = 4) -> Discriminator:
    return Discriminator(channels, width, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "numbers"), [(32, 1_171_937), (64, 4_684_737)])
def test_eight_convolutions_from_d_to_8d(width: int, numbers: int) -> None:
    # By hand, d = 32: 320 + 9248 + 18496 + 36928 + 73856 + 147584 + 295168 + 590080, and 257 for the linear layer; so for 64.
    assert sum(parameter.numel() for parameter in made(width).parameters()) == numbers


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 33), (66, 66), (47, 70)])
def test_any_size_of_patch(height: int, width: int) -> None:
    logits, features = made(channels=3)(torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2,) and logits.dtype == torch.float32
    assert [feature.shape[1] for feature in features] == [8, 16, 16, 32, 32, 64, 64]
    assert features[-1].shape[-2:] == (-(-height // 16), -(-width // 16))


def test_too_small_a_patch_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"patches\.size"):
        made()(torch.zeros(1, 1, 15, 40))


def test_a_logit_does_not_depend_on_the_rest_of_the_batch() -> None:
    x = torch.randn(3, 1, 33, 33, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(made()(x)[0][:1], made()(torch.cat([x[:1], 50 * x[1:]]))[0][:1], atol=1e-6)


def test_weights_come_from_the_generator_alone_and_keep_the_signal() -> None:
    state = torch.get_rng_state()
    first = made(32)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), made(32).parameters(), strict=True))
    assert not torch.equal(first.judge.weight, made(32, seed=5).judge.weight)
    with torch.no_grad():
        _, features = first(torch.randn(4, 1, 66, 66, generator=torch.Generator().manual_seed(0)))
    for feature in features:
        assert 0.4 < float(feature.square().mean()) < 1.6  # zeros beyond the border cost a little in every layer
