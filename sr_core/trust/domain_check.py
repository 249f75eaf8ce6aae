"""Is a new image like those that a model was validated on? Robust deviations of its statistics, one joint score, and drift of a batch.

References
----------
Vovk et al. (2005), Algorithmic Learning in a Random World (conformal quantiles). Hampel, F. (1974),
doi:10.1080/01621459.1974.10482962 (median and median absolute deviation). Pitman (1937), doi:10.2307/2984124 (tests by permutation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from sr_core.records import Record
from sr_core.trust.claim import plural
from sr_core.trust.statistics import NAMES, Figures
from sr_core.trust.verdict import CheckResult, Verdict, skipped

NAME = "largest deviation of the image's statistics"
FIGURE = "image: "  # what the names of single statistics begin with
DEVIATIONS = "deviations"
RATE = 0.05  # share of images like the validated ones that may be flagged
NORMAL = 1.48  # standard deviation of a normal distribution, in median absolute deviations
LEAST_UNITS = 5  # below it, median and deviation of the others say nothing
LARGEST = 1e6  # a deviation is cut here
DRIFT_RATES = (0.05, 0.01)  # of warning, of abstaining
DRAWS, LOTS = 4000, 20  # drawn in so many lots, so that large batches need no large memory
STEADY = 0.1  # deviations: a statistic that varies less counts as varying so much, so that no trifle is a drift
CERTAIN = 1e-9  # relative: sums of the same units in another order differ by less
Matrix = npt.NDArray[np.float64]


class Centre(Record):
    """Median and robust deviation (> 0) of one statistic over the validation images."""

    name: str
    median: float
    deviation: float


class DomainFit(Record):
    """What validation images look like.

    Attributes
    ----------
    images, units : how many there were, and how many independent units (or blocks of one scene, where `independent` is False).
    unit_kind : "place", "patient", ...
    centres : one a statistic, in the order of `statistics.NAMES`.
    rank, threshold : which of the sorted joint scores of the units is the limit, and the limit.
    calibrated : deviations of the calibration units, a row each: what a batch of new images is compared with.
    """

    images: int
    units: int
    independent: bool
    unit_kind: str
    centres: tuple[Centre, ...]
    rank: int
    threshold: float
    calibrated: tuple[tuple[float, ...], ...] = ()

    @property
    def abstains(self) -> bool:
        """Whether there are units enough for the limit to withdraw a claim; with fewer it only warns."""
        return self.independent and _rank(self.units) <= self.units

    def deviations(self, values: Sequence[float]) -> tuple[float, ...]:
        """Give (value - median) / deviation of each statistic; what is not finite counts as very far."""
        return tuple(_deviations(np.array([values]), *_of(self.centres))[0])

    def score(self, figures: Figures) -> float:
        """Give the joint score of an image: its largest deviation."""
        return max(abs(z) for z in self.deviations(figures.values))

    def holds(self, images: Sequence[Figures]) -> bool:
        """Whether a unit is one of those that a claim is about: none of its images would be abstained from."""
        return not self.abstains or all(self.score(figures) <= self.threshold for figures in images if not figures.absent)

    def source(self) -> str:
        """Say in words where the limit comes from."""
        few = "" if _rank(self.units) <= self.units else f"; too few for {RATE:.0%} false alarms: their largest"
        return f"{plural(self.unit_kind)} of validation n={self.units}, number {self.rank} in rising order{few}"


Images = Mapping[str, Sequence[Figures]]  # of each unit


def fit_domain(validated: Images, calibrated: Images, *, unit_kind: str, independent: bool) -> DomainFit | None:
    """Learn what images look like.

    Parameters
    ----------
    validated, calibrated : the statistics of the images of each unit; images without any are left out.
    unit_kind : what the units are, in the singular.
    independent : whether they are; blocks of one scene are not.

    Returns
    -------
    DomainFit or None
        The joint score of a unit is the largest of its images, with medians and deviations of the other units; the limit is that of
        rank ceil(0.95 (n + 1)), or the largest where n units are too few. None below five units.
    """
    groups = [rows for images in validated.values() if len(rows := _rows(images))]
    if len(groups) < LEAST_UNITS:
        return None
    joint = sorted(
        float(np.abs(_deviations(rows, *_centre(np.concatenate([*groups[:n], *groups[n + 1 :]])))).max()) for n, rows in enumerate(groups)
    )
    together = np.concatenate(groups)
    medians, spans = _centre(together)
    rank = min(len(joint), _rank(len(joint)))
    found = (_deviations(rows, medians, spans).mean(axis=0) for images in calibrated.values() if len(rows := _rows(images)))
    return DomainFit(
        images=len(together), units=len(groups), independent=independent, unit_kind=unit_kind,
        centres=tuple(Centre(name=n, median=m, deviation=s) for n, m, s in zip(NAMES, medians.tolist(), spans.tolist(), strict=True)),
        rank=rank, threshold=joint[rank - 1], calibrated=tuple(tuple(round(z, 4) for z in row.tolist()) for row in found),
    )  # fmt: skip


def check_figures(fit: DomainFit | None, figures: Figures) -> tuple[CheckResult, ...]:
    """Hold an image against a fit: the joint score with its limit first, then each statistic as information.

    An image that cannot be measured is "skipped" and holds back a pass; so it is never taken for one that was found to be inside.
    """
    if fit is None:
        return (skipped(NAME, f"the calibration knows no statistics of its images (at least {LEAST_UNITS} are needed).", required=False),)
    if [centre.name for centre in fit.centres] != list(NAMES):
        return (skipped(NAME, "the calibration knows other statistics than this version of the program measures."),)
    if figures.absent:
        return (skipped(NAME, f"the image was not compared: {figures.absent}."),)
    deviations = dict(zip(NAMES, fit.deviations(figures.values), strict=True))
    worst = max(deviations, key=lambda name: abs(deviations[name]))
    score = abs(deviations[worst])
    direction = "above" if deviations[worst] > 0 else "below"
    inside = score <= fit.threshold
    sentence = (
        f"its {worst} lies {score:.3g} {DEVIATIONS} {direction} that of the {fit.units} {plural(fit.unit_kind)} of validation"
        f"{'' if inside else f', and {fit.threshold:.3g} is usual'}."
    )
    joint = CheckResult(
        name=NAME, value=score, unit=DEVIATIONS, threshold=fit.threshold, direction="at most", threshold_source=fit.source(),
        severity="warn", outcome="pass" if inside else "warn", sentence=sentence,
    )  # fmt: skip
    single = (
        CheckResult(
            name=f"{FIGURE}{name}", value=z, unit=DEVIATIONS, threshold=None, threshold_source="information", severity="warn",
            outcome="pass", sentence=f"from the median of {fit.images} validation images", required=False,
        )
        for name, z in deviations.items()
    )  # fmt: skip
    return joint, *single


Outcome = Literal["pass", "warn", "abstain"]


class Drift(Record):
    """How far a batch of new images has drifted from the calibrated ones.

    Attributes
    ----------
    units : new units that were compared; 0 where nothing could be.
    value : D, the largest |difference of means| over its standard error, of all statistics; `statistic` is that one.
    warn_at, abstain_at : 95 % and 99 % quantiles of D where new and calibration units are told apart by lot.
    sentence : all of it in words.
    """

    units: int
    outcome: Outcome
    sentence: str
    value: float | None = None
    statistic: str = ""
    warn_at: float | None = None
    abstain_at: float | None = None


def drift_of(fit: DomainFit, units: Sequence[Sequence[float]], seed: int = 0) -> Drift:
    """Compare a batch with the calibration units.

    Parameters
    ----------
    units : mean deviations of each new unit, in the order of `statistics.NAMES`.

    Returns
    -------
    Drift
        D is Student's two-sample statistic, the largest of all figures. With fewer than 19 calibration units it only warns; below
        five, or two new units, nothing is said.

    Notes
    -----
    The limits are those of a permutation test: new and calibration units are put together and parted by lot, 4000 times. If they are
    exchangeable, D lies beyond the 95 % quantile in at most 5 % of all runs, whatever the number of units, the law of the statistics
    and their correlation: the error of the calibration's own means is in the test. A statistic that varies by less than a tenth of a
    deviation counts as varying so much.

    References
    ----------
    Westfall & Young (1993), Resampling-Based Multiple Testing (largest of several statistics).
    """
    known = len(fit.calibrated)
    if len(units) < 2 or known < LEAST_UNITS:
        what = f"{len(units)} new {plural(fit.unit_kind)} and {known} of the calibration"
        return Drift(units=0, outcome="pass", sentence=f"Drift of the batch was not checked: {what}; 2 and {LEAST_UNITS} are needed.")
    rows = _finite(np.array([*fit.calibrated, *units], np.float64))
    rows -= rows.mean(axis=0)
    apart = _apart(rows, np.arange(known)[None])[0]
    worst = int(np.argmax(apart))
    value, name = float(apart[worst]), tuple(NAMES)[worst]
    warn_at, abstain_at = _drift_limits(rows, known, seed)
    outcome: Outcome = "pass" if value <= warn_at else "warn"
    if not value <= abstain_at and fit.independent and _rank(known) <= known:
        outcome = "abstain"
    figures = f"D = {value:.3g} over {len(units)} new {plural(fit.unit_kind)} (usual up to {warn_at:.3g}, at most {abstain_at:.3g})"
    said = {
        "pass": f"No drift of the batch: {figures}.",
        "warn": f"The batch may have drifted from the calibrated images: {figures}, most in {name}.",
        "abstain": f"The batch has drifted from the calibrated images: {figures}, most in {name}. Recalibrate on such images before its "
        "intervals are used.",
    }  # fmt: skip
    return Drift(
        units=len(units), outcome=outcome, sentence=said[outcome], value=value, statistic=name, warn_at=warn_at, abstain_at=abstain_at
    )


def deviations_in(verdict: Verdict) -> tuple[float, ...] | None:
    """Read an image's deviations back from its verdict; None where it was not compared."""
    found = {check.name: check.value for check in verdict.checks}
    values = [found.get(f"{FIGURE}{name}") for name in NAMES]
    return None if any(value is None for value in values) else tuple(value for value in values if value is not None)


