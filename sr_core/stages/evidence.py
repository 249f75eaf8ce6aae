"""From a delivered image to the evidence that the checks look at, and to its checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import BoolArray, Float32Array, Placed, Raster, Scene, SceneWriter, Transform, Window, fill_nearest
from sr_core.stages.regions import enlarge_mask

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.metrics.protocol import Protocol
    from sr_core.operators import Operator
    from sr_core.stages.restore import Restorer
    from sr_core.trust.reference import Reference
    from sr_core.trust.verdict import CheckResult, Evidence

CUBIC = 3  # LR pixels that an interpolated one depends on


@dataclass(frozen=True)
class Grid:
    """What is known of an image's grid besides its pixels.

    Attributes
    ----------
    rows, cols : first LR rows and columns of the pieces that it was computed in, 0 left out.
    transform_lr, transform_hr : where the two files say that they lie, or None.
    """

    rows: tuple[int, ...] = ()
    cols: tuple[int, ...] = ()
    transform_lr: Transform | None = None
    transform_hr: Transform | None = None

    @classmethod
    def of(cls, scene: Scene, writer: SceneWriter, rows: tuple[int, ...], cols: tuple[int, ...]) -> Grid:
        """Ask scene and writer for their places."""
        lr, hr = (side.transform if isinstance(side, Placed) else None for side in (scene, writer))
        return cls(rows, cols, lr, hr)


def protocol_of(restorer: Restorer) -> Protocol:
    """Give the protocol by which a bundle's images are measured: all bands, its data range, one LR pixel of border, its rounding."""
    from sr_core.metrics.protocol import Protocol

    card = restorer.card
    return Protocol(data_range=card.data_range, border=restorer.scale, rounding="step" if card.step else "none", step=card.step)


def context_of(operator: Operator) -> int:
    """Give the LR pixels around a window that what the checks derive from it depends on: its residual, and the interpolation."""
    from sr_core.stages.restore import WHOLE

    # Twice the operator's reach: a hole beside the window is filled from pixels as far away again.
    return max(CUBIC, -(-2 * operator.support // min(operator.scale))) if operator.windowed else WHOLE


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
    grid: Grid | None = None,
    spread: Float32Array | None = None,
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
    grid : of the whole image.
    spread : float32 (C, H, W) like `delivered`, the typical error that the model expects, or None.
    """
    from sr_core.trust.checks.seams import lines_inside
    from sr_core.trust.verdict import Evidence

    known, scale = grid or Grid(), restorer.scale
    mask = enlarge_mask(lr.mask, restorer.operator.scale) if mask_hr is None else mask_hr
    window = core or Window(0, 0, *lr.mask.shape)
    place = where or window.scaled(scale)
    rows, cols = window.slices()
    fine_rows, fine_cols = window.scaled(scale).slices()
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
        rows=lines_inside([scale * line for line in known.rows], place.row, place.height),
        cols=lines_inside([scale * line for line in known.cols], place.col, place.width),
        transform_lr=known.transform_lr,
        transform_hr=known.transform_hr,
        around=_around(restorer, lr, delivered, mask, window, step) if core is not None else None,
        spread=None if spread is None else spread[:, fine_rows, fine_cols],
    )


def run_checks(domain: Domain, evidence: Evidence, reference: Reference | None = None, windows: int = 1) -> tuple[CheckResult, ...]:
    """Run the checks that hold everywhere, then the domain's own.

    Parameters
    ----------
    reference : what clean images of the model look like: lowers the ceilings (see `trust.learned`). None: the ceilings hold.
    windows : of the image that are looked at, this one among them.
    """
    from sr_core.trust.checks import general_checks
    from sr_core.trust.learned import hold_against

    found = tuple(check(evidence) for check in (*general_checks(), *domain.checks()))
    pixels = int(np.count_nonzero(evidence.mask_lr))
    return hold_against(found, reference, domain.group_kind, pixels=pixels, windows=windows, quantised=evidence.step > 0)


def reference_for(restorer: Restorer) -> Reference | None:
    """Give what clean images of a model look like, where its calibration holds and knows it."""
    return None if restorer.calibration is None else restorer.calibration.reference


def _around(
    restorer: Restorer, lr: Raster, delivered: Float32Array, mask: BoolArray, core: Window, step: float
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Find LR pixels far from nodata, and those saturated at either end, with the pixels beyond the window that decide it."""
    from sr_core.trust.consistency import saturated_by_end
    from sr_core.trust.derived import far_from_nodata, reach_of

    scale = (restorer.scale, restorer.scale)
    reach = reach_of(restorer.operator, scale)
    near = core.grown(max(1, reach), *lr.mask.shape)
    fine = near.scaled(restorer.scale).slices()
    inside = core.inside(near).slices()
    z = delivered[(slice(None), *fine)]
    low, high = (mark[(slice(None), *inside)] for mark in saturated_by_end(z, mask[fine], scale, lr.valid_range, step, reach))
    return far_from_nodata(lr.mask[near.slices()], reach)[inside], low, high


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
