"""Runs two factors, or their transposes, over an image: chooses the form, keeps leading dimensions, one thread, and gradients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sr_core.errors import InputError, ShapeError
from sr_core.operators import accumulate, blocks
from sr_core.operators.factor import Factor

Map = Callable[[Tensor], Tensor]


class _SingleThread:
    """Counts its users over all threads of the process: the first sets one intra-operation thread, the last restores the old number.

    Entering gives the number that was set: as many workers may share the strips (1 inside another user).
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before = 1

    @contextmanager
    def __call__(self) -> Iterator[int]:
        with self.lock:
            first = self.users == 0
            if first:
                self.before = torch.get_num_threads()
                if self.before != 1:
                    torch.set_num_threads(1)
            self.users += 1
        try:
            yield self.before if first else 1
        finally:
            with self.lock:
                self.users -= 1
                if self.users == 0 and self.before != 1:
                    torch.set_num_threads(self.before)


# The number of threads is a setting of the whole process, so its guard is one as well. Many tiny products on several threads stand
# at a barrier after each: on a busy machine that is a hundred times slower than one thread.
single_thread = _SingleThread()


class _Linear(torch.autograd.Function):
    """A linear map with its transpose as gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Map, back: Map) -> Tensor:
        ctx.maps = (there, back)
        return there(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        there, back = ctx.maps
        return linear(gradients[0], back, there), None, None


def linear(x: Tensor, there: Map, back: Map) -> Tensor:
    """Apply a linear map whose transpose is `back`, so that gradients flow through it; mixed precision is kept out of it."""
    with torch.autocast(device_type=x.device.type, enabled=False):
        if not (torch.is_grad_enabled() and x.requires_grad):
            return there(x)
        made: Tensor = _Linear.apply(x, there, back)  # type: ignore[no-untyped-call]
        return made


def run(x: Tensor, rows: Factor, cols: Factor, transposed: bool = False, plus: Tensor | None = None) -> Tensor:
    """Apply `rows` along axis -2 and `cols` along axis -1, or their transposes; (…, H, W), float32 or float64, any device.

    `plus` (of the result's shape) is added to the result. The bits depend neither on it being added here nor on the number of threads.
    """
    if rows.identity and cols.identity:
        return x.clone() if plus is None else x + plus
    flat = x.detach().reshape(-1, *x.shape[-2:]).contiguous()
    more = None if plus is None else plus.detach().reshape(-1, *plus.shape[-2:])
    if x.dtype == torch.float32 and x.device.type == "cpu":
        with single_thread() as workers:
            if blocks.usable(rows, cols, transposed):
                made = blocks.transform(flat, rows, cols, transposed, more, workers)
            else:
                made = _plain(flat, rows, cols, transposed, more)
    else:
        made = _plain(flat, rows, cols, transposed, more)
    return made.reshape(*x.shape[:-2], *made.shape[-2:])


def _plain(x: Tensor, rows: Factor, cols: Factor, transposed: bool, plus: Tensor | None) -> Tensor:
    along = accumulate.transposed if transposed else accumulate.forward
    steps = [(cols, 2), (rows, 1)] if transposed else [(rows, 1), (cols, 2)]
    for factor, axis in steps:
        if not factor.identity:
            x = along(x, factor, axis)
    return x if plus is None else x.add_(plus)


def check(x: Tensor, multiple_of: tuple[int, int], what: str) -> None:
    """Refuse what is not a floating image of whole blocks.

    Raises
    ------
    InputError
        If the dtype is neither float32 nor float64.
    ShapeError
        If there are fewer than two dimensions, or a side is empty or not a multiple of the scale.
    """
    if x.dtype not in (torch.float32, torch.float64):
        raise InputError(f"{what} of {x.dtype}", "float32 or float64", "Convert it first: x.float().")
    if x.ndim < 2:
        raise ShapeError(f"{what} of shape {tuple(x.shape)}", "(..., H, W)", "Give an image with rows and columns.")
    height, width = x.shape[-2:]
    if not height or not width or height % multiple_of[0] or width % multiple_of[1]:
        rows, cols = height - height % multiple_of[0], width - width % multiple_of[1]
        remedy = f"Crop it to {rows} x {cols}." if rows and cols else "Give a larger image."
        raise ShapeError(f"{what} of {height} x {width} px", f"sides that are multiples of {multiple_of[0]} x {multiple_of[1]}", remedy)
