"""A degradation that differs from band to band: one separable operator a band."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.operators.base import Operator
from sr_core.operators.separable import SeparableOperator

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class BandwiseOperator(Operator):
    """A known degradation with taps of its own for each band; see `Operator`. Band c is what `for_bands(C)[c]` makes of it, bit for bit.

    Images are (…, C, H, W) with C = `bands`. Whatever is one number for all bands is the worst band's: `support`, `condition`,
    `border_condition`, `noise_gain`, `pinv_halo` and `invisible` give the largest, and one band that cannot be inverted refuses all.

    Attributes
    ----------
    members : the operator of each band; all have one scale and one interpolation.
    """

    members: tuple[SeparableOperator, ...] = field(repr=False)

    @property
    def bands(self) -> int:
        """Number of bands that an image must have."""
        return len(self.members)

    def for_bands(self, count: int) -> tuple[Operator, ...]:
        """Give the operator of each band.

        Raises
        ------
        ShapeError
            If `count` is another number of bands than the operator's.
        """
        if count != self.bands:
            raise self._misfit(f"an image of {count} bands")
        return self.members

    @property
    def windowed(self) -> bool:
        """Whether an image may be treated in windows: yes."""
        return True

    @property
    def support(self) -> int:
        """HR pixels that one LR pixel sees on each side of its own block, at most: that of the widest band."""
        return self._worst(lambda member: member.support)

    @property
    def condition(self) -> float:
        """Condition number of `A A^T` in two dimensions, for large images: that of the worst band."""
        return self._worst(lambda member: member.condition)

    @property
    def border_condition(self) -> float:
        """Condition number with the image's borders counted: that of the worst band."""
        return self._worst(lambda member: member.border_condition)

    @property
    def noise_gain(self) -> float:
        """Standard deviation of the HR noise that `pinv` makes of unit white LR noise: that of the worst band."""
        return self._worst(lambda member: member.noise_gain)

    def apply(self, x: Tensor) -> Tensor:
        """Degrade each band: HR (…, C, s H, s W) to LR (…, C, H, W). Windows equal the whole bit for bit, as for one operator.

        Raises
        ------
        ShapeError
            If a side is not a multiple of the scale, or C is not `bands`.
        InputError
            If x is neither float32 nor float64.
        """
        return self._each(lambda member, band: member.apply(band), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Transpose: `A^T y`, LR (…, C, H, W) to HR (…, C, s H, s W); errors as for `apply`."""
        return self._each(lambda member, band: member.adjoint(band), y)

    def upscale(self, y: Tensor) -> Tensor:
        """Interpolate as a person would without a network; the same for all bands, so any number of them is taken."""
        return self.members[0].upscale(y)

    def pinv(self, y: Tensor) -> Tensor:
        """Give the smallest HR image that explains the measurement, band by band; see `SeparableOperator.pinv`."""
        self._check_invertible()
        return self._each(lambda member, band: member.pinv(band), y)

    def pinv_plus(self, y: Tensor, x: Tensor) -> Tensor:
        """Give `A^+ y + x`."""
        self._check_invertible()
        return self._each(lambda member, *bands: member.pinv_plus(*bands), y, x)

    def pinv_halo(self, tol: float = 1e-6) -> int:
        """Give the LR pixels to add around a window so that `pinv` of it equals the whole's to `tol`, whatever the band."""
        self._check_invertible()
        return self._worst(lambda member: member.pinv_halo(tol))

    def invisible(self, fwhm: float) -> float:
        """Give the share of the peak of a Gaussian object that `A` cannot see, in the band that sees least of it."""
        self._check_invertible()
        return self._worst(lambda member: member.invisible(fwhm))

    @property
    def _where(self) -> str:
        return " in the worst band"

    def _worst(self, number: Callable[[SeparableOperator], Number]) -> Number:
        return max(number(member) for member in self.members)

    def _each(self, run: Callable[..., Tensor], *images: Tensor) -> Tensor:
        for image in images:
            if image.ndim < 3 or image.shape[-3] != self.bands:
                raise self._misfit(f"an image of shape {tuple(image.shape)}")
        return torch.stack([run(member, *(i[..., c, :, :] for i in images)) for c, member in enumerate(self.members)], dim=-3)

    def _misfit(self, given: str) -> ShapeError:
        expected = f"{self.bands} bands, (…, {self.bands}, H, W): {self.kind} has taps for each"
        return ShapeError(given, expected, f"Give the bands that it was made for, or make {self.kind} for these bands.")
