"""An upscaler tried on the measurement itself: one scale coarser, where the truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.hallucination import Upscale, checked_mask, spread_evenly

if TYPE_CHECKING:
    from sr_core.operators import Operator

Float64Array = npt.NDArray[np.float64]
TEST_WINDOWS, TEST_SIDE = 16, 128
SMALLEST_LR = 8  # LR pixels a side of what the coarser scale leaves: less is all border
SHAVE = 2  # coarse pixels left out along each side of a tested window: there both methods see a mirror


class SelfTest(Record):
    """An upscaler tried on the measurement itself: y is degraded once more, upscaled, and held against y.

    Attributes
    ----------
    rms, bicubic_rms : error of the upscaler and of plain bicubic, unit of y, over all bands and windows. None: absent.
    gain_db : 20 log10(bicubic_rms / rms); 0 where both are without error.
    windows : how many were tried.
    absent : why there are no figures; "" where there are.
    """

    rms: float | None = None
    bicubic_rms: float | None = None
    gain_db: float | None = None
    windows: int = 0
    absent: str = ""

    @property
    def warns(self) -> bool:
        """Whether the upscaler is worse than bicubic (a gain that is not a number counts as worse)."""
        return self.gain_db is not None and not self.gain_db >= 0

    def says(self) -> str:
        """Give the outcome in one sentence."""
        if self.gain_db is None:
            return f"Not tested on the measurement itself: {self.absent}."
        how = "worse" if self.warns else "no worse" if self.gain_db == 0 else "better"
        return f"One scale coarser the network is {how} than bicubic on this image ({self.gain_db:+.2f} dB, {self.windows} windows)."


@dataclass
class SelfTestMeter:
    """Takes an upscaler's errors on the measurement itself, window by window (`self_test`)."""

    squares: Float64Array = field(default_factory=lambda: np.zeros(2))  # of the upscaler, and of bicubic
    count: int = 0
    windows: int = 0

    def update(self, truth: Float32Array, upscale: Upscale, operator: Operator) -> None:
        """Take a window that is free of holes; truth is float32 (C, h, w), sides are multiples of the scale.

        Raises
        ------
        TrustError
            If the upscaler gives another shape.
        """
        import torch

        from sr_core.operators import make_operator

        rim = tuple(
            slice(SHAVE * s if s > 1 else 0, n - (SHAVE * s if s > 1 else 0)) for n, s in zip(truth.shape[1:], operator.scale, strict=True)
        )
        coarse = operator.apply(torch.from_numpy(np.ascontiguousarray(truth, np.float32)))
        made = upscale(coarse.numpy())
        if made.shape != truth.shape:
            raise TrustError(f"an upscaled window of shape {made.shape}", f"{truth.shape}", "Give the upscaler of this operator's scale.")
        for k, image in enumerate((made, make_operator("bicubic", operator.scale).upscale(coarse).numpy())):
            self.squares[k] += float(np.sum((image.astype(np.float64) - truth)[:, rim[0], rim[1]] ** 2))
        self.count += truth[:, rim[0], rim[1]].size
        self.windows += 1

    def result(self) -> SelfTest:
        """Give the outcome over all windows."""
        if not self.count:
            return SelfTest(absent="no window is large enough and free of holes")
        rms, base = (math.sqrt(s / self.count) for s in self.squares)
        gain = 0.0 if rms == base else math.inf if rms == 0 else -math.inf if base == 0 else 20 * math.log10(base / rms)
        return SelfTest(rms=rms, bicubic_rms=base, gain_db=gain, windows=self.windows)


def self_test(
    y: Float32Array,
    upscale: Upscale,
    operator: Operator | None,
    mask: BoolArray | None = None,
    *,
    windows: int = TEST_WINDOWS,
    side: int = TEST_SIDE,
) -> SelfTest:
    """Degrade the measurement once more, upscale it, and compare with the measurement and with bicubic.

    Parameters
    ----------
    y : float32 (C, h, w), measurement.
    upscale : gives the SR image of a coarse window. It is called once a window.
    operator : the known degradation, or None.
    mask : bool (h, w) or None. Only windows that are wholly usable and finite are tried.
    windows, side : at most so many windows, so many LR px a side (a shorter image is taken whole). They are spread evenly over those of a
        regular grid, so that the same image is always tested at the same places.

    Raises
    ------
    ShapeError
        If the arrays do not fit, or the image is too small: 8 pixels a side must be left at the coarser scale.
    TrustError
        If the upscaler gives another shape.
    """
    if operator is None:
        return SelfTest(absent="the degradation is not a known linear operator, so the measurement cannot be degraded once more")
    found = windows_to_test(y, operator, mask, windows=windows, side=side)
    if not found:
        return SelfTest(absent=f"no window of at most {side} x {side} LR px is free of holes")
    meter = SelfTestMeter()
    for window in found:
        meter.update(window, upscale, operator)
    return meter.result()


def windows_to_test(
    y: Float32Array, operator: Operator, mask: BoolArray | None = None, *, windows: int = TEST_WINDOWS, side: int = TEST_SIDE
) -> list[Float32Array]:
    """Choose the windows on which an upscaler is tried; parameters and errors are those of `self_test`."""
    usable = checked_mask(y, mask) & np.isfinite(y).all(axis=0)
    sides = [min(side, n) // s * s for n, s in zip(y.shape[1:], operator.scale, strict=True)]
    if any(n // s < SMALLEST_LR for n, s in zip(sides, operator.scale, strict=True)):
        least = " x ".join(str(SMALLEST_LR * s) for s in operator.scale)
        raise ShapeError(
            f"windows of {sides[0]} x {sides[1]} px of a measurement of {y.shape[1]} x {y.shape[2]} px",
            f"at least {least} px for a test one scale coarser",
            "Leave the test out for so small an image.",
        )
    corners = [
        (r, c)
        for r in range(0, y.shape[1] - sides[0] + 1, sides[0])
        for c in range(0, y.shape[2] - sides[1] + 1, sides[1])
        if usable[r : r + sides[0], c : c + sides[1]].all()
    ]
    return [y[:, r : r + sides[0], c : c + sides[1]] for r, c in spread_evenly(corners, windows)]
