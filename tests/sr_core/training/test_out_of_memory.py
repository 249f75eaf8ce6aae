"""A batch that does not fit the memory: the one that does is named, nothing is spoilt, and other errors stay what they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sr_core.errors import RecipeError
from sr_core.networks import SRNet
from sr_core.training import Processes
from sr_core.training.duel import AdversarialObjective
from sr_core.training.objectives import Objective, PixelObjective, residual_size
from sr_core.training.optimisers import Optimiser
from sr_core.training.out_of_memory import or_what_fits, out_of_memory, refuse_batch
from sr_core.training.task import Task

TOO_MUCH = 1 << 46  # values: no machine has room for them, so the real allocator refuses
PERCEPTUAL = {"purpose": "perceptual", "adversarial__steps": 4, "adversarial__width": 4}


def limited(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception | None = None) -> list[int]:
    """Plant: a network that cannot be run forward on more than `most` samples while it learns. Gives the batches that were tried."""
    honest, tried = SRNet.residual, []

    def residual(net: SRNet, y: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            tried.append(len(y))
            if len(y) > most:
                if error is not None:
                    raise error
                torch.empty(TOO_MUCH)
        return honest(net, y)

    monkeypatch.setattr(SRNet, "residual", residual)
    return tried


@pytest.mark.parametrize(("most", "fits"), [(4, 4), (7, 4), (1, 1)])
@pytest.mark.parametrize("purpose", ["fidelity", "perceptual"])
def test_the_batch_that_fits_is_named(world: Any, monkeypatch: pytest.MonkeyPatch, most: int, fits: int, purpose: str) -> None:
    tried = limited(monkeypatch, most)
    recipe = world.recipe(training__batch=16, **(PERCEPTUAL if purpose == "perceptual" else {}))
    with pytest.raises(RecipeError, match=f"a batch of 16 pairs .*memory of cpu.*as {fits} does. Set training.batch={fits}"):
        world.train(recipe, "run")
    assert tried == [batch for batch in (16, 8, 4, 2, 1) if batch >= fits]
    assert world.train(world.recipe(training__batch=fits), "smaller").family in {"edsr", "linear"}


def test_what_fits_in_several_processes_is_said_for_all(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tries its own part, and waits for nobody: there is no other process here to answer."""
    tried = limited(monkeypatch, 3)
    with pytest.raises(RecipeError, match=r"a batch of 16 .* as 4 does"):
        world_of(world, Processes(1, 2), "fidelity", 16)[-1]()
    assert tried == [4, 2]


def test_where_not_even_one_pair_fits(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB."))
    with pytest.raises(RecipeError, match="not even one pair does"):
        world.train(world.recipe(), "run")


def test_other_errors_stay(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = limited(monkeypatch, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        world.train(world.recipe(), "run")
    assert len(tried) == 1


@pytest.mark.parametrize("purpose", ["fidelity", "perceptual"])
def test_trying_touches_nothing(world: Any, monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
    limited(monkeypatch, 4)
    net, objective, optimiser, generator, refuse = world_of(world, Processes(), purpose, 16)
    state, memory, place = clones(net.state_dict()), clones(objective.tensors()), generator.get_state()
    with pytest.raises(RecipeError, match="as 4 does"):
        refuse()
    assert same(net.state_dict(), state) and same(objective.tensors(), memory)
    assert torch.equal(generator.get_state(), place) and not optimiser.tensors()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_failed_steps_memory_is_let_go_before_others_are_tried() -> None:
    alive: list[Any] = []

    class Held:
        def __del__(self) -> None:
            alive.clear()

    def step() -> None:
        held = Held()
        alive.append(id(held))
        raise torch.OutOfMemoryError("CUDA out of memory")

    def refuse() -> Any:
        assert not alive
        raise RecipeError("a", "b", "c")

    with pytest.raises(RecipeError):
        or_what_fits(step, refuse)


@pytest.mark.parametrize(
    ("error", "is_one"),
    [(torch.OutOfMemoryError("CUDA out of memory"), True), (MemoryError(), True), (RuntimeError("shape"), False), (ValueError("x"), False)],
)
def test_what_counts_as_out_of_memory(error: Exception, is_one: bool) -> None:
    assert out_of_memory(error) is is_one


def test_the_cpu_allocators_own_words_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(TOO_MUCH)
    assert out_of_memory(caught.value)


def world_of(world: Any, processes: Processes, purpose: str, batch: int) -> tuple[SRNet, Objective, Optimiser, torch.Generator, Any]:
    recipe = world.recipe(training__batch=batch, **(PERCEPTUAL if purpose == "perceptual" else {}))
    task = Task(world.reader(recipe), (), recipe, world.operator, "cpu", world.listener, processes=processes)
    net = task.network("edsr", spread=False)
    with torch.no_grad():
        size = residual_size(task, net)
        objective: Objective = AdversarialObjective(task, net, size) if purpose == "perceptual" else PixelObjective(task, net, "l1")
    optimiser = Optimiser(objective.parameters(net), "adam", 1e-3)
    generator = task.stream("patches", "test")
    return net, objective, optimiser, generator, lambda: refuse_batch(task, objective, net, optimiser, generator, batch)


def clones(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())
