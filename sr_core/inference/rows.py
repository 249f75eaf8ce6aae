"""Row streaming: a network computed as rows of pixels come in, each layer keeping only the rows that it still needs.

A network is a tree of blocks (`sr_core.networks.blocks`); here each block gets a *flow* through which rows pass from top to bottom. No
pixel of a convolution is computed twice and there is no halo: at the top and at the bottom a flow meets the image's own border, as the
whole image does. Memory grows with the width of the image, not with its height.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from itertools import zip_longest

import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.networks.activations import Activation, LeakyReLU, PReLU, Scale
from sr_core.networks.blocks import Add, Block, Concat, Conv, FixedConv, Repeat, Sequence, Shuffle, TransposedConv, Upscale
from sr_core.networks.convolution import convolve, mirrored_axis


class Flow(ABC):
    """A block as rows pass through it.

    Attributes
    ----------
    fresh : whether what comes out is held by nobody else, so that it may be changed in place.
    """

    fresh: bool = True

    @abstractmethod
    def feed(self, x: Tensor, last: bool) -> Tensor:
        """Take the next rows of the input and give the rows of the output that follow from them.

        Parameters
        ----------
        x : (N, C, rows, W), rows >= 0.
        last : whether the image ends here; then all rows that remain come out.

        Returns
        -------
        (N, C', rows', W'), rows' >= 0.
        """

    @abstractmethod
    def kept(self) -> int:
        """Give the bytes that are kept for later."""


class Single(Flow):
    """A block that treats each row by itself."""

    def __init__(self, block: Block) -> None:
        self._block = block

    def feed(self, x: Tensor, last: bool) -> Tensor:
        """Compute the block."""
        out: Tensor = self._block(x)
        return out

    def kept(self) -> int:
        """Nothing."""
        return 0


class Convolution(Flow):
    """A k x k convolution: keeps the last k - 1 rows of its input.

    Parameters
    ----------
    weight, bias : as `conv2d` takes them, in the number format of the computation.
    mirror : whether the image is mirrored at its border; else there are zeros beyond it.
    rectify : whether negative inputs count as zero: the activation before it, at the price of the copy that is made anyway.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, mirror: bool = False, rectify: bool = False) -> None:
        self._weight, self._bias, self._mirror, self._rectify = weight, bias, mirror, rectify
        self._margin = int(weight.shape[-1]) // 2
        self._held: Tensor | None = None
        self._begun = False  # whether the rows above the image are in `_held`

    def feed(self, x: Tensor, last: bool) -> Tensor:
        """Convolve as many rows as can be."""
        margin = self._margin
        if margin == 0:
            x = x.to(self._weight.dtype)
            return self._convolved(x.clamp_min(0) if self._rectify else x)
        held = 0 if self._held is None else self._held.shape[2]
        if not self._begun and (not self._mirror or last or held + x.shape[2] >= margin):
            rows, self._begun = self._gathered(x, margin, margin if last else 0), True
        else:
            rows = self._gathered(x, 0, margin if last and self._begun else 0)
        kept = 2 * margin if self._begun else rows.shape[2]
        self._held = None if last else rows[:, :, max(0, rows.shape[2] - kept) :].clone(memory_format=torch.channels_last)
        return self._convolved(rows if self._begun else rows[:, :, :0])

    def kept(self) -> int:
        """Give the bytes of the rows kept."""
        return 0 if self._held is None else self._held.nbytes

    def _gathered(self, x: Tensor, above: int, below: int) -> Tensor:
        """Put the rows kept, the new ones and those beyond the image into one new tensor."""
        held = self._held
        start = above + (0 if held is None else held.shape[2])
        end = start + x.shape[2]
        rows = torch.empty(
            (*x.shape[:2], end + below, x.shape[3]), dtype=self._weight.dtype, device=x.device, memory_format=torch.channels_last
        )
        if held is not None:
            rows[:, :, above:start] = held
        new = rows[:, :, start:end]
        if self._rectify and x.dtype == rows.dtype:
            torch.clamp_min(x, 0, out=new)
        else:
            new.copy_(x.clamp_min(0) if self._rectify else x)
        if self._mirror and (above or below):
            return self._mirrored(rows, above, below)
        rows[:, :, :above] = 0
        rows[:, :, end:] = 0
        return rows

    def _mirrored(self, rows: Tensor, above: int, below: int) -> Tensor:
        """Fill the rows beyond the image; those that were there already above it serve a low image's lower border, too."""
        inside = rows[:, :, above : rows.shape[2] - below]
        if above and below:
            return mirrored_axis(inside, self._margin, -2)
        if above:
            rows[:, :, :above] = inside[:, :, :above].flip(2)
        else:
            rows[:, :, rows.shape[2] - below :] = inside[:, :, inside.shape[2] - below :].flip(2)
        return rows

    def _convolved(self, rows: Tensor) -> Tensor:
        if rows.shape[2] <= 2 * self._margin:
            return rows.new_empty(rows.shape[0], self._weight.shape[0], 0, rows.shape[3])
        if self._mirror:
            return convolve(mirrored_axis(rows, self._margin, -1), self._weight, self._bias, (0, 0))
        return convolve(rows, self._weight, self._bias, (0, self._margin))


