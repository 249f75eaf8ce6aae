"""What every known linear degradation offers: the maps, the projection, its numbers, and its text forms."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr_core.errors import OperatorError, ShapeError
from sr_core.operators.engine import check
from sr_core.operators.parameters import Value
from sr_core.operators.projection import Rule, project

USABLE_CONDITION = 100.0  # 2-D condition number up to which the inverse is used without a word
LARGEST_CONDITION = 1e4  # and above which it is refused: float32 loses about condition x 1e-7, and noise grows more than 20 times


@dataclass(frozen=True)
class Operator(ABC):
    """A known degradation of each band, without noise and quantisation; immutable. Make it with `make_operator`.

    Images are torch tensors (…, C, H, W), float32 or float64, on any device, with finite values; HR sides are multiples of the
    scale. Gradients flow through all maps.

    Attributes
    ----------
    kind, scale, parameters, version : what it is; scale is (rows, columns), one of them may be 1.
    text : its description without the numbers of its inverse.
    """

    kind: str
    scale: tuple[int, int]
    parameters: tuple[tuple[str, Value], ...]
    version: int
    text: str = field(compare=False)

    @property
    @abstractmethod
    def windowed(self) -> bool:
        """Whether an image may be treated in windows; where not, `support` and `pinv_halo` refuse."""

    @property
    @abstractmethod
    def support(self) -> int:
        """HR pixels that one LR pixel sees on each side of its own block, at most: the halo of `apply`, the gap of a split."""

    @property
    @abstractmethod
    def condition(self) -> float:
        """Condition number of `A A^T` in two dimensions, for large images."""

    @property
    @abstractmethod
    def noise_gain(self) -> float:
        """Standard deviation of the HR noise that `pinv` makes of unit white LR noise."""

    @property
    def border_condition(self) -> float:
        """Condition number with the image's borders counted: larger than `condition` only where the taps are off the centre."""
        return self.condition

    @property
    def invertible(self) -> bool:
        """Whether `pinv` and `project` may be used: condition at most 1e4, borders counted."""
        return max(self.condition, self.border_condition) <= LARGEST_CONDITION

    @property
    def bands(self) -> int | None:
        """Number of bands that an image must have; None where any number will do, since all are degraded alike."""
        return None

    def for_bands(self, count: int) -> tuple[Operator, ...]:
        """Give the operator of each of `count` bands: this one, unless it differs from band to band."""
        return (self,) * count

    @abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """Degrade: `A x`, HR (…, C, s H, s W) to LR (…, C, H, W), in the unit of x."""

    def apply_integers(self, x: NDArray[np.integer]) -> Tensor:
        """Degrade an image of whole numbers (…, H, W): `apply` in float64, bit for bit; a form that has a quicker way overrides it."""
        return self.apply(torch.from_numpy(x.astype(np.float64)))

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Transpose: `A^T y`, LR (…, C, H, W) to HR (…, C, s H, s W)."""

    @abstractmethod
    def upscale(self, y: Tensor) -> Tensor:
        """Interpolate, LR to HR, as a person would without a network."""

    @abstractmethod
    def pinv(self, y: Tensor) -> Tensor:
        """Give the smallest HR image that explains the measurement: `A^+ y = A^T (A A^T)^-1 y`, LR to HR."""

    @abstractmethod
    def pinv_halo(self, tol: float = 1e-6) -> int:
        """Give the LR pixels to add around a window so that `pinv` of it equals the whole's to `tol` of the values' range."""

    @abstractmethod
    def invisible(self, fwhm: float) -> float:
        """Give the share of the peak of a Gaussian object, `fwhm` HR pixels wide at half height, that `A` cannot see."""

    def pinv_plus(self, y: Tensor, x: Tensor) -> Tensor:
        """Give `A^+ y + x`; a form that has a cheaper way overrides it."""
        return self.pinv(y).add_(x) if not y.requires_grad else self.pinv(y) + x

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """Give what the image x leaves unexplained of the measurement y: `y - A x`, LR (…, C, H, W), in the unit of y."""
        self._check_pair(x, y)
        return y - self.apply(x)

    def project(
        self,
        x: Tensor,
        y: Tensor,
        valid_range: tuple[float, float] | None = None,
        step: float = 0.0,
        noise: float | Tensor = 0.0,
        rule: Rule = "discrepancy",
    ) -> Tensor:
        """Give the nearest image to x that explains the measurement y: `x + A^+ (y - A x)`, or as much of it as its noise allows.

        Parameters
        ----------
        x, y : Tensor
            HR (…, C, s H, s W) and LR (…, C, H, W), one dtype and unit.
        valid_range : (float, float), optional
            Values that the image may take. What leaves it is clipped and the rest made up for around it, in at most eight rounds.
        step : float
            Quantisation step of y: residuals below a quarter of it are left alone in those rounds.
        noise : float or Tensor
            Standard deviation of y's noise in its unit, one number or a map that broadcasts to y; 0: y is exact.
        rule : "discrepancy" or "wiener"
            How much of a noisy residual is followed: what leaves the noise's power, or what errs least if the rest is white
            (see `projection.weight`).

        Raises
        ------
        OperatorError
            If the operator is too ill-conditioned.
        ShapeError
            If the two images, or the noise map, do not fit.
        InputError
            If the valid range is empty, or the step or the noise is negative or not finite.
        """
        self._check_invertible()
        self._check_pair(x, y)
        return project(self, x, y, valid_range, step, noise, rule)

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
            number = f"its condition number is {self._refused_condition:.2g}{self._where}"
            return f"{what}; {number}, so it cannot be undone exactly and only the residual is shown."
        gain = f"undoing it multiplies white noise by {self.noise_gain:.2g}{self._where}"
        warning = ", so noise will be visible" if self.condition > USABLE_CONDITION else ""
        return f"{what}; {gain} (condition number {self.condition:.3g}){warning}."

    @property
    def _where(self) -> str:
        """Where the numbers of `describe` hold, as the end of a clause; "" for everywhere."""
        return ""

    @property
    def _refused_condition(self) -> float:
        return self.condition if self.condition > LARGEST_CONDITION else self.border_condition

    def _check_invertible(self) -> None:
        if not self.invertible:
            raise OperatorError(
                f"{self.kind} x{self.scale[0]} with a 2-D condition number of {self._refused_condition:.3g}{self._where}",
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
