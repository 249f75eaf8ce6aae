"""Training, from pairs to a network: read it from top to bottom.

A run is a chain of checkpoints. Every phase takes one and gives the one at which the next phase starts, so a killed run
goes on from the newest, wherever that lies, and ends bit for bit where it would have ended (same machine, same threads).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sr_core.bundle import Curve
from sr_core.errors import RecipeError, ShapeError
from sr_core.log import Log
from sr_core.networks import SRNet, fit, fit_energy
from sr_core.networks.transfer import Transfer
from sr_core.operators import Operator
from sr_core.patches import Mixture, Reader
from sr_core.recipe import Recipe
from sr_core.training.adversarial import against_discriminator
from sr_core.training.clock import Clock, SystemClock
from sr_core.training.descent import Descent
from sr_core.training.objectives import PixelObjective, SpreadObjective, residual_size
from sr_core.training.parent import Parent
from sr_core.training.phases import DescentPhase, LinearPhase, Phase, phases
from sr_core.training.processes import Processes
from sr_core.training.rates import LayerRates
from sr_core.training.seams import filtered, fitted, following, named, noted
from sr_core.training.shared import SharedCheckpoints
from sr_core.training.state import Checkpoint, Progress, UnusableCheckpoint, restoring
from sr_core.training.task import Task, WholePair
from sr_core.training.tripwires import check_collapse
from sr_core.training.validation import Validation


@dataclass(frozen=True)
class Trained:
    """A finished network and how it came about.

    Attributes
    ----------
    net : in evaluation mode, on the CPU, with a spread head.
    mean, std : normalisation of its pixels, in the physical unit.
    curve : losses, rates and validation figures by step.
    notes : what a reader of the model should know, one sentence each.
    family : the recipe's, or "linear" where the guard chose the fitted filter.
    val_psnr : PSNR in dB on validation images of "bicubic", "linear" and "network" (the last also where it lost), of the "parent" of a warm
        start where it fits the images, and after an adversarial phase of the "pixel network" that it started from; empty without any.
    perceptual : whether the network is that of the adversarial phase.
    """

    net: SRNet
    mean: float
    std: float
    curve: Curve
    notes: tuple[str, ...]
    family: str
    val_psnr: dict[str, float]
    perceptual: bool = False


def train_model(
    store_train: Reader,
    val: Sequence[WholePair],
    recipe: Recipe,
    operator: Operator,
    unit: str,
    folder: Path,
    log: Log,
    device: str = "cpu",
    processes: Processes | None = None,
    parent: Parent | None = None,
    mixture: Mixture | None = None,
    clock: Clock | None = None,
) -> Trained:
    """Train a recipe's network; with several processes each calls this, and all give the same.

    Parameters
    ----------
    store_train : training patches in the physical unit.
    val : whole validation images (LR, HR and their masks); they decide between network and linear filter.
    recipe : all settings; its phases are `phases(recipe, len(store_train))`.
    operator : the degradation that made the pairs.
    unit : the pixels' physical unit, for sentences.
    folder : keeps the checkpoints; what an interrupted run left there is taken up.
    log : receives progress, metrics and sentences.
    device : "cpu", "cuda" or "cuda:<n>".
    processes : those that train together; only the first uses `folder`, and only its log should speak.
    parent : the model whose weights training goes on from; None: from the start.
    mixture : what the pixel phase draws its batches from, `store_train` among it; None: from `store_train` alone.
    clock : what budgets are measured by; None: the machine's.

    Raises
    ------
    ShapeError
        If there are no training patches, or none large enough for the linear filter.
    BundleError
        If the parent is of another family or other sizes.
    RecipeError
        If training diverges, or a phase goes wrong, twice; if a batch does not fit the memory.
    InputError
        If the training patches hold nothing to learn from.
    Interrupted
        After SIGTERM or SIGINT (in the main thread), once a checkpoint is written.
    ProcessError
        If another process is gone.
    WorkspaceError
        If a checkpoint cannot be written.
    """
    if len(store_train) == 0:
        raise ShapeError("no training patches", "at least one", "Give more or larger training images, or smaller patches.")
    if parent is not None and recipe.network.family == "linear":
        raise RecipeError(
            "a parent for network.family linear", "a family that goes on from weights", "The filter is solved anew: leave it out."
        )
    if recipe.training.compile and torch.device(device).type != "cuda":
        raise RecipeError(f"training.compile on {device}", "a CUDA device", "Leave it out: on a CPU it gains nothing.")
    together = processes or Processes()
    task = Task(store_train, tuple(val), recipe, operator, device, log, clock or SystemClock(), together, parent, mixture)
    if recipe.training.target_db is not None and not val:
        log.say("training.target_db has no validation images to be measured on: training ends by its other limits.")
    with task.interrupts:
        return _delivered(task, _walked(task, SharedCheckpoints(folder, log, together), unit))


def _walked(task: Task, checkpoints: SharedCheckpoints, unit: str) -> Checkpoint:
    """Walk all phases from where an earlier run was; give the last checkpoint."""
    plan = phases(task.recipe, len(task.reader))
    checkpoint = taken = _taken_up(task, checkpoints)
    while checkpoint.progress.phase < len(plan):
        try:
            checkpoint = _through(task, plan[checkpoint.progress.phase], checkpoint, checkpoints, unit)
        except UnusableCheckpoint as error:
            if checkpoint is not taken or not checkpoint.tensors:
                raise
            task.log.say(f"A checkpoint cannot be used: {error}")
            checkpoints.drop()
            checkpoint = taken = _taken_up(task, checkpoints)
            continue
        checkpoint = checkpoints.settled(checkpoint)
        checkpoints.save(checkpoint)
        following_phase = checkpoint.progress.phase
        task.interrupts.agreed(task.processes)
        task.interrupts.check(plan[following_phase].words if following_phase < len(plan) else "all phases are done", 0)
    return checkpoint


def _through(task: Task, phase: Phase, checkpoint: Checkpoint, checkpoints: SharedCheckpoints, unit: str) -> Checkpoint:
    """Walk one phase."""
    if isinstance(phase, LinearPhase):
        return _linear(task, phase, checkpoint) if task.processes.first else checkpoint
    if phase.kind == "pixel":
        return _pixel(task, phase, checkpoint, checkpoints, unit)
    if phase.kind == "adversarial":
        return against_discriminator(task, phase, checkpoint, checkpoints)
    return spread_taught(task, phase, checkpoint, checkpoints)


def _delivered(task: Task, checkpoint: Checkpoint) -> Trained:
    progress = checkpoint.progress
    net = task.network(progress.family, spread=True)
    with restoring(checkpoint):
        net.load_state_dict(checkpoint.part("net"))
    net.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    net.requires_grad_(False)
    curve, scores = Curve(points=progress.points), dict(progress.scores)
    return Trained(net.eval(), task.mean, task.std, curve, progress.notes, progress.family, scores, progress.perceptual)


def _taken_up(task: Task, checkpoints: SharedCheckpoints) -> Checkpoint:
    found = checkpoints.load(task.fingerprint)
    if found is None:
        return Checkpoint(Progress(fingerprint=task.fingerprint, phase=0, step=0, family=task.recipe.network.family), {})
    plan, progress = phases(task.recipe, len(task.reader)), found.progress
    where = f"{plan[progress.phase].words}, step {progress.step}" if progress.phase < len(plan) else "all phases are done"
    task.log.say(f"Training goes on from a checkpoint ({where}).")
    for point in progress.points:  # the log of this run is then whole, each point once
        task.log.metric(point.name, point.value, point.step)
    return found


def _linear(task: Task, phase: LinearPhase, start: Checkpoint) -> Checkpoint:
    """Solve the linear filter, and put it under the network that comes next."""
    task.log.progress(phase.words, 0, 1)
    weights = fit(task.training_pairs(), task.operator, task.recipe.network.linear_taps)
    task.log.progress(phase.words, 1, 1)
    net, transfer = _untrained(task, start.progress.family, weights)
    notes = start.progress.notes
    if not task.operator.windowed:
        notes += ("The operator sees whole images only, so the network stands on bicubic interpolation; whole images are projected.",)
    if task.upscaled and task.recipe.network.base == "linear":
        notes += ("The network was trained on the HR grid, so its residual stands on the plain upscaling, not on the fitted filter.",)
    if transfer is not None and task.parent is not None:
        sentence = f"Training goes on from a model with weights {task.parent.weights[:12]}: {transfer.says()}."
        task.log.say(sentence)
        notes += (sentence,)
    return following(start.progress.model_copy(update={"notes": notes}), net, weights)


def _untrained(task: Task, family: str, weights: Tensor) -> tuple[SRNet, Transfer | None]:
    """Give the network that the pixel phase starts from, and what it took from a parent; its residuals are of size 1."""
    net, transfer = _begun(task, family, weights)
    if transfer is not None:
        net.scale_residual(1 / residual_size(task, net))
    return net, transfer


def _begun(task: Task, family: str, weights: Tensor) -> tuple[SRNet, Transfer | None]:
    """Give a new network over the fitted filter, or the parent's layers in one."""
    net = task.network(family, spread=False)
    if net.filter is not None:
        net.set_filter(weights.to(task.device))
    return net, task.started(net)