class Surrounded(Flow):
    """A block computed with the rows around that it needs, which are kept: for interpolations.

    The few rows at the seams are computed twice; such blocks cost little.
    """

    def __init__(self, block: Block) -> None:
        low, high = block.reach((0, block.zoom - 1))
        self._block, self._above, self._below = block, max(0, -low), max(0, high)
        self._held: Tensor | None = None
        self._ready = 0  # rows at the start of `_held` that are there for those below only

    def feed(self, x: Tensor, last: bool) -> Tensor:
        """Compute the rows whose surroundings are there."""
        rows = x if self._held is None else torch.cat((self._held, x), dim=2)
        end = rows.shape[2] if last else rows.shape[2] - self._below
        if end <= self._ready:
            self._held = rows
            return self._empty(rows)
        zoom = self._block.zoom
        out: Tensor = self._block(rows)[:, :, self._ready * zoom : end * zoom]
        first = max(0, end - self._above)
        self._held, self._ready = (None, 0) if last else (rows[:, :, first:].clone(memory_format=torch.channels_last), end - first)
        return out

    def kept(self) -> int:
        """Give the bytes of the rows kept."""
        return 0 if self._held is None else self._held.nbytes

    def _empty(self, rows: Tensor) -> Tensor:
        if rows.shape[2] == 0:  # nothing is known of the output but what a row of zeros gives
            rows = rows.new_zeros(*rows.shape[:2], 1, rows.shape[3])
        out: Tensor = self._block(rows)
        return out[:, :, :0]


class Chain(Flow):
    """Flows one after the other; without any, the rows as they are."""

    def __init__(self, flows: list[Flow]) -> None:
        self._flows = flows
        self.fresh = bool(flows) and flows[-1].fresh

    def feed(self, x: Tensor, last: bool) -> Tensor:
        """Pass the rows on."""
        for flow in self._flows:
            x = flow.feed(x, last)
        return x

    def kept(self) -> int:
        """Give the sum over the flows."""
        return sum(flow.kept() for flow in self._flows)


class Queue:
    """Rows that wait for those of another branch."""

    def __init__(self) -> None:
        self._parts: deque[Tensor] = deque()
        self.rows = 0

    def put(self, x: Tensor) -> None:
        """Append rows; those that are part of something larger do not keep it in memory."""
        if x.shape[2] or not self._parts:
            whole = x.untyped_storage().nbytes() <= x.nbytes
            self._parts.append(x if whole else x.clone(memory_format=torch.channels_last))
            self.rows += x.shape[2]

    def take(self, count: int) -> list[Tensor]:
        """Take the first `count` rows, in pieces, at least one; what is left does not keep the taken rows in memory."""
        if not count:
            return [self._parts[0][:, :, :0]]
        taken: list[Tensor] = []
        while count:
            part = self._parts.popleft()
            if part.shape[2] > count or not self._parts:
                self._parts.appendleft(part[:, :, count:].clone(memory_format=torch.channels_last))
                part = part[:, :, :count]
            if part.shape[2]:
                taken.append(part)
            count -= part.shape[2]
            self.rows -= part.shape[2]
        return taken

    def kept(self) -> int:
        """Give the bytes of the rows that wait."""
        return sum(part.nbytes for part in self._parts)


