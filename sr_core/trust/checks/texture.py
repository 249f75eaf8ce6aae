"""Fine texture: that there is some, not less than an interpolation's, and no pattern of the pixel grid in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.checks.residual import ROUNDING
from sr_core.trust.consistency import no_split
from sr_core.trust.derived import fine_of
from sr_core.trust.noisy import drawn_noise
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

DETAIL_LIMIT = 0.08  # of bicubic's own fine detail: interpolation leaves up to 0.05, a quarter of the truth 0.15
LOW_LIMIT = 0.1  # ln of the ratio: a tenth less fine texture than the interpolation
PATTERN_LIMIT, PATTERN_FAIL = 0.05, 0.5  # of the mean size of fine texture
PATTERN_CHANCE = 4.0  # standard deviations of the same figure of noise
NUMERIC = 1e-6  # of the values: fine texture below it is arithmetic

NOISE_SIDE = 96  # LR px of the noise that is drawn


@dataclass(frozen=True)
class AddsDetail:
    """The image is more than an interpolation: its guessed part is not merely the file's rounding."""

    name: str = "adds detail"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure rms of the guessed part, less rounding, over rms of the interpolation's own fine detail.

        Notes
        -----
        Interpolation, and its projection onto the measurement, are consistent with the measurement; no check of the residual
        can tell them from a model's work. A warning only: an image without any detail has none to add. Beside values that the range cut
        an interpolation, too, leaves what it explains: such places are left out.
        """
        if reason := no_split(evidence.operator):
            return skipped(self.name, reason, required=False)
        mask = _uncut(evidence)
        detail = _detail(evidence, mask)
        noise = evidence.step * ROUNDING
        if not mask.any() or not detail > 4 * noise:
            return skipped(self.name, "the image has no fine detail to judge by", required=False)
        part = evidence.guessed[:, mask]
        finite = bool(np.isfinite(evidence.guessed[:, evidence.mask_hr]).all())
        added = math.sqrt(max(0.0, float(np.mean(part**2, dtype=np.float64)) - noise**2)) if finite else math.nan
        return limit(
            self.name, added / detail, unit="", threshold=DETAIL_LIMIT, source="physical", direction="at least", severity="warn",
            bicubic=0.0, where=evidence.where, sentence="the model adds something to the interpolation", required=False,
        )  # fmt: skip


@dataclass(frozen=True)
class TextureLow:
    """The image has no less fine texture than plain bicubic: -ln of the ratio of standard deviations, of the worst band."""

    name: str = "texture low"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where bicubic has fine texture above the file's rounding."""
        worst: float | None = None
        noise = _fine_noise(evidence)
        for fine, plain in zip(evidence.fine, evidence.fine_bicubic, strict=True):
            own, base = float(np.std(fine[evidence.inner], dtype=np.float64)), float(np.std(plain[evidence.inner], dtype=np.float64))
            base = math.sqrt(max(base**2 - noise**2, 0.0))  # NaN stays NaN
            if evidence.inner.any() and base > max(4 * evidence.step * ROUNDING, _numeric(evidence)):
                value = -math.log(own / base) if own > 0 else math.inf if own == 0 else math.nan
                worst = value if worst is None or not value <= worst else worst
        if worst is None:
            return skipped(self.name, "the interpolation has no fine texture to compare with", required=False)
        return limit(
            self.name, worst, unit="ln", threshold=LOW_LIMIT, source="physical: a tenth less than plain bicubic", severity="warn",
            bicubic=0.0, where=evidence.where, sentence="the image is not smoother than an interpolation",
        )  # fmt: skip


