"""The kernel check on images: validation pairs under known kernels when calibrating, windows of a new measurement when upscaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import Raster, Scene, Window
from sr_core.stages.regions import Pair, degrade

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.stages.restore import Restorer
    from sr_core.trust.kernel_check import Shown
    from sr_core.trust.verdict import CheckResult

LARGEST = 512  # LR px a side of a validation image that is looked at: its middle is degraded by every kernel


def shown(group: str, pair: Pair, bank: dict[float, Operator]) -> Shown | None:
    """Degrade the middle of a validation image by every kernel of the bank; None where it shows too little under one of them."""
    from sr_core.trust.kernel_check import Shown, kernel_features, kernel_sums

    features = {}
    for blur, operator in bank.items():
        lr = degrade(_middle(pair.hr, LARGEST * operator.scale[0], operator.scale[0]), pair.encoding, operator).lr
        found = kernel_features(kernel_sums(lr.pixels, lr.mask, pair.encoding.step))
        if found is None:
            return None
        features[blur] = found
    return Shown(group, features)


def _middle(image: Raster, side: int, multiple: int) -> Raster:
    height, width = image.mask.shape
    top, left = (max(0, (length - side) // 2) // multiple * multiple for length in (height, width))
    rows, cols = slice(top, top + side), slice(left, left + side)
    return Raster(image.pixels[:, rows, cols], image.mask[rows, cols], image.bands, image.unit, image.valid_range)


def kernel_check(scene: Scene, places: Sequence[Window], restorer: Restorer) -> CheckResult:
    """Look, in some windows of a measurement, for signs that another kernel than the model's made it."""
    from sr_core.trust.kernel_check import SIZE, kernel_result, kernel_sums

    reference = restorer.calibration.reference if restorer.calibration is not None else None
    fit = reference.kernel if reference is not None else None
    sums = np.zeros(SIZE)
    for place in places if fit is not None else ():
        lr = scene.read(place)
        sums += kernel_sums(lr.pixels, lr.mask, scene.encoding.step)
    return kernel_result(sums, fit)