class Branches(Flow):
    """Flows on the same input, put together row by row: by their sum, or feature map after feature map."""

    def __init__(self, flows: list[Flow], join: bool) -> None:
        self._flows, self._join = flows, join
        self._queues = [Queue() for _ in flows]
        self._into = next((n for n in reversed(range(len(flows))) if flows[n].fresh), None) if len(flows) == 2 else None

    def feed(self, x: Tensor, last: bool) -> Tensor:
        """Feed every branch, and combine the rows that all of them have."""
        for flow, queue in zip(self._flows, self._queues, strict=True):
            queue.put(flow.feed(x, last))
        ready = min(queue.rows for queue in self._queues)
        taken = [queue.take(ready) for queue in self._queues]
        if self._join:
            return torch.cat([joined(parts) for parts in taken], dim=1)
        if self._into is not None:  # a sum of two does not depend on their order
            return added(joined(taken[self._into]), taken[1 - self._into])
        first, second, *others = [joined(parts) for parts in taken]
        total = first + second
        for other in others:
            total.add_(other)
        return total

    def kept(self) -> int:
        """Give the sum over branches and queues."""
        return sum(flow.kept() for flow in self._flows) + sum(queue.kept() for queue in self._queues)


def added(total: Tensor, parts: list[Tensor]) -> Tensor:
    """Add rows that come in pieces to `total`, in place."""
    row = 0
    for part in parts:
        total[:, :, row : row + part.shape[2]].add_(part)
        row += part.shape[2]
    return total


def joined(parts: list[Tensor]) -> Tensor:
    """Put pieces of rows together."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def flow_of(block: Block, precision: torch.dtype) -> Flow:
    """Make the flow of a block.

    Parameters
    ----------
    precision : number format of the learned convolutions; fixed filters and interpolations keep that of their input.

    Raises
    ------
    ShapeError
        If a block is of a kind that cannot be computed row by row.
    """
    match block:
        case Conv():
            return _convolution(block, precision)
        case FixedConv():
            return Convolution(block.weight, None, mirror=True)
        case Activation() | LeakyReLU() | PReLU() | Scale() | Shuffle() | Repeat():
            return Single(block)
        case Sequence():
            return Chain(_chain(block.steps(), precision))
        case Add() | Concat():
            return Branches([flow_of(step, precision) for step in block.steps()], join=isinstance(block, Concat))
        case TransposedConv():
            weight, bias = (part.detach().to(precision) for part in block.convolution())
            return Chain([Convolution(weight, bias), Single(Shuffle(block.zoom))])
        case Upscale():
            return Surrounded(block)
        case _:
            raise ShapeError(f"a {type(block).__name__}", "blocks that see a bounded neighbourhood", "Compute it in tiles, or whole.")


def _chain(steps: tuple[Block, ...], precision: torch.dtype) -> list[Flow]:
    """Make the flows of a sequence; an activation goes into the convolution that follows it."""
    flows: list[Flow] = []
    rectify = False
    for step, following in zip_longest(steps, steps[1:]):
        if isinstance(step, Activation) and step.kind == "relu" and isinstance(following, Conv):
            rectify = True
            continue
        flows.append(_convolution(step, precision, rectify) if isinstance(step, Conv) else flow_of(step, precision))
        rectify = False
    return flows


def _convolution(block: Conv, precision: torch.dtype, rectify: bool = False) -> Convolution:
    weight = block.weight.detach().to(precision, memory_format=torch.channels_last)
    return Convolution(weight, block.bias.detach().to(precision), rectify=rectify)