def _pixel(task: Task, phase: DescentPhase, start: Checkpoint, checkpoints: SharedCheckpoints, unit: str) -> Checkpoint:
    """Train the residual; where the result does not beat the filter on validation images, the filter is the result."""
    net = task.network(start.progress.family, spread=False)
    weights = fitted(task, start)
    with restoring(start):
        net.load_state_dict(start.part("net"))
    objective = PixelObjective(task, net, phase.loss)
    task.log.say(f"The filter leaves a mean absolute error of {objective.size * task.std:.4g} {unit} for the network to learn.")
    validation = Validation(task, filtered(task, weights)) if task.val else None

    judge = None if validation is None else partial(_judged, validation, phase, objective)
    rates = LayerRates(net, task.recipe.adaptation) if task.parent is not None else None
    untrained, _ = _untrained(task, start.progress.family, weights)
    origin = Checkpoint(start.progress.model_copy(update={"step": 0, "points": ()}), named(untrained, weights))
    watch = partial(_watched, task, objective, validation)
    progress = Descent(task, phase, objective, judge, checkpoints, origin, watch, rates).run(net, start)
    objective.deliver(net)
    if validation is None:
        return following(noted(task, progress, "No validation images: the network was not compared with the linear filter."), net, weights)
    return _guarded(task, progress, validation, net, weights)


