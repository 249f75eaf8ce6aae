"""The eight symmetries of the square, and which of them a degradation has."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sr_core.operators.kinds import operator_from

SYMMETRIES = 8  # of the square: four turns, each with and without a mirror
RECTANGLE = (0, 2, 4, 6)  # those that keep the shape of a picture that is not square
PROBE = 12  # LR px: side of the picture on which a degradation's symmetries are found
Upscale = Callable[[Tensor], Tensor]


def dihedral(pixels: Tensor, symmetry: int) -> Tensor:
    """Give one of the eight symmetries of the square: `symmetry % 4` quarter turns, then a mirror if >= 4.

    The last two axes are rows and columns; 0 is the identity. An image that is not square changes its shape at odd turns.
    """
    turned = torch.rot90(pixels, symmetry % 4, dims=(-2, -1))
    return turned.flip(-1) if symmetry >= 4 else turned


def inverse(symmetry: int) -> int:
    """Give the symmetry that undoes another: a mirrored one undoes itself."""
    return symmetry if symmetry >= 4 else -symmetry % 4


def commuting(operator: str, upscale: Upscale | None = None) -> tuple[int, ...]:
    """Give the symmetries under which a degradation (and an interpolation) may be turned: `A g x = g A x`, found by value.

    Parameters
    ----------
    operator : JSON of the degradation.
    upscale : the interpolation of a store on the HR grid, tested likewise.

    Returns
    -------
    tuple of int
        Numbers for `dihedral`, increasing, 0 among them: 8, 4, 2 or 1 of them, for they are a group.

    Raises
    ------
    OperatorError
        If the operator cannot be read.
    """
    degradation = operator_from(operator)
    rows, cols = degradation.scale
    source = torch.Generator().manual_seed(1)
    bands = degradation.bands or 1
    maps: list[tuple[Upscale, Tensor]] = [
        (degradation.apply, torch.rand(bands, PROBE * rows, PROBE * cols, generator=source, dtype=torch.float64))
    ]
    if upscale is not None:
        maps.append((upscale, torch.rand(1, PROBE, PROBE, generator=source)))
    return tuple(k for k in range(SYMMETRIES) if all(_commutes(run, x, k) for run, x in maps))


def _commutes(run: Upscale, x: Tensor, symmetry: int) -> bool:
    there, back = run(dihedral(x, symmetry).contiguous()), dihedral(run(x), symmetry)
    tolerance = 1e-9 if x.dtype == torch.float64 else 1e-5
    return there.shape == back.shape and bool((there - back).abs().max() <= tolerance * back.abs().max())
