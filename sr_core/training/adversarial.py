"""The adversarial phase: the pixel phase's network goes on against a discriminator, and is kept only if that gained what it is for."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from sr_core.losses import GAMES
from sr_core.metrics import octave_distance
from sr_core.networks import SRNet
from sr_core.training.descent import Descent
from sr_core.training.duel import AdversarialObjective
from sr_core.training.objectives import residual_size
from sr_core.training.phases import DescentPhase
from sr_core.training.seams import filtered, fitted, following, named, noted
from sr_core.training.state import Checkpoint, CheckpointFolder, Progress, restoring
from sr_core.training.task import Task
from sr_core.training.tripwires import check_fidelity, check_game
from sr_core.training.validation import Validation

LEAST_GAIN = 0.01  # of the logarithm of octave energies: 1 %; less is noise of rounding
PIXEL = "pixel"  # a checkpoint's tensors of the pixel phase's network, as it was delivered


def against_discriminator(task: Task, phase: DescentPhase, start: Checkpoint, checkpoints: CheckpointFolder) -> Checkpoint:
    """Train the network on against a discriminator.

    The result is the pixel phase's network where there is no network (the guard chose the filter), or where the energy in the highest
    octave of frequency came no nearer to the truth's on the validation images; the notes then say so.
    """
    weights = fitted(task, start)
    if start.progress.family == "linear":
        net = filtered(task, weights)
        with restoring(start):
            net.load_state_dict(start.part("net"))
        return following(noted(task, start.progress, "The model is the filter, so there was no adversarial phase."), net, weights)

    pixel = task.network(start.progress.family, spread=False)
    with restoring(start):
        pixel.load_state_dict(start.part(PIXEL) or start.part("net"))
    size = residual_size(task, pixel)
    net = task.network(start.progress.family, spread=False)
    net.load_state_dict(pixel.state_dict())
    net.scale_residual(1 / size)
    validation = Validation(task, filtered(task, weights)) if task.val else None

    objective = AdversarialObjective(task, net, size)
    origin = _origin(start.progress, phase, net, pixel, weights)
    judge = None if validation is None else partial(_judged, validation, phase, size)
    watch = partial(_watched, task, start.progress.scores)
    first = start if start.part(PIXEL) else origin
    progress = Descent(task, phase, objective, judge, checkpoints, origin, watch).run(net, first)
    net.scale_residual(size)
    return _guarded(task, progress, validation, net, pixel, weights)


def _origin(progress: Progress, phase: DescentPhase, net: SRNet, pixel: SRNet, weights: Tensor) -> Checkpoint:
    """Give the checkpoint at which the phase starts, from any of its own."""
    points = tuple(point for point in progress.points if not point.name.startswith(phase.curve + "/"))
    kept = {f"{PIXEL}/{name}": tensor.clone() for name, tensor in pixel.state_dict().items()}
    tensors = {name: tensor.clone() for name, tensor in named(net, weights).items()}
    return Checkpoint(progress.model_copy(update={"step": 0, "points": points}), {**tensors, **kept})


def _judged(validation: Validation, phase: DescentPhase, size: float, averaged: SRNet, step: int) -> dict[str, float]:
    """Give the validation figures of a network that still gives residuals of size 1, and show what it makes."""
    averaged.scale_residual(size)
    validation.show(averaged, phase.curve, step)
    octave = validation.octave(averaged)
    figures = {f"{phase.curve}/psnr_db": validation.psnr(averaged)}
    return figures if octave is None else {**figures, f"{phase.curve}/octave_energy": octave}


def _watched(task: Task, scores: dict[str, float], progress: Progress) -> None:
    plan = task.recipe.adversarial
    check_game(progress.points, GAMES[plan.game].undecided)
    if "network" in scores:
        check_fidelity(progress.points, scores["network"], plan.psnr_loss_db)


@torch.no_grad()
def _guarded(task: Task, progress: Progress, validation: Validation | None, net: SRNet, pixel: SRNet, weights: Tensor) -> Checkpoint:
    """Keep the network if its highest octave is nearer to the truth's than the pixel network's; say what it cost."""
    if not task.operator.windowed and task.recipe.adversarial.terms.consistency > 0:
        progress = noted(task, progress, "The operator sees whole images only, so consistency was not a term of the adversarial phase.")
    if validation is None:
        sentence = "The network was trained for texture; without validation images nothing says what that cost."
        return following(noted(task, progress, sentence).model_copy(update={"perceptual": True}), net, weights)
    made, before = validation.octave(net), validation.octave(pixel)
    if made is None or before is None or not octave_distance(made) < octave_distance(before) - LEAST_GAIN:
        found = "cannot be measured on them" if made is None or before is None else f"is {made:.2f} of the truth's, {before:.2f} before"
        sentence = f"The adversarial phase gained nothing on the validation images (energy in the highest octave {found}): left out."
        return following(noted(task, progress, sentence), pixel, weights)
    got, had = validation.psnr(net), progress.scores["network"]
    sentence = (
        f"The network was trained for texture: on the validation images its energy in the highest octave is {made:.2f} of the truth's "
        f"({before:.2f} before), at {had - got:.2f} dB less PSNR. Its detail is made up to look right; it is not a measurement."
    )
    scores = {**progress.scores, "network": got, "pixel network": had}
    return following(noted(task, progress, sentence).model_copy(update={"perceptual": True, "scores": scores}), net, weights)
