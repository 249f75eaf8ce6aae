"""The optimisers: which parameters go where, and that a state that was kept goes on as if nothing had happened."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import StoreError
from sr_core.training.optimisers import MUON_RATE, Optimiser

Kind = Literal["adam", "muon"]


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))
    return net.to(memory_format=torch.channels_last)


def walk(net: nn.Module, optimiser: Optimiser, first: int, last: int) -> None:
    for step in range(first, last):
        x = torch.randn(2, 1, 9, 9, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        (net(x) - x).square().mean().backward()
        optimiser.clip(1.0)
        optimiser.step(1.0 - 0.1 * step)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_kept_state_goes_on_bit_for_bit(kind: Kind) -> None:
    whole = network()
    walk(whole, Optimiser(whole.named_parameters(), kind, 1e-2), 0, 6)

    first = network()
    optimiser = Optimiser(first.named_parameters(), kind, 1e-2)
    walk(first, optimiser, 0, 3)
    kept = {name: tensor.clone().contiguous() for name, tensor in optimiser.tensors().items()}
    second = network(seed=5)
    second.load_state_dict(first.state_dict())
    again = Optimiser(second.named_parameters(), kind, 1e-2)
    again.restore(kept)
    walk(second, again, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_dropping_the_state_is_noticed() -> None:
    """The fault that the test above must catch: going on with fresh moments."""
    whole, second = network(), network()
    walk(whole, Optimiser(whole.named_parameters(), "adam", 1e-2), 0, 6)
    walk(second, Optimiser(second.named_parameters(), "adam", 1e-2), 0, 3)
    walk(second, Optimiser(second.named_parameters(), "adam", 1e-2), 3, 6)
    assert not torch.equal(whole[0].weight, second[0].weight)


def test_muon_takes_square_convolutions_and_moves_the_weights_themselves() -> None:
    net = network()
    optimiser = Optimiser(net.named_parameters(), "muon", 1e-2)
    before = net[2].weight.detach().clone()
    walk(net, optimiser, 0, 1)
    names = set(optimiser.tensors())
    assert "2.weight/momentum_buffer" in names and "0.weight/exp_avg" in names and "2.weight/exp_avg" not in names
    change = (net[2].weight.detach() - before).permute(0, 2, 3, 1).reshape(8, -1)
    values = torch.linalg.svdvals(change / (1e-2 * MUON_RATE))
    # An orthogonalised step: all singular values near 1 (the five iterations leave them within 0.5 .. 1.5).
    assert values.min() > 0.4 and values.max() < 1.6


def test_muon_step_does_not_depend_on_the_order_of_memory() -> None:
    last, first = network(), network().to(memory_format=torch.contiguous_format)
    walk(last, Optimiser(last.named_parameters(), "muon", 1e-3), 0, 2)
    walk(first, Optimiser(first.named_parameters(), "muon", 1e-3), 0, 2)
    assert torch.allclose(last[2].weight, first[2].weight, atol=2e-4)


def test_clip_gives_the_norm_that_was() -> None:
    net = nn.Linear(1, 1, bias=False)
    optimiser = Optimiser(net.named_parameters(), "adam", 1e-2)
    (net.weight * 30).sum().backward()
    assert optimiser.clip(1.0).item() == pytest.approx(30.0)
    assert net.weight.grad is not None and net.weight.grad.item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("tensors", [{"9.weight/exp_avg": torch.zeros(3)}, {"0.weight/exp_avg": torch.zeros(3)}])
def test_a_foreign_state_is_refused(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(StoreError, match="train again"):
        Optimiser(network().named_parameters(), "adam", 1e-2).restore(tensors)
