"""Calibration: from errors on held-out groups to an interval `multiplier * (spread + floor)` and what may be said of it.

References
----------
Wilks, S. S. (1941), doi:10.1214/aoms/1177731788 (tolerance limits). Angelopoulos et al. (2022), arXiv:2202.05265
(image-to-image regression with intervals). Vovk et al. (2005), Algorithmic Learning in a Random World (conformal).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from pydantic import Field

from sr_core.errors import TrustError
from sr_core.raster import Float32Array
from sr_core.records import Digest, Record
from sr_core.trust import histogram
from sr_core.trust.claim import Rule, groups_needed, make_claim, order_statistic
from sr_core.trust.heuristic import Heuristic
from sr_core.trust.reference import Reference
from sr_core.trust.scores import Accumulator, GroupRow, Sample, SpreadBin
from sr_core.trust.verdict import Claim

FLOOR_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
FLAT_ENOUGH = 0.10  # largest difference of coverage between spread bins that a floor may leave


class Settings(Record):
    """What else decides the pixels.

    Attributes
    ----------
    projection : whether the output is projected onto the measurement.
    precision : "float32", "bfloat16".
    estimator : of the spread: "magnitude head", "Laplace head", "local energy of the filter", "heuristic", "self-ensemble".
    ensemble : 1, 4 or 8, size of the self-ensemble. 1 is left out of the text, so that calibrations from before there was one keep
        their digest.
    normalisation : digest of the constants between file and network (`BundleCard.normalisation`); "" in calibrations from before they
        were recorded, where they are not compared.
    """

    projection: bool
    precision: str
    estimator: str = "magnitude head"
    ensemble: int = Field(default=1, exclude_if=lambda size: size == 1)
    normalisation: Digest = Field(default="", exclude_if=lambda digest: not digest)


class Promise(Record):
    """What the interval shall hold: 1 - alpha of the pixels in 1 - delta of new groups, with 1 - gamma confidence."""

    alpha: float = 0.10
    delta: float = 0.10
    gamma: float = 0.10


class Calibration(Record):
    """An interval and the evidence behind it. It holds for the weights, operator and settings that it names, only.

    Attributes
    ----------
    n, n_min, k, rule : groups scored, groups that a certified claim needs, rank of the score taken, and why that rank.
    multiplier : the half-width is multiplier * (spread + floor); None where two groups were not to be had.
    floor : physical unit, > 0.
    groups : one row a group, in order of its pseudonym.
    histogram_first, histogram_counts : the merged histogram of log10(|error| / (spread + floor)), empty ends left out.
    coverage_by_bin : coverage by bin of the spread; empty where there is no multiplier.
    largest_errors_held : share of the 1 % largest errors inside the interval on the calibration groups, or None.
    heuristic : the line that gives the spread where the estimator is the heuristic; else None.
    reference : what clean images of this kind look like; None in calibrations from before there was one.
    """

    alpha: float
    delta: float
    gamma: float
    group_kind: str
    one_group: bool
    n: int
    n_min: int
    k: int | None
    rule: Rule
    multiplier: float | None
    floor: float
    unit: str
    weights: Digest
    operator: Digest
    operator_name: str
    settings: Settings
    groups: tuple[GroupRow, ...]
    histogram_first: int
    histogram_counts: tuple[int, ...]
    coverage_by_bin: tuple[SpreadBin, ...]
    largest_errors_held: float | None
    software: str
    heuristic: Heuristic | None = Field(default=None, exclude_if=lambda heuristic: heuristic is None)
    reference: Reference | None = Field(default=None, exclude_if=lambda reference: reference is None)

    def misfit(self, *, weights: Digest, operator: Digest, normalisation: Digest) -> str:
        """Say what of a bundle is not what was calibrated, however it is run; "" where all of it is."""
        recorded = self.settings.normalisation
        pairs = [("other weights", self.weights, weights), ("another degradation operator", self.operator, operator)]
        pairs += [("another normalisation", recorded, normalisation)] if recorded else []
        return _differences(pairs)

    def mismatch(
        self,
        *,
        weights: Digest,
        operator: Digest,
        projection: bool,
        precision: str,
        estimator: str = "magnitude head",
        ensemble: int = 1,
        normalisation: Digest = "",
    ) -> str:
        """Say why this calibration does not hold for a model as it is run; "" where it does."""
        chosen = (
            ("another projection setting", self.settings.projection, projection),
            ("another precision", self.settings.precision, precision),
            ("another estimate of spread", self.settings.estimator, estimator),
            (f"a self-ensemble of {mine}" if (mine := self.settings.ensemble) > 1 else "no self-ensemble", mine, ensemble),
        )
        clauses = self.misfit(weights=weights, operator=operator, normalisation=normalisation), _differences(chosen)
        found = " and ".join(clause for clause in clauses if clause)
        return f"it was calibrated with {found}" if found else ""

    def matches(
        self,
        *,
        weights: Digest,
        operator: Digest,
        projection: bool,
        precision: str,
        estimator: str = "magnitude head",
        ensemble: int = 1,
        normalisation: Digest = "",
    ) -> bool:
        """Whether this calibration holds for a model as it is run (`mismatch` says why not)."""
        return not self.mismatch(
            weights=weights, operator=operator, projection=projection, precision=precision, estimator=estimator, ensemble=ensemble,
            normalisation=normalisation,
        )  # fmt: skip

    def half_width(self, spread: Float32Array) -> Float32Array:
        """Give the half-width of the interval from the spread; same shape and unit, NaN where there is no multiplier."""
        if self.multiplier is None:
            return np.full(spread.shape, np.nan, np.float32)
        return (self.multiplier * (spread.astype(np.float64) + self.floor)).astype(np.float32)

    def spread(self, half_width: Float32Array) -> Float32Array:
        """Give the spread that a half-width was made of, at least 0 (rounding may leave less than the floor); NaN where there is none."""
        if self.multiplier is None:
            return np.full(half_width.shape, np.nan, np.float32)
        return np.asarray(np.maximum(half_width / np.float32(self.multiplier) - np.float32(self.floor), 0), np.float32)

    def claim(self, reason: str = "") -> Claim:
        """Give the claim; a `reason` why it does not hold for the image at hand lowers it to none."""
        if not reason and self.n >= 2 and self.multiplier is None:
            reason = "the errors are beyond anything that the spread explains"
        return make_claim(
            coverages=[g.coverage for g in self.groups], pixels=[g.pixels for g in self.groups], alpha=self.alpha, delta=self.delta,
            gamma=self.gamma, group_kind=self.group_kind, one_group=self.one_group, operator=self.operator,
            operator_name=self.operator_name, calibration=self.digest(), reason=reason,
        )  # fmt: skip


def _differences(pairs: Iterable[tuple[str, object, object]]) -> str:
    return " and ".join(what for what, own, given in pairs if own != given)


def calibrate(
    samples: Iterable[Sample],
    *,
    floor: float,
    promise: Promise,
    group_kind: str,
    one_group: bool,
    unit: str,
    weights: Digest,
    operator: Digest,
    operator_name: str,
    settings: Settings,
    software: str,
    heuristic: Heuristic | None = None,
) -> Calibration:
    """Make a calibration from held-out images, one at a time.

    Parameters
    ----------
    samples : images that touched neither training nor the choice of anything, the floor included.
    floor : physical unit, > 0; see `choose_floor`.
    promise : what the interval shall hold.
    group_kind, one_group : what the groups are, and whether they are only blocks of one scene (then each image is a block).
    unit : physical unit of errors and spread.
    weights, operator, settings : what the calibration holds for; `operator_name` is the operator in words.
    software : name and version.
    heuristic : the line that gave the spread, where the settings' estimator is the heuristic.

    Raises
    ------
    ShapeError, TrustError
        If an image's arrays do not fit, or one comes twice.
    """
    taken = Accumulator(floor, by_image=one_group)
    for sample in samples:
        taken.add(sample)
    scores = sorted(taken.score_cells(promise.alpha).values())
    k, rule = order_statistic(len(scores), promise.delta, promise.gamma)
    cell = scores[k - 1] if k is not None and scores[k - 1] <= histogram.BINS else None
    merged = taken.counts()
    used = np.flatnonzero(merged)
    first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    return Calibration(
        alpha=promise.alpha, delta=promise.delta, gamma=promise.gamma, group_kind=group_kind, one_group=one_group,
        n=len(scores), n_min=groups_needed(promise.delta, promise.gamma), k=k, rule=rule,
        multiplier=None if cell is None else histogram.upper_edge(cell), floor=floor, unit=unit, weights=weights, operator=operator,
        operator_name=operator_name, settings=settings, groups=taken.rows(promise.alpha, cell), histogram_first=first,
        histogram_counts=tuple(int(c) for c in merged[first:last]),
        coverage_by_bin=() if cell is None else taken.coverage_by_bin(cell),
        largest_errors_held=None if cell is None else taken.largest_errors_held(cell), software=software,
        heuristic=heuristic,
    )  # fmt: skip


class FloorChoice(NamedTuple):
    """The chosen floor (physical unit), the width it gives (W2, full) and the difference of coverage between spread bins."""

    floor: float
    width: float
    unevenness: float


def choose_floor(samples: Iterable[Sample], *, step: float, data_range: float, promise: Promise, one_group: bool = False) -> FloorChoice:
    """Choose the floor on validation images: the narrowest interval among those that hold evenly over the spread.

    Parameters
    ----------
    samples : validation images, read once.
    step : larger of the quantisation step and the noise of the measurement, physical unit; 0 where neither is known.
    data_range : max - min of the data; without a step, 1/255 of it takes the step's place.
    promise : what the interval shall hold.
    one_group : whether each image counts as a group of its own.

    Returns
    -------
    FloorChoice
        Of the grid {1/8, 1/4, 1/2, 1, 2, 4} times the step. A floor is even enough where coverage differs by at most 0.10
        between the seven spread bins; where none is, the most even one is taken.

    Raises
    ------
    TrustError
        If there is no valid validation pixel, or neither a step nor a range.

    Notes
    -----
    The floor with the least width alone would leave the hard pixels uncovered.
    """
    base = step if step > 0 else data_range / 255
    if not base > 0:
        raise TrustError(f"step {step} and data range {data_range}", "one of them above zero", "Give the data range in the recipe.")
    candidates = [Accumulator(base * factor, by_image=one_group) for factor in FLOOR_FACTORS]
    for sample in samples:
        for candidate in candidates:
            candidate.add(sample)
    choices = [_rate(candidate, promise) for candidate in candidates]
    found = [choice for choice in choices if choice is not None]
    if not found:
        raise TrustError("no usable validation image", "errors and spread on at least one valid pixel", "Check masks and spread.")
    even = [choice for choice in found if choice.unevenness <= FLAT_ENOUGH]
    return min(even, key=lambda c: c.width) if even else min(found, key=lambda c: c.unevenness)


def _rate(taken: Accumulator, promise: Promise) -> FloorChoice | None:
    scores = sorted(taken.score_cells(promise.alpha).values())
    if not scores:
        return None
    k, _ = order_statistic(len(scores), promise.delta, promise.gamma)
    cell = scores[(k or 1) - 1]  # one validation group still tells how evenly a floor holds
    if cell > histogram.BINS:
        return None
    bins = [b.coverage for b in taken.coverage_by_bin(cell)]
    width = float(np.mean([row.mean_width for row in taken.rows(promise.alpha, cell)]))
    return FloorChoice(taken.floor, width, max(bins) - min(bins))
