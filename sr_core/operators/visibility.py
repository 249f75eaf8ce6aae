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
    check_width(fwhm)
    return surviving(_profiles(rows, fwhm), _profiles(cols, fwhm))


def surviving(row: tuple[FloatArray, FloatArray], col: tuple[FloatArray, FloatArray]) -> float:
    """Give the largest value of object minus seen part, mean over positions, from each axis' profiles: two (positions, pixels) arrays."""
    total = 0.0
    for a, a_seen in zip(*row, strict=True):
        left = a[None, :, None] * col[0][:, None, :] - a_seen[None, :, None] * col[1][:, None, :]
        total += float(np.abs(left).max(axis=(1, 2)).sum())
    return total / (len(row[0]) * len(col[0]))


def check_width(fwhm: float) -> None:
    """Refuse a width that is none.

    Raises
    ------
    InputError
        If `fwhm` is not above 0.
    """
    if not (math.isfinite(fwhm) and fwhm > 0):
        raise InputError(f"an object {fwhm} px wide", "a width at half height above 0, in HR pixels", "Give fwhm=4, for example.")


def objects(scale: int, fwhm: float, lr_margin: int) -> tuple[FloatArray, slice]:
    """Give the object's profile at each sub-pixel position, (positions, pixels), and the pixels where its largest remainder can lie."""
    positions = max(1, POSITIONS // scale) * scale
    shown = math.ceil(2 * fwhm) + 2 * scale  # pixels either side of the object
    centre = scale * (math.ceil(shown / scale) + lr_margin)
    at = centre - 0.5 + scale * (np.arange(positions) + 0.5) / positions
    pixels = np.arange(2 * centre + scale)
    profile = np.exp(-((pixels[None, :] - at[:, None]) ** 2) / (2 * (SIGMA * fwhm) ** 2))
    return profile, slice(centre - shown, centre + scale + shown)


def _profiles(factor: Factor, fwhm: float) -> tuple[FloatArray, FloatArray]:
    """Give the object's profile at each sub-pixel position, and the part of it that A sees (`A^+ A`): two (positions, pixels) arrays."""
    # The inverse has decayed 16 LR pixels on; taps that reach farther than a sampled Gaussian need as much more.
    far = max(0, max(factor.before, factor.after) // factor.scale - 4)
    profile, view = objects(factor.scale, fwhm, 16 + far)
    if factor.identity:
        return profile[:, view], profile[:, view]
    matrix = factor.sparse(profile.shape[1])
    solved = scipy.linalg.cho_solve_banded((cholesky(factor, matrix.shape[0]), True), matrix @ profile.T)
    return profile[:, view], np.asarray(matrix.T @ solved, dtype=np.float64).T[:, view]
