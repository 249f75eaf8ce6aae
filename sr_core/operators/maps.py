"""Kernel and noise as maps beside the image, for a network that is told the degradation.

References
----------
K. Zhang, W. Zuo, L. Zhang, Learning a single convolutional super-resolution network for multiple degradations, CVPR 2018,
doi:10.1109/CVPR.2018.00344 (15 x 15 kernels, 15 components, stretched to maps; one more map for the noise level).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sr_core.errors import InputError, OperatorError, ShapeError
from sr_core.operators.base import Operator
from sr_core.operators.separable import SeparableOperator

SIDE = 15  # pixels of a kernel's side
COMPONENTS = 15


def kernel_of(operator: Operator, side: int = SIDE) -> Tensor:
    """Give the 2-D kernel of a separable operator: float64 (side, side), sum 1, its centre in the middle.

    Taps of an even number sit half a pixel before the middle. What lies outside is cut off and the rest scaled to sum 1.

    Raises
    ------
    OperatorError
        If the operator is not separable, or differs from band to band.
    ShapeError
        If `side` is not odd, or so small that less than 95 % of the taps' weight is left.
    """
    if not isinstance(operator, SeparableOperator):
        remedy = "Take one band's: operator.for_bands(operator.bands)[0]." if operator.bands else "Choose a degradation by taps."
        raise OperatorError(f"the kernel of {operator.kind}", "one pair of taps that holds for all bands", remedy)
    if side < 1 or side % 2 == 0:
        raise ShapeError(f"a kernel side of {side}", "an odd number of pixels", f"Give side={SIDE}.")
    lines = []
    for factor in (operator.rows, operator.cols):
        line = torch.zeros(side, dtype=torch.float64)
        first = side // 2 - len(factor.taps) // 2
        for t, tap in enumerate(factor.taps):
            if 0 <= first + t < side:
                line[first + t] = tap
        whole = sum(abs(tap) for tap in factor.taps)
        if float(line.abs().sum()) < 0.95 * whole:
            raise ShapeError(
                f"{len(factor.taps)} taps in a kernel of side {side}", "a side that holds them", f"Give side={len(factor.taps) | 1}."
            )
        lines.append(line / line.sum())
    return torch.outer(*lines)


@dataclass(frozen=True, eq=False)
class KernelBasis:
    """Directions in which kernels differ, float64 (components, side * side), orthonormal, the strongest first.

    Not centred at the mean kernel, as in the reference: a kernel's vector is its inner products with the directions.
    """

    directions: Tensor

    @classmethod
    def fit(cls, kernels: Tensor, components: int = COMPONENTS) -> KernelBasis:
        """Fit to kernels (N, side, side), N >= components.

        Raises
        ------
        ShapeError
            If they are not square kernels, or fewer than components.
        InputError
            If one has a value that is not finite.
        """
        if kernels.ndim != 3 or kernels.shape[1] != kernels.shape[2]:
            raise ShapeError(f"kernels of shape {tuple(kernels.shape)}", "(N, side, side)", "Stack kernels of one side.")
        if not 1 <= components <= min(len(kernels), kernels.shape[1] ** 2):
            given = f"{components} components of {len(kernels)} kernels of side {kernels.shape[1]}"
            raise ShapeError(given, "no more components than kernels and pixels", "Give more kernels, or fewer components.")
        if not bool(torch.isfinite(kernels).all()):
            raise InputError("kernels with values that are not finite", "finite values", "Leave them out.")
        right = torch.linalg.svd(kernels.detach().to("cpu", torch.float64).flatten(1), full_matrices=False)[2][:components]
        signs = torch.sign(right.gather(1, right.abs().argmax(1, keepdim=True)))  # a decomposition leaves the signs open
        return cls(right * signs)

    def vector(self, kernel: Tensor) -> Tensor:
        """Give a kernel's coordinates: (…, side, side) to float64 (…, components).

        Raises
        ------
        ShapeError
            If its side is another than the basis'.
        """
        if kernel.ndim < 2 or kernel.shape[-1] != kernel.shape[-2] or kernel.shape[-1] ** 2 != self.directions.shape[1]:
            side = round(self.directions.shape[1] ** 0.5)
            raise ShapeError(f"a kernel of shape {tuple(kernel.shape)}", f"(…, {side}, {side})", "Make it with kernel_of(operator, side).")
        return kernel.to(self.directions).flatten(-2) @ self.directions.T

    def kernel(self, vector: Tensor) -> Tensor:
        """Give the kernel that a vector stands for: (…, components) to float64 (…, side, side)."""
        side = round(self.directions.shape[1] ** 0.5)
        flat = vector.to(self.directions) @ self.directions
        return flat.reshape(*flat.shape[:-1], side, side)


def degradation_maps(kernel: Tensor, basis: KernelBasis, noise: float | Tensor, y: Tensor) -> Tensor:
    """Give the maps that go beside an LR image: the kernel's vector, each number stretched to a map, then the noise's standard deviation.

    Parameters
    ----------
    kernel : Tensor (side, side)
        The blur, for example `kernel_of(operator)`.
    basis : KernelBasis
        Fitted to kernels like it.
    noise : float or Tensor
        Standard deviation in the image's unit; one number, or a map that broadcasts to (N, 1, H, W).
    y : Tensor (N, C, H, W)
        The LR image: its shape, dtype and device count, its values do not.

    Returns
    -------
    Tensor (N, components + 1, H, W)
        Like y.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    InputError
        If the noise is negative or not finite.
    """
    if y.ndim != 4:
        raise ShapeError(f"an LR image of shape {tuple(y.shape)}", "(N, C, H, W)", "Add a batch dimension: y[None].")
    if kernel.ndim != 2:
        raise ShapeError(f"a kernel of shape {tuple(kernel.shape)}", "(side, side)", "Give one kernel for all images of a batch.")
    sigma = torch.as_tensor(noise, dtype=y.dtype, device=y.device)
    if not bool((torch.isfinite(sigma) & (sigma >= 0)).all()):
        raise InputError("noise that is negative or not finite", "standard deviations >= 0", "Give 0 where there is none.")
    count, _, height, width = y.shape
    try:
        level = sigma.expand(count, 1, height, width)
    except RuntimeError as error:
        given = f"a noise map of shape {tuple(sigma.shape)} for an LR image of {tuple(y.shape)}"
        raise ShapeError(given, f"one that broadcasts to ({count}, 1, {height}, {width})", "Give one number, or a map.") from error
    vector = basis.vector(kernel).to(y)
    return torch.cat([vector[None, :, None, None].expand(count, -1, height, width), level], dim=1)
