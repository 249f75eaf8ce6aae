"""A model beside a reference on the same regions: by how much it is better, and whether that is more than noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sr_core.evaluation import Evaluation, Method
from sr_core.trust.claim import plural
from sr_core.trust.verdict import ONE_SCENE

CONFIDENCE = 0.90  # one-sided, of the paired gain
ENOUGH_GROUPS = 3
LEAST_GAIN_DB = 0.05  # every region, where there are too few groups to test
LEAST_OCTAVE_GAIN = 0.05  # |ln ratio|: 5 % of energy; likewise


@dataclass(frozen=True)
class Paired:
    """Gains over a reference, a group each: their mean, and how low and how high it may lie.

    `lower` is the lower end of the one-sided 90 % t-interval of the mean, `upper` its mirror image; with fewer than three groups they are
    the worst and the best region, and the gain is labelled "too few to test". `counted` is what the count counts, in words; `least` is
    what an untested gain must reach in every region. Mean, ends and least are in `unit`.
    """

    reference: Method
    mean: float
    lower: float
    upper: float
    count: int
    counted: str
    tested: bool
    least: float
    unit: str = ""

    @property
    def better(self) -> bool:
        """Whether the gain is beyond noise (or, untested, at least `least` in every region). NaN never is."""
        return self.lower > 0 if self.tested else self.lower >= self.least

    @property
    def no_worse(self) -> bool:
        """Whether it loses no more than `least`, beyond noise (or, untested, in any region). NaN never is."""
        return self.lower >= -self.least

    def how(self) -> str:
        """Say on what it stands: the interval of the mean, and whether that is beyond noise."""
        if self.tested:
            noise = "beyond noise" if self.lower > 0 or self.upper < 0 else "within noise"
            ends = f"{self.lower:+.2f} and {self.upper:+.2f}{self.unit}"
            return f"{noise}: mean between {ends}, each end at {100 * CONFIDENCE:.0f} %, over {self.count} {self.counted}"
        return f"regions from {self.lower:+.2f} to {self.upper:+.2f}{self.unit}, {self.count} {self.counted}, too few to test"

    def sentence(self) -> str:
        """Say it."""
        return f"{self.mean:+.2f}{self.unit} over {self.reference} ({self.how()})"


def paired_gain(evaluation: Evaluation, reference: Method) -> Paired:
    """Compare the model's PSNR (dB) with a reference's, group by group, on the same regions under the same protocol.

    Blocks of one group are not independent: however many there are, their gain is never called tested.
    """
    return _paired(evaluation, reference, list(evaluation.gain_db(reference).values()), LEAST_GAIN_DB, " dB")


def paired_octave_gain(evaluation: Evaluation, reference: Method) -> Paired | None:
    """Compare how near to 1 the energies in the highest octave lie (|ln ratio|, positive: the model's is nearer); as `paired_gain`.

    None where it was measured on no region.
    """
    gains = list(evaluation.octave_gain(reference).values())
    return _paired(evaluation, reference, gains, LEAST_OCTAVE_GAIN, "") if gains else None


def _paired(evaluation: Evaluation, reference: Method, gains: Sequence[float], least: float, unit: str) -> Paired:
    mean = statistics.fmean(gains)
    tested = len(gains) >= ENOUGH_GROUPS and not evaluation.one_group
    if any(math.isnan(gain) for gain in gains):
        lower = upper = math.nan
    elif tested and all(math.isfinite(gain) for gain in gains):
        from scipy import stats

        reach = float(stats.t.ppf(CONFIDENCE, len(gains) - 1)) * statistics.stdev(gains) / math.sqrt(len(gains))
        lower, upper = mean - reach, mean + reach
    else:  # also where an image is perfect in a group: an infinite gain has no deviation
        lower, upper = min(gains), max(gains)
    counted = ONE_SCENE if evaluation.one_group else evaluation.group_kind
    return Paired(reference, mean, lower, upper, len(gains), plural(counted) if len(gains) > 1 else counted, tested, least, unit)