def _apart(rows: Matrix, parts: npt.NDArray[np.intp]) -> Matrix:
    """Give Student's |t| of each column between the rows of each part (K, n) and the others, (K, columns); every column's mean is 0."""
    total, size = len(rows), parts.shape[1]
    sums = rows[parts].sum(axis=1)
    spread = (rows**2).sum(axis=0) + total * STEADY**2
    share = np.minimum(sums**2 * (total / (size * (total - size))) / spread, 1 - CERTAIN)
    apart: Matrix = np.sqrt((total - 2) * share / (1 - share))
    return apart


def _drift_limits(rows: Matrix, known: int, seed: int) -> tuple[float, float]:
    """Give the limits of the largest |t| between `known` rows and the others, over parts that are drawn by lot."""
    rng = np.random.default_rng(seed)
    lots = (rng.random((DRAWS // LOTS, len(rows))).argpartition(known - 1, axis=1)[:, :known] for _ in range(LOTS))
    drawn = np.concatenate([_apart(rows, parts).max(axis=1) for parts in lots])
    low, high = np.quantile(drawn, [1 - rate for rate in DRIFT_RATES], method="higher")
    return float(low) * (1 + CERTAIN), float(high) * (1 + CERTAIN)  # a sum in another order is the same part


def _rank(units: int) -> int:
    return math.ceil((1 - RATE) * (units + 1) - 1e-9)


def _rows(images: Sequence[Figures]) -> Matrix:
    return np.array([figures.values for figures in images if not figures.absent], np.float64)


def _of(centres: Sequence[Centre]) -> tuple[Matrix, Matrix]:
    return np.array([c.median for c in centres]), np.array([c.deviation for c in centres])


def _centre(rows: Matrix) -> tuple[Matrix, Matrix]:
    medians = np.median(rows, axis=0)
    spans = NORMAL * np.median(np.abs(rows - medians), axis=0)
    return medians, np.maximum(spans, list(NAMES.values()))


def _deviations(rows: Matrix, medians: Matrix, spans: Matrix) -> Matrix:
    return _finite((rows - medians) / spans)


def _finite(rows: Matrix) -> Matrix:
    return np.clip(np.nan_to_num(rows, nan=LARGEST, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
