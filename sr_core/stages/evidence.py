"""From a delivered image to the evidence that the checks look at, and to its checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import BoolArray, Float32Array, Raster, Window
from sr_core.stages.regions import enlarge_mask, fill_invalid

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.stages.restore import Restorer
    from sr_core.trust.verdict import CheckResult, Evidence


def evidence_of(
    restorer: Restorer,
    lr: Raster,
    delivered: Float32Array,
    half_width: Float32Array | None,
    step: float,
    where: Window | None = None,
    mask_hr: BoolArray | None = None,
) -> Evidence:
    """Put together what the checks look at.

    Parameters
    ----------
    lr : the measurement.
    delivered : float32 (C, H, W), as it stands in the file (rounded as the file rounds), physical unit.
    half_width : the interval, or None.
    step : quantisation step of the file.
    mask_hr : which pixels the file calls valid; None: those of the measurement, repeated.
    """
    from sr_core.trust.verdict import Evidence

    mask = enlarge_mask(lr.mask, restorer.operator.scale) if mask_hr is None else mask_hr
    return Evidence(
        y=lr.pixels,
        z=delivered,
        bicubic=plain_bicubic(lr, restorer.scale),
        mask_lr=lr.mask,
        mask_hr=mask,
        residual=residual_of(restorer, lr, delivered, mask),
        half_width=half_width,
        step=step,
        valid_range=lr.valid_range,
        unit=lr.unit,
        bands=lr.bands,
        projected=restorer.card.projection,
        operator=restorer.operator,
        where=where,
    )


def run_checks(domain: Domain, evidence: Evidence) -> tuple[CheckResult, ...]:
    """Run the checks that hold everywhere, then the domain's own."""
    from sr_core.trust.checks import general_checks

    return tuple(check(evidence) for check in (*general_checks(), *domain.checks()))


def plain_bicubic(lr: Raster, scale: int) -> Float32Array:
    """Upscale a measurement by bicubic interpolation (float32, physical unit)."""
    import torch

    from sr_core.operators import make_operator

    filled = torch.from_numpy(np.ascontiguousarray(fill_invalid(lr.pixels, lr.mask)))
    return make_operator("bicubic", scale).upscale(filled).numpy()


def residual_of(restorer: Restorer, lr: Raster, delivered: Float32Array, mask_hr: BoolArray) -> Float32Array:
    """Give y - A z, float32 (C, h, w); pixels that are not valid take the nearest valid value before."""
    import torch

    z = torch.from_numpy(np.ascontiguousarray(fill_invalid(delivered, mask_hr)))
    y = torch.from_numpy(np.ascontiguousarray(fill_invalid(lr.pixels, lr.mask)))
    return restorer.operator.residual(z.double(), y.double()).float().numpy()


def lr_psnr_db(residual: Float32Array, mask: BoolArray, data_range: float) -> float:
    """Give the consistency of an image with its measurement: PSNR of A z against y in dB, +inf where they are equal."""
    from sr_core.trust.consistency import ResidualMeter

    meter = ResidualMeter.of(residual.shape[0])
    meter.update(residual, mask)
    return meter.lr_psnr_db(data_range)


def worst_of(results: Sequence[tuple[CheckResult, ...]]) -> tuple[CheckResult, ...]:
    """Keep, of the results of several windows, the worst of each check."""
    from sr_core.trust.verdict import worst

    names = [check.name for check in results[0]] if results else []
    return tuple(worst([check for window in results for check in window if check.name == name]) for name in names)
