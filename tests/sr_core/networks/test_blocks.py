from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sr_core.networks.activations import Activation, LeakyReLU, PReLU, Scale
from sr_core.networks.blocks import Add, Block, Concat, Conv, FixedConv, Repeat, Sequence, Shuffle, TransposedConv, Upscale, halo, skip
from sr_core.networks.convolution import mirrored
from sr_core.operators import make_operator


def _draw(block: Block) -> Block:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in [*block.parameters(), *(buffer for buffer in block.buffers() if buffer.is_floating_point())]:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)  # positive: nothing cancels
    return block.double()


def _seen(block: Block, channels: int) -> int:
    """Measure the halo: how far an LR pixel changes the output beyond its own cell."""
    side = 41
    centre = side // 2
    flat = torch.ones(1, channels, side, side, dtype=torch.float64)
    bumped = flat.clone()
    bumped[..., centre, centre] += 1
    with torch.no_grad():
        changed = (block(bumped) - block(flat)).abs().amax(dim=(0, 1, 2)) > 1e-9
    cells = changed.reshape(side, block.zoom).any(dim=1).nonzero().flatten()
    return max(centre - int(cells[0]), int(cells[-1]) - centre)


TREES = {
    "one convolution": (lambda: Conv(2, 2, 3), 2, 1),
    "two in a row": (lambda: Sequence(Conv(1, 4, 9), Activation("relu"), Conv(4, 1, 5)), 1, 6),
    "a skip": (lambda: skip(Conv(3, 3, 3), Activation("relu"), Conv(3, 3, 3)), 3, 2),
    "branches of unlike reach": (lambda: Concat(Conv(1, 2, 3), Conv(1, 2, 7)), 1, 3),
    "a sum": (lambda: Add(Conv(1, 2, 1), Sequence(Conv(1, 3, 5), Conv(3, 2, 3))), 1, 3),
    "shuffle, then 1 HR pixel": (lambda: Sequence(Conv(1, 4, 1), Shuffle(2), Conv(1, 1, 3)), 1, 1),
    "x4 in two stages": (lambda: Sequence(Conv(1, 4, 1), Shuffle(2), Conv(1, 4, 3), Shuffle(2), Conv(1, 1, 3)), 1, 1),
    "x2: 3 HR pixels are 2 LR pixels": (lambda: Sequence(Conv(1, 4, 1), Shuffle(2), Conv(1, 1, 7)), 1, 2),
    "fixed": (lambda: FixedConv(torch.zeros(4, 1, 9, 9)), 1, 4),
    "repeated, then 1 HR pixel": (lambda: Sequence(Repeat(3), Conv(1, 1, 3)), 1, 1),
    "repeated, then 4 HR pixels": (lambda: Sequence(Repeat(2), Conv(1, 1, 9)), 1, 2),
    "transposed 9, x2": (lambda: TransposedConv(2, 1, 9, 2), 2, 2),
    "transposed 9, x3": (lambda: TransposedConv(1, 2, 9, 3), 1, 1),
    "transposed 9, x8": (lambda: TransposedConv(1, 1, 9, 8), 1, 1),
    "each value by itself": (lambda: Sequence(PReLU(2), LeakyReLU(0.2), Scale(0.5)), 2, 0),
    "dense": (lambda: skip(Concat(Sequence(), Sequence(Conv(2, 3, 3), LeakyReLU(0.2))), Conv(5, 2, 3), Scale(0.2)), 2, 2),
}


@pytest.mark.parametrize("name", TREES)
def test_halo_is_what_a_perturbation_shows(name: str) -> None:
    make, channels, expected = TREES[name]
    block = _draw(make())
    assert halo(block) == expected == _seen(block, channels)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_upscale_halo_is_what_a_perturbation_shows(scale: int) -> None:
    block = Upscale(make_operator("bicubic", scale))
    assert halo(block) == 2 == _seen(block, 1)
    finer = Sequence(block, _draw(Conv(1, 1, 9)))
    assert halo(finer) == _seen(finer, 1)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("nearest", {}), ("box", {}), ("bilinear", {}), ("gaussian", {"sigma": 1.0, "taps": 7}), ("mtf", {"value": 0.25})],
)
@pytest.mark.parametrize("scale", [2, 3])
def test_upscale_halo_is_exact_for_every_operator(kind: str, parameters: dict[str, float], scale: int) -> None:
    block = Upscale(make_operator(kind, scale, **parameters))
    assert halo(block) == _seen(block, 1)