def _judged(validation: Validation, phase: DescentPhase, objective: PixelObjective, averaged: SRNet, step: int) -> dict[str, float]:
    """Give the validation figures of a network that still gives residuals of size 1, and show what it makes."""
    objective.deliver(averaged)
    validation.show(averaged, phase.curve, step)
    got = validation.psnr(averaged)
    return {"val/psnr_db": got} | {f"val/gain_over_{name}_db": got - base for name, base in validation.baselines.items()}


def _watched(task: Task, objective: PixelObjective, validation: Validation | None, progress: Progress) -> None:
    objective.supply.look(task.log, progress.step)
    if validation is not None:
        check_collapse(progress.points, validation.baselines["bicubic"], task.recipe.training.psnr_loss_db)


def _guarded(task: Task, progress: Progress, validation: Validation, net: SRNet, weights: Tensor) -> Checkpoint:
    """Keep the best of network, filter and, after a warm start, the parent."""
    scores = {**validation.baselines, "network": validation.psnr(net)}
    progress = progress.model_copy(update={"scores": scores})
    got, linear, parent = scores["network"], scores["linear"], scores.get("parent", -math.inf)
    if got > max(linear, parent):
        return following(progress, net, weights)
    if parent < linear:
        sentence = (
            f"The network reaches {got:.2f} dB on the validation images, the fitted linear filter {linear:.2f} dB: the model is the filter."
        )
        progress = noted(task, progress, sentence).model_copy(update={"family": "linear"})
        return following(progress, filtered(task, weights), weights)
    sentence = f"The network reaches {got:.2f} dB on the validation images, its parent {parent:.2f} dB"
    start, transfer = _begun(task, progress.family, weights)
    if transfer is None or not transfer.whole:
        # The parent stands on another base, so it is no model of this degradation.
        return following(noted(task, progress, f"{sentence}: use the parent as it is, or train for longer."), net, weights)
    return following(noted(task, progress, f"{sentence}: the model is its parent."), start, weights)


def spread_taught(task: Task, phase: DescentPhase, start: Checkpoint, checkpoints: SharedCheckpoints) -> Checkpoint:
    """Teach a fresh head how large the finished network's errors are; the filter alone has no trunk and gets the heuristic."""
    net = task.network(start.progress.family, spread=False)
    weights = fitted(task, start)
    with restoring(start):
        kept = start.part("net") if net.trunk is None else {n: t for n, t in start.part("net").items() if not n.startswith("spread_head.")}
        net.load_state_dict(kept)
    if net.trunk is None:
        images = task.val or task.training_pairs()
        fit_energy(net, [(task.normalised(lr), task.normalised(hr), a.to(task.device), b.to(task.device)) for lr, hr, a, b in images])
        return following(start.progress, net, weights)
    for parameter in net.mean_parameters():
        parameter.requires_grad_(False)
    objective = SpreadObjective(task, net)
    net.add_spread_head(task.stream("first weights", "spread head").initial_seed(), objective.size, task.recipe.spread.tail)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start.progress.step == 0:
        start = Checkpoint(start.progress, named(net, weights))
        checkpoints.save(start)
    progress = Descent(task, phase, objective, None, checkpoints).run(net, start)
    return following(progress, net, weights)
