"""Checks of an upscaled medical image; their limits and sources are those of the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.verdict import Check, CheckResult, Evidence, limit, skipped

ROI_SHARE = 0.20  # quantile of the local standard deviation below which a place counts as uniform
ROI_PIXELS = 100  # smallest connected area
WINDOW = 9  # side of the window of the local standard deviation
BIAS_HU, BIAS_FAIL_HU = 1.0, 5.0  # scanners are held to +-5 HU in water; upscaling may use a fifth
BIAS_SIGNAL, BIAS_FAIL_SIGNAL = 0.002, 0.01  # of the 99th percentile inside the body: MR has no absolute unit
# Water, fat, soft tissue and bone are told apart by these borders in HU.
CLASSES_HU = (-2000.0, -500.0, -20.0, 200.0, 4000.0)


@dataclass(frozen=True)
class UniformBias:
    """Largest difference of mean between the output and plain bicubic over uniform areas."""

    name: str = "uniform bias"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Compare means area by area."""
        hu = evidence.unit == "HU"
        unit = 1.0 if hu else _body_level(evidence)
        biases = [
            abs(float(np.mean(z[area] - b[area], dtype=np.float64))) / unit
            for z, b in zip(evidence.z, evidence.bicubic, strict=True)
            for area in uniform_areas(b, evidence.mask_hr, by_class=hu)
        ]
        if not biases:
            return skipped(self.name, f"no uniform area of {ROI_PIXELS} pixels.", required=False)
        return limit(
            self.name, float(np.max(biases)), unit="HU" if hu else "of the body's level", threshold=BIAS_HU if hu else BIAS_SIGNAL,
            fail_threshold=BIAS_FAIL_HU if hu else BIAS_FAIL_SIGNAL, severity="warn", source="physical", bicubic=0.0, where=evidence.where,
            sentence=f"change of mean over {len(biases)} uniform areas.",
        )  # fmt: skip


@dataclass(frozen=True)
class Clipping:
    """Share of values at an end of the stored range where plain bicubic is not."""

    name: str = "clipping"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Count."""
        low, high = evidence.valid_range
        step = evidence.step

        def at_end(values: Float32Array) -> BoolArray:
            ends: BoolArray = (values <= low + step / 2) | (values >= high - step / 2)
            return ends & evidence.mask_hr

        count = float(np.count_nonzero(at_end(evidence.z) & ~at_end(evidence.bicubic)))
        return limit(
            self.name, count / max(1, evidence.mask_hr.sum() * evidence.z.shape[0]), unit="of the pixels", threshold=0.0,
            fail_threshold=0.001, severity="warn", source="exact", bicubic=0.0, where=evidence.where,
            sentence="new values at an end of the stored range.",
        )  # fmt: skip


def uniform_areas(image: Float32Array, mask: BoolArray, *, by_class: bool) -> list[BoolArray]:
    """Find connected uniform areas of at least 100 pixels.

    Parameters
    ----------
    image : float32 (H, W); mask : bool (H, W), True = use.
    by_class : keep air, fat, soft tissue and bone apart (values in HU).
    """
    from scipy import ndimage

    values = np.where(mask, image, 0).astype(np.float64)
    mean = ndimage.uniform_filter(values, WINDOW)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(values**2, WINDOW) - mean**2, 0))
    inside = ndimage.binary_erosion(mask, np.ones((WINDOW, WINDOW)), border_value=0)
    if not inside.any():
        return []
    uniform = inside & (spread <= np.quantile(spread[inside], ROI_SHARE))
    kinds = np.digitize(mean, CLASSES_HU) if by_class else np.zeros(mean.shape, int)
    areas: list[BoolArray] = []
    for kind in np.unique(kinds[uniform]):
        labels, count = ndimage.label(uniform & (kinds == kind))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        areas += [labels == i for i in range(1, count + 1) if sizes[i] >= ROI_PIXELS]
    return areas


def _body_level(evidence: Evidence) -> float:
    values = evidence.bicubic[:, evidence.mask_hr]
    level = float(np.percentile(np.abs(values), 99)) if values.size else 0.0
    return level or 1.0


def checks() -> Sequence[Check]:
    """Give the domain's checks."""
    return (UniformBias(), Clipping())
