"""The averaged weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sr_core.errors import StoreError
from sr_core.training.ema import Average


def test_early_steps_forget_the_start_and_late_ones_keep_the_decay() -> None:
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(0.0)
    average = Average(net, 0.9)
    with torch.no_grad():
        net.weight.fill_(1.0)
    average.update(0)
    assert average.tensors()["weight"].item() == pytest.approx(0.9)  # decay (1 + 0) / (10 + 0) = 0.1
    before = average.tensors()["weight"].item()
    with torch.no_grad():
        net.weight.fill_(2.0)
    average.update(1000)
    assert average.tensors()["weight"].item() == pytest.approx(0.9 * before + 0.1 * 2)


def test_decay_zero_keeps_the_last_weights_exactly() -> None:
    net = nn.Linear(3, 3)
    average = Average(net, 0.0)
    with torch.no_grad():
        net.weight.mul_(1.7)
    average.update(5)
    assert torch.equal(average.tensors()["weight"], net.weight)


def test_frozen_parameters_are_left_alone() -> None:
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    assert set(Average(net, 0.9).tensors()) == {"weight"}


def test_another_networks_average_is_refused() -> None:
    with pytest.raises(StoreError, match="average"):
        Average(nn.Linear(2, 2), 0.9).restore(Average(nn.Linear(3, 3), 0.9).tensors())


def test_restore_gives_back_and_copy_writes() -> None:
    net, other = nn.Linear(2, 2), nn.Linear(2, 2)
    average = Average(other, 0.9)
    average.restore(Average(net, 0.9).tensors())
    average.copy_to(other)
    assert torch.equal(net.weight, other.weight)
