"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sr_core.errors import ShapeError
from sr_core.raster import BoolArray, Float32Array

if TYPE_CHECKING:
    from sr_core.bundle import BundleCard, Curve
    from sr_core.evaluation import Evaluation
    from sr_core.trust.calibration import Calibration


@dataclass(frozen=True)
class RegionPictures:
    """The images of one test region.

    Attributes
    ----------
    name : as in the evaluation's region (`Region.name`).
    lr : float32 (C, h, w), physical unit.
    bicubic, sr, hr : float32 (C, H, W), same unit; H and W are multiples of h and w.
    half_width : float32 (C, H, W) or None where there is no interval.
    residual : float32 (C, h, w), y - A z.
    guess : float32 (C, H, W), size of the part that the measurement cannot see (`trust.consistency.guess_map`); NaN: it cannot be told.
    mask : bool (H, W), True = valid.
    """

    name: str
    lr: Float32Array
    bicubic: Float32Array
    sr: Float32Array
    hr: Float32Array
    half_width: Float32Array | None
    residual: Float32Array
    guess: Float32Array
    mask: BoolArray

    def __post_init__(self) -> None:
        fine = {a.shape for a in (self.bicubic, self.sr, self.hr, self.guess)} | {(self.sr.shape[0], *self.mask.shape)}
        if self.half_width is not None:
            fine.add(self.half_width.shape)
        if len(fine) > 1 or self.lr.shape != self.residual.shape or self.lr.shape[0] != self.sr.shape[0]:
            coarse = f"LR {self.lr.shape}, residual {self.residual.shape}"
            raise ShapeError(f"region {self.name}: HR {sorted(fine)}, {coarse}", "the arrays of one image", "Give those of one region.")
        if self.sr.shape[1] % self.lr.shape[1] or self.sr.shape[2] % self.lr.shape[2]:
            given = f"region {self.name}: HR {self.sr.shape}, LR {self.lr.shape}"
            raise ShapeError(given, "HR sides that are multiples of the LR sides", "Cut the region to whole LR pixels.")

    @property
    def scale(self) -> tuple[int, int]:
        """HR pixels per LR pixel, along rows and columns."""
        return self.sr.shape[1] // self.lr.shape[1], self.sr.shape[2] // self.lr.shape[2]


@dataclass(frozen=True)
class ReportContent:
    """Everything that the page says.

    Attributes
    ----------
    title : heading of the page.
    evaluation : methods, regions, claim and verdicts.
    card : the model.
    curve : how training went.
    decision_sentence, decision_reasons : what the gate decided, in words.
    regions : pictures; the first six are shown.
    provenance : (name, value) pairs: hashes, versions, seeds.
    notes : sentences that a reader should know (what the split allows, credits).
    calibration : behind the claim; None where there is none, or it does not hold.
    """

    title: str
    evaluation: Evaluation
    card: BundleCard
    curve: Curve
    decision_sentence: str
    decision_reasons: tuple[str, ...]
    regions: tuple[RegionPictures, ...]
    provenance: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    calibration: Calibration | None = None
