"""What several checks derive from the evidence of one window, computed once and kept as long as the evidence."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.consistency import guess, saturated_by_end

if TYPE_CHECKING:
    from sr_core.operators import Operator

T = TypeVar("T")
FINE_SIGMA = 1.5  # HR px: what a Gaussian of this size takes away is fine texture
FINE_TRUNCATE = 3.0  # standard deviations
FINE_REACH = math.ceil(FINE_TRUNCATE * FINE_SIGMA)  # HR px that such a value depends on


class Derived:
    """Figures of `Evidence`, which inherits from it and has the fields named here; C bands, LR (h, w), HR (H, W), physical unit."""

    y: Float32Array
    z: Float32Array
    bicubic: Float32Array
    mask_lr: BoolArray
    mask_hr: BoolArray
    residual: Float32Array
    step: float
    valid_range: tuple[float, float]
    operator: Operator | None
    around: tuple[BoolArray, BoolArray, BoolArray] | None

    @property
    def scale(self) -> tuple[int, int]:
        """HR pixels per LR pixel, along rows and columns."""
        return self.z.shape[1] // self.y.shape[1], self.z.shape[2] // self.y.shape[2]

    @property
    def reach(self) -> int:
        """LR pixels around one that its degraded value depends on (2 for bicubic, and where all pixels depend on all)."""
        return reach_of(self.operator, self.scale)

    @cached_property
    def _made(self) -> dict[str, Any]:
        return {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Give what `make` makes, made once for this evidence: what two checks of one module share, under a name of its own."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found

    @cached_property
    def degraded(self) -> Float32Array:
        """A z = y - (y - A z), float32 (C, h, w)."""
        return self.y - self.residual

    @cached_property
    def degraded_bicubic(self) -> Float32Array | None:
        """A of plain bicubic, float32 (C, h, w); None where the degradation is not at hand."""
        import torch

        if self.operator is None:
            return None
        image = self.bicubic if self.mask_hr.all() else np.where(self.mask_hr, self.bicubic, np.float32(0))
        return np.asarray(self.operator.apply(torch.from_numpy(np.ascontiguousarray(image))).numpy(), np.float32)

    @cached_property
    def far_from_nodata(self) -> BoolArray:
        """LR pixels (h, w) whose degraded value needs no SR pixel that is nodata in the file."""
        return far_from_nodata(self.mask_lr, self.reach) if self.around is None else self.around[0]

    @cached_property
    def saturated_by_end(self) -> tuple[BoolArray, BoolArray]:
        """LR values (C, h, w) that the low and the high end of the valid range may have kept from the measurement."""
        if self.around is not None:
            return self.around[1:]
        return saturated_by_end(self.z, self.mask_hr, self.scale, self.valid_range, self.step, self.reach)

    @cached_property
    def saturated(self) -> BoolArray:
        """LR values (C, h, w) that either end may have kept from the measurement."""
        low, high = self.saturated_by_end
        return np.asarray(low | high, np.bool_)

    @cached_property
    def usable(self) -> BoolArray:
        """LR values (C, h, w) at which the residual must vanish: far from nodata, and not saturated."""
        return np.asarray(self.far_from_nodata & ~self.saturated, np.bool_)

    @cached_property
    def gradient(self) -> tuple[Float32Array, Float32Array]:
        """Gradient of (y + A z) / 2 down and right, float32 (C, h, w) each, unit per HR pixel; zero along a side of one pixel."""
        middle = self.y - self.residual / 2
        rows, cols = (
            np.gradient(middle, axis=axis) / size if middle.shape[axis] > 1 else np.zeros_like(middle)
            for axis, size in zip((1, 2), self.scale, strict=True)
        )
        return rows.astype(np.float32, copy=False), cols.astype(np.float32, copy=False)

    @cached_property
    def guessed(self) -> Float32Array:
        """The guessed part of z (see `consistency.guess`) to float32's digits: only where the operator can be inverted."""
        assert self.operator is not None
        return guess(self.z, self.operator, self.mask_hr, precise=False)

    @cached_property
    def inner(self) -> BoolArray:
        """HR pixels (H, W) whose fine texture does not depend on nodata."""
        from scipy.ndimage import minimum_filter

        if self.mask_hr.all():
            return self.mask_hr
        return np.asarray(minimum_filter(self.mask_hr, 2 * FINE_REACH + 1, mode="nearest"), np.bool_)

    @cached_property
    def fine(self) -> Float32Array:
        """Fine texture of z, float32 (C, H, W); only where `inner`."""
        return fine_of(self.z, self.mask_hr)

    @cached_property
    def fine_bicubic(self) -> Float32Array:
        """Fine texture of plain bicubic, float32 (C, H, W); only where `inner`."""
        return fine_of(self.bicubic, self.mask_hr)


def reach_of(operator: Operator | None, scale: tuple[int, int]) -> int:
    """Give the LR pixels around one that its degraded value depends on (2 for bicubic, and where all pixels depend on all)."""
    return 2 if operator is None or not operator.windowed else math.ceil(operator.support / min(scale))


def far_from_nodata(mask: BoolArray, reach: int) -> BoolArray:
    """Leave out LR pixels (h, w) with nodata among those that their degraded value, or a gradient there, depends on."""
    from scipy.ndimage import minimum_filter

    return mask if mask.all() else np.asarray(minimum_filter(mask, 2 * max(1, reach) + 1, mode="nearest"), np.bool_)


def fine_of(image: Float32Array, mask: BoolArray) -> Float32Array:
    """Give what a Gaussian window does not pass of an image (C, H, W), float32; values that are not in the mask count as 0."""
    from scipy.ndimage import gaussian_filter

    known = image if mask.all() else np.where(mask, image, np.float32(0))
    return known - np.asarray(gaussian_filter(known, (0, FINE_SIGMA, FINE_SIGMA), truncate=FINE_TRUNCATE), np.float32)
