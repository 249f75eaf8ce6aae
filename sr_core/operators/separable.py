"""The known linear degradation: `A = A_v (x) A_h`, one banded factor an axis, with its adjoint, interpolation and exact inverse."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from torch import Tensor

from sr_core.errors import OperatorError, ShapeError
from sr_core.operators.engine import check, linear, run
from sr_core.operators.factor import Factor
from sr_core.operators.inverse import halo, solve_or_filter
from sr_core.operators.projection import project
from sr_core.operators.visibility import invisible

USABLE_CONDITION = 100.0  # 2-D condition number up to which the inverse is used without a word
LARGEST_CONDITION = 1e4  # and above which it is refused: float32 loses about condition x 1e-7, and noise grows more than 20 times


@dataclass(frozen=True)
class SeparableOperator:
    """A known degradation of each band, without noise and quantisation; immutable. Make it with `make_operator`.

    Images are torch tensors (…, C, H, W), float32 or float64, on any device, with finite values; HR sides are multiples of the
    scale. Borders are symmetric (the edge pixel is doubled). LR pixel j is centred on HR position scale * j + (scale - 1) / 2.
    Gradients flow through all maps.

    Attributes
    ----------
    kind, scale, parameters, version : what it is; scale is (rows, columns), one of them may be 1.
    rows, cols : the factors of the two axes.
    upscaler : the factors whose scaled adjoint is `upscale`.
    text : its description without the numbers of its inverse.
    """

    kind: str
    scale: tuple[int, int]
    parameters: tuple[tuple[str, float], ...]
    version: int
    text: str = field(compare=False)
    rows: Factor = field(repr=False)
    cols: Factor = field(repr=False)
    upscaler: tuple[Factor, Factor] = field(repr=False)

    @property
    def support(self) -> int:
        """HR pixels that one LR pixel sees on each side of its own block, at most: the halo of `apply`, the gap of a split."""
        return max(self.rows.before, self.rows.after, self.cols.before, self.cols.after)

    @property
    def condition(self) -> float:
        """Condition number of `A A^T` in two dimensions, for large images."""
        return self.rows.condition * self.cols.condition

    @property
    def noise_gain(self) -> float:
        """Standard deviation of the HR noise that `pinv` makes of unit white LR noise."""
        return self.rows.noise_gain * self.cols.noise_gain

    @property
    def invertible(self) -> bool:
        """Whether `pinv` and `project` may be used: condition at most 1e4."""
        return self.condition <= LARGEST_CONDITION

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

    def adjoint(self, y: Tensor) -> Tensor:
        """Transpose: `A^T y`, LR (…, C, H, W) to HR (…, C, s H, s W). Windows equal the whole bit for bit, as for `apply`."""
        check(y, (1, 1), "an LR image")
        return linear(y, lambda v: run(v, self.rows, self.cols, transposed=True), lambda v: run(v, self.rows, self.cols))

    def upscale(self, y: Tensor) -> Tensor:
        """Interpolate, LR to HR, as a person would without a network; bit-stable under windows.

        Bicubic, bilinear and box have the interpolation of their own family (box: pixels repeated), which is `s_row s_col A^T`;
        nearest repeats pixels; blurs (gaussian, mtf) take bicubic.
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

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """Give what the image x leaves unexplained of the measurement y: `y - A x`, LR (…, C, H, W), in the unit of y."""
        self._check_pair(x, y)
        return y - self.apply(x)

    def project(self, x: Tensor, y: Tensor, valid_range: tuple[float, float] | None = None, step: float = 0.0) -> Tensor:
        """Give the nearest image to x that explains the measurement y: `x + A^+ (y - A x)`.

        Parameters
        ----------
        x, y : Tensor
            HR (…, C, s H, s W) and LR (…, C, H, W), one dtype and unit.
        valid_range : (float, float), optional
            Values that the image may take. What leaves it is clipped and the rest made up for around it, in at most eight rounds.
        step : float
            Quantisation step of y: residuals below a quarter of it are left alone in those rounds.

        Raises
        ------
        OperatorError
            If the operator is too ill-conditioned.
        ShapeError
            If the two images do not fit.
        """
        self._check_invertible()
        self._check_pair(x, y)
        return project(self, x, y, valid_range, step)

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

    def to_json(self) -> str:
        """Give the operator as canonical JSON text; `operator_from` reads it."""
        body = {"schema": 1, "kind": self.kind, "scale": list(self.scale), "version": self.version, "parameters": dict(self.parameters)}
        return json.dumps(body, sort_keys=True)

    def digest(self) -> str:
        """Give the sha256 of the JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def describe(self) -> str:
        """Say in one sentence what it does and how far it can be undone."""
        rows, cols = self.scale
        if rows == cols:
            by = f"by {rows} along both axes"
        else:
            by = "by " + " and ".join(f"{s} {way}" for s, way in ((rows, "vertically"), (cols, "horizontally")) if s > 1)
        what = f"{self.text[0].upper()}{self.text[1:]}, {by}"
        if not self.invertible:
            return f"{what}; its condition number is {self.condition:.2g}, so it cannot be undone exactly and only the residual is shown."
        gain = f"undoing it multiplies white noise by {self.noise_gain:.2g}"
        warning = ", so noise will be visible" if self.condition > USABLE_CONDITION else ""
        return f"{what}; {gain} (condition number {self.condition:.3g}){warning}."

    def _solve(self, y: Tensor) -> Tensor:
        check(y, (1, 1), "an LR image")
        there = lambda v: solve_or_filter(v, self.rows, self.cols)  # noqa: E731 - symmetric: its own transpose
        return linear(y, there, there)

    def _check_invertible(self) -> None:
        if not self.invertible:
            raise OperatorError(
                f"{self.kind} x{self.scale[0]} with a 2-D condition number of {self.condition:.3g}",
                f"at most {LARGEST_CONDITION:g}: beyond it an exact inverse is amplified noise",
                "Use residual() only, or a milder blur.",
            )

    def _check_pair(self, x: Tensor, y: Tensor) -> None:
        check(x, self.scale, "an HR image")
        check(y, (1, 1), "an LR image")
        expected = (*x.shape[:-2], x.shape[-2] // self.scale[0], x.shape[-1] // self.scale[1])
        if tuple(y.shape) != expected:
            given = f"an LR image of shape {tuple(y.shape)} for an HR image of {tuple(x.shape)}"
            raise ShapeError(given, f"{expected}", "Give the pair of one image.")
        if y.dtype != x.dtype or y.device != x.device:
            raise ShapeError(
                f"an LR image of {y.dtype} on {y.device} for an HR image of {x.dtype} on {x.device}",
                "the same dtype and device",
                "Convert it: y.to(x).",
            )
