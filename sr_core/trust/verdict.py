"""The records that say how far an image can be trusted, the evidence behind them, and the rule that sums them up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from pydantic import Field, model_validator

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array, Transform, Window
from sr_core.records import Digest, Record
from sr_core.trust.derived import Derived

if TYPE_CHECKING:
    from sr_core.operators import Operator

Level = Literal["certified", "empirical", "none"]
Status = Literal["pass", "warn", "abstain", "fail"]
Outcome = Literal["pass", "warn", "fail", "skipped"]
Severity = Literal["warn", "fail"]
Direction = Literal["at most", "at least"]
LEVELS: tuple[Level, ...] = ("none", "empirical", "certified")  # rising
MADE_UP = "Detail in this image is made up to look right; it is not a measurement."  # of perceptual models
ONE_SCENE = "block of one scene"  # the kind of "group" where one scene had to serve every split


class Claim(Record):
    """What may be said of the interval. Made by `sr_core.trust.claim` only; the level follows from the other fields.

    Attributes
    ----------
    level, text : the level, and the only sentence allowed for it.
    alpha, delta, gamma : 1 - share of pixels, 1 - share of groups, 1 - confidence.
    n, n_min : independent groups behind the claim, and how many a certified one needs.
    group_kind : "place", "patient", ...; "block of one scene" where the groups are not independent.
    operator : digest of the degradation operator that the claim assumes.
    calibration : digest of the calibration, or None where there is none.
    """

    level: Level
    text: str
    alpha: float
    delta: float
    gamma: float
    n: int
    n_min: int
    group_kind: str
    operator: Digest
    calibration: Digest | None

    @model_validator(mode="after")
    def _level_is_earned(self) -> Self:
        if self.level == "certified" and (self.n < self.n_min or self.group_kind == ONE_SCENE):
            raise ValueError(f"a certified claim needs {self.n_min} independent groups, not {self.n} x {self.group_kind}")
        if self.level == "empirical" and not 2 <= self.n < self.n_min:
            raise ValueError(f"an empirical claim stands on 2 to {self.n_min - 1} groups, not {self.n}")
        if self.level != "none" and self.calibration is None:
            raise ValueError(f"a claim of level {self.level} needs a calibration")
        return self

    def at_least(self, level: Level) -> bool:
        """Whether the claim is of the given level or a higher one."""
        return LEVELS.index(self.level) >= LEVELS.index(level)


class CheckResult(Record):
    """One value with a limit.

    `value` and `bicubic` (the same figure of plain bicubic) are in `unit`; None: not measured. `threshold_source` says where
    the threshold came from: "physical", "exact", or the validation groups and quantile. `severity` is the outcome when the
    threshold is crossed; beyond `fail_threshold` it is always "fail". A check that could not run is "skipped", with the
    reason as its `sentence`; it holds back a pass where it is `required`.
    """

    name: str
    value: float | None
    unit: str
    bicubic: float | None = None
    threshold: float | None
    fail_threshold: float | None = None
    direction: Direction = "at most"
    threshold_source: str
    severity: Severity
    outcome: Outcome
    where: Window | None = None
    sentence: str
    required: bool = True

    def excess(self) -> float:
        """How far the value is beyond its threshold (negative: inside; NaN counts as +inf; skipped: -inf)."""
        if self.outcome == "skipped" or self.threshold is None:
            return -math.inf
        if self.value is None or math.isnan(self.value):
            return math.inf
        return self.value - self.threshold if self.direction == "at most" else self.threshold - self.value

    def relative_excess(self) -> float:
        """`excess` in units of the threshold, so that checks of different units compare; of a threshold of zero, as it is."""
        return self.excess() / (abs(self.threshold) if self.threshold else 1.0)

    @property
    def learned(self) -> bool:
        """Whether the threshold comes from clean outputs, a share of which crosses it; not from physics, arithmetic or a promise."""
        return self.threshold is not None and not self.threshold_source.startswith(("physical", "exact", "promise"))


class Verdict(Record):
    """The sum of claim and checks for one output. `reasons` say in words what held back a pass.

    Attributes
    ----------
    invisible_size_px : smallest object (FWHM, HR px) that the measurement vouches for: at most 10 % of its peak is unseen.
    covered_share : share of the valid pixels that carry an interval, 0..1.
    inputs, outputs : sha256 of the files read and written, the image first.
    time : ISO 8601, or None where the record must be the same on every run.
    cautions : what holds of every image of this model, whatever its checks say; among the reasons, too.
    key : hash of all that the files depend on (`OutputPlan.key`).
    weights : hash of the weights of the bundle that made them. Cautions, key and weights are left out of the text where there are none.
    """

    status: Status
    claim: Claim
    checks: tuple[CheckResult, ...]
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = Field(default=(), exclude_if=lambda cautions: not cautions)
    invisible_size_px: float | None = None
    covered_share: float | None = None
    inputs: tuple[Digest, ...] = ()
    outputs: tuple[Digest, ...] = ()
    calibration: Digest | None = None
    software: str = ""
    time: str | None = None
    key: str = Field(default="", exclude_if=lambda key: not key)
    weights: Digest = Field(default="", exclude_if=lambda weights: not weights)

    @property
    def sentence(self) -> str:
        """The verdict in one line: status, first reason and every caution (what is claimed of the interval stands in `claim.text`)."""
        ran = [c for c in self.checks if c.outcome != "skipped" and c.threshold is not None]  # a figure without a limit passes nothing
        count = f"{len(ran)} of {len(ran)} checks passed" if all(c.outcome == "pass" for c in ran) else (
            f"{sum(c.outcome == 'pass' for c in ran)} of {len(ran)} checks passed"
        )  # fmt: skip
        return " ".join((f"{self.status.capitalize()}: {count}.", *dict.fromkeys((*self.reasons[:1], *self.cautions))))


@dataclass(frozen=True)
class Evidence(Derived):
    """What the checks look at: one upscaled image, or one window of it, as it stands in the written file.

    What several checks derive from it is computed once (see `Derived`).

    Attributes
    ----------
    y : float32 (C, h, w), the LR measurement, physical unit.
    z : float32 (C, H, W), the SR image read back from the file, same unit; anything where `mask_hr` is False.
    bicubic : float32 (C, H, W), plain bicubic upscaling of `y`.
    mask_lr, mask_hr : bool (h, w) and (H, W), True = use.
    residual : float32 (C, h, w), y - A z.
    half_width : float32 (C, H, W) of the interval, or None; NaN where there is no claim.
    step : quantisation step of the written file, physical unit; 0 for floating point.
    valid_range : (low, high) that a value can take.
    unit : physical unit.
    bands : C names.
    projected : whether `z` was projected onto the measurement, so that the residual should vanish.
    operator : the degradation, where a check wants to compute with it.
    where : place of a window on the SR grid.
    spread : float32 (C, H, W), the estimate of a typical absolute error that the interval is made of, > 0; None where it is not at hand.
    rows, cols : first rows and columns, in this window's SR pixels, of the pieces that the image was computed in; 0 left out.
    transform_lr, transform_hr : positions as the two files state them, (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f, of
        pixel corners of the whole image; None where the format has none.
    around : for a window of an image: LR pixels far from nodata (h, w), and those saturated at the low and at the high end (C, h, w), as
        the pixels beyond the window make them; None: the window is all there is.
    noise : standard deviation of the measurement's white noise, physical unit; 0: it is exact.
    """

    y: Float32Array
    z: Float32Array
    bicubic: Float32Array
    mask_lr: BoolArray
    mask_hr: BoolArray
    residual: Float32Array
    half_width: Float32Array | None
    step: float
    valid_range: tuple[float, float]
    unit: str
    bands: tuple[str, ...] = ()
    projected: bool = True
    operator: Operator | None = None
    where: Window | None = None
    spread: Float32Array | None = None
    rows: tuple[int, ...] = ()
    cols: tuple[int, ...] = ()
    transform_lr: Transform | None = None
    transform_hr: Transform | None = None
    around: tuple[BoolArray, BoolArray, BoolArray] | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        lr = {self.y.shape, self.residual.shape, (self.y.shape[0], *self.mask_lr.shape)}
        hr = {self.z.shape, self.bicubic.shape, (self.z.shape[0], *self.mask_hr.shape)}
        hr |= {given.shape for given in (self.half_width, self.spread) if given is not None}
        rows, cols = self.y.shape[-2:]
        multiple = self.y.shape[0] == self.z.shape[0] and self.z.shape[1] % rows == 0 and self.z.shape[2] % cols == 0
        if len(lr) > 1 or len(hr) > 1 or not multiple:
            raise ShapeError(f"LR {sorted(lr)}, HR {sorted(hr)}", "one LR shape and a multiple of it", "Give one image's arrays.")


class Check(Protocol):
    """A check: any callable with a name."""

    @property
    def name(self) -> str:
        """Short name, the same as in its results."""

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure one thing and hold it against its limit."""


def limit(
    name: str,
    value: float,
    *,
    unit: str,
    threshold: float,
    source: str,
    sentence: str,
    direction: Direction = "at most",
    fail_threshold: float | None = None,
    severity: Severity = "fail",
    bicubic: float | None = None,
    where: Window | None = None,
    required: bool = True,
) -> CheckResult:
    """Hold a value against its limit.

    Parameters
    ----------
    name, value, unit, bicubic, where, required : see `CheckResult`.
    threshold : the value may lie on it.
    source : where the threshold came from.
    sentence : what the check looks at, in words; the figures are added by the reader of the record.
    fail_threshold : beyond it the outcome is "fail" whatever the severity.

    Notes
    -----
    Comparisons are written so that NaN never passes: a value that is not a number fails.
    """

    def holds(edge: float) -> bool:
        return value <= edge if direction == "at most" else value >= edge

    outcome: Outcome
    if math.isnan(value) or (fail_threshold is not None and not holds(fail_threshold)):
        outcome = "fail"
    else:
        outcome = "pass" if holds(threshold) else severity
    return CheckResult(
        name=name, value=value, unit=unit, bicubic=bicubic, threshold=threshold, fail_threshold=fail_threshold, direction=direction,
        threshold_source=source, severity=severity, outcome=outcome, where=where, sentence=sentence, required=required,
    )  # fmt: skip


def skipped(name: str, reason: str, *, required: bool = True) -> CheckResult:
    """Record a check that could not run, with the reason in one sentence."""
    return CheckResult(
        name=name, value=None, unit="", threshold=None, threshold_source="exact", severity="warn", outcome="skipped",
        sentence=reason, required=required,
    )  # fmt: skip


_RANK: dict[Outcome, int] = {"skipped": 0, "pass": 1, "warn": 2, "fail": 3}


def worst(results: Sequence[CheckResult]) -> CheckResult:
    """Give the worst of one check's results over several windows: by outcome, then by how far the limit is exceeded.

    Raises
    ------
    TrustError
        If there are none, or they are of different checks.
    """
    if len({r.name for r in results}) != 1:
        raise TrustError(f"results of {sorted({r.name for r in results})}", "results of one check", "Group them by name first.")
    return max(results, key=lambda r: (_RANK[r.outcome], r.excess()))


def judge(
    claim: Claim,
    checks: Sequence[CheckResult],
    *,
    abstain: Sequence[str] = (),
    cautions: Sequence[str] = (),
    invisible_size_px: float | None = None,
    covered_share: float | None = None,
    inputs: Sequence[Digest] = (),
    outputs: Sequence[Digest] = (),
    software: str = "",
    time: str | None = None,
) -> Verdict:
    """Sum up a claim and its checks.

    Parameters
    ----------
    claim : what is said of the interval.
    checks : all results; the worst decides.
    abstain : reasons why this image is outside of what was calibrated; any makes the verdict abstain.
    cautions : what holds of every image of this model; any keeps the verdict from a pass.
    invisible_size_px, covered_share, inputs, outputs, software, time : see `Verdict`.

    Returns
    -------
    Verdict
        fail if any check fails or any value is not a number; else abstain; else warn if a check warns, a required check
        was skipped, there is a caution, or there is no claim; else pass.

    Raises
    ------
    TrustError
        If the image is outside the calibration but the claim was not withdrawn.
    """
    if abstain and claim.level != "none":
        raise TrustError(f"an abstention with a claim of level {claim.level}", "a withdrawn claim", "Use claim.withdraw first.")
    settled = tuple(_settle(check) for check in checks)
    failed = [said(c) for c in settled if c.outcome == "fail"]
    warned = [sentence for c in settled if c.outcome == "warn" and (sentence := said(c)) not in abstain]
    missing = [f"{c.name} could not be checked: {c.sentence}" for c in settled if c.outcome == "skipped" and c.required]
    unclaimed = [claim.text] if claim.level == "none" and not abstain else []
    status: Status = "pass"
    if failed:
        status = "fail"
    elif abstain:
        status = "abstain"
    elif warned or missing or cautions or unclaimed:
        status = "warn"
    return Verdict(
        status=status, claim=claim, checks=settled, reasons=(*failed, *abstain, *warned, *missing, *cautions, *unclaimed),
        cautions=tuple(cautions),
        invisible_size_px=invisible_size_px, covered_share=covered_share, inputs=tuple(inputs), outputs=tuple(outputs),
        calibration=claim.calibration, software=software, time=time,
    )  # fmt: skip


def _settle(check: CheckResult) -> CheckResult:
    """Turn a value that is not a number into a failure, whatever outcome the check gave it."""
    if check.outcome != "skipped" and (check.value is None or math.isnan(check.value)):
        return check.model_copy(update={"outcome": "fail"})
    return check


def said(check: CheckResult) -> str:
    """Say in words what a check found, with its limit."""
    if check.value is None or math.isnan(check.value):
        return f"{check.name} is not a number: {check.sentence}"
    bound = check.threshold
    if check.outcome == "fail" and check.fail_threshold is not None:
        bound = check.fail_threshold
    limit_text = "" if bound is None else f", limit {check.direction} {bound:.4g}"
    unit = f" {check.unit}" if check.unit else ""
    return f"{check.name} is {check.value:.4g}{unit}{limit_text}{unit if bound is not None else ''}: {check.sentence}"


def in_short(check: CheckResult) -> str:
    """Say in a few words what a check found: name, value with its unit, outcome."""
    if check.value is None:
        return f"{check.name}: {check.outcome}"
    unit = f" {check.unit}" if check.unit else ""
    return f"{check.name}: {check.value:.4g}{unit} ({check.outcome})"
