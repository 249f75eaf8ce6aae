"""What ends the pixel phase: steps, epochs, budgets and a target, by a clock that moves with the steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.patches import MemoryReader, whole_pairs
from sr_core.training import Trained
from sr_core.training.clock import Spent
from sr_core.training.limits import expected_steps, is_over, share_of_rate, used
from sr_core.training.phases import DescentPhase, phases
from sr_core.training.state import CheckpointFolder, Progress
from sr_core.training.task import Task

CPU_RATE = 1.5  # seconds of process time a second


class Paced:
    """A log that is a clock, too: a step of the pixel phase takes a second."""

    def __init__(self, listener: Any, start: float = 0.0, pace: float = 1.0) -> None:
        self.heard, self.now, self.pace = listener, start, pace

    def cpu_s(self) -> float:
        return CPU_RATE * self.now

    def wall_s(self) -> float:
        return self.now

    def metric(self, name: str, value: float, step: int) -> None:
        self.heard.metric(name, value, step)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.heard.progress(what, done, total)
        if what == "training":
            self.now += self.pace

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        pass

    def say(self, sentence: str) -> None:
        self.heard.say(sentence)


def run(world: Any, recipe: Any, name: str, log: Paced, **more: Any) -> Trained:
    trained: Trained = world.train(recipe, name, log, clock=log, **more)
    return trained


def steps_of(trained: Trained) -> int:
    return max(point.step for point in trained.curve.points if point.name == "train/loss")


@pytest.mark.parametrize(
    ("settings", "steps", "words"),
    [
        ({"training__minutes": 10 / 60}, 10, "budget of 0.166667 minutes of time"),
        ({"training__cpu_minutes": 9 / 60}, 6, "budget of 0.15 minutes of CPU time"),
        ({"training__minutes": 10 / 60, "training__cpu_minutes": 9 / 60}, 6, "CPU time"),
        ({"training__minutes": 10 / 60, "training__steps": 5}, 5, None),
    ],
)
def test_a_budget_ends_training_and_the_rate_comes_down_with_it(
    world: Any, listen: Any, settings: dict[str, Any], steps: int, words: str | None
) -> None:
    overrides = {"training__log_every": 1, "training__steps": 360, **settings}
    recipe = world.recipe(**overrides)
    if "training__steps" not in settings:
        recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": None})})
    log = Paced(listen())
    trained = run(world, recipe, "run", log)
    assert steps_of(trained) == steps
    assert [note for note in trained.notes if "Training" in note] == ([] if words is None else [trained.notes[-1]])
    assert words is None or (words in trained.notes[-1] and f"ended after {steps} steps" in trained.notes[-1])
    rates = [point.value / recipe.training.rate for point in trained.curve.points if point.name == "train/rate"]
    assert len(rates) == steps
    assert rates[2:] == sorted(rates[2:], reverse=True) and rates[2] > 0.5
    left = 1 / steps  # of the budget, before the last step
    assert rates[-1] == pytest.approx(0.02 + 0.98 * 0.5 * (1 - math.cos(math.pi * left)))
    validated = [point.step for point in trained.curve.points if point.name == "val/psnr_db"]
    assert validated[-1] == steps


def test_usual_steps_are_no_limit_beside_a_budget(world: Any) -> None:
    recipe = world.recipe(training__steps=360).with_overrides({"training.minutes": 2})
    (_, pixel, _) = phases(recipe, 100)
    assert isinstance(pixel, DescentPhase) and pixel.steps is None and pixel.wall_s == 120 and pixel.cpu_s is None


@pytest.mark.parametrize(("epochs", "batch", "steps"), [(3, 16, 19), (1, 100, 1), (1, 400, 1), (2, 7, 29)])
def test_epochs_become_steps_when_the_patches_are_counted(world: Any, epochs: int, batch: int, steps: int) -> None:
    recipe = world.recipe(training__steps=360, training__batch=batch).with_overrides({"training.epochs": epochs})
    (_, pixel, _) = phases(recipe, 100)
    assert isinstance(pixel, DescentPhase) and pixel.steps == steps


def test_an_epoch_draws_as_many_patches_as_there_are(world: Any) -> None:
    recipe = world.recipe(training__steps=360, training__batch=16).with_overrides({"training.epochs": 1})
    reader = world.reader(recipe)
    trained = world.train(recipe, "run", reader=reader)
    assert steps_of(trained) == math.ceil(len(reader) / 16)


def test_the_target_ends_training_at_the_validation_that_reaches_it(world: Any, listen: Any) -> None:
    whole = world.train(world.recipe(training__steps=24), "whole")
    curve = {point.step: point.value for point in whole.curve.points if point.name == "val/psnr_db"}
    first = next(step for step, value in curve.items() if value >= curve[12])
    recipe = world.recipe(training__steps=24, training__target_db=curve[12])
    trained = world.train(recipe, "run")
    assert first < 24 and max(p.step for p in trained.curve.points if p.name == "val/psnr_db") == first
    assert f"ended after {first} steps" in trained.notes[-1] and "target" in trained.notes[-1]
    again = world.train(recipe, "run", listen())  # all phases are done: nothing moves
    assert again.curve == trained.curve and again.notes == trained.notes


def test_a_target_that_is_not_reached_changes_nothing(world: Any) -> None:
    far = world.train(world.recipe(training__target_db=90), "far")
    assert far.curve == world.train(world.recipe(), "none").curve


def test_a_target_without_validation_images_is_said(world: Any) -> None:
    trained = world.train(world.recipe(training__target_db=20), "run", with_val=False)
    assert "target_db has no validation images" in world.listener.sentences[0]
    assert steps_of(trained) == 12


@pytest.mark.parametrize("stop_at", [8, 11])
def test_a_resumed_run_gets_what_is_left(world: Any, listen: Any, stop_at: int) -> None:
    """Two calls of progress come before the first step; the last checkpoint then is that of step 4 or 8."""
    recipe = budgeted(world, 10)
    with pytest.raises(KeyboardInterrupt):
        run(world, recipe, "run", Paced(listen(stop_at), 50.0))
    kept = CheckpointFolder(world.folder / "run", listen()).load(fingerprint(world, recipe))
    assert kept is not None and kept.progress.spent == Spent(cpu_s=CPU_RATE * kept.progress.step, wall_s=kept.progress.step)
    assert kept.progress.step == (4 if stop_at == 8 else 8)
    log = Paced(listen(), 7000.0)
    assert steps_of(run(world, recipe, "run", log)) == 10
    assert log.now == 7000.0 + 10 - kept.progress.step + 1  # and one call that ends the phase


def budgeted(world: Any, seconds: float) -> Any:
    recipe = world.recipe(training__steps=360)
    return recipe.with_overrides({"training.minutes": seconds / 60})


def fingerprint(world: Any, recipe: Any) -> str:
    reader = world.reader(recipe)
    return Task(reader, tuple(whole_pairs(reader.store, "val")), recipe, world.operator, "cpu", world.listener).fingerprint


class Poisoned(MemoryReader):
    """Gives one batch with a NaN."""

    batches = 0

    def batch(self, generator: torch.Generator, size: int, augment: bool = True, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        lr, hr = super().batch(generator, size, augment, part)
        self.batches += 1
        if self.batches == 8 + 5:  # after the 8 measuring batches: seen at step 6
            hr[0, 0, 0, 0] = float("nan")
        return lr, hr


def test_steps_that_were_taken_back_have_used_their_time(world: Any, listen: Any) -> None:
    recipe = budgeted(world, 10)
    world.reader_class = Poisoned
    trained = run(world, recipe, "run", Paced(listen()))
    assert any("went back to step 4" in note for note in trained.notes)
    assert steps_of(trained) == 4 + 10 - 6


def test_without_a_budget_the_clock_leaves_no_trace(world: Any, listen: Any) -> None:
    recipe = world.recipe()
    slow, fast = (run(world, recipe, name, Paced(listen(), pace=pace)) for name, pace in (("slow", 60.0), ("fast", 1e-3)))
    assert slow.curve == fast.curve and slow.notes == fast.notes
    assert all(torch.equal(fast.net.state_dict()[name], tensor) for name, tensor in slow.net.state_dict().items())
    first, second = (CheckpointFolder(world.folder / name, listen()).load(fingerprint(world, recipe)) for name in ("slow", "fast"))
    assert first is not None and second is not None and first.progress == second.progress and first.progress.spent is None


# --- the figures by themselves ----------------------------------------------------------------------------------------------


def at(step: int, wall_s: float = 0.0, cpu_s: float = 0.0) -> Progress:
    return Progress(fingerprint="f", phase=1, step=step, family="edsr", spent=Spent(cpu_s=cpu_s, wall_s=wall_s))


def pixel(world: Any, **limits: Any) -> DescentPhase:
    (_, phase, _) = phases(world.recipe(), 100)
    assert isinstance(phase, DescentPhase)
    return phase.model_copy(update={"steps": None, **limits})


def test_the_limit_that_is_nearest_counts(world: Any) -> None:
    phase = pixel(world, steps=100, wall_s=60.0, cpu_s=30.0)
    assert used(phase, at(10, 30.0, 3.0)) == 0.5
    assert used(phase, at(10, 3.0, 27.0)) == 0.9
    assert used(phase, at(99, 3.0, 2.0)) == 0.99
    for progress, over in ((at(99, 59.9, 29.9), False), (at(100, 1.0, 1.0), True), (at(1, 60.0, 1.0), True), (at(1, 1.0, 30.0), True)):
        assert is_over(phase, progress) == over


def test_the_number_of_steps_is_foreseen(world: Any) -> None:
    phase = pixel(world, wall_s=60.0)
    assert expected_steps(phase, at(0)) == 1
    assert expected_steps(phase, at(10, 15.0)) == 40
    assert expected_steps(phase, at(10, 59.9)) == 11  # never done before it is over
    assert expected_steps(phase.model_copy(update={"steps": 12, "wall_s": None}), at(11)) == 12


def test_the_rate_at_the_end_of_a_budget_is_the_final_one(world: Any) -> None:
    assert share_of_rate(pixel(world, wall_s=60.0), at(500, 60.0)) == pytest.approx(0.02)
