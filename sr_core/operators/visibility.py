"""How much of an object the measurement cannot see, by calculation from the operator alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.linalg

from sr_core.errors import InputError
from sr_core.operators.factor import Factor, FloatArray
from sr_core.operators.inverse import cholesky

POSITIONS = 32  # sub-pixel positions of the object over one LR pixel, along each axis
SIGMA = 1 / (2 * math.sqrt(2 * math.log(2)))  # standard deviation of a Gaussian of unit width at half height


@lru_cache(maxsize=256)
def invisible(rows: Factor, cols: Factor, fwhm: float) -> float:
    """Give the share of a Gaussian object's peak that survives projection, mean over sub-pixel positions.

    Parameters
    ----------
    rows, cols : Factor
        The operator's axes.
    fwhm : float
        Full width at half height, HR pixels.

    Raises
    ------
    InputError
        If `fwhm` is not above 0.
    """
    if not (math.isfinite(fwhm) and fwhm > 0):
        raise InputError(f"an object {fwhm} px wide", "a width at half height above 0, in HR pixels", "Give fwhm=4, for example.")
    row, row_seen = _profiles(rows, fwhm)
    col, col_seen = _profiles(cols, fwhm)
    total = 0.0
    for a, a_seen in zip(row, row_seen, strict=True):
        left = a[None, :, None] * col[:, None, :] - a_seen[None, :, None] * col_seen[:, None, :]
        total += float(np.abs(left).max(axis=(1, 2)).sum())
    return total / (len(row) * len(col))


def _profiles(factor: Factor, fwhm: float) -> tuple[FloatArray, FloatArray]:
    """Give the object's profile at each sub-pixel position, and the part of it that A sees (`A^+ A`): two (positions, pixels) arrays."""
    scale = factor.scale
    positions = max(1, POSITIONS // scale) * scale
    shown = math.ceil(2 * fwhm) + 2 * scale  # pixels either side of the object where the largest remainder can lie
    lr_half = math.ceil(shown / scale) + 16  # the inverse has decayed 16 LR pixels on
    centre = scale * lr_half
    at = centre - 0.5 + scale * (np.arange(positions) + 0.5) / positions
    pixels = np.arange(2 * centre + scale)
    profile = np.exp(-((pixels[None, :] - at[:, None]) ** 2) / (2 * (SIGMA * fwhm) ** 2))
    view = slice(centre - shown, centre + scale + shown)
    if factor.identity:
        return profile[:, view], profile[:, view]
    matrix = factor.sparse(len(pixels))
    solved = scipy.linalg.cho_solve_banded((cholesky(factor, matrix.shape[0]), True), matrix @ profile.T)
    return profile[:, view], np.asarray(matrix.T @ solved, dtype=np.float64).T[:, view]
