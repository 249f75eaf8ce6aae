"""Gradient steps from one checkpoint to the end of a phase: the same from a fresh start and from the middle."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sr_core.bundle import CurvePoint
from sr_core.errors import StoreError
from sr_core.networks import SRNet
from sr_core.training.clock import Spent, Stopwatch
from sr_core.training.detail import detail
from sr_core.training.ema import Average
from sr_core.training.limits import ended_early, expected_steps, is_over, is_timed, share_of_rate
from sr_core.training.objectives import Objective
from sr_core.training.optimisers import Optimiser
from sr_core.training.out_of_memory import or_what_fits, refuse_batch
from sr_core.training.phases import DescentPhase
from sr_core.training.rates import LayerRates
from sr_core.training.seams import noted
from sr_core.training.state import Checkpoint, CheckpointFolder, Progress, restoring
from sr_core.training.task import Task
from sr_core.training.tripwires import ROLLBACKS, Diverged, check_finite, stopped

Judge = Callable[[SRNet, int], dict[str, float]]  # metrics by name of a network that holds the average, at a step
Watch = Callable[[Progress], None]  # raises Diverged where the curve says that the phase goes wrong
OWN = ("net", "optimiser", "average", "objective", "generator", "sums")  # of a checkpoint's tensors, those that a step changes


class Descent:
    """Walks a phase.

    Parameters
    ----------
    task : what is trained on what.
    phase : how.
    objective : what is made small.
    judge : called every `phase.validate_every` steps and after the last with a network that holds the average.
    checkpoints : where the state goes.
    origin : the phase's first checkpoint, for faults that go back there.
    watch : looks at the curve whenever it has grown.
    rates : which layers move when, and how fast; None: all of them at the phase's rate.
    """

    def __init__(
        self,
        task: Task,
        phase: DescentPhase,
        objective: Objective,
        judge: Judge | None,
        checkpoints: CheckpointFolder,
        origin: Checkpoint | None = None,
        watch: Watch | None = None,
        rates: LayerRates | None = None,
    ) -> None:
        self._task, self._phase, self._objective = task, phase, objective
        self._judge, self._checkpoints, self._origin, self._watch = judge, checkpoints, origin, watch
        self._rates = rates
        self._detail = ""  # how it goes, in a few words
        self._stopwatch: Stopwatch | None = None  # only where a budget may end the phase

    def run(self, net: SRNet, start: Checkpoint) -> Progress:
        """Make the phase's remaining steps; `net` then holds the averaged weights.

        Raises
        ------
        RecipeError
            If training diverges, or goes wrong, again after it was rolled back.
        UnusableCheckpoint
            If `start` lacks what its step needs.
        Interrupted
            If a signal asked for it; a checkpoint of the step is written.
        """
        if is_timed(self._phase):
            self._stopwatch = Stopwatch(self._task.clock, start.progress.spent or Spent())
        while True:
            try:
                progress = self._steps(net, start)
                early = ended_early(self._phase, progress)
                return progress if early is None else noted(self._task, progress, early)
            except Diverged as fault:
                if start.progress.slowed >= ROLLBACKS:
                    raise stopped(fault, self._phase.words, self._phase.rate) from fault
                start = self._rolled_back(fault, start)

    def _steps(self, net: SRNet, start: Checkpoint) -> Progress:
        phase, log, progress = self._phase, self._task.log, start.progress
        self._detail = detail(progress.points, phase.curve)
        with restoring(start):
            net.load_state_dict(start.part("net"))
            self._task.compiled(net)
            optimiser = Optimiser(self._objective.parameters(net), phase.optimiser, phase.rate, self._rates.shares if self._rates else None)
            average = Average(net, phase.ema_decay)
            generator = self._task.stream("patches", phase.kind)
            self._restore_objective(start)
            sums = torch.zeros(3, dtype=torch.float64, device=self._task.device)  # of losses, of gradient norms, of ones
            if progress.step:
                self._freeze(progress.step - 1)
                optimiser.restore(start.part("optimiser"))
                average.restore(start.part("average"))
                generator.set_state(start.tensors["generator"])
                sums.copy_(start.tensors["sums"])

        while not is_over(phase, progress):
            step = progress.step
            log.progress(phase.words, step, expected_steps(phase, progress), self._detail)
            self._freeze(step)
            share = share_of_rate(phase, progress) * 0.5**progress.slowed
            loss, norm = self._step(net, optimiser, generator, share)
            average.update(step)
            sums += torch.stack([loss.double(), norm.double(), sums.new_ones(())])

            progress = self._timed(progress.model_copy(update={"step": step + 1}))
            if self._due(phase.log_every, progress):
                check_finite(sums, step + 1)
                progress = self._noted(progress, {**self._averages(sums, phase.rate * share), **self._told()})
                sums.zero_()
            if self._judge is not None and self._due(phase.validate_every, progress):
                progress = self._noted(progress, self._task.processes.agreed(self._judged(net, average, progress.step)))
            progress = self._timed(progress)
            stop = self._task.interrupts.agreed(self._task.processes)
            if self._due(phase.checkpoint_every, progress) or stop:
                check_finite(sums, step + 1)
                self._checkpoints.save(Checkpoint(progress, self._state(net, optimiser, average, generator, sums, start)))
                self._task.interrupts.check(phase.words, progress.step)
        log.progress(phase.words, progress.step, progress.step, self._detail)
        average.copy_to(net)
        return progress

    def _freeze(self, step: int) -> None:
        """Let the layers rest or move, as the step wants it."""
        if self._rates is not None:
            self._rates.at(step)

    def _restore_objective(self, start: Checkpoint) -> None:
        kept = start.part("objective")
        self._objective.restore(kept)
        if start.progress.step and _shapes(self._objective.tensors()) != _shapes(kept):
            raise StoreError("an objective's state that is not whole", "what it remembers after a step", "Train again.")

    def _timed(self, progress: Progress) -> Progress:
        """Put down the time that is used, where it decides anything; with several processes, the first one's."""
        if self._stopwatch is None:
            return progress
        return progress.model_copy(update={"spent": self._task.processes.agreed(self._stopwatch.spent())})

    def _step(self, net: SRNet, optimiser: Optimiser, generator: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
        """Make a step; give the loss of the global batch, and the norm that its gradient had."""
        phase, task = self._phase, self._task

        def step() -> tuple[Tensor, Tensor]:
            loss = self._objective(net, generator, phase.batch, share)
            optimiser.zero_grad()
            loss = task.processes.backward(loss, phase.batch, optimiser.parameters())
            norm = optimiser.clip(phase.clip_norm)
            optimiser.step(share)
            return loss, norm

        return or_what_fits(step, lambda: refuse_batch(task, self._objective, net, optimiser, generator, phase.batch))

    def _judged(self, net: SRNet, average: Average, step: int) -> dict[str, float]:
        """Judge the averaged network, in the process that speaks."""
        return self._judge(_averaged(net, average), step) if self._judge is not None and self._task.processes.first else {}

    def _due(self, every: int, progress: Progress) -> bool:
        return every > 0 and (progress.step % every == 0 or is_over(self._phase, progress))

    def _averages(self, sums: Tensor, rate: float) -> dict[str, float]:
        loss, norm, count = sums.tolist()
        name = self._phase.curve
        return {f"{name}/loss": loss / count, f"{name}/gradient_norm": norm / count, f"{name}/rate": rate}

    def _told(self) -> dict[str, float]:
        """Give the objective's own figures."""
        return {f"{self._phase.curve}/{name}": value for name, value in self._objective.figures().items()}

    def _noted(self, progress: Progress, values: dict[str, float]) -> Progress:
        points = tuple(CurvePoint(name=name, step=progress.step, value=value) for name, value in values.items())
        for point in points:
            self._task.log.metric(point.name, point.value, point.step)
        progress = progress.model_copy(update={"points": progress.points + points})
        self._detail = detail(progress.points, self._phase.curve)
        if self._watch is not None:
            self._watch(progress)
        return progress

    def _rolled_back(self, fault: Diverged, start: Checkpoint) -> Checkpoint:
        good = self._checkpoints.load(self._task.fingerprint) or start
        if self._origin is not None and (fault.far or good.progress.step == 0):  # the newest checkpoints may be part of the fault
            good = Checkpoint(self._origin.progress.model_copy(update={"slowed": start.progress.slowed}), self._origin.tensors)
        sentence = (
            f"In phase {self._phase.words!r} {fault.what} by step {fault.step}: "
            f"went back to step {good.progress.step} and on with half the rate."
        )
        self._task.log.say(sentence)
        update = {"slowed": good.progress.slowed + 1, "notes": (*good.progress.notes, sentence)}
        slower = Checkpoint(self._timed(good.progress).model_copy(update=update), good.tensors)
        self._checkpoints.save(slower)
        return slower

    def _state(
        self, net: SRNet, optimiser: Optimiser, average: Average, generator: torch.Generator, sums: Tensor, start: Checkpoint
    ) -> dict[str, Tensor]:
        parts = {
            "net": net.state_dict(), "optimiser": optimiser.tensors(), "average": average.tensors(), "objective": self._objective.tensors(),
        }  # fmt: skip
        tensors = {f"{prefix}/{name}": tensor for prefix, part in parts.items() for name, tensor in part.items()}
        # What the phase found is what the guard compares with at its end.
        found = {name: tensor for name, tensor in start.tensors.items() if name.partition("/")[0] not in OWN}
        return {**found, **tensors, "generator": generator.get_state(), "sums": sums}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _averaged(net: SRNet, average: Average) -> SRNet:
    shadow = copy.deepcopy(net)
    average.copy_to(shadow)
    return shadow