def test_macs_count_each_block_on_its_own_grid() -> None:
    tree = Sequence(Conv(1, 8, 3), skip(Conv(8, 8, 3)), Conv(8, 4, 1), Shuffle(2), Conv(1, 1, 5))
    assert tree.macs() == 72 + 576 + 32 + 4 * 25
    assert Concat(Conv(1, 2, 3), Conv(1, 2, 5)).macs() == 18 + 50


def test_only_convolutions_are_counted() -> None:
    assert Sequence(PReLU(4), LeakyReLU(0.2), Scale(0.1), Repeat(2)).macs() == 0
    assert Sequence(Repeat(2), Conv(4, 4, 3)).macs() == 4 * 144
    assert TransposedConv(56, 1, 9, 3).macs() == 56 * 81


@pytest.mark.parametrize(("side", "zoom"), [(9, 2), (9, 3), (9, 4), (9, 8), (4, 4), (3, 2), (5, 1), (8, 3)])
def test_transposed_convolution_is_torchs(side: int, zoom: int) -> None:
    block = TransposedConv(3, 2, side, zoom).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64)
    padding = -(-(side - zoom) // 2)
    uneven = 2 * padding - (side - zoom)
    theirs = nn.functional.conv_transpose2d(x, block.weight, block.bias, zoom, padding, output_padding=uneven)
    assert theirs.shape == (2, 2, 6 * zoom, 7 * zoom)
    assert torch.allclose(block(x), theirs, atol=1e-12)
    given = torch.autograd.grad(block(x).square().sum(), [block.weight, block.bias])
    wanted = torch.autograd.grad(theirs.square().sum(), [block.weight, block.bias])
    assert all(torch.allclose(a, b, atol=1e-8) for a, b in zip(given, wanted, strict=True))
    assert set(block.state_dict()) == {"weight", "bias"}


def test_rectifiers_with_a_slope_by_value() -> None:
    x = torch.tensor([[[[1.0, -2.0]], [[-4.0, 8.0]]]])
    assert LeakyReLU(0.25)(x).flatten().tolist() == [1.0, -0.5, -1.0, 8.0]
    prelu = PReLU(2)
    assert prelu(x).flatten().tolist() == [1.0, -0.5, -1.0, 8.0]
    with torch.no_grad():
        prelu.weight.copy_(torch.tensor([0.5, -1.0]))
    assert prelu(x).flatten().tolist() == [1.0, -1.0, 4.0, 8.0]
    prelu(x).sum().backward()
    assert prelu.weight.grad is not None and prelu.weight.grad.tolist() == [-2.0, -4.0]


def test_scale_and_repeat_by_value() -> None:
    x = torch.tensor([[[[1.0, -2.0]]]])
    assert Scale(0.5)(x).flatten().tolist() == [0.5, -1.0]
    assert Repeat(2)(x)[0, 0].tolist() == [[1.0, 1.0, -2.0, -2.0]] * 2


@pytest.mark.parametrize("zoom", [2, 3, 5, 7])
def test_repeat_is_numpys_at_every_size(zoom: int) -> None:
    x = torch.arange(2.0 * 613).reshape(1, 1, 2, 613)
    assert Repeat(zoom)(x)[0, 0].numpy().tolist() == np.repeat(np.repeat(x[0, 0].numpy(), zoom, 0), zoom, 1).tolist()


@pytest.mark.parametrize("block", [PReLU(3), LeakyReLU(0.2), Scale(0.2), Repeat(3)], ids=lambda b: type(b).__name__)
def test_what_treats_each_value_alone_keeps_the_number_format(block: Block) -> None:
    x = torch.randn(1, 3, 5, 5)
    for image in (x, x.bfloat16()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            shortened = block(image)
        assert shortened.dtype == image.dtype
        assert torch.equal(shortened, block(image))


@pytest.mark.parametrize(("slope", "gain"), [(0.0, 1.0), (0.25, 1.0), (0.2, 0.1)])
def test_normal_weights_keep_the_size_of_values_through_a_rectifier(slope: float, gain: float) -> None:
    """Of values with mean 0 a rectifier leaves (1 + slope²) / 2 of the mean square; the convolution gives the rest back."""
    generator = torch.Generator().manual_seed(0)
    conv = Conv(48, 200, 3)
    conv.initialise_normal(generator, slope, gain)
    x = torch.randn(1, 48, 40, 40, generator=generator)
    out = conv(LeakyReLU(slope)(x))[..., 1:-1, 1:-1]
    assert float(out.detach().square().mean()) == pytest.approx(gain**2, rel=0.05)
    assert not conv.bias.any()


def test_concat_and_add_by_value() -> None:
    x = torch.tensor([[[[1.0, -2.0]]]])
    assert Concat(Sequence(), Activation("relu"))(x).flatten().tolist() == [1.0, -2.0, 1.0, 0.0]
    assert Add(Sequence(), Activation("square"))(x).flatten().tolist() == [2.0, 2.0]


@pytest.mark.parametrize("count", [1, 2])
def test_convolution_is_torchs(count: int) -> None:
    ours, theirs = Conv(3, 5, 3), nn.Conv2d(3, 5, 3, padding=1)
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(count, 3, 9, 11)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("zoom", [2, 3, 4])
def test_window_of_a_transposed_convolution_is_the_whole_bit_for_bit(zoom: int, precision: torch.dtype) -> None:
    """PyTorch's own transposed convolution gives other last bits in these windows."""
    generator = torch.Generator().manual_seed(0)
    block = TransposedConv(56, 1, 9, zoom)
    torch.nn.init.normal_(block.weight, std=0.1, generator=generator)
    x = torch.randn(1, 56, 48, 530, generator=generator).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        whole = block(x)
        for left, width in ((0, 7), (0, 56), (48, 64), (100, 64), (466, 64)):
            part = block(x[..., left : left + width].contiguous(memory_format=torch.channels_last))
            first, last = (halo(block) if left else 0), width - (halo(block) if left + width < 530 else 0)
            assert torch.equal(part[..., zoom * first : zoom * last], whole[..., zoom * (left + first) : zoom * (left + last)])


@pytest.mark.parametrize("maps", [(1, 32), (8, 8), (32, 32), (32, 1)])
def test_small_window_of_a_convolution_is_the_large_ones_bit_for_bit(maps: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    block = Conv(*maps, 3)
    block.initialise(generator)
    block = block.to(memory_format=torch.channels_last)
    x = torch.randn(1, maps[0], 160, 150, generator=generator).to(memory_format=torch.channels_last)
    whole = block(x)
    for side in (7, 21, 33, 140):
        part = block(x[..., :side, :side].contiguous(memory_format=torch.channels_last))
        assert torch.equal(part[..., :-1, :-1], whole[..., : side - 1, : side - 1])


def test_softplus_is_torchs_at_every_size_and_the_same_wherever_a_pixel_lies() -> None:
    x = torch.linspace(-60, 60, 1003)
    softplus = Activation("softplus")
    assert torch.allclose(softplus(x), nn.functional.softplus(x.double()).float(), rtol=1e-6, atol=0)
    for start in range(1, 40):
        assert torch.equal(softplus(x[start:].clone()), softplus(x)[start:])
    assert softplus(x.bfloat16()).dtype == torch.float32


def test_fixed_filter_of_sum_zero_sees_no_border_in_a_flat_image() -> None:
    weight = torch.randn(4, 1, 9, 9, dtype=torch.float64)
    weight -= weight.mean(dim=(-2, -1), keepdim=True)
    assert FixedConv(weight)(torch.full((1, 1, 3, 7), 5.0, dtype=torch.float64)).abs().max() < 1e-12


@settings(derandomize=True, max_examples=30, deadline=None)
@given(height=st.integers(1, 7), width=st.integers(1, 7), margin=st.integers(0, 20))
def test_mirroring_is_numpys_symmetric(height: int, width: int, margin: int) -> None:
    x = torch.arange(float(height * width)).reshape(height, width)
    assert mirrored(x, margin).numpy().tolist() == np.pad(x.numpy(), margin, mode="symmetric").tolist()
