"""The record of an evaluation: every method on the same test regions, under one protocol."""

from __future__ import annotations

from typing import Literal

from sr_core.metrics.protocol import Protocol
from sr_core.records import Digest, Record, Region
from sr_core.trust.verdict import Claim, Verdict

Method = Literal["bicubic", "projected bicubic", "linear filter", "model", "champion", "parent"]
BASELINES: tuple[Method, ...] = ("bicubic", "projected bicubic", "linear filter")
PARENT: Method = "parent"  # one more baseline, after a warm start


class MethodScore(Record):
    """One method on one region. PSNR is +inf where the images are equal."""

    method: Method
    psnr_db: float
    ssim: float


class RegionScore(Record):
    """All methods on one test region, and what the model's written output says of itself there.

    `coverage` and `mean_width` (full width, physical unit) are None where there is no interval. `lr_psnr_db` is the
    consistency of the model's output, `bicubic_lr_psnr_db` that of plain bicubic; residuals in the physical unit.
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

    def score(self, method: Method) -> MethodScore | None:
        """Give the score of a method, or None where it was not run."""
        return next((m for m in self.methods if m.method == method), None)


class Evaluation(Record):
    """A model beside its baselines (and the present champion, and the parent of a warm start) on the test regions of a split."""

    domain: str
    unit: str
    scale: int
    operator: str
    group_kind: str
    one_group: bool
    protocol: Protocol
    bundle: Digest
    champion: Digest | None
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

    def gain_db(self, reference: Method) -> dict[str, float]:
        """Give the model's mean PSNR gain over a reference, a group (or, within one group, a region) at a time."""
        gains: dict[str, list[float]] = {}
        for r in self.regions:
            model, other = r.score("model"), r.score(reference)
            if model and other:
                key = r.region.name if self.one_group else r.region.group.id
                equal = model.psnr_db == other.psnr_db  # two perfect images: inf - inf would be NaN
                gains.setdefault(key, []).append(0.0 if equal else model.psnr_db - other.psnr_db)
        return {key: sum(values) / len(values) for key, values in gains.items()}
