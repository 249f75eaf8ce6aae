"""The learning rate as a function of the step, or of the share of a budget that is used."""

from __future__ import annotations

import math


def rate_share(step: int, steps: int, warmup: int, final: float) -> float:
    """Give the share of the peak rate at a step: a linear warm-up, then half a cosine down to `final`.

    Parameters
    ----------
    step : 0 <= step < steps, the step that is about to be made.
    steps : length of the phase. A warm-up longer than a quarter of it is cut to that.
    warmup : steps of warm-up; 0 starts at the peak.
    final : share of the peak at the last step, 0..1.
    """
    warmup = min(warmup, steps // 4)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - 1 - warmup)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def budget_share(step: int, used: float, warmup: int, final: float) -> float:
    """Give the share of the peak rate where a budget may end the phase: half a cosine over the budget, times a linear warm-up.

    Parameters
    ----------
    step : >= 0, the step that is about to be made.
    used : share of the budget that is used, 0..1; 1 gives `final`.
    warmup : steps of warm-up; it is over when a quarter of the budget is used, whatever the step.
    final : share of the peak at the end, 0..1.
    """
    warm = min(1.0, max((step + 1) / (warmup + 1), 4 * used))
    return warm * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, used))))
