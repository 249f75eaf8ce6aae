"""What must never go on unseen: numbers that are no numbers, a PSNR that collapses, an adversarial phase that has lost its way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from sr_core.bundle import CurvePoint
from sr_core.errors import RecipeError
from sr_core.training.limits import VALIDATED

ROLLBACKS = 1  # a phase is taken back this often, each time at half the rate; then it stops
EVALUATIONS = 5  # in a row that the discriminator must win
SURE = 0.99  # share of patches that a winning discriminator tells right
LOST = 4.0  # times its value at an undecided discriminator: the adversarial loss of a network that has lost


class Diverged(Exception):
    """A phase goes wrong: caught by the descent, which rolls back.

    Attributes
    ----------
    step, what : when, and what happened, as a clause.
    far : whether it went wrong long before it was seen, so that the phase must start anew.
    expected, remedy : for the error, where it happens again.
    """

    def __init__(self, step: int, what: str, far: bool = False, expected: str = "finite numbers", remedy: str = "") -> None:
        self.step, self.what, self.far, self.expected, self.remedy = step, what, far, expected, remedy
        super().__init__(f"{what} after step {step}")


def check_finite(sums: Tensor, step: int) -> None:
    """Look at running sums of losses and gradient norms, in which one bad step stays visible.

    Parameters
    ----------
    sums : float64 tensor; its first two entries are the sum of losses and the sum of gradient norms.
    step : steps done, for the message.

    Raises
    ------
    Diverged
        If one is NaN or infinite.
    """
    loss, norm = sums[:2].tolist()
    for name, value in (("loss", loss), ("gradient", norm)):
        if not math.isfinite(value):
            raise Diverged(step, f"the {name} became {value}")


def check_game(points: Sequence[CurvePoint], undecided: float) -> None:
    """Look whether the discriminator has won: it errs no more, and what the network pays only grows.

    Parameters
    ----------
    points : the curve so far.
    undecided : the adversarial loss where the discriminator cannot tell.

    Raises
    ------
    Diverged
        If in each of the last five evaluations it told 99 % of the true and of the made patches right, and the adversarial loss is
        higher than in the first of them and above four times `undecided`.
    """
    values = [_last(points, f"adversarial/{name}") for name in ("accuracy_real", "accuracy_fake", "adversarial")]
    if any(len(series) < EVALUATIONS for series in values):
        return
    real, fake, loss = ([point.value for point in series] for series in values)
    if min(*real, *fake) >= SURE and loss[-1] > loss[0] and loss[-1] > LOST * undecided:
        raise Diverged(
            values[2][-1].step, f"the discriminator won (it told all patches right, and the adversarial loss grew to {loss[-1]:.3g})",
            far=True, expected="two players that keep up with each other",
            remedy="Lower adversarial.discriminator_rate, or adversarial.width.",
        )  # fmt: skip


def check_fidelity(points: Sequence[CurvePoint], pixel_db: float, most_db: float) -> None:
    """Look whether the network has left the truth.

    Parameters
    ----------
    points : the curve so far.
    pixel_db : PSNR of the pixel phase's network on the validation images.
    most_db : how much of it may be lost.

    Raises
    ------
    Diverged
        If the last PSNR is lower than that, or is no number.
    """
    last = _last(points, "adversarial/psnr_db")
    if last and not last[-1].value >= pixel_db - most_db:
        raise Diverged(
            last[-1].step, f"PSNR collapsed to {last[-1].value:.2f} dB, {pixel_db - last[-1].value:.2f} dB below the pixel phase's network",
            far=True, expected=f"a loss of at most {most_db:g} dB",
            remedy="Lower adversarial.rate or adversarial.terms.adversarial, or allow more with adversarial.psnr_loss_db.",
        )  # fmt: skip


def check_collapse(points: Sequence[CurvePoint], bicubic_db: float, most_db: float) -> None:
    """Look whether the pixel phase's network gets worse instead of better.

    Parameters
    ----------
    points : the curve so far.
    bicubic_db : PSNR of bicubic interpolation on the validation images.
    most_db : how far PSNR may be below that, and below its best so far.

    Raises
    ------
    Diverged
        If the last PSNR is lower than that, or is no number.
    """
    curve = [point for point in points if point.name == VALIDATED]
    if not curve:
        return
    last, known = curve[-1], [(bicubic_db, "bicubic interpolation"), *((point.value, f"that of step {point.step}") for point in curve[:-1])]
    best, whose = max([pair for pair in known if math.isfinite(pair[0])], default=(-math.inf, ""))  # equal images have an infinite PSNR
    if not last.value >= best - most_db:
        raise Diverged(
            last.step, f"PSNR on the validation images collapsed to {last.value:.2f} dB, {best - last.value:.2f} dB below {whose}",
            far=True, expected=f"a loss of at most {most_db:g} dB",
            remedy="Lower training.rate, or allow more with training.psnr_loss_db.",
        )  # fmt: skip


def stopped(fault: Diverged, words: str, rate: float) -> RecipeError:
    """Give the error that ends a run which goes wrong again after it was rolled back."""
    where = "to the start of the phase" if fault.far else "to the last good checkpoint"
    return RecipeError(
        f"{words}: {fault.what} by step {fault.step}, again after going back {where} with half the rate",
        fault.expected,
        fault.remedy or f"Look for damaged training images, or lower the rate (it was {rate:g}), for instance training.rate={rate / 4:g}.",
    )


def _last(points: Sequence[CurvePoint], name: str) -> list[CurvePoint]:
    return [point for point in points if point.name == name][-EVALUATIONS:]
