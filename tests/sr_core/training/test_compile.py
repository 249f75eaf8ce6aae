"""Compiling is for CUDA: refused on a CPU, and asked of the learned parts alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from sr_core.errors import RecipeError
from sr_core.training.task import Task


def test_on_a_cpu_it_is_refused(world: Any) -> None:
    with pytest.raises(RecipeError, match=r"training.compile on cpu; expected a CUDA device"):
        world.train(world.recipe(training__compile=True), "run")


@pytest.mark.parametrize("wanted", [True, False])
def test_trunk_and_tail_are_compiled_and_keep_their_names(world: Any, monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    asked: list[nn.Module] = []
    honest = nn.Module.compile

    def plain(module: nn.Module) -> None:
        asked.append(module)
        honest(module, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", plain)
    recipe = world.recipe(training__compile=wanted)
    task = Task(world.reader(recipe), (), recipe, world.operator, "cpu", world.listener)
    net = task.network("edsr", spread=False)
    names, y = list(net.state_dict()), torch.rand(1, 1, 8, 8)
    before = net(y)
    task.compiled(net)
    assert asked == ([net.trunk, net.tail] if wanted else [])
    assert list(net.state_dict()) == names and torch.allclose(net(y), before)
    assert torch.equal(copy.deepcopy(net)(y), before)  # the averaged copy that is judged
