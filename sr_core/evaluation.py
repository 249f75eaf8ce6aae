"""The record of an evaluation: every method on the same test regions, under one protocol."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from sr_core.metrics.protocol import Protocol
from sr_core.metrics.resolution import octave_distance
from sr_core.recipe import Purpose
from sr_core.records import Digest, Record, Region
from sr_core.trust.held import Held
from sr_core.trust.invention import Invention
from sr_core.trust.verdict import CheckResult, Claim, Outcome, Status, Verdict

Method = Literal["bicubic", "projected bicubic", "linear filter", "model", "champion", "pixel champion", "parent"]
BASELINES: tuple[Method, ...] = ("bicubic", "projected bicubic", "linear filter")
PARENT: Method = "parent"  # one more baseline, after a warm start
RIVALS: tuple[Method, ...] = ("champion", "pixel champion")
RANK: dict[Status, int] = {"pass": 0, "warn": 1, "abstain": 2, "fail": 3}
_WORDS: dict[Status, str] = {
    "pass": "passed", "warn": "passed with warnings", "abstain": "got no claim (abstained)", "fail": "failed",
}  # fmt: skip
_OUTCOMES: dict[Outcome, int] = {"skipped": 0, "pass": 1, "warn": 2, "fail": 3}


class MethodScore(Record):
    """One method on one region.

    PSNR is +inf where the images are equal. `octave_energy` is the energy in the highest octave of frequency over the reference's, the mean
    over bands; None where it cannot be measured (holes, a region too small), or was not by an earlier version.
    """

    method: Method
    psnr_db: float
    ssim: float
    octave_energy: float | None = None


class RegionScore(Record):
    """All methods on one test region, and what the model's written output says of itself there.

    `coverage` and `mean_width` (full width, physical unit) are None where there is no interval. `lr_psnr_db` is the
    consistency of the model's output, `bicubic_lr_psnr_db` that of plain bicubic; residuals in the physical unit. `held` are the errors
    in units of what the spread lets expect, `champion_width` is the mean full width of the champion's interval here; None where there is
    no calibration, no champion with an interval, or an earlier version measured it not. `invention` is what the image invents and leaves
    out; None in evaluations from before it was measured.
    """

    region: Region
    methods: tuple[MethodScore, ...]
    coverage: float | None
    mean_width: float | None
    largest_errors_held: float | None
    lr_psnr_db: float
    bicubic_lr_psnr_db: float
    residual_rms: float
    residual_max: float
    verdict: Verdict
    held: Held | None = Field(default=None, exclude_if=lambda held: held is None)
    champion_width: float | None = Field(default=None, exclude_if=lambda width: width is None)
    invention: Invention | None = None

    def score(self, method: Method) -> MethodScore | None:
        """Give the score of a method, or None where it was not run."""
        return next((m for m in self.methods if m.method == method), None)


class Evaluation(Record):
    """A model beside its baselines (and the present champions, and the parent of a warm start) on the test regions of a split.

    Attributes
    ----------
    bundle, champion, pixel_champion : weights hashes of the model, of the present champion of its own name, and, for a perceptual recipe,
        of that for fidelity; None where there is none that can be compared.
    purpose : what the recipe asked for.
    perceptual : whether the model is what a perceptual recipe asks for: the network of its adversarial phase.
    champion_claim : what is claimed of the champion's interval; None where there is no champion.
    false_alarms : share of clean images that the checks whose limits come from validation images may flag, as stated with those limits;
        None where there are none.
    """

    domain: str
    unit: str
    scale: int
    operator: str
    group_kind: str
    one_group: bool
    protocol: Protocol
    bundle: Digest
    champion: Digest | None
    pixel_champion: Digest | None = None
    purpose: Purpose = "fidelity"
    perceptual: bool = False
    claim: Claim
    champion_claim: Claim | None = Field(default=None, exclude_if=lambda claim: claim is None)
    false_alarms: float | None = Field(default=None, exclude_if=lambda rate: rate is None)
    notes: tuple[str, ...]
    regions: tuple[RegionScore, ...]

    @property
    def status(self) -> Status:
        """The worst verdict of all regions."""
        return max((r.verdict.status for r in self.regions), key=RANK.__getitem__)

    def verdict_sentence(self) -> str:
        """Say how many regions got which verdict."""
        verdicts = [r.verdict.status for r in self.regions]
        if len(verdicts) == 1:
            return f"The one test region {_WORDS[self.status]}."
        if len(set(verdicts)) == 1:
            return f"All {len(verdicts)} test regions {_WORDS[self.status]}."
        counts = ((verdicts.count(status), words) for status, words in _WORDS.items())
        return f"Of {len(verdicts)} test regions " + ", ".join(f"{count} {words}" for count, words in counts if count) + "."

    def worst_check(self) -> CheckResult | None:
        """Give the result that held back a pass most, by outcome, then by how far beyond its limit; None where every check passed."""
        found = [c for r in self.regions for c in r.verdict.checks if c.outcome in ("warn", "fail")]
        return max(found, key=lambda c: (_OUTCOMES[c.outcome], c.relative_excess()), default=None)

    def group_of(self, region: RegionScore) -> str:
        """Give what counts as one independent sample: the region's group, or, where all are blocks of one scene, the region."""
        return region.region.name if self.one_group else region.region.group.id

    def by_group(self) -> dict[str, tuple[RegionScore, ...]]:
        """Give the regions of each independent sample (`group_of`), in order."""
        found: dict[str, tuple[RegionScore, ...]] = {}
        for region in self.regions:
            found[self.group_of(region)] = (*found.get(self.group_of(region), ()), region)
        return found

    def methods(self) -> tuple[Method, ...]:
        """Give the methods that were run, in table order."""
        return tuple(m.method for m in self.regions[0].methods)

    def mean_psnr_db(self, method: Method) -> float:
        """Mean over regions of the region's PSNR in dB (infinite values are kept)."""
        return sum(s.psnr_db for r in self.regions if (s := r.score(method))) / len(self.regions)

    def mean_ssim(self, method: Method) -> float:
        """Mean over regions of the region's SSIM."""
        return sum(s.ssim for r in self.regions if (s := r.score(method))) / len(self.regions)

    def mean_octave_energy(self, method: Method) -> float | None:
        """Mean of the energy in the highest octave, over the regions where it was measured; None if on none."""
        known = [s.octave_energy for r in self.regions if (s := r.score(method)) and s.octave_energy is not None]
        return statistics.fmean(known) if known else None

    def gain_db(self, reference: Method) -> dict[str, float]:
        """Give the model's mean PSNR gain over a reference, a group (or, within one group, a region) at a time."""
        return self._by_group(reference, _gain_db)

    def octave_gain(self, reference: Method) -> dict[str, float]:
        """Give how much nearer to 1 than a reference's the model's energy in the highest octave is, in |ln ratio|, as `gain_db` does.

        Regions where it was not measured are left out; a group without any other has no entry.
        """
        return self._by_group(reference, _octave_gain)

    def _by_group(self, reference: Method, gain: Callable[[MethodScore, MethodScore], float | None]) -> dict[str, float]:
        gains: dict[str, list[float]] = {}
        for r in self.regions:
            model, other = r.score("model"), r.score(reference)
            if model and other and (value := gain(model, other)) is not None:
                gains.setdefault(self.group_of(r), []).append(value)
        return {key: sum(values) / len(values) for key, values in gains.items()}


def _gain_db(model: MethodScore, other: MethodScore) -> float:
    return 0.0 if model.psnr_db == other.psnr_db else model.psnr_db - other.psnr_db  # two perfect images: inf - inf would be NaN


def _octave_gain(model: MethodScore, other: MethodScore) -> float | None:
    if model.octave_energy is None or other.octave_energy is None:
        return None
    return octave_distance(other.octave_energy) - octave_distance(model.octave_energy)
