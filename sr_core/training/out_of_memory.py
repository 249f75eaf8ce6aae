"""A step that does not fit the memory: which batch would have."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import NoReturn, TypeVar

import torch

from sr_core.errors import RecipeError
from sr_core.networks import SRNet
from sr_core.training.objectives import Objective
from sr_core.training.optimisers import Optimiser
from sr_core.training.task import Task

T = TypeVar("T")


def out_of_memory(error: BaseException) -> bool:
    """Say whether an allocator of PyTorch (CUDA's by its class, the CPU's by its words) or Python's own gave no more memory."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator: " in str(error)


def or_what_fits(step: Callable[[], T], refuse: Callable[[], NoReturn]) -> T:
    """Make a step; where its memory does not suffice, let go of all that it held, and refuse."""
    try:
        return step()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    # Outside the handler: the error's traceback held the step's activations.
    refuse()


def refuse_batch(task: Task, objective: Objective, net: SRNet, optimiser: Optimiser, generator: torch.Generator, batch: int) -> NoReturn:
    """Say which batch fits: the first that does of a half, a quarter and so on, tried with one forward and one backward pass each.

    Network, optimiser, objective and random streams stay as they are; so do the checkpoints. With several processes a process
    tries its own part for itself, and the batch of all is said.

    Raises
    ------
    RecipeError
        Always.
    """
    processes = task.processes
    optimiser.zero_grad()
    own = processes.part(batch)
    tried = own.stop - own.start
    count = processes.count
    with processes.apart():
        while tried := tried // 2:
            _freed(task.device)
            if _fits(objective, net, optimiser, generator, tried):
                break
    given = f"a batch of {batch} pairs is more than the memory of {task.device} takes"
    if tried:
        fits = tried * count
        raise RecipeError(given, f"one that fits, as {fits} does", f"Set training.batch={fits}.")
    raise RecipeError(given, "one that fits; not even one pair does", "Set a smaller patches.size, network.width or network.blocks.")


def _fits(objective: Objective, net: SRNet, optimiser: Optimiser, generator: torch.Generator, batch: int) -> bool:
    kept = {name: tensor.detach().cpu().clone() for name, tensor in objective.tensors().items()}
    ahead = torch.Generator(generator.device)
    ahead.set_state(generator.get_state())
    try:
        # As much as an optimiser remembers of each parameter is held meanwhile, because the first step makes it.
        held = [torch.empty_like(p) for p in optimiser.parameters() for _ in range(2)]
        objective(net, ahead, batch, 0.0).backward()  # type: ignore[no-untyped-call]
        del held
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return False
    finally:
        optimiser.zero_grad()
        objective.restore(kept)
    return True


def _freed(device: str) -> None:
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
