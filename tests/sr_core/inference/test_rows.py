from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.inference.rows import flow_of
from sr_core.networks.activations import Activation, LeakyReLU, PReLU, Scale
from sr_core.networks.blocks import Add, Block, Concat, Conv, FixedConv, Repeat, Sequence, Shuffle, TransposedConv, Upscale, skip
from sr_core.operators import make_operator

FORMATS = [torch.float32, torch.bfloat16]


def _conv(inputs: int, outputs: int, side: int, seed: int = 0) -> Conv:
    conv = Conv(inputs, outputs, side)
    conv.initialise(torch.Generator().manual_seed(seed))
    return conv


def _transposed(inputs: int, outputs: int, side: int, zoom: int) -> TransposedConv:
    block = TransposedConv(inputs, outputs, side, zoom)
    torch.nn.init.normal_(block.weight, std=0.1, generator=torch.Generator().manual_seed(3))
    torch.nn.init.constant_(block.bias, 0.1)
    return block


def _fixed(side: int) -> FixedConv:
    return FixedConv(torch.randn(4, 1, side, side, generator=torch.Generator().manual_seed(4)))


def _ones(side: int) -> FixedConv:
    return FixedConv(torch.ones(1, 1, side, side))


def _residual() -> Block:
    return Sequence(_conv(1, 8, 3), skip(skip(_conv(8, 8, 3, 1), Activation("relu"), _conv(8, 8, 3, 2)), _conv(8, 8, 5, 3)))


def _slopes(features: int) -> PReLU:
    block = PReLU(features)
    torch.nn.init.normal_(block.weight, generator=torch.Generator().manual_seed(5))
    return block


def _dense() -> Block:
    grown = [Concat(Sequence(), Sequence(_conv(8 + 4 * n, 4, 3, n), LeakyReLU(0.2))) for n in range(4)]
    return skip(*grown, _conv(24, 8, 3, 9), Scale(0.2))


BLOCKS: dict[str, Callable[[], Block]] = {
    "3 x 3": lambda: _conv(1, 8, 3),
    "9 x 9": lambda: _conv(1, 8, 9),
    "1 x 1": lambda: Sequence(_conv(1, 8, 1), Activation("relu"), _conv(8, 4, 1)),
    "residual blocks": _residual,
    "relu into a skip": lambda: Sequence(_conv(1, 4, 3), Activation("relu"), skip(Activation("relu"), _conv(4, 4, 3))),
    "three branches": lambda: Add(_conv(1, 4, 3), _conv(1, 4, 7), _conv(1, 4, 1)),
    "dense": lambda: Concat(Sequence(), _conv(1, 4, 3), Sequence(_conv(1, 4, 5), Activation("relu"), _conv(4, 4, 3))),
    "the input itself, twice": lambda: Add(Sequence(), Sequence()),
    "shuffle": lambda: Sequence(_conv(1, 18, 3), Shuffle(3), _conv(2, 4, 3)),
    "transposed 9, x2": lambda: Sequence(_conv(1, 4, 3), _transposed(4, 1, 9, 2)),
    "transposed 9, x3": lambda: Sequence(_conv(1, 4, 3), _transposed(4, 1, 9, 3), _conv(1, 2, 3)),
    "transposed 4, x4": lambda: _transposed(1, 2, 4, 4),
    "leaky": lambda: Sequence(_conv(1, 8, 3), LeakyReLU(0.2), _conv(8, 4, 3), LeakyReLU(0.01)),
    "slopes": lambda: Sequence(_conv(1, 8, 3), _slopes(8), _conv(8, 5, 3), _slopes(5)),
    "slopes of the input": lambda: Sequence(_slopes(1), LeakyReLU(0.3), Scale(1.7), _conv(1, 4, 3)),
    "scaled residuals": lambda: Sequence(_conv(1, 8, 3), skip(_conv(8, 8, 3), Activation("relu"), _conv(8, 8, 3, 1), Scale(0.1))),
    "the input and its part": lambda: skip(Scale(0.3)),
    "repeated": lambda: Sequence(_conv(1, 4, 3), Repeat(3), _conv(4, 4, 3), LeakyReLU(0.2), Repeat(2), _conv(4, 1, 3)),
    "residual in residual": lambda: Sequence(_conv(1, 8, 3), skip(skip(_dense(), _dense(), Scale(0.2)), _conv(8, 8, 3))),
}
EXACT: dict[str, Callable[[], Block]] = {
    "filter": lambda: Sequence(_fixed(9), Shuffle(2)),
    "filter after filter": lambda: Sequence(_fixed(3), Shuffle(2), _ones(5)),
    "bicubic": lambda: Upscale(make_operator("bicubic", 3)),
    "energy": lambda: Sequence(Activation("square"), _ones(7), Activation("sqrt"), _conv(1, 1, 1), Activation("softplus")),
}


