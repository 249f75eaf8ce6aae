"""Measures of what is delivered beside the pixels: encoding, interval, calibration, split.

Each gives a number, larger = worse, or None where it has nothing to look at. Some compare what stands in two places and have to be 0
(`EXACT`); some need the truth and are for held-out images only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from sr_core.errors import SplitError
from sr_core.raster import Float32Array
from sr_core.trust.faults.record import Delivered
from sr_core.trust.scores import BIN_SHARES

Float64Array = npt.NDArray[np.float64]
NARROWER = 1e-3  # relative: half-widths are float32, files keep them in 16 bits
HARD_SHARE = BIN_SHARES[4]  # the pixels with the largest estimates begin here
STEPS = 20  # shares of pixels left out at which the remaining error is looked at


def calibration_of_others(delivered: Delivered) -> float | None:
    """Say whether the calibration was made for other weights or another degradation: 1, else 0."""
    own = delivered.calibration
    if own is None:
        return None
    return float(own.weights != delivered.weights or own.operator != delivered.operator.digest())


def split_broken(delivered: Delivered) -> float | None:
    """Say whether a group or a place of one stands on two sides of the split: 1, else 0."""
    if delivered.split is None:
        return None
    try:
        delivered.split.check(0)
    except SplitError:
        return 1.0
    return 0.0


def encoding_changed(delivered: Delivered) -> float:
    """Say whether the file declares another scale factor or offset than the measurement's: 1, else 0."""
    own, theirs = delivered.encoding, delivered.encoding_lr or delivered.encoding
    return float((own.scale, own.offset) != (theirs.scale, theirs.offset))


def interval_changed(delivered: Delivered) -> float | None:
    """Give the largest relative difference of the written half-width from what calibration and spread say."""
    own, width, spread = delivered.calibration, delivered.half_width, delivered.spread
    if own is None or own.multiplier is None or width is None or spread is None:
        return None
    expected = own.half_width(spread)[:, delivered.mask].astype(np.float64)
    return float(np.max(np.abs(width[:, delivered.mask] / expected - 1), initial=0.0))


def outside_interval(delivered: Delivered) -> float | None:
    """Give the share of measured values whose truth lies outside the interval."""
    found = _errors_and_widths(delivered)
    return None if found is None else float(np.mean(~(found[0] <= found[1])))


def outside_where_hard(delivered: Delivered) -> float | None:
    """Give that share where the half-width is among its largest tenth, less that share over all values."""
    found = _errors_and_widths(delivered)
    if found is None:
        return None
    outside = ~(found[0] <= found[1])
    hard = found[1] >= np.quantile(found[1], HARD_SHARE)
    return float(np.mean(outside[hard]) - np.mean(outside))


def ranking_lost(delivered: Delivered) -> float | None:
    """Give how badly the half-width ranks the errors: the area between the sparsification curves (AUSE), 0 at best, near 1 at random.

    The mean absolute error of what remains when the values with the largest half-widths are left out, over that of all, less the same
    in the order of the errors themselves; its mean over shares left out, as a part of what an order that says nothing would give.

    References
    ----------
    Ilg et al. (2018), Uncertainty estimates and multi-hypotheses networks for optical flow, section 4.1.
    """
    found = _errors_and_widths(delivered)
    if found is None or not np.isfinite(found[0]).all():
        return None if found is None else float("nan")
    errors, widths = found
    if not errors.any():
        return None
    best, own = _sparsification(errors, errors), _sparsification(errors, widths)
    return float(np.mean(own - best) / np.mean(1 - best))


MEASURES: Mapping[str, Callable[[Delivered], float | None]] = {
    "calibration of others": calibration_of_others,
    "split broken": split_broken,
    "encoding changed": encoding_changed,
    "interval changed": interval_changed,
    "outside the interval": outside_interval,
    "outside where hard": outside_where_hard,
    "ranking of errors lost": ranking_lost,
}
EXACT: Mapping[str, float] = {"calibration of others": 0.0, "split broken": 0.0, "encoding changed": 0.0, "interval changed": NARROWER}


def _errors_and_widths(delivered: Delivered) -> tuple[Float64Array, Float32Array] | None:
    """Give |truth - z| and the half-width of all measured values, flat."""
    truth, width, mask = delivered.truth, delivered.half_width, delivered.mask
    if truth is None or width is None or not np.isfinite(width[:, mask]).any():
        return None
    return np.abs(truth[:, mask].astype(np.float64) - delivered.z[:, mask]).ravel(), width[:, mask].ravel()


def _sparsification(errors: Float64Array, order: npt.NDArray[np.floating]) -> Float64Array:
    """Give the mean error of what remains, over that of all, as shares of the largest in an order are left out."""
    sums = np.cumsum(errors[np.argsort(order, kind="stable")])
    kept = np.maximum(1, np.rint(errors.size * (1 - np.arange(STEPS) / STEPS)).astype(np.int64))
    curve: Float64Array = sums[kept - 1] / kept / (sums[-1] / errors.size)
    return curve