@dataclass(frozen=True)
class Checkerboard:
    """Fine texture does not follow the pixel grid: its correlation with patterns of period 2, of the worst band.

    All of such a pattern lies in the null space: no residual shows it.
    """

    name: str = "period-2 pattern"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure max over the patterns p of |mean(fine p)| / mean |fine|."""
        inner = evidence.inner
        size = [float(np.mean(np.abs(fine[inner]), dtype=np.float64)) if inner.any() else 0.0 for fine in evidence.fine]
        known = [band for band, mean in enumerate(size) if not mean <= max(_numeric(evidence), evidence.step / 2)]
        if not known:
            return skipped(self.name, "the image has no fine texture beyond its rounding", required=False)
        values = [_pattern(evidence.fine[band], inner) / size[band] for band in known]
        plain = [_pattern(fine, inner) / float(np.maximum(np.mean(np.abs(fine[inner])), 1e-30)) for fine in evidence.fine_bicubic[known]]
        chance = PATTERN_CHANCE * math.sqrt(math.pi / 2 / np.count_nonzero(inner))
        return limit(
            self.name, float(np.max(values)), unit="of the fine texture", threshold=max(PATTERN_LIMIT, chance),
            fail_threshold=max(PATTERN_FAIL, 2 * chance), severity="warn", source="physical: a twentieth of the fine texture",
            bicubic=float(np.max(plain)), where=evidence.where, sentence="no pattern of the pixel grid lies over the image",
        )  # fmt: skip


def _pattern(fine: Float32Array, inner: BoolArray) -> float:
    """Give the largest |mean of fine times p| over p in {(-1)^(i+j), (-1)^i, (-1)^j}."""
    known = fine if inner.all() else np.where(inner, fine, np.float32(0))
    count = max(1, int(np.count_nonzero(inner)))
    a, b, c, d = (float(np.sum(known[i::2, j::2], dtype=np.float64)) for i in (0, 1) for j in (0, 1))
    return float(np.max(np.abs([a - b - c + d, a + b - c - d, a - b + c - d]))) / count


def _numeric(evidence: Evidence) -> float:
    def largest() -> float:
        return float(np.max(np.abs(evidence.bicubic), where=evidence.mask_hr, initial=0.0))

    return NUMERIC * evidence.once("largest value", largest)


def _uncut(evidence: Evidence) -> BoolArray:
    """Mark valid pixels (H, W) that lie two LR pixels or more from any that the range cuts; all valid ones where there are none."""
    from scipy.ndimage import binary_dilation

    (low, high), slack, mask = evidence.valid_range, evidence.step / 2, evidence.mask_hr
    cut = mask & ((evidence.z <= low + slack) | (evidence.z >= high - slack)).any(axis=0)
    if not cut.any():
        return mask
    rows, cols = evidence.scale
    free = mask & ~binary_dilation(cut, np.ones((4 * rows + 1, 4 * cols + 1), bool))
    return np.asarray(free if free.any() else mask, np.bool_)


def _detail(evidence: Evidence, where: BoolArray) -> float:
    """Give the rms of what a Gaussian of one LR pixel takes away from plain bicubic (physical unit), over some pixels (H, W)."""
    from scipy.ndimage import gaussian_filter

    mask = evidence.mask_hr
    image = evidence.bicubic if mask.all() else np.where(mask, evidence.bicubic, np.float32(0))
    sigma = tuple(float(s) for s in evidence.scale)
    smooth = gaussian_filter(image, (0.0, *sigma))
    if not mask.all():
        with np.errstate(invalid="ignore", divide="ignore"):
            smooth = smooth / gaussian_filter(mask.astype(np.float32), sigma)
    fine = (image - smooth)[:, where]
    return math.sqrt(float(np.mean(fine**2, dtype=np.float64))) if fine.size else 0.0


def _fine_noise(evidence: Evidence) -> float:
    """Give the standard deviation of fine texture that the measurement's noise makes in plain bicubic: an image should not have it."""
    if evidence.noise <= 0:
        return 0.0
    import torch

    from sr_core.operators import make_operator

    noise = torch.from_numpy(drawn_noise(evidence, (1, NOISE_SIDE**2)).reshape(1, NOISE_SIDE, NOISE_SIDE)).double()
    plain = make_operator("bicubic", evidence.scale).upscale(noise).float().numpy()
    return float(np.std(fine_of(plain, np.ones(plain.shape[1:], bool)), dtype=np.float64))
