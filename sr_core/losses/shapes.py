"""What every loss asks of its tensors before it computes."""

from __future__ import annotations

import torch
from torch import Tensor

from sr_core.errors import ShapeError


def same(a: Tensor, b: Tensor) -> None:
    """Refuse tensors of two shapes (broadcasting would hide a mistake) or without a fraction.

    Raises
    ------
    ShapeError
        If the shapes differ, or one is not of floating point.
    """
    if a.shape != b.shape:
        raise ShapeError(f"tensors {tuple(a.shape)} and {tuple(b.shape)}", "one shape", "Bring both to the HR grid.")
    if not (torch.is_floating_point(a) and torch.is_floating_point(b)):
        raise ShapeError(f"{a.dtype} and {b.dtype}", "floating-point tensors", "Convert to float32 first.")


def image_batch(x: Tensor, least: int = 2) -> None:
    """Refuse what is no batch of images (N, C, H, W) with sides of at least `least` pixels.

    Raises
    ------
    ShapeError
        If it is not.
    """
    if x.ndim != 4 or min(x.shape[-2:]) < least:
        raise ShapeError(f"a tensor {tuple(x.shape)}", f"images (N, C, H, W) of at least {least} x {least} pixels", "Use larger patches.")
