"""The learning rate as a function of the step."""

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
