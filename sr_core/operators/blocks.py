"""The fast form of two factors on a CPU: strips of rows, each a product with one small full matrix, then the same across columns.

A block of outputs is one matrix product with the part of the banded matrix that makes it. Blocks are always full: the last one is shifted
inwards, and images smaller than a block are padded with zeros. Products of these shapes add up each pixel in the order of its taps (the
zeros around them change nothing), so windows equal the whole bit for bit; `usable` proves it for the machine at hand and the length of
the taps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from sr_core.operators.factor import Factor, FloatArray
from sr_core.operators.memory import new_empty
from sr_core.operators.pool import Task, share

STRIP_PIXELS = 1 << 18  # float32 pixels of a strip over several small images: 1 MB, one core's cache
SHARE_PIXELS = 1 << 22  # pixels read that a worker takes at once: some milliseconds, long against taking it
INNER_STEP = 64  # inner axes are tried in multiples of this many values
ROWS = 32  # rows of a strip where the row axis is left as it is


@dataclass(frozen=True, eq=False)
class Run:
    """Neighbouring blocks that share a matrix: `count` blocks from `out_start` on, made of inputs from `in_start` on."""

    out_start: int
    in_start: int
    count: int
    matrix: FloatArray  # (block, length)


@dataclass(frozen=True, eq=False)
class Plan:
    """How one axis is cut into blocks. A block makes `block` outputs of `length` inputs and the next begins `step` inputs on."""

    size: int  # outputs wanted
    block: int
    length: int
    step: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Sizes:
    """Sizes of a block: `block` outputs are made of `length` inputs from `first` on (relative to the block), the next `step` inputs on."""

    block: int
    length: int
    step: int
    first: int


@lru_cache(maxsize=256)
def sizes(factor: Factor, transposed: bool) -> Sizes:
    """Choose the sizes of a block of the factor's matrix, or of its transpose."""
    factor = factor.balanced()
    scale, taps, offset = factor.scale, len(factor.taps), factor.offset
    reach = max(factor.before, factor.after)
    lr_block = max(16 if scale > 1 else 32, -(-reach // scale))
    if not transposed:
        return Sizes(lr_block, (lr_block - 1) * scale + taps, lr_block * scale, offset)
    block = lr_block * scale
    first = -((offset + taps - 1) // scale)
    return Sizes(block, (block - 1 - offset) // scale - first + 1, lr_block, first)


@lru_cache(maxsize=256)
def plan(factor: Factor, size: int, transposed: bool) -> Plan:
    """Cut an axis of `size` inputs into blocks of the factor's matrix, or of its transpose."""
    of_block = sizes(factor, transposed)
    block, length, step, first = of_block.block, of_block.length, of_block.step, of_block.first
    factor = factor.balanced()
    scale = factor.scale
    lr_size = size if transposed else size // scale
    hr_size = scale * lr_size
    reach = max(factor.before, factor.after)
    outputs = hr_size if transposed else lr_size
    starts = [*range(0, max(outputs - block, 0), block), max(outputs - block, 0)]
    runs: list[Run] = []
    inner: FloatArray | None = None
    for start in starts:
        wanted = (start // scale if transposed else start * scale) + first
        margin = reach if transposed else 0  # outputs nearer to a border than this receive folded parts
        inside = 0 <= wanted <= size - length and margin <= start <= outputs - margin - block
        at = min(max(wanted, 0), max(size - length, 0))
        if inside and inner is not None:
            last = runs[-1]
            if last.matrix is inner and at == last.in_start + last.count * step and start == last.out_start + last.count * block:
                runs[-1] = Run(last.out_start, last.in_start, last.count + 1, inner)
            else:
                runs.append(Run(start, at, 1, inner))
            continue
        matrix = _part(factor, hr_size, start, at, (block, length), transposed)
        if inside:
            inner = matrix
        runs.append(Run(start, at, 1, matrix))
    return Plan(outputs, block, length, step, tuple(runs))


def _part(factor: Factor, hr_size: int, out_start: int, in_start: int, shape: tuple[int, int], transposed: bool) -> FloatArray:
    """Cut a block out of the factor's matrix (or its transpose); rows and columns beyond the matrix are zero."""
    lr_size = hr_size // factor.scale
    lr_start, lr_count = (in_start, shape[1]) if transposed else (out_start, shape[0])
    hr_start, hr_count = (out_start, shape[0]) if transposed else (in_start, shape[1])
    part = np.zeros((lr_count, hr_count))
    rows = np.arange(lr_start, min(lr_start + lr_count, lr_size))
    columns = factor.sources_of(rows, hr_size) - hr_start
    row_index = np.broadcast_to((rows - lr_start)[:, None], columns.shape)
    values = np.broadcast_to(np.asarray(factor.taps), columns.shape)
    inside = (columns >= 0) & (columns < hr_count)
    np.add.at(part, (row_index[inside], columns[inside]), values[inside])
    return part.T.copy() if transposed else part


@lru_cache(maxsize=1024)
def _tensor(matrix_of: Run, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    matrix = torch.from_numpy(matrix_of.matrix).to(dtype)
    return matrix, matrix.T.contiguous()


def _down(x: Tensor, run: Run, out: Tensor) -> None:
    """Multiply rows: (c, length, W) -> out (c, block, W)."""
    matrix = _tensor(run, x.dtype)[0]
    if len(x) == 1:
        torch.mm(matrix, x[0], out=out[0])
    else:
        out.copy_(torch.bmm(matrix.expand(len(x), -1, -1), x))


def _across(x: Tensor, cut: Plan | None, out: Tensor) -> None:
    """Multiply columns: (c, R, W) -> out (c, R, W')."""
    if cut is None:
        out.copy_(x)
        return
    for run in cut.runs:
        matrix = _tensor(run, x.dtype)[1]
        part = x[..., run.in_start : run.in_start + cut.step * (run.count - 1) + cut.length].unfold(-1, cut.length, cut.step)
        made = torch.mm(part.reshape(-1, cut.length), matrix)
        place = out[..., run.out_start : run.out_start + run.count * cut.block]
        place.copy_(made.view(place.shape))


def transform(x: Tensor, rows: Factor, cols: Factor, transposed: bool, plus: Tensor | None = None, workers: int = 1) -> Tensor:
    """Apply two factors, or their transposes: (N, H, W) contiguous float32 -> (N, H', W').

    `plus` (N, H', W') is added strip by strip. `workers` threads share the strips; the bits do not depend on their number.
    """
    height, width = x.shape[1:]
    down = None if rows.identity else plan(rows, height, transposed)
    side = None if cols.identity else plan(cols, width, transposed)
    need_h, need_w = down.length if down else ROWS, side.length if side else 16
    if height < need_h or width < need_w:
        x = pad(x, (0, max(0, need_w - width), 0, max(0, need_h - height)))
    out_h, out_w = down.size if down else height, side.size if side else width
    full_h = max(out_h, down.block) if down else x.shape[1]
    full_w = max(out_w, side.block) if side else x.shape[2]
    exact = (full_h, full_w) == (out_h, out_w)
    out = new_empty(x, (x.shape[0], full_h, full_w))
    together = max(1, STRIP_PIXELS // (need_h * max(x.shape[2], full_w)))
    cuts = _cuts(down, full_h)
    tasks: list[Task] = []
    for first in range(0, len(x), together):
        part = slice(first, first + together)
        strips = Strips(x[part], down, side, transposed, out[part], plus[part] if plus is not None and exact else None)
        tasks += [partial(strips.run, some) for some in _shares(cuts, together * x.shape[2] * need_h)]
    share(tasks, workers)
    made = out if exact else out[:, :out_h, :out_w].contiguous()
    return made if plus is None or exact else made.add_(plus)


@dataclass(frozen=True, eq=False)
class Cut:
    """One strip: the rows it reads, the rows it makes, and the run whose matrix does it (None: rows stay as they are)."""

    at: slice
    to: slice
    run: Run | None


def _cuts(down: Plan | None, height: int) -> list[Cut]:
    """List the strips from the top; only the last may overlap the one before it."""
    if down is None:
        starts = [*range(0, height - ROWS, ROWS), height - ROWS]
        return [Cut(slice(start, start + ROWS), slice(start, start + ROWS), None) for start in starts]
    made: list[Cut] = []
    for run in down.runs:
        for k in range(run.count):
            reads, makes = run.in_start + k * down.step, run.out_start + k * down.block
            made.append(Cut(slice(reads, reads + down.length), slice(makes, makes + down.block), run))
    return made


def _shares(cuts: list[Cut], pixels: int) -> list[list[Cut]]:
    """Divide the strips (of so many pixels) into what a worker takes at once. The last two stay together: they may overlap."""
    size = max(2, SHARE_PIXELS // pixels)
    starts = [*range(0, max(1, len(cuts) - 1), size), len(cuts)]
    return [cuts[first:last] for first, last in pairwise(starts)]


@dataclass(frozen=True, eq=False)
class Strips:
    """A few images and how they are transformed: on the way to LR rows first, to HR columns first, so that the strip between is small."""

    x: Tensor
    down: Plan | None
    side: Plan | None
    transposed: bool
    out: Tensor
    plus: Tensor | None

    def run(self, cuts: list[Cut]) -> None:
        """Make some strips."""
        count, _, width = self.x.shape
        down, side, out = self.down, self.side, self.out
        wide = None
        if down is not None and side is not None:
            wide = out.new_empty((count, down.length, out.shape[2]) if self.transposed else (count, down.block, width))
        sums = None if self.plus is None else out.new_empty((count, down.block if down else ROWS, out.shape[2]))
        for cut in cuts:
            strip = self.x[:, cut.at]
            place = out[:, cut.to] if sums is None else sums
            if cut.run is None:
                _across(strip, side, place)
            elif wide is None:
                _down(strip, cut.run, place)
            elif self.transposed:
                _across(strip, side, wide)
                _down(wide, cut.run, place)
            else:
                _down(strip, cut.run, wide)
                _across(wide, side, place)
            if self.plus is not None:
                torch.add(place, self.plus[:, cut.to], out=out[:, cut.to])


def usable(rows: Factor, cols: Factor, transposed: bool) -> bool:
    """Say whether this form gives windows the bits of the whole on this machine, for blocks as long as these factors need."""
    lengths = [sizes(factor, transposed).length for factor in (rows, cols) if not factor.identity]
    return all(stable(max(2, -(-length // INNER_STEP)) * INNER_STEP) for length in lengths)


@lru_cache(maxsize=64)
def stable(inner: int) -> bool:
    """Say whether this machine's float32 matrix product gives each element the same bits whatever the product's size and place.

    It does where each element is one chain of additions over the inner axis of `inner` values (at least 76): all current x86 libraries
    do so for 12 columns or more, up to some 200 values; longer axes are added up in parts. Where it does not, the plain form is used.
    """
    generator = torch.Generator().manual_seed(0)
    data = torch.randn((inner, 1000), generator=generator)
    taps = torch.randn(inner - 60, generator=generator)
    matrix = torch.stack([torch.nn.functional.pad(taps, (4 * i, 60 - 4 * i)) for i in range(16)])
    whole = matrix @ data
    for width in (16, 17, 31, 33, 64, 100, 257, 999):
        part = data[:, :width]
        several = torch.bmm(matrix.expand(2, -1, -1), torch.stack([part, part]))
        across = part.T.contiguous() @ matrix.T.contiguous()
        if not all(torch.equal(made, whole[:, :width]) for made in (matrix @ part, several[0], several[1], across.T)):
            return False
    # The same taps four pixels on: one row lower in the block, other zeros around them.
    moved = torch.cat([data[4:], data[:4]])
    return torch.equal((matrix @ moved)[:15], whole[1:])
