from __future__ import annotations

from typing import Any

import pytest
import torch
from small_nets import FAMILIES, SMALL, TRAINED
from torch import Tensor

from sr_core.errors import BundleError, OperatorError, ShapeError
from sr_core.networks import Descriptor, SRNet, build
from sr_core.networks.activations import Activation
from sr_core.networks.blocks import Conv, Sequence, TransposedConv
from sr_core.operators import make_operator


def _descriptor(**changes: Any) -> Descriptor:
    scale = changes.get("scale", 2)
    body: dict[str, Any] = {"family": "edsr", "scale": scale, "linear_taps": 5} | SMALL[changes.get("family", "edsr")]
    return Descriptor.model_validate(body | {"operator": make_operator("bicubic", scale).to_json()} | changes)


def _shaken(net: SRNet, seed: int = 3) -> SRNet:
    """Give every weight a random value, so that nothing is zero any more."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    if net.filter is not None:
        side = net.descriptor.linear_taps
        net.set_filter(0.05 * torch.randn(net.descriptor.scale**2, 1, side, side, generator=generator))
    return net


def _image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("base", ["linear", "operator"])
@pytest.mark.parametrize("scale", [2, 3, 4, 5, 8])
def test_untrained_network_is_its_base_exactly(family: str, base: str, scale: int) -> None:
    net = build(_descriptor(family=family, base=base, scale=scale))
    if base == "linear":
        net.set_filter(_image(scale**2, 1, 5, 5) * 0.1)
    y = _image(2, 3, 12, 9)
    sr = net(y)
    assert sr.shape == (2, 3, 12 * scale, 9 * scale)
    assert torch.equal(sr, net.base(y))
    if base == "operator":
        assert torch.equal(sr, make_operator("bicubic", scale).upscale(y.reshape(6, 1, 12, 9)).reshape(sr.shape))


def test_output_is_base_plus_residual() -> None:
    net, y = _shaken(build(_descriptor())), _image(1, 2, 10, 10)
    assert torch.equal(net(y), net.base(y) + net.residual(y))
    assert net.residual(y).abs().max() > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_mean_is_untouched_by_the_spread_bit_for_bit(family: str) -> None:
    net = _shaken(build(_descriptor(family=family)))
    y = _image(1, 2, 14, 11)
    before = net(y)
    net.add_spread_head()
    mean, spread = _shaken(net).forward_spread(y) if family == "linear" else net.forward_spread(y)
    assert torch.equal(mean, net(y))
    assert family == "linear" or torch.equal(mean, before)
    assert spread.shape == mean.shape
    assert (spread >= 0).all()


@pytest.mark.parametrize("family", TRAINED)
def test_gradient_of_the_spread_ends_at_the_head(family: str) -> None:
    net = build(_descriptor(family=family))
    net.add_spread_head()
    net.requires_grad_(True)
    _, spread = net.forward_spread(_image(1, 1, 9, 9))
    spread.square().sum().backward()
    assert all(p.grad is None for p in net.mean_parameters())
    assert any(p.grad is not None and p.grad.any() for p in net.spread_parameters())


def test_new_head_is_the_only_part_that_trains_until_dropped() -> None:
    net = build(_descriptor())
    names = {name for name, p in net.named_parameters() if p.requires_grad}
    net.add_spread_head()
    assert all(p.requires_grad == name.startswith("spread_head.") for name, p in net.named_parameters())
    assert net.descriptor.spread
    net.drop_spread_head()
    assert {name for name, p in net.named_parameters() if p.requires_grad} == names
    assert not net.descriptor.spread


def test_untrained_head_says_the_level_it_was_given() -> None:
    net = build(_descriptor())
    net.add_spread_head(level=0.2)
    spread = net.forward_spread(_image(1, 1, 9, 9))[1]
    assert torch.allclose(spread, torch.full_like(spread, 0.2), atol=1e-6)


def test_no_head_no_spread() -> None:
    with pytest.raises(BundleError, match="spread head"):
        build(_descriptor()).forward_spread(_image(1, 1, 8, 8))


def test_band_wise_network_treats_each_band_alone() -> None:
    net, y = _shaken(build(_descriptor(spread=True))), _image(1, 4, 9, 13)
    mean, spread = net.forward_spread(y)
    for band in range(4):
        alone, its_spread = net.forward_spread(y[:, band : band + 1])
        assert torch.allclose(mean[:, band : band + 1], alone, atol=1e-6)
        assert torch.allclose(spread[:, band : band + 1], its_spread, atol=1e-6)


def test_joint_network_mixes_bands_and_refuses_other_counts() -> None:
    net = _shaken(build(_descriptor(bandwise=False, channels=3)))
    y = _image(1, 3, 9, 9)
    other = y.clone()
    other[:, 2] += 1
    assert (net(y) - net(other))[:, 0].abs().max() > 1e-4
    with pytest.raises(ShapeError, match="3 bands"):
        net(y[:, :2])


@pytest.mark.parametrize("shift", [0.0, 37.0])
def test_base_is_the_same_in_physical_units(shift: float) -> None:
    net = build(_descriptor())
    weights = _image(4, 1, 5, 5)
    net.set_filter(weights - weights.mean(dim=(-2, -1), keepdim=True))
    y = _image(1, 1, 12, 12)
    assert torch.allclose(net.base(y * 20 + shift), net.base(y) * 20 + shift, atol=2e-4)


def test_autocast_leaves_the_base_in_float32() -> None:
    net, y = _shaken(build(_descriptor(spread=True))), _image(1, 1, 16, 16)
    exact_base, exact = net.base(y), net.residual(y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean, spread = net.forward_spread(y)
        assert torch.equal(net.base(y), exact_base)
        rounded = net.residual(y)
    assert mean.dtype == spread.dtype == rounded.dtype == torch.float32
    assert torch.equal(mean, exact_base + rounded)
    assert 0 < (rounded - exact).abs().max() < 0.1 * exact.abs().max()


def test_first_weights_come_from_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    one, same, other = build(_descriptor(), 1), build(_descriptor(), 1), build(_descriptor(), 2)
    assert torch.equal(state, torch.random.get_rng_state())
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_stated_halo_is_exact_for_mean_and_spread(family: str, scale: int) -> None:
    net = _shaken(build(_descriptor(family=family, scale=scale, spread=True))).double()
    with torch.no_grad():
        for parameter in [*net.parameters(), *(buffer for buffer in net.buffers() if buffer.is_floating_point())]:
            parameter.copy_(parameter.abs() + 0.01)  # nothing cancels, no rectifier is shut
    side = 2 * net.halo + 5
    flat = torch.ones(1, 1, side, side, dtype=torch.float64)
    bumped = flat.clone()
    bumped[..., side // 2, side // 2] += 1e6  # large, so that what comes by the longest way is not rounded off
    with torch.no_grad():
        seen = max(_cells(a - b, scale, side) for a, b in zip(net.forward_spread(bumped), net.forward_spread(flat), strict=True))
    assert seen == net.halo


def _cells(change: Tensor, scale: int, side: int) -> int:
    touched = (change.abs().amax(dim=(0, 1, 2)) > 0).reshape(side, scale).any(dim=1).nonzero().flatten()
    return max(side // 2 - int(touched[0]), int(touched[-1]) - side // 2)


def test_counts_include_filter_and_head() -> None:
    linear = build(_descriptor(family="linear", linear_taps=9))
    assert linear.parameter_count == 4 * 81 + 2
    assert linear.macs_per_pixel == 4 * 81 + 4 * (49 + 1)
    plain = build(_descriptor(base="operator"))
    before = plain.parameter_count, plain.macs_per_pixel
    plain.add_spread_head()
    assert plain.parameter_count - before[0] == (8 * 8 * 9 + 8) + (8 * 4 * 9 + 4)
    assert plain.macs_per_pixel - before[1] == 8 * 8 * 9 + 8 * 4 * 9


@pytest.mark.parametrize("family", ["srcnn", "vdsr"])
def test_upscaling_first_runs_on_images_that_are_upscaled_already(family: str) -> None:
    net, y = _shaken(build(_descriptor(family=family))), _image(2, 1, 9, 9)
    upscaled = make_operator("bicubic", 2).upscale(y)
    assert torch.allclose(net.residual_of_upscaled(upscaled), net.residual(y), atol=1e-6)
    with pytest.raises(ShapeError, match=r"patches\.grid=lr"):
        build(_descriptor()).residual_of_upscaled(upscaled)


@pytest.mark.parametrize("family", FAMILIES)
def test_residual_is_scaled_as_a_whole(family: str) -> None:
    net, y = _shaken(build(_descriptor(family=family))), _image(1, 2, 9, 9)
    before, base = net.residual(y), net.base(y)
    net.scale_residual(0.25)
    assert torch.allclose(net.residual(y), 0.25 * before, atol=1e-6)
    assert torch.equal(net.base(y), base)


def test_a_tail_without_a_last_convolution_cannot_be_scaled() -> None:
    net = build(_descriptor())
    net.tail = Sequence(Activation("relu"))
    with pytest.raises(ShapeError, match="Activation"):
        net.scale_residual(0.5)


@pytest.mark.parametrize("family", TRAINED)
def test_the_body_ends_with_a_convolution_at_zero_and_everything_else_is_drawn(family: str) -> None:
    net = build(_descriptor(family=family), seed=1)
    assert net.tail is not None
    last = net.tail.steps()[-1]
    assert isinstance(last, Conv | TransposedConv) and not last.weight.any() and not last.bias.any()
    assert all(bool(m.weight.any()) for m in net.modules() if isinstance(m, Conv | TransposedConv) and m is not last)


def test_wrong_operator_and_wrong_filter_are_refused() -> None:
    with pytest.raises(OperatorError, match="scale"):
        build(_descriptor(scale=3, operator=make_operator("bicubic", 2).to_json()))
    with pytest.raises(ShapeError, match="linear_taps"):
        build(_descriptor()).set_filter(torch.zeros(4, 1, 9, 9))
    with pytest.raises(ShapeError, match="none"):
        build(_descriptor(base="operator")).set_filter(torch.zeros(4, 1, 5, 5))
