"""What is trained, one after the other, as data: a recipe becomes a list of phases, and the loop walks it."""

from __future__ import annotations

from typing import Literal

from sr_core.recipe import Recipe, TrainingPlan
from sr_core.records import Record


class LinearPhase(Record):
    """The linear filter, solved in closed form. It has no steps."""

    kind: Literal["linear"] = "linear"
    words: str = "fitting the linear filter"


class DescentPhase(Record):
    """A phase that makes gradient steps.

    Attributes
    ----------
    kind : "pixel" trains the residual body; "adversarial" goes on against a discriminator; "spread" trains the
        spread head on the frozen trunk.
    words : what progress calls it.
    curve : first part of its metrics' names ("train" gives train/loss).
    loss : name of a pixel loss (the other phases have their own).
    steps, batch : how many steps, of how many pairs; None: a budget ends the phase.
    cpu_s, wall_s : budgets in seconds of process time and by the clock; None: none.
    target_db : PSNR on validation images that ends the phase; None: none.
    optimiser, rate, warmup_steps, final_rate_share, clip_norm : how a step is made.
    ema_decay : of the average that is kept as the result; 0 keeps the last step.
    checkpoint_every, log_every : in steps.
    validate_every : in steps; 0 never.
    """

    kind: Literal["pixel", "adversarial", "spread"]
    words: str
    curve: str
    loss: Literal["l1", "l2", "charbonnier"] = "l1"
    steps: int | None
    batch: int
    cpu_s: float | None = None
    wall_s: float | None = None
    target_db: float | None = None
    optimiser: Literal["adam", "muon"]
    rate: float
    warmup_steps: int
    final_rate_share: float
    clip_norm: float
    ema_decay: float
    checkpoint_every: int
    log_every: int
    validate_every: int


Phase = LinearPhase | DescentPhase


def phases(recipe: Recipe, patches: int) -> tuple[Phase, ...]:
    """Give a recipe's phases in order: linear, pixel (not for the linear family), adversarial (if asked for), spread (last, always).

    Parameters
    ----------
    recipe : all settings.
    patches : number of training patches, which epochs are counted in.
    """
    plan, spread, duel = recipe.training, recipe.spread, recipe.adversarial
    pixel = DescentPhase(
        kind="pixel", words="training", curve="train", loss=plan.loss, steps=_steps(plan, patches), batch=plan.batch,
        cpu_s=_seconds(plan.cpu_minutes), wall_s=_seconds(plan.minutes), target_db=plan.target_db,
        optimiser=plan.optimiser, rate=plan.rate, warmup_steps=plan.warmup_steps, final_rate_share=plan.final_rate_share,
        clip_norm=plan.clip_norm, ema_decay=plan.ema_decay,
        checkpoint_every=plan.checkpoint_every, log_every=plan.log_every, validate_every=plan.validate_every,
    )  # fmt: skip
    head = DescentPhase(
        kind="spread", words="training the spread head", curve="spread", steps=spread.steps, batch=plan.batch,
        optimiser="adam", rate=spread.rate, warmup_steps=min(plan.warmup_steps, spread.steps // 10), final_rate_share=plan.final_rate_share,
        clip_norm=plan.clip_norm, ema_decay=plan.ema_decay,
        checkpoint_every=plan.checkpoint_every, log_every=plan.log_every, validate_every=0,
    )  # fmt: skip
    against = DescentPhase(
        kind="adversarial", words="training against the discriminator", curve="adversarial", steps=duel.steps, batch=plan.batch,
        optimiser="adam", rate=duel.rate, warmup_steps=min(plan.warmup_steps, duel.steps // 10), final_rate_share=plan.final_rate_share,
        clip_norm=plan.clip_norm, ema_decay=plan.ema_decay,
        checkpoint_every=plan.checkpoint_every, log_every=plan.log_every, validate_every=plan.validate_every,
    )  # fmt: skip
    if recipe.network.family == "linear":
        return LinearPhase(), head
    return (LinearPhase(), pixel, head) if recipe.purpose == "fidelity" else (LinearPhase(), pixel, against, head)


def _steps(plan: TrainingPlan, patches: int) -> int | None:
    return plan.steps if plan.epochs is None else max(1, -(-plan.epochs * patches // plan.batch))


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * minutes
