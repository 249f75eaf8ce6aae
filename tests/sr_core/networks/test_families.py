"""Published sizes, as the papers and the authors' released networks count them, and by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sr_core.families import FAMILIES
from sr_core.networks import Descriptor, SRNet, build
from sr_core.networks.activations import Scale
from sr_core.networks.blocks import Conv, Sequence, halo
from sr_core.networks.edsr import edsr, prime_stages
from sr_core.operators import make_operator


def _edsr_baseline(scale: int) -> Descriptor:
    operator = make_operator("bicubic", scale).to_json()
    return Descriptor(family="edsr", scale=scale, channels=3, bandwise=False, width=64, blocks=16, base="operator", operator=operator)


@pytest.mark.parametrize(("scale", "parameters"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_edsr_baseline_has_its_published_parameters(scale: int, parameters: int) -> None:
    net = build(_edsr_baseline(scale))
    assert net.parameter_count == parameters
    assert net.halo == 2 * 16 + 4


def test_edsr_baseline_costs_what_was_published() -> None:
    assert build(_edsr_baseline(2)).macs_per_pixel == 1_372_608


def _net(family: str, scale: int = 2, channels: int = 1, **sizes: Any) -> SRNet:
    """The learned part alone, at its usual size unless told."""
    operator = make_operator("bicubic", scale).to_json()
    joint = {"channels": channels, "bandwise": channels == 1}
    return build(Descriptor.model_validate({"family": family, "scale": scale, "base": "operator", "operator": operator} | joint | sizes))


def _weights(net: SRNet) -> int:
    """Count as papers often do: the kernels of convolutions, neither biases nor slopes."""
    return sum(p.numel() for p in net.parameters() if p.ndim == 4)


@pytest.mark.parametrize(
    ("sizes", "parameters", "weights"),
    [
        ({}, 8_129, 8_032),
        ({"middle": 3}, 24_513, 24_416),
        ({"middle": 5}, 57_281, 57_184),
        ({"channels": 3}, 20_099, 20_000),
        ({"width": 128, "narrow": 64}, 128 * 82 + 64 * 129 + 1_601, 128 * 81 + 64 * 128 + 1_600),
        ({"width": 128}, 20_353, 20_160),
        ({"width": 32, "narrow": 8, "middle": 3}, 32 * 82 + 8 * (288 + 1) + 201, 32 * 81 + 8 * 288 + 200),
    ],
    ids=str,
)
def test_srcnn_has_its_published_parameters(sizes: dict[str, int], parameters: int, weights: int) -> None:
    net = _net("srcnn", 3, **sizes)
    assert (net.parameter_count, _weights(net)) == (parameters, weights)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnn_has_its_published_weights_at_every_scale(scale: int) -> None:
    """The paper counts 12,464: kernels only. Biases (173) and slopes (172) are 345 more."""
    net = _net("fsrcnn", scale)
    assert (net.parameter_count, _weights(net)) == (12_809, 12_464)
    assert net.macs_per_pixel == 12_464
    assert net(torch.zeros(1, 1, 5, 7)).shape == (1, 1, 5 * scale, 7 * scale)


def test_fsrcnn_s_is_the_papers_other_network() -> None:
    assert _weights(_net("fsrcnn", 3, width=32, narrow=5, blocks=1)) == 25 * 32 + 2 * 32 * 5 + 9 * 25 + 81 * 32 == 3_937


def test_vdsr_has_its_published_parameters() -> None:
    net = _net("vdsr", 2)
    assert (net.parameter_count, _weights(net)) == (665_921, 664_704)
    assert net.macs_per_pixel == 4 * 664_704
    assert net.halo == 2 + 20 // 2  # twenty HR pixels, and the interpolation


@pytest.mark.parametrize(("scale", "parameters"), [(2, 40_729_603), (3, 43_680_003), (4, 43_089_923)])
def test_edsr_has_its_published_parameters(scale: int, parameters: int) -> None:
    """40.7 and 43 million; scaling residuals has none."""
    net = _net("edsr", scale, 3, width=256, blocks=32, residual_scale=0.1)
    assert net.parameter_count == parameters
    assert net.halo == 2 * 32 + 4


def test_srresnet_has_its_published_parameters_less_the_normalisations() -> None:
    """1.55 million: 33 batch normalisations of 64 maps are left out, two numbers a map. PReLU: a slope a map."""
    net = _net("srresnet", 4, 3)
    assert net.parameter_count == 1_546_435
    assert net.parameter_count + 33 * 2 * 64 == 1_550_659
    assert _weights(net) == 2 * (3 * 64 * 81) + 33 * 64 * 64 * 9 + 2 * 64 * 256 * 9


def test_rrdb_has_its_published_parameters() -> None:
    net = _net("rrdb", 4, 3)
    assert net.parameter_count == 16_697_987
    assert net.halo == 23 * 3 * 5 + 4  # head, end of trunk; on finer grids two more


@pytest.mark.parametrize(("blocks", "scale", "reach"), [(1, 2, 19), (2, 2, 34), (1, 3, 18), (1, 4, 19)])
def test_smaller_rrdb_by_descriptor(blocks: int, scale: int, reach: int) -> None:
    net = _net("rrdb", scale, width=8, blocks=blocks, growth=3)
    dense = sum((8 + 3 * k) * 3 * 9 + 3 for k in range(4)) + (8 + 12) * 8 * 9 + 8
    stages = {2: 1, 3: 1, 4: 2}[scale]
    assert net.parameter_count == (9 * 8 + 8) + 3 * blocks * dense + (2 + stages) * (576 + 8) + (72 + 1)
    assert net.halo == reach


def test_residuals_are_scaled() -> None:
    """EDSR with blocks times a tenth is the one whose second convolutions are a tenth as large."""
    plain, scaled = _net("edsr", width=8, blocks=2), _net("edsr", width=8, blocks=2, residual_scale=0.1)
    y = torch.randn(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    assert plain.trunk is not None and scaled.trunk is not None
    assert torch.allclose(plain.trunk(y), scaled.trunk(y), atol=1e-5)
    factors = [block.factor for block in scaled.modules() if isinstance(block, Scale)]
    assert factors == [0.1, 0.1]
    assert not any(isinstance(block, Scale) for block in plain.modules())


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "linear"])
def test_untrained_features_are_of_the_images_size(family: str) -> None:
    """Neither vanishing nor exploding, at full depth."""
    net = _net(family, width=24)
    y = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    assert net.trunk is not None
    with torch.no_grad():
        assert 0.02 < float(net.trunk(y).std()) < 5


def test_srcnn_multiplies_on_the_fine_grid() -> None:
    assert _net("srcnn", 3).macs_per_pixel == 9 * 8_032


@pytest.mark.parametrize(("blocks", "scale"), [(1, 2), (8, 2), (3, 3), (2, 4), (1, 6)])
def test_edsr_halo_is_two_a_block_and_four(blocks: int, scale: int) -> None:
    body = edsr(1, scale, 4, blocks, torch.Generator())
    assert halo(Sequence(body.trunk, body.tail)) == 2 * blocks + 4


def test_second_convolutions_start_small_and_the_last_at_zero() -> None:
    body = edsr(1, 2, 16, 2, torch.Generator().manual_seed(0))
    convolutions = [m for m in body.trunk.modules() if isinstance(m, Conv)]
    head, first, second, *_ = convolutions
    assert second.weight.abs().max() <= 0.1 * first.weight.abs().max() * 1.05
    last = body.tail.steps()[-1]
    assert isinstance(last, Conv)
    assert not last.weight.any() and not last.bias.any()
    assert head.weight.std() > 0.1


def test_stages_multiply_to_the_scale() -> None:
    assert {s: prime_stages(s) for s in range(2, 9)} == {2: (2,), 3: (3,), 4: (2, 2), 5: (5,), 6: (2, 3), 7: (7,), 8: (2, 2, 2)}
