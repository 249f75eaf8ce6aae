"""The plain form of a factor: taps in fixed order, one multiplication and one addition each, rounded separately.

Each step is one IEEE operation on each pixel, so a pixel's value depends on nothing but the pixels under its taps: the same bits in any
window, at any place in it, on any device and with any number of threads. It is the form for float64 and for accelerators.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sr_core.operators.factor import Factor, IntArray, reflect


def forward(x: Tensor, factor: Factor, axis: int, exact: bool = False) -> Tensor:
    """Apply a factor along one axis: size n -> n // scale.

    `exact` promises that the type holds every product and every sum: then both are done in one step, which may be fused.
    """
    size, scale = x.shape[axis], factor.scale
    count = size // scale
    index = np.arange(factor.offset, factor.offset + scale * (count - 1) + len(factor.taps))
    # One contiguous image a phase: reading every scale-th pixel once a tap would cost twice the time.
    phases = [_every(x, index[p::scale], scale, axis) for p in range(min(scale, len(factor.taps)))]
    total: Tensor | None = None
    product: Tensor | None = None
    for t, tap in enumerate(factor.taps):
        if tap == 0.0:
            continue
        part = phases[t % scale].narrow(axis, t // scale, count)
        if total is None:
            total = part * tap
        elif exact:
            total.add_(part, alpha=tap)
        else:
            product = torch.mul(part, tap, out=product)
            total.add_(product)
    assert total is not None  # a factor has a tap that is not zero
    return total


def _every(x: Tensor, index: IntArray, scale: int, axis: int) -> Tensor:
    """Copy every scale-th pixel along an axis; indices outside are folded back, the long run inside is one strided copy."""
    size = x.shape[axis]
    head, tail = int(np.searchsorted(index, 0)), int(np.searchsorted(index, size))
    if head >= tail:
        return x.index_select(axis, torch.from_numpy(reflect(index, size)).to(x.device))
    made = x.new_empty((*x.shape[:axis], len(index), *x.shape[axis + 1 :]))
    inside = x.narrow(axis, int(index[head]), int(index[tail - 1] - index[head]) + 1)
    made.narrow(axis, head, tail - head).copy_(inside[(slice(None),) * axis + (slice(None, None, scale),)])
    for start, stop in ((0, head), (tail, len(index))):
        if start < stop:
            there = torch.from_numpy(reflect(index[start:stop], size)).to(x.device)
            made.narrow(axis, start, stop - start).copy_(x.index_select(axis, there))
    return made


def transposed(y: Tensor, factor: Factor, axis: int) -> Tensor:
    """Apply a factor's transpose along one axis: size m -> scale * m. What falls outside is folded back as the symmetric border."""
    moved, scale = y.movedim(axis, -1), factor.scale
    count = moved.shape[-1]
    size, span = scale * count, scale * (count - 1) + 1
    spread = moved.new_zeros((*moved.shape[:-1], span - 1 + len(factor.taps)))
    for t, tap in enumerate(factor.taps):
        if tap != 0.0:
            spread[..., t : t + span : scale].add_(moved * tap)
    out = moved.new_zeros((*moved.shape[:-1], size))
    first, last = max(factor.offset, 0), min(factor.offset + spread.shape[-1], size)
    out[..., first:last] = spread[..., first - factor.offset : last - factor.offset]
    outside = [i for i in range(factor.offset, factor.offset + spread.shape[-1]) if not 0 <= i < size]
    for i, home in zip(outside, reflect(np.array(outside, dtype=np.int64), size).tolist(), strict=True):
        out[..., home].add_(spread[..., i - factor.offset])
    return out.movedim(-1, axis).contiguous()
