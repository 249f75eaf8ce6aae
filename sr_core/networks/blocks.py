"""The few kinds of block of which every network here is a tree.

A network is walked, not only called: a block lists its children in order and states which input pixels one output pixel
needs (`reach`), how much finer its output grid is (`zoom`) and what it costs (`macs`). Halo, tiles and a row-streaming
executor follow from these, so nobody types a halo.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from sr_core.networks.convolution import convolve, mirrored, sub_pixel_taps
from sr_core.networks.precision import full_precision
from sr_core.operators import Operator, interpolation

Reach = tuple[int, int]  # first and last pixel of an interval on one axis


class Block(nn.Module):
    """A node of the tree: (N, C, h, w) to (N, C', zoom h, zoom w)."""

    zoom: int = 1
    windowed: bool = True  # whether `reach` bounds what an output pixel depends on

    def steps(self) -> tuple[Block, ...]:
        """Give the child blocks in order (a leaf has none)."""
        return ()

    def reach(self, wanted: Reach) -> Reach:
        """Give the input pixels on which the output pixels `wanted[0]..wanted[1]` depend, on one axis, without a border."""
        return wanted

    def macs(self) -> int:
        """Give multiply-adds per input pixel."""
        return 0

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Compute the block."""


class Conv(Block):
    """A learned k x k convolution, stride 1, zeros beyond the image border.

    Parameters
    ----------
    inputs, outputs : numbers of feature maps.
    side : k, odd.
    """

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def initialise(self, generator: torch.Generator, gain: float = 1.0) -> None:
        """Draw weights and biases uniformly from +-1/sqrt(inputs k²), times `gain` (PyTorch's rule for convolutions)."""
        bound = 1.0 / math.sqrt(self.weight[0].numel())
        with torch.no_grad():
            self.weight.uniform_(-bound, bound, generator=generator).mul_(gain)
            self.bias.uniform_(-bound, bound, generator=generator).mul_(gain)

    def initialise_normal(self, generator: torch.Generator, slope: float = 0.0, gain: float = 1.0) -> None:
        """Draw weights from N(0, 2 / ((1 + slope²) inputs k²)), times `gain`; biases are 0.

        Values then keep their size through a rectifier that multiplies negative ones by `slope` (He et al., doi:10.1109/ICCV.2015.123).
        """
        deviation = math.sqrt(2.0 / ((1.0 + slope**2) * self.weight[0].numel()))
        with torch.no_grad():
            self.weight.normal_(0.0, deviation, generator=generator).mul_(gain)
            self.bias.zero_()

    def reach(self, wanted: Reach) -> Reach:
        """Grow by half the kernel's side."""
        return wanted[0] - self.side // 2, wanted[1] + self.side // 2

    def macs(self) -> int:
        """Every weight is used once a pixel."""
        return self.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        return convolve(x, self.weight, self.bias, (self.side // 2, self.side // 2))


class FixedConv(Block):
    """A k x k filter of one band that training leaves alone: a buffer. The image is mirrored at its border.

    Parameters
    ----------
    weight : (outputs, 1, k, k), k odd.

    Notes
    -----
    Half-sample symmetric extension (the border pixel is repeated), as the operators have it: with zeros a filter that
    sums to 0 would see an edge at the border of a flat image.
    """

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.side = int(weight.shape[-1])
        self.register_buffer("weight", weight)

    def reach(self, wanted: Reach) -> Reach:
        """Grow by half the kernel's side."""
        return wanted[0] - self.side // 2, wanted[1] + self.side // 2

    def macs(self) -> int:
        """Every weight is used once a pixel."""
        return self.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        """Filter."""
        return convolve(mirrored(x, self.side // 2), self.weight, None, (0, 0))


class Repeat(Block):
    """Each pixel becomes a cell of z x z equal ones: (N, C, h, w) to (N, C, z h, z w)."""

    def __init__(self, zoom: int) -> None:
        super().__init__()
        self.zoom = zoom

    def reach(self, wanted: Reach) -> Reach:
        """Give the coarse pixels in which the fine ones lie."""
        return wanted[0] // self.zoom, wanted[1] // self.zoom

    def forward(self, x: Tensor) -> Tensor:
        """Repeat; of no rows come no rows."""
        if not x.numel():
            return x.new_empty(*x.shape[:2], self.zoom * x.shape[2], self.zoom * x.shape[3])
        return functional.interpolate(x, scale_factor=float(self.zoom), mode="nearest-exact")


class Shuffle(Block):
    """Pixel shuffle: (N, C z², h, w) to (N, C, z h, z w); channel c z² + z i + j becomes pixel (i, j) of each z x z cell."""

    def __init__(self, zoom: int) -> None:
        super().__init__()
        self.zoom = zoom

    def reach(self, wanted: Reach) -> Reach:
        """Give the coarse pixels in which the fine ones lie."""
        return wanted[0] // self.zoom, wanted[1] // self.zoom

    def forward(self, x: Tensor) -> Tensor:
        """Shuffle."""
        return functional.pixel_shuffle(x, self.zoom)


class TransposedConv(Block):
    """A learned transposed k x k convolution: (N, C, h, w) to (N, C', z h, z w).

    Parameters
    ----------
    inputs, outputs : numbers of feature maps.
    side : k, at least the zoom.
    zoom : z, the stride.

    Notes
    -----
    Input pixel j reaches the output pixels z j - p .. z j - p + k - 1, with p = ceil((k - z) / 2); what leaves the image is cut off.
    Computed as a convolution to z² sub-pixels and a shuffle: the same sums, in a kernel whose bits do not depend on the image's size.
    """

    taps: Tensor

    def __init__(self, inputs: int, outputs: int, side: int, zoom: int) -> None:
        super().__init__()
        self.side, self.zoom = side, zoom
        self.padding = -(-(side - zoom) // 2)
        self.uneven = 2 * self.padding - (side - zoom)
        self.weight = nn.Parameter(torch.zeros(inputs, outputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("taps", sub_pixel_taps(side, zoom, self.padding), persistent=False)

    def reach(self, wanted: Reach) -> Reach:
        """Give the input pixels that reach the wanted ones."""
        return -((self.side - 1 - self.padding - wanted[0]) // self.zoom), (wanted[1] + self.padding) // self.zoom

    def macs(self) -> int:
        """Every weight is used once an input pixel."""
        return self.weight.numel()

    def convolution(self) -> tuple[Tensor, Tensor]:
        """Give weights (C' z², C, m, m) and biases (C' z²) of the convolution that a shuffle turns into this block."""
        inputs, outputs = self.weight.shape[:2]
        phases, side = self.taps.shape
        taps = self.taps.flatten()
        spread = functional.pad(self.weight, (0, 1, 0, 1))[:, :, taps][..., taps]
        weight = spread.reshape(inputs, outputs, phases, side, phases, side).permute(1, 2, 4, 0, 3, 5).reshape(-1, inputs, side, side)
        return weight.contiguous(memory_format=torch.channels_last), self.bias.repeat_interleave(phases**2)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        weight, bias = self.convolution()
        margin = int(weight.shape[-1]) // 2
        return functional.pixel_shuffle(convolve(x, weight, bias, (margin, margin)), self.zoom)


class Upscale(Block):
    """The operator's own interpolation, (N, C, h, w) to (N, C, s h, s w), in full precision. It has no weights.

    Where that one sees whole images only (k-space), it is bicubic: a network's base must have an end.

    Parameters
    ----------
    operator : the degradation; both axes of one scale.
    """

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = interpolation(operator)
        self.zoom = operator.scale[0]
        self.before, self.after = _spread_of_impulse(self.operator)

    def reach(self, wanted: Reach) -> Reach:
        """LR pixel j reaches the HR pixels z j - before .. z j + after; this is that relation, inverted."""
        return -((self.after - wanted[0]) // self.zoom), (wanted[1] + self.before) // self.zoom

    def macs(self) -> int:
        """Rows first, then columns: z products of length (before + after + 1) / z an axis, the second on z times the rows."""
        length = self.before + self.after + 1
        return length + self.zoom * length

    def forward(self, x: Tensor) -> Tensor:
        """Interpolate."""
        with full_precision(x.device):
            return self.operator.upscale(x)


def _spread_of_impulse(operator: Operator) -> Reach:
    """Measure how many HR pixels before and after its own first HR pixel an LR pixel reaches in `upscale`.

    Measured rather than declared, so that it holds for every operator, and exact: what is zero here is a zero tap.
    """
    scale = operator.scale[0]
    centre = 2 * (operator.support // scale + 4)
    line = torch.zeros(1, 1, 2 * centre + 1, 2 * centre + 1, dtype=torch.float64)
    line[..., centre, centre] = 1
    touched = operator.upscale(line)[0, 0].abs().amax(dim=0).nonzero().flatten()
    return scale * centre - int(touched[0]), int(touched[-1]) - scale * centre


class Sequence(Block):
    """Blocks one after the other; without any, the identity."""

    def __init__(self, *blocks: Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.zoom = math.prod(block.zoom for block in blocks)

    def steps(self) -> tuple[Block, ...]:
        """Give the blocks in order."""
        return tuple(block for block in self.blocks if isinstance(block, Block))

    def reach(self, wanted: Reach) -> Reach:
        """Go backwards through the blocks."""
        for block in reversed(self.steps()):
            wanted = block.reach(wanted)
        return wanted

    def macs(self) -> int:
        """Sum, each block on the grid it works on."""
        total, zoom = 0, 1
        for block in self.steps():
            total += block.macs() * zoom**2
            zoom *= block.zoom
        return total

    def forward(self, x: Tensor) -> Tensor:
        """Compute the blocks in order."""
        for block in self.blocks:
            x = block(x)
        return x


class _Parallel(Block):
    """Blocks on the same input, all of one zoom."""

    def __init__(self, *blocks: Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.zoom = blocks[0].zoom

    def steps(self) -> tuple[Block, ...]:
        """Give the branches in order."""
        return tuple(block for block in self.blocks if isinstance(block, Block))

    def reach(self, wanted: Reach) -> Reach:
        """Everything that some branch needs."""
        ends = [block.reach(wanted) for block in self.steps()]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def macs(self) -> int:
        """Sum of the branches."""
        return sum(block.macs() for block in self.steps())


class Add(_Parallel):
    """The sum of several blocks of the same input. `Add(Sequence(), body)` is a skip connection."""

    def forward(self, x: Tensor) -> Tensor:
        """Add up, in the order of the branches."""
        first, *others = self.steps()
        total: Tensor = first(x)
        for block in others:
            total = total + block(x)
        return total


class Concat(_Parallel):
    """The feature maps of several blocks of the same input, one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        """Join along the channel axis."""
        return torch.cat([block(x) for block in self.blocks], dim=1)


def skip(*body: Block) -> Add:
    """Give the residual block `x + body(x)`."""
    return Add(Sequence(), Sequence(*body))


def halo(block: Block) -> int:
    """Give the input pixels beyond a window, on each side, on which the window's output depends: exactly as many."""
    low, high = block.reach((0, block.zoom - 1))
    return max(0, -low, high)
