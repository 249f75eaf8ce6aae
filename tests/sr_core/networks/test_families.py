"""Published sizes: EDSR (Lim et al. 2017; counts of the authors' released EDSR-baseline), SRCNN (Dong et al. 2016)."""

from __future__ import annotations

import pytest
import torch

from sr_core.networks import Descriptor, build
from sr_core.networks.blocks import Conv, Sequence, halo
from sr_core.networks.edsr import edsr, prime_stages
from sr_core.networks.srcnn import srcnn
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


@pytest.mark.parametrize(("middle", "parameters", "weights"), [(1, 8_129, 8_032), (5, 57_281, 57_184)])
def test_srcnn_has_its_published_parameters(middle: int, parameters: int, weights: int) -> None:
    body = srcnn(1, make_operator("bicubic", 3), 64, torch.Generator(), middle)
    net = Sequence(body.trunk, body.tail)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert sum(p.numel() for p in net.parameters() if p.ndim == 4) == weights


def test_srcnn_multiplies_on_the_fine_grid() -> None:
    operator = make_operator("bicubic", 3).to_json()
    net = build(Descriptor(family="srcnn", scale=3, width=64, base="operator", operator=operator))
    assert net.macs_per_pixel == 9 * 8_032


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
