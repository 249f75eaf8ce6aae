"""From a delivered image to the evidence that the checks look at, and to its checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import BoolArray, Float32Array, Raster, Window, fill_nearest
from sr_core.stages.regions import enlarge_mask

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.metrics.protocol import Protocol
    from sr_core.operators import Operator
    from sr_core.stages.restore import Restorer
    from sr_core.trust.verdict import CheckResult, Evidence


def protocol_of(restorer: Restorer) -> Protocol:
    """Give the protocol by which a bundle's images are measured: all bands, its data range, one LR pixel of border, its rounding."""
    from sr_core.metrics.protocol import Protocol

    card = restorer.card
    return Protocol(data_range=card.data_range, border=restorer.scale, rounding="step" if card.step else "none", step=card.step)


def evidence_of(
    restorer: Restorer,
    lr: Raster,
    delivered: Float32Array,
    half_width: Float32Array | None,
    step: float,
    mask_hr: BoolArray | None = None,
    core: Window | None = None,
    where: Window | None = None,
    lossless: bool = True,
) -> Evidence:
    """Put together what the checks look at.

    Parameters
    ----------
    lr : the measurement.
    delivered : float32 (C, H, W), as it stands in the file (rounded as the file rounds), physical unit.
    half_width : the interval, or None.
    step : quantisation step of the file.
    mask_hr : which pixels the file calls valid; None: those of the measurement, repeated.
    core : the part of `lr` to look at, in LR pixels; the rest is context, whose own edges are not the image's. None: all.
    where : place of that part on the image's SR grid.
    lossless : whether the file keeps every value. Where it does not, a residual is the format's, and only warns.
    """
    from sr_core.trust.verdict import Evidence

    mask = enlarge_mask(lr.mask, restorer.operator.scale) if mask_hr is None else mask_hr
    rows, cols = (core or Window(0, 0, *lr.mask.shape)).slices()
    fine_rows, fine_cols = (core or Window(0, 0, *lr.mask.shape)).scaled(restorer.scale).slices()
    return Evidence(
        y=lr.pixels[:, rows, cols],
        z=delivered[:, fine_rows, fine_cols],
        bicubic=plain_bicubic(lr, restorer.scale)[:, fine_rows, fine_cols],
        mask_lr=lr.mask[rows, cols],
        mask_hr=mask[fine_rows, fine_cols],
        residual=residual_of(restorer.operator, lr, delivered, mask)[:, rows, cols],
        half_width=None if half_width is None else half_width[:, fine_rows, fine_cols],
        step=step,
        noise=restorer.card.noise,
        valid_range=lr.valid_range,
        unit=lr.unit,
        bands=lr.bands,
        projected=restorer.card.projection and lossless,
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

    filled = torch.from_numpy(np.ascontiguousarray(fill_nearest(lr.pixels, lr.mask)))
    return make_operator("bicubic", scale).upscale(filled).numpy()


def residual_of(operator: Operator, lr: Raster, delivered: Float32Array, mask_hr: BoolArray) -> Float32Array:
    """Give y - A z, float32 (C, h, w); pixels that are not valid take the nearest valid value before."""
    import torch

    z = torch.from_numpy(np.ascontiguousarray(fill_nearest(delivered, mask_hr)))
    y = torch.from_numpy(np.ascontiguousarray(fill_nearest(lr.pixels, lr.mask)))
    return operator.residual(z.double(), y.double()).float().numpy()


def worst_of(results: Sequence[tuple[CheckResult, ...]]) -> tuple[CheckResult, ...]:
    """Keep, of the results of several windows, the worst of each check."""
    from sr_core.trust.verdict import worst

    names = [check.name for check in results[0]] if results else []
    return tuple(worst([check for window in results for check in window if check.name == name]) for name in names)
