"""What reaches the steps: waiting and patches without contrast, by a clock that is set here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sr_core.errors import InputError
from sr_core.patches import MemoryReader
from sr_core.training.clock import SystemClock
from sr_core.training.supply import LEAST_PATCHES, Supply


class Hand:
    """A clock that somebody moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def cpu_s(self) -> float:
        return self.now

    def wall_s(self) -> float:
        return self.now


def batch(size: int, flat: int, clock: Hand | None = None, wait_s: float = 0.0) -> Any:
    def draw() -> tuple[Tensor, Tensor]:
        if clock:
            clock.now += wait_s
        x = torch.arange(size * 2 * 8 * 8, dtype=torch.float32).reshape(size, 2, 8, 8)
        x[:flat] = 7.0
        return x[..., ::2, ::2], x

    return draw


def told(listen: Any, wait_s: list[float]) -> Any:
    """Draw two batches before each look; a step computes for 1 s."""
    clock, log = Hand(), listen()
    supply = Supply(clock, "cpu")
    for number, wait in enumerate(wait_s, 1):
        for _ in range(2):
            supply.batch(batch(4, 0, clock, wait))
            clock.now += 1.0
        supply.look(log, 10 * number)
        clock.now += 50.0  # validation
        supply.look(log, 10 * number)
    return log


def test_the_share_of_waiting_is_measured_between_looks(listen: Any) -> None:
    log = told(listen, [0.25, 0.0, 3.0])
    assert log.waits == pytest.approx([0.2, 0.0, 0.75])
    assert log.sentences == []  # once is no fault


def test_steps_that_starve_are_told_of_once_with_what_to_do(listen: Any) -> None:
    log = told(listen, [1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    assert len(log.sentences) == 1 and "wait for data 50% of the time (more than 30%)" in log.sentences[0]
    assert "faster disk" in log.sentences[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("data", "share"), [(0, 0.0), (1, 0.5), (3, 0.75)])
def test_on_a_gpu_waiting_is_what_the_gpu_waits(listen: Any, data: int, share: float) -> None:
    """Data that the GPU makes itself, by as much work as a step, a multiple, or none."""
    work, log = torch.randn(4096, 4096, device="cuda"), listen()
    x = torch.randn(4, 1, 8, 8, device="cuda")

    def draw() -> tuple[Tensor, Tensor]:
        for _ in range(20 * data):
            work @ work
        return x, x

    supply = Supply(SystemClock(), "cuda")
    for number in range(2):  # the first look warms up
        for _ in range(20):
            supply.batch(draw)
            for _ in range(20):
                work @ work
        torch.cuda.synchronize()
        supply.look(log, number)
    assert log.waits[-1] == pytest.approx(share, abs=0.1)


def test_patches_without_contrast_are_told_of_once(listen: Any) -> None:
    supply, log = Supply(Hand(), "cpu"), listen()
    for _ in range(3):
        supply.batch(batch(LEAST_PATCHES, LEAST_PATCHES // 2 + 1))
        supply.look(log, 1)
    assert len(log.sentences) == 1 and f"52% of the last {LEAST_PATCHES} training patches have no contrast" in log.sentences[0]


def test_half_of_the_patches_without_contrast_is_no_fault(listen: Any) -> None:
    supply, log = Supply(Hand(), "cpu"), listen()
    supply.batch(batch(LEAST_PATCHES, LEAST_PATCHES // 2))
    supply.look(log, 1)
    assert log.sentences == []


def test_only_enough_patches_are_judged_and_the_account_passes_through_a_checkpoint(listen: Any) -> None:
    first, log = Supply(Hand(), "cpu"), listen()
    first.batch(batch(LEAST_PATCHES - 1, LEAST_PATCHES - 1))
    first.look(log, 1)
    second = Supply(Hand(), "cpu")
    second.restore(first.tensors())
    second.batch(batch(1, 1))
    with pytest.raises(InputError, match=rf"{LEAST_PATCHES} training patches in a row without contrast, by step 2"):
        second.look(log, 2)


class Empty(MemoryReader):
    """Gives patches of one value."""

    def batch(self, generator: torch.Generator, size: int, augment: bool = True, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        lr, hr = super().batch(generator, size, augment, part)
        return torch.full_like(lr, 0.2), torch.full_like(hr, 0.2)


def test_training_on_nothing_stops_in_words(world: Any) -> None:
    recipe = world.recipe(training__batch=16)
    world.reader_class = Empty
    with pytest.raises(InputError, match=r"without contrast, by step 6; .*sr patches show"):
        world.train(recipe, "run")


class Slow(MemoryReader):
    """Takes a second of the clock for every batch."""

    clock: Hand

    def batch(self, generator: torch.Generator, size: int, augment: bool = True, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        self.clock.now += 1.0
        return super().batch(generator, size, augment, part)


def test_a_training_that_starves_goes_on_and_gives_the_same(world: Any, listen: Any) -> None:
    recipe = world.recipe()
    whole = world.train(recipe, "whole")
    world.reader_class = Slow
    reader, log = world.reader(recipe), listen()
    reader.clock = Hand()
    starved = world.train(recipe, "run", log, reader=reader, clock=reader.clock)
    assert log.waits == [1.0] * 4  # nothing else takes time
    assert len([sentence for sentence in log.sentences if "wait for data 100%" in sentence]) == 1
    assert (starved.curve, starved.notes) == (whole.curve, whole.notes)
