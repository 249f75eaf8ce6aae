"""The banded linear degradation: `A = A_v (x) A_h`, one banded factor an axis, with its adjoint, interpolation and exact inverse."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr_core.operators.accumulate import forward
from sr_core.operators.base import Operator
from sr_core.operators.engine import check, linear, run
from sr_core.operators.factor import Factor
from sr_core.operators.inverse import solve_or_filter
from sr_core.operators.reach import halo
from sr_core.operators.visibility import invisible


@dataclass(frozen=True)
class SeparableOperator(Operator):
    """A known degradation by a few taps along each axis; windows equal the whole. See `Operator`.

    Borders are symmetric (the edge pixel is doubled). LR pixel j is centred on HR position scale * j + (scale - 1) / 2.

    Attributes
    ----------
    rows, cols : the factors of the two axes.
    upscaler : the factors whose scaled adjoint is `upscale`.
    """

    rows: Factor = field(repr=False)
    cols: Factor = field(repr=False)
    upscaler: tuple[Factor, Factor] = field(repr=False)

    @property
    def windowed(self) -> bool:
        """Whether an image may be treated in windows: yes."""
        return True

    @property
    def support(self) -> int:
        """HR pixels that one LR pixel sees on each side of its own block, at most: the halo of `apply`, the gap of a split."""
        return max(self.rows.before, self.rows.after, self.cols.before, self.cols.after)

    @property
    def condition(self) -> float:
        """Condition number of `A A^T` in two dimensions, for large images."""
        return self.rows.condition * self.cols.condition

    @property
    def border_condition(self) -> float:
        """Condition number with the image's borders counted: larger than `condition` only where the taps are off the centre."""
        return self.rows.border_condition * self.cols.border_condition

    @property
    def noise_gain(self) -> float:
        """Standard deviation of the HR noise that `pinv` makes of unit white LR noise."""
        return self.rows.noise_gain * self.cols.noise_gain

    def apply(self, x: Tensor) -> Tensor:
        """Degrade: `A x`, HR (…, C, s H, s W) to LR (…, C, H, W), in the unit of x.

        Windows equal the whole bit for bit, given `support` HR pixels (rounded up to whole LR pixels) around them.

        Raises
        ------
        ShapeError
            If a side is not a multiple of the scale.
        InputError
            If x is neither float32 nor float64.
        """
        check(x, self.scale, "an HR image")
        return linear(x, lambda v: run(v, self.rows, self.cols), lambda v: run(v, self.rows, self.cols, transposed=True))

    def apply_integers(self, x: NDArray[np.integer]) -> Tensor:
        """Degrade an image of whole numbers (…, H, W): `apply` in float64, bit for bit, in half the time where all sums are exact.

        With taps that are fractions of a power of two (bicubic, bilinear and box at scales 2, 4, 8) every product and every sum is
        a number that the type holds exactly. Then neither their order nor a fused multiply-add changes a bit.
        """
        numerators = self.rows.numerators, self.cols.numerators
        most = max(abs(int(x.min())), abs(int(x.max())))
        if None in numerators or most * math.prod(n for n in numerators if n is not None) > 2**53:
            return super().apply_integers(x)
        check(torch.empty((*x.shape,), dtype=torch.float64, device="meta"), self.scale, "an HR image")
        single = most * (numerators[0] or 0) <= 2**24
        made = torch.from_numpy(x.astype(np.float32 if single else np.float64))
        made = made if self.rows.identity else forward(made, self.rows, made.ndim - 2, exact=True)
        return made.double() if self.cols.identity else forward(made.double(), self.cols, made.ndim - 1, exact=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """Transpose: `A^T y`, LR (…, C, H, W) to HR (…, C, s H, s W). Windows equal the whole bit for bit, as for `apply`."""
        check(y, (1, 1), "an LR image")
        return linear(y, lambda v: run(v, self.rows, self.cols, transposed=True), lambda v: run(v, self.rows, self.cols))

    def upscale(self, y: Tensor) -> Tensor:
        """Interpolate, LR to HR, as a person would without a network; bit-stable under windows.

        Bicubic, bilinear and box have the interpolation of their own family (box: pixels repeated), which is `s_row s_col A^T`;
        nearest repeats pixels; blurs (gaussian, mtf, taps) take bicubic.
        """
        check(y, (1, 1), "an LR image")
        rows, cols = (factor.times(s) for factor, s in zip(self.upscaler, self.scale, strict=True))
        return linear(y, lambda v: run(v, rows, cols, transposed=True), lambda v: run(v, rows, cols))

    def pinv(self, y: Tensor) -> Tensor:
        """Give the smallest HR image that explains the measurement: `A^+ y = A^T (A A^T)^-1 y`, LR to HR.

        `A A^+ y = y` to 1e-12 (float64) or 1e-6 (float32) of the values. Its response has no end, so a window equals the whole to
        a tolerance only: see `pinv_halo`. Float64, and kernels off the grid's centre, are solved on the CPU.

        Raises
        ------
        OperatorError
            If the operator is too ill-conditioned (2-D condition above 1e4).
        """
        self._check_invertible()
        return self.adjoint(self._solve(y))

    def pinv_plus(self, y: Tensor, x: Tensor) -> Tensor:
        """Give `A^+ y + x`, added strip by strip while each is in the cache: an HR image of new memory costs more than the sum."""
        self._check_invertible()
        if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad):
            return self.pinv(y) + x
        with torch.autocast(device_type=y.device.type, enabled=False):
            return run(self._solve(y), self.rows, self.cols, transposed=True, plus=x)

    def pinv_halo(self, tol: float = 1e-6) -> int:
        """Give the LR pixels to add around a window so that `pinv` of it equals the whole's to `tol` of the values' range."""
        self._check_invertible()
        return halo(self.rows, self.cols, tol)

    def invisible(self, fwhm: float) -> float:
        """Give the share of the peak of a Gaussian object, `fwhm` HR pixels wide at half height, that `A` cannot see.

        So much of an invented object of that size survives `project` (mean over its sub-pixel positions): 0 would be none.
        """
        self._check_invertible()
        return invisible(self.rows, self.cols, fwhm)

    def _solve(self, y: Tensor) -> Tensor:
        check(y, (1, 1), "an LR image")
        there = lambda v: solve_or_filter(v, self.rows, self.cols)  # noqa: E731 - symmetric: its own transpose
        return linear(y, there, there)
