"""The record of an evaluation: every method on the same test regions, under one protocol."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Literal

from sr_core.metrics.protocol import Protocol
from sr_core.metrics.resolution import octave_distance
from sr_core.recipe import Purpose
from sr_core.records import Digest, Record, Region
from sr_core.trust.invention import Invention
from sr_core.trust.verdict import Claim, Verdict

Method = Literal["bicubic", "projected bicubic", "linear filter", "model", "champion", "pixel champion", "parent"]
BASELINES: tuple[Method, ...] = ("bicubic", "projected bicubic", "linear filter")
PARENT: Method = "parent"  # one more baseline, after a warm start
RIVALS: tuple[Method, ...] = ("champion", "pixel champion")


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
    consistency of the model's output, `bicubic_lr_psnr_db` that of plain bicubic; residuals in the physical unit. `invention` is what
    the image invents and leaves out; None in evaluations from before it was measured.
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
    notes: tuple[str, ...]
    regions: tuple[RegionScore, ...]

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
                gains.setdefault(r.region.name if self.one_group else r.region.group.id, []).append(value)
        return {key: sum(values) / len(values) for key, values in gains.items()}


def _gain_db(model: MethodScore, other: MethodScore) -> float:
    return 0.0 if model.psnr_db == other.psnr_db else model.psnr_db - other.psnr_db  # two perfect images: inf - inf would be NaN


def _octave_gain(model: MethodScore, other: MethodScore) -> float | None:
    if model.octave_energy is None or other.octave_energy is None:
        return None
    return octave_distance(other.octave_energy) - octave_distance(model.octave_energy)
