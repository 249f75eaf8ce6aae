"""What a number was measured on: channel, range, border and rounding. Two protocols never meet in one column."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sr_core.errors import InputError, ShapeError
from sr_core.operators.factor import FloatArray
from sr_core.operators.matlab import half_away
from sr_core.records import Record

BoolArray = NDArray[np.bool_]


class Protocol(Record):
    """How two images are prepared before they are compared.

    Attributes
    ----------
    channel : "bands" takes all bands, "luma" the BT.601 luma of three (RGB).
    data_range : max - min that the metric assumes, in the images' unit.
    border : pixels left out on each side.
    rounding : "step" rounds both images to multiples of `step` first, half away from zero.
    step : quantisation step, in the images' unit.
    """

    channel: Literal["bands", "luma"] = "bands"
    data_range: float = Field(gt=0, allow_inf_nan=False)
    border: int = Field(ge=0)
    rounding: Literal["none", "step"] = "none"
    step: float = Field(default=0.0, ge=0)

    def model_post_init(self, context: Any) -> None:
        """Refuse rounding without a step."""
        if self.rounding == "step" and not self.step > 0:
            raise ValueError("rounding to the step needs a step above 0")

    def describe(self) -> str:
        """Say it in words, for a table's heading."""
        channel = "luma (BT.601)" if self.channel == "luma" else "all bands"
        border = f"{self.border} px border left out" if self.border else "no border left out"
        rounding = f"rounded to steps of {self.step:g}" if self.rounding == "step" else "unrounded"
        return f"{channel}, range {self.data_range:g}, {border}, {rounding}"

    def prepare(self, sr: NDArray[Any], hr: NDArray[Any], mask: BoolArray | None = None) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Give both images (C, H, W) float64 and the usable pixels (H, W), as the metric is to see them.

        Raises
        ------
        ShapeError
            If the shapes do not fit each other, the channel or the border, or no pixel is usable.
        InputError
            If a usable pixel is not a finite number.
        """
        if sr.ndim != 3 or sr.shape != hr.shape:
            given = f"images of {sr.shape} and {hr.shape}"
            raise ShapeError(given, "two images of one shape (C, H, W)", "Compare an image with its own reference.")
        if self.channel == "luma" and len(sr) != 3:
            raise ShapeError(f"{len(sr)} bands", "3 (RGB) for luma", "Measure on the bands, or on three of them.")
        height, width = sr.shape[1:]
        if mask is not None and mask.shape != (height, width):
            given = f"a mask of {mask.shape} for images of {(height, width)}"
            raise ShapeError(given, "the same rows and columns", "Give the images' own mask.")
        if min(height, width) <= 2 * self.border:
            raise ShapeError(f"images of {height} x {width}", f"sides above {2 * self.border} px (the border)", "Use a smaller border.")
        usable = np.ones((height, width), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
        views = [self._values(image, usable) for image in (sr, hr)]
        if not all(np.isfinite(view).all() for view in views):
            raise InputError("a usable pixel that is not a number", "finite values wherever the mask says usable", "Mask it out.")
        inner = slice(self.border, height - self.border), slice(self.border, width - self.border)
        usable = usable[inner]
        if not usable.any():
            raise ShapeError("a mask that leaves no pixel", "at least one usable pixel inside the border", "Measure on another image.")
        return views[0][:, *inner], views[1][:, *inner], usable

    def prepare_whole(
        self, sr: NDArray[Any], hr: NDArray[Any], mask: BoolArray | None, metric: str, side: int
    ) -> tuple[FloatArray, FloatArray]:
        """Give both images (C, H, W) float64 cut to the usable rectangle, for a metric that looks at the image as a whole.

        Parameters
        ----------
        sr, hr, mask : as in `prepare`.
        metric : its name, for the message.
        side : the least rows and columns that it needs, px.

        Raises
        ------
        ShapeError
            As `prepare`; if the usable pixels are no full rectangle (a transform or a pyramid carries every pixel everywhere, so a hole
            cannot be left out exactly); or if a side is below `side`.
        """
        a, b, usable = self.prepare(sr, hr, mask)
        box = bounding_box(usable)
        if not usable[box].all():
            given = f"a mask with {int((~usable[box]).sum())} unusable px among the usable ones for {metric}"
            raise ShapeError(given, "a full rectangle of usable pixels", f"Measure {metric} on a window without nodata.")
        refuse_small(usable[box].shape, side, metric)
        return a[:, *box], b[:, *box]

    def _values(self, image: NDArray[Any], usable: BoolArray) -> FloatArray:
        # Unusable pixels may hold anything, not a number included; 0 keeps them out of sums.
        values = np.where(usable, image, 0).astype(np.float64)
        if self.rounding == "step":
            values = half_away(values / self.step) * self.step
        return luma(values, self.data_range)[None] if self.channel == "luma" else values


def bounding_box(usable: BoolArray) -> tuple[slice, slice]:
    """Give the rows and columns of the smallest window that holds all usable pixels (H, W); at least one is usable."""
    rows, cols = (np.flatnonzero(usable.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def refuse_small(shape: tuple[int, ...], side: int, metric: str) -> None:
    """Raise ShapeError where a side of (H, W) is below `side`."""
    height, width = shape
    if min(height, width) < side:
        given = f"{height} x {width} px inside the border for {metric}"
        raise ShapeError(given, f"at least {side} x {side}", f"Measure {metric} on a larger image.")


def luma(rgb: NDArray[Any], data_range: float = 255.0) -> FloatArray:
    """Give the BT.601 luma of an RGB image, unrounded.

    Parameters
    ----------
    rgb : array (3, H, W)
        Red, green, blue, 0..data_range.
    data_range : float
        White. The luma runs from 16/255 to 235/255 of it.

    Returns
    -------
    array (H, W) float64: `16 + (65.481 R + 128.553 G + 24.966 B) / 255` for data_range 255.

    References
    ----------
    ITU-R BT.601-7 (2011).
    """
    if rgb.ndim != 3 or len(rgb) != 3:
        raise ShapeError(f"an image of {rgb.shape}", "(3, H, W): red, green, blue", "Give an RGB image.")
    red, green, blue = rgb.astype(np.float64)
    # Weights are divided first, as MATLAB's rgb2ycbcr does: it decides which way exact halves fall when the result is rounded.
    weighted = 65.481 / 255 * red + 128.553 / 255 * green + 24.966 / 255 * blue
    return np.asarray(16 * data_range / 255 + weighted, dtype=np.float64)
