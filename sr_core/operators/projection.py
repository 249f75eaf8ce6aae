"""The nearest image that explains a measurement and stays in the range that values may have (trust: measurement consistency)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sr_core.errors import InputError

if TYPE_CHECKING:
    from sr_core.operators.separable import SeparableOperator

ROUNDS = 8  # of clipping and correcting; more brings little, what is left stays in the residual map
OVER_RELAXATION = 1.8  # stable below 2: each correction is a projection
HALO_TOLERANCE = 1e-4  # of the correction of clipped pixels, itself a small share of the range


def project(operator: SeparableOperator, x: Tensor, y: Tensor, valid_range: tuple[float, float] | None, step: float) -> Tensor:
    """Project x onto the images that explain y; see `SeparableOperator.project`."""
    near = operator.pinv(y - operator.apply(x)).add_(x)  # in place: new memory of this size costs more than the sum
    if valid_range is None:
        return near
    low, high = valid_range
    if not low < high or step < 0:
        raise InputError(f"valid range {valid_range} and step {step}", "low < high and step >= 0", "Give the range of the image's values.")
    clipped = near.clamp(low, high)
    outside = (clipped != near).reshape(-1, *near.shape[-2:])
    touched = torch.nonzero(outside.flatten(1).any(1)).flatten().tolist()
    if not touched:
        return near
    images, measured = clipped.reshape(outside.shape), y.reshape(-1, *y.shape[-2:])
    done = list(images.unbind(0))
    for n in touched:
        done[n] = _settle(operator, images[n], measured[n], outside[n], (low, high), step)
    return torch.stack(done).reshape(near.shape)


def _settle(operator: SeparableOperator, x: Tensor, y: Tensor, outside: Tensor, valid_range: tuple[float, float], step: float) -> Tensor:
    """Clip and correct one band (H, W), in the window that holds its clipped pixels and their reach."""
    top, bottom, left, right = _window(operator, outside, y.shape)
    s_row, s_col = operator.scale
    part = (slice(s_row * top, s_row * bottom), slice(s_col * left, s_col * right))
    measured = y[top:bottom, left:right]
    # At a window's edge that is not the image's, A sees a mirror instead of the image: nothing is corrected there.
    seam = torch.ones_like(measured)
    rim = (-(-operator.support // s_row), -(-operator.support // s_col))
    seam[: rim[0] if top else 0] = 0
    seam[seam.shape[0] - (rim[0] if bottom < y.shape[0] else 0) :] = 0
    seam[:, : rim[1] if left else 0] = 0
    seam[:, seam.shape[1] - (rim[1] if right < y.shape[1] else 0) :] = 0
    low, high = valid_range
    now = x[part]
    for _ in range(ROUNDS):
        residual = (measured - operator.apply(now)) * seam
        residual = residual.sign() * (residual.abs() - step / 4).clamp(min=0)
        # A measurement on a rail says only "at least" or "at most".
        residual = residual.masked_fill((measured >= high) & (residual < 0) | (measured <= low) & (residual > 0), 0)
        if not bool(residual.any()):
            break
        now = (now + OVER_RELAXATION * operator.pinv(residual)).clamp(low, high)
    out = x.clone()
    out[part] = now
    return out


def _window(operator: SeparableOperator, outside: Tensor, lr_shape: torch.Size) -> tuple[int, int, int, int]:
    """Give first and last (exclusive) LR row and column of the clipped pixels with the reach of `A^+` around them."""
    s_row, s_col = operator.scale
    reach = operator.pinv_halo(HALO_TOLERANCE) + -(-operator.support // min(s_row, s_col))
    rows = torch.nonzero(outside.any(1)).flatten()
    cols = torch.nonzero(outside.any(0)).flatten()
    return (
        max(0, int(rows[0]) // s_row - reach),
        min(lr_shape[0], int(rows[-1]) // s_row + 1 + reach),
        max(0, int(cols[0]) // s_col - reach),
        min(lr_shape[1], int(cols[-1]) // s_col + 1 + reach),
    )
