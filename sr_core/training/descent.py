"""Gradient steps from one checkpoint to the end of a phase: the same from a fresh start and from the middle."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from sr_core.bundle import CurvePoint
from sr_core.networks import SRNet
from sr_core.training.ema import Average
from sr_core.training.objectives import Objective
from sr_core.training.optimisers import Optimiser
from sr_core.training.phases import DescentPhase
from sr_core.training.schedule import rate_share
from sr_core.training.state import Checkpoint, CheckpointFolder, Progress
from sr_core.training.task import Task
from sr_core.training.tripwires import ROLLBACKS, Diverged, check_finite, stopped

Judge = Callable[[SRNet], dict[str, float]]  # metrics by name of a network that holds the average


class Descent:
    """Walks a phase.

    Parameters
    ----------
    task : what is trained on what.
    phase : how.
    objective : what is made small.
    judge : called every `phase.validate_every` steps and after the last with a network that holds the average.
    checkpoints : where the state goes.
    """

    def __init__(self, task: Task, phase: DescentPhase, objective: Objective, judge: Judge | None, checkpoints: CheckpointFolder) -> None:
        self._task, self._phase, self._objective = task, phase, objective
        self._judge, self._checkpoints = judge, checkpoints

    def run(self, net: SRNet, start: Checkpoint) -> Progress:
        """Make the phase's remaining steps; `net` then holds the averaged weights.

        Raises
        ------
        RecipeError
            If training diverges again after it was rolled back.
        """
        while True:
            try:
                return self._steps(net, start)
            except Diverged as fault:
                if start.progress.slowed >= ROLLBACKS:
                    raise stopped(fault, self._phase.words, self._phase.rate) from fault
                start = self._rolled_back(fault, start)

    def _steps(self, net: SRNet, start: Checkpoint) -> Progress:
        phase, log, progress = self._phase, self._task.log, start.progress
        net.load_state_dict(start.part("net"))
        optimiser = Optimiser(self._objective.parameters(net), phase.optimiser, phase.rate)
        average = Average(net, phase.ema_decay)
        generator = self._task.stream("patches", phase.kind)
        sums = torch.zeros(3, dtype=torch.float64, device=self._task.device)  # of losses, of gradient norms, of ones
        if progress.step:
            optimiser.restore(start.part("optimiser"))
            average.restore(start.part("average"))
            generator.set_state(start.tensors["generator"])
            sums.copy_(start.tensors["sums"])

        for step in range(progress.step, phase.steps):
            log.progress(phase.words, step, phase.steps)
            share = rate_share(step, phase.steps, phase.warmup_steps, phase.final_rate_share) * 0.5**progress.slowed
            loss = self._objective(net, generator, phase.batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = optimiser.clip(phase.clip_norm)
            optimiser.step(share)
            average.update(step)
            sums += torch.stack([loss.detach().double(), norm.double(), sums.new_ones(())])

            progress = progress.model_copy(update={"step": step + 1})
            if self._due(phase.log_every, progress):
                check_finite(sums, step + 1)
                progress = self._noted(progress, self._averages(sums, phase.rate * share))
                sums.zero_()
            if self._judge is not None and self._due(phase.validate_every, progress):
                progress = self._noted(progress, self._judge(_averaged(net, average)))
            if self._due(phase.checkpoint_every, progress):
                check_finite(sums, step + 1)
                self._checkpoints.save(Checkpoint(progress, _state(net, optimiser, average, generator, sums, start)))
        log.progress(phase.words, phase.steps, phase.steps)
        average.copy_to(net)
        return progress

    def _due(self, every: int, progress: Progress) -> bool:
        return every > 0 and (progress.step % every == 0 or progress.step == self._phase.steps)

    def _averages(self, sums: Tensor, rate: float) -> dict[str, float]:
        loss, norm, count = sums.tolist()
        name = self._phase.curve
        return {f"{name}/loss": loss / count, f"{name}/gradient_norm": norm / count, f"{name}/rate": rate}

    def _noted(self, progress: Progress, values: dict[str, float]) -> Progress:
        points = tuple(CurvePoint(name=name, step=progress.step, value=value) for name, value in values.items())
        for point in points:
            self._task.log.metric(point.name, point.value, point.step)
        return progress.model_copy(update={"points": progress.points + points})

    def _rolled_back(self, fault: Diverged, start: Checkpoint) -> Checkpoint:
        good = self._checkpoints.load(self._task.fingerprint) or start
        sentence = (
            f"In phase {self._phase.words!r} {fault.what} by step {fault.step}: "
            f"went back to step {good.progress.step} and on with half the rate."
        )
        self._task.log.say(sentence)
        update = {"slowed": good.progress.slowed + 1, "notes": (*good.progress.notes, sentence)}
        slower = Checkpoint(good.progress.model_copy(update=update), good.tensors)
        self._checkpoints.save(slower)
        return slower


def _averaged(net: SRNet, average: Average) -> SRNet:
    shadow = copy.deepcopy(net)
    average.copy_to(shadow)
    return shadow


def _state(
    net: SRNet, optimiser: Optimiser, average: Average, generator: torch.Generator, sums: Tensor, start: Checkpoint
) -> dict[str, Tensor]:
    parts = {"net": net.state_dict(), "optimiser": optimiser.tensors(), "average": average.tensors()}
    tensors = {f"{prefix}/{name}": tensor for prefix, part in parts.items() for name, tensor in part.items()}
    # The filter is what the guard compares with, at the end of the phase.
    return {**tensors, "generator": generator.get_state(), "sums": sums, "filter": start.tensors["filter"]}
