"""How well an image explains its measurement: LR-PSNR."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.metrics.protocol import BoolArray
from sr_core.operators import Operator
from sr_core.operators.factor import FloatArray


def lr_psnr(
    sr: NDArray[Any],
    lr: NDArray[Any],
    operator: Operator,
    data_range: float,
    mask: BoolArray | None = None,
    hr_mask: BoolArray | None = None,
) -> float:
    """Give the PSNR between a measurement and the SR image degraded again: `PSNR(y, A x)`, A x unrounded, no border left out; dB.

    Parameters
    ----------
    sr, lr : array (C, s H, s W) and (C, H, W)
        SR image and measurement, in one unit.
    operator : Operator
        The known degradation.
    data_range : float
        Peak.
    mask : array (H, W) of bool, optional
        LR pixels to use.
    hr_mask : array (s H, s W) of bool, optional
        Usable HR pixels. A LR pixel with an unusable HR pixel under its taps is left out.

    Raises
    ------
    ShapeError
        If the two images do not fit, or no pixel is usable.
    InputError
        If a usable pixel is not a finite number.
    """
    low, used = degraded(sr, lr, operator, mask, hr_mask)
    mse = float(np.mean((np.asarray(lr, dtype=np.float64)[:, used] - low[:, used]) ** 2))
    return 10 * math.log10(data_range**2 / mse) if mse else math.inf


def degraded(
    sr: NDArray[Any], lr: NDArray[Any], operator: Operator, mask: BoolArray | None, hr_mask: BoolArray | None
) -> tuple[FloatArray, BoolArray]:
    """Give A x, (C, H, W) float64, and where it may be compared with the measurement, (H, W); parameters and errors as for `lr_psnr`."""
    image, measured = np.asarray(sr, dtype=np.float64), np.asarray(lr, dtype=np.float64)
    allowed = _mask(mask, measured.shape[-2:])
    usable = _mask(hr_mask, image.shape[-2:])
    finite = np.isfinite(image).all(axis=0)
    # A value that is no number would spread over a whole block of a matrix product, under zero weights too: it is taken out first.
    low = operator.apply(torch.from_numpy(np.where(usable & finite, image, 0.0))).numpy()
    if low.shape != measured.shape:
        raise ShapeError(f"SR {image.shape} and LR {measured.shape}", f"LR {low.shape}", "Give an image and its own measurement.")
    used = allowed & ~_touched(operator, ~usable)
    if not used.any():
        raise ShapeError("a mask that leaves no pixel", "at least one usable LR pixel", "Measure on another image.")
    if (used & _touched(operator, usable & ~finite)).any() or not np.isfinite(measured[:, used]).all():
        raise InputError("a usable pixel that is not a number", "finite values wherever the masks say usable", "Mask it out.")
    return low, used


def _mask(mask: BoolArray | None, shape: tuple[int, ...]) -> BoolArray:
    if mask is None:
        return np.ones(shape, dtype=bool)
    if mask.shape != shape:
        raise ShapeError(f"a mask of {mask.shape} for an image of {shape}", "the same rows and columns", "Give the image's own mask.")
    return np.asarray(mask, dtype=bool)


def _touched(operator: Operator, bad: BoolArray) -> BoolArray:
    """Give the LR pixels (H, W) that have a marked HR pixel under a tap other than 0, for any linear operator.

    Random weights on the marked pixels, nothing elsewhere: what the operator makes of them is 0 exactly where no tap meets one, and
    elsewhere differs from 0 with probability 1.
    """
    bands = (operator.bands or 1, *bad.shape)  # where taps differ from band to band, a pixel counts that any of them meets
    if not bad.any():
        return np.zeros(operator.apply(torch.zeros(bands, dtype=torch.float64)).shape[1:], dtype=bool)
    weights = torch.from_numpy(np.where(bad, np.random.default_rng(0).uniform(1, 2, bad.shape), 0.0))
    return np.asarray((operator.apply(weights.expand(bands)).numpy() != 0).any(axis=0), dtype=bool)
