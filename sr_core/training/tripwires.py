"""What must never go on unseen: numbers that are no numbers."""

from __future__ import annotations

import math

from torch import Tensor

from sr_core.errors import RecipeError

ROLLBACKS = 1  # a phase is taken back this often, each time at half the rate; then it stops


class Diverged(Exception):
    """The loss or its gradient is not finite: caught by the descent, which rolls back."""

    def __init__(self, step: int, what: str) -> None:
        self.step, self.what = step, what
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


def stopped(fault: Diverged, words: str, rate: float) -> RecipeError:
    """Give the error that ends a run which diverges again after it was rolled back."""
    return RecipeError(
        f"{words}: {fault.what} by step {fault.step}, again after going back to the last good checkpoint with half the rate",
        "finite numbers",
        f"Look for damaged training images, or lower the rate (it was {rate:g}), for instance training.rate={rate / 4:g}.",
    )