def _streamed(block: Block, x: Tensor, rows: int, precision: torch.dtype) -> Tensor:
    flow, parts = flow_of(block, precision), []
    for row in range(0, x.shape[2], rows):
        parts.append(flow.feed(x[:, :, row : row + rows], row + rows >= x.shape[2]))
    return torch.cat(parts, dim=2)


def _whole(block: Block, x: Tensor, precision: torch.dtype) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        out: Tensor = block(x)
        return out


@pytest.mark.parametrize("precision", FORMATS, ids=str)
@pytest.mark.parametrize("name", BLOCKS)
@torch.inference_mode()
def test_rows_equal_the_whole_bit_for_bit(name: str, precision: torch.dtype) -> None:
    block = BLOCKS[name]().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for height, width, fed in ((41, 150, 8), (41, 150, 3), (64, 40, 16), (5, 33, 2), (2, 70, 1), (1, 1, 1)):
        x = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(height))
        assert torch.equal(_streamed(block, x, fed, precision), _whole(block, x, precision)), (height, width, fed)


@pytest.mark.parametrize("name", EXACT)
@torch.inference_mode()
def test_rows_of_what_stays_in_full_precision_equal_the_whole(name: str) -> None:
    block = EXACT[name]()
    for height, width, fed in ((41, 150, 8), (13, 40, 5), (9, 33, 4), (3, 30, 1), (2, 30, 1), (1, 1, 1)):
        x = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(height))
        assert torch.equal(_streamed(block, x, fed, torch.float32), _whole(block, x, torch.float32)), (height, width, fed)


@torch.inference_mode()
def test_what_is_kept_does_not_grow_with_the_height() -> None:
    flow, x = flow_of(_residual(), torch.float32), torch.randn(1, 1, 16, 64)
    for _ in range(3):
        flow.feed(x, last=False)
    kept = flow.kept()
    for _ in range(5):
        flow.feed(x, last=False)
    assert flow.kept() == kept
    row = 64 * 4  # bytes of a feature map's row
    convolutions = row * (1 * 2 + 8 * 2 + 8 * 2 + 8 * 4)  # side - 1 rows of each input
    skips = row * 8 * (2 + 4)  # rows that wait for the body of the inner and of the outer skip
    assert kept == convolutions + skips


@torch.inference_mode()
def test_one_row_kept_too_few_would_be_seen() -> None:
    """Planted fault: the halo of rows is not optional."""
    block, x = _conv(1, 4, 3), torch.randn(1, 1, 20, 30)
    pieces = torch.cat([block(x[:, :, :10]), block(x[:, :, 10:])], dim=2)
    assert (pieces - block(x)).abs().max() > 1e-2


def test_a_block_of_unknown_reach_is_refused() -> None:
    class Mean(Block):
        windowed = False

        def forward(self, x: Tensor) -> Tensor:
            return x - x.mean()

    with pytest.raises(ShapeError, match="Mean"):
        flow_of(Sequence(_conv(1, 4, 3), Mean()), torch.float32)
