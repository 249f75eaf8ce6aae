"""When a phase ends, and how far it is: what is used of its steps and budgets decides both, and the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from sr_core.bundle import CurvePoint
from sr_core.training.clock import Spent
from sr_core.training.phases import DescentPhase
from sr_core.training.schedule import budget_share, rate_share
from sr_core.training.state import Progress

VALIDATED = "val/psnr_db"  # name of the pixel phase's figure that a target and a collapse are about


def is_timed(phase: DescentPhase) -> bool:
    """Say whether a budget may end the phase."""
    return phase.cpu_s is not None or phase.wall_s is not None


def used(phase: DescentPhase, progress: Progress) -> float:
    """Give the largest share that is used of any limit: 1 and more ends the phase."""
    spent = progress.spent or Spent()
    parts = ((progress.step, phase.steps), (spent.cpu_s, phase.cpu_s), (spent.wall_s, phase.wall_s))
    return max(done / limit for done, limit in parts if limit is not None)


def on_target(phase: DescentPhase, points: Sequence[CurvePoint]) -> bool:
    """Say whether the last validation reached the phase's target."""
    if phase.target_db is None:
        return False
    last = next((point.value for point in reversed(points) if point.name == VALIDATED), None)
    return last is not None and last >= phase.target_db


def is_over(phase: DescentPhase, progress: Progress) -> bool:
    """Say whether the phase makes no further step."""
    return used(phase, progress) >= 1 or on_target(phase, progress.points)


def share_of_rate(phase: DescentPhase, progress: Progress) -> float:
    """Give the share of the peak rate for the next step; by the step alone where no budget may end the phase."""
    if is_timed(phase) or phase.steps is None:
        return budget_share(progress.step, used(phase, progress), phase.warmup_steps, phase.final_rate_share)
    return rate_share(progress.step, phase.steps, phase.warmup_steps, phase.final_rate_share)


def expected_steps(phase: DescentPhase, progress: Progress) -> int:
    """Give the phase's number of steps: the recipe's, or as many as the budget lasts at the pace so far."""
    if not is_timed(phase) and phase.steps is not None:
        return phase.steps
    return max(progress.step + 1, round(progress.step / max(used(phase, progress), 1e-9)))


def ended_early(phase: DescentPhase, progress: Progress) -> str | None:
    """Say in a sentence what ended the phase; None where it was the number of steps."""
    if on_target(phase, progress.points):
        return f"Training reached its target of {phase.target_db:g} dB on the validation images and ended after {progress.step} steps."
    spent = progress.spent or Spent()
    for seconds, limit, words in ((spent.cpu_s, phase.cpu_s, "CPU time"), (spent.wall_s, phase.wall_s, "time")):
        if limit is not None and seconds >= limit:
            return f"Training used its budget of {limit / 60:g} minutes of {words} and ended after {progress.step} steps."
    return None
