"""How well an image explains its measurement: LR-PSNR."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sr_core.errors import ShapeError
from sr_core.metrics.protocol import BoolArray
from sr_core.operators import Operator


def lr_psnr(sr: NDArray[Any], lr: NDArray[Any], operator: Operator, data_range: float, mask: BoolArray | None = None) -> float:
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
        LR pixels to use: True where every HR pixel under the operator's taps is usable.

    Raises
    ------
    ShapeError
        If the two images do not fit, or no pixel is usable.
    """
    image, measured = (torch.from_numpy(np.asarray(v, dtype=np.float64)) for v in (sr, lr))
    residual = operator.residual(image, measured).numpy()
    used = residual if mask is None else residual[:, mask]
    if not used.size:
        raise ShapeError("a mask that leaves no pixel", "at least one usable LR pixel", "Measure on another image.")
    mse = float(np.mean(used**2))
    return 10 * math.log10(data_range**2 / mse) if mse else math.inf
