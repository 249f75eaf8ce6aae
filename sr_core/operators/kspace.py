"""Truncation in k-space: what a magnetic resonance scanner does that measures fewer frequencies. Circulant, real, never windowed.

References
----------
E. M. Haacke, R. W. Brown, M. R. Thompson, R. Venkatesan, Magnetic Resonance Imaging: Physical Principles and Sequence Design (1999),
chapters 11 to 13 (discrete transforms, truncation, zero filling).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sr_core.errors import OperatorError
from sr_core.operators.base import Operator
from sr_core.operators.engine import check, linear
from sr_core.operators.factor import FloatArray
from sr_core.operators.visibility import check_width, objects, surviving

MARGIN = 64  # LR pixels around an object: its periodic images and the kernel's slow tail are small that far away


@dataclass(frozen=True)
class KSpaceOperator(Operator):
    """Keep the m = n / s central frequencies along each axis of n pixels: `(1/s) inverse DFT_m . crop . DFT_n`, its real part.

    For the real image whose transform was cut (a magnitude image is one only where its phase was removed before). Borders are
    periodic: edges wrap. The kernel has no end, so images are treated whole. `A A^T = 1/s` along an axis, except for the one
    unpaired frequency of an even m, whose real part is half of it at +m/2 and half at -m/2: 1/(2s).

    Notes
    -----
    With the parameter `centred` 1 (default) LR pixel j is centred on HR position scale * j + (scale - 1) / 2 as with all other operators:
    coefficient k is multiplied by exp(2 pi i k (s - 1) / (2 n)). With 0 it lies on HR pixel scale * j, as plain cropping has it.
    """

    @property
    def windowed(self) -> bool:
        """Whether an image may be treated in windows: no, each pixel sees all others."""
        return False

    @property
    def support(self) -> int:
        """Refuse to give a reach: there is none.

        Raises
        ------
        OperatorError
            Always.
        """
        raise self._never()

    @property
    def condition(self) -> float:
        """Condition number of `A A^T` for even LR sides: 2 an axis. For odd ones it is 1."""
        return float(2 ** sum(s > 1 for s in self.scale))

    @property
    def noise_gain(self) -> float:
        """Standard deviation of the HR noise that `pinv` makes of unit white LR noise, for large images: 1."""
        return 1.0

    def apply(self, x: Tensor) -> Tensor:
        """Degrade: `A x`, HR (…, C, s H, s W) to LR (…, C, H, W), in the unit of x; flat images keep their value.

        Raises
        ------
        ShapeError
            If a side is not a multiple of the scale.
        InputError
            If x is neither float32 nor float64.
        """
        check(x, self.scale, "an HR image")
        return linear(x, self._down, self._up)

    def adjoint(self, y: Tensor) -> Tensor:
        """Transpose: `A^T y`, LR (…, C, H, W) to HR (…, C, s H, s W)."""
        check(y, (1, 1), "an LR image")
        return linear(y, self._up, self._down)

    def upscale(self, y: Tensor) -> Tensor:
        """Interpolate by zero filling, an unpaired frequency shared by both signs: `s_row s_col A^T y`."""
        return self.adjoint(y) * float(self.scale[0] * self.scale[1])

    def pinv(self, y: Tensor) -> Tensor:
        """Give the smallest HR image that explains the measurement: zero filling, `A A^+ y = y` to rounding."""
        check(y, (1, 1), "an LR image")
        return self.adjoint(linear(y, self._solve, self._solve))

    def pinv_halo(self, tol: float = 1e-6) -> int:
        """Refuse to give a reach: there is none.

        Raises
        ------
        OperatorError
            Always.
        """
        raise self._never()

    def invisible(self, fwhm: float) -> float:
        """Give the share of the peak of a Gaussian object, `fwhm` HR pixels wide at half height, that `A` cannot see.

        Raises
        ------
        InputError
            If `fwhm` is not above 0.
        """
        check_width(fwhm)
        return surviving(*(_profiles(s, fwhm) for s in self.scale))

    @property
    def _centred(self) -> bool:
        return dict(self.parameters).get("centred", 1.0) == 1.0

    def _down(self, x: Tensor) -> Tensor:
        for s, axis in zip(self.scale, (-2, -1), strict=True):
            x = _crop(x, s, axis, self._centred) if s > 1 else x
        return x.contiguous()

    def _up(self, y: Tensor) -> Tensor:
        for s, axis in zip(self.scale, (-2, -1), strict=True):
            y = _fill(y, s, axis, self._centred) if s > 1 else y
        return y.contiguous()

    def _solve(self, y: Tensor) -> Tensor:
        """Apply `(A A^T)^-1`: s along each axis, 2 s for the unpaired frequency."""
        for s, axis in zip(self.scale, (-2, -1), strict=True):
            if s > 1:
                y = s * (y + _unpaired(y, axis)) if y.shape[axis] % 2 == 0 else s * y
        return y

    def _never(self) -> OperatorError:
        return OperatorError(
            f"a window of {self.kind} x{max(self.scale)}", "whole images: each pixel sees all others", "Treat the image in one piece."
        )


def _phases(count: int, size: int, scale: int, centred: bool, like: Tensor) -> Tensor:
    """Give the shift of each frequency 0..count // 2 that moves LR pixels from the corner of their block to its centre."""
    turn = math.pi * (scale - 1) / size if centred else 0.0
    angle = torch.arange(count // 2 + 1, dtype=torch.float64, device=like.device) * turn
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex128 if like.dtype == torch.float64 else torch.complex64)


def _crop(x: Tensor, scale: int, axis: int, centred: bool) -> Tensor:
    """Apply one axis: size n -> n // scale."""
    lines = x.movedim(axis, -1)
    size = lines.shape[-1]
    count = size // scale
    kept = torch.fft.rfft(lines)[..., : count // 2 + 1] * _phases(count, size, scale, centred, x)
    if count % 2 == 0:
        kept[..., -1] = kept[..., -1].real.to(kept.dtype)
    made: Tensor = torch.fft.irfft(kept, n=count) / scale
    return made.movedim(-1, axis)


def _fill(y: Tensor, scale: int, axis: int, centred: bool) -> Tensor:
    """Apply one axis' transpose: size m -> scale * m, zeros at the frequencies that were not measured."""
    lines = y.movedim(axis, -1)
    count = lines.shape[-1]
    size = scale * count
    known = torch.fft.rfft(lines) * _phases(count, size, scale, centred, y).conj()
    if count % 2 == 0:
        known[..., -1] = known[..., -1] / 2
    made: Tensor = torch.fft.irfft(known, n=size)
    return made.movedim(-1, axis)


def _unpaired(y: Tensor, axis: int) -> Tensor:
    """Give the part of y at the frequency m/2 of an even axis: alternating signs."""
    size = y.shape[axis]
    signs = 1 - 2 * (torch.arange(size, device=y.device) % 2).to(y.dtype)
    lines = y.movedim(axis, -1)
    part: Tensor = (lines * signs).mean(-1, keepdim=True) * signs
    return part.movedim(-1, axis)


@lru_cache(maxsize=64)
def _profiles(scale: int, fwhm: float) -> tuple[FloatArray, FloatArray]:
    """Give the object's profile at each sub-pixel position, and the part of it that the axis sees: two (positions, pixels) arrays."""
    profile, view = objects(scale, fwhm, MARGIN)
    if scale == 1:
        return profile[:, view], profile[:, view]
    low = _crop(torch.from_numpy(profile), scale, -1, True)  # an odd number of LR pixels: A^+ = s A^T
    return profile[:, view], (scale * _fill(low, scale, -1, True)).numpy()[:, view]
