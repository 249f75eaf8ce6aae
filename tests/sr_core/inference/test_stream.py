from __future__ import annotations

from typing import Any

import pytest
import torch

from sr_core.inference.rows import Queue
from sr_core.inference.stream import NetFlow
from sr_core.networks import Descriptor, SRNet, build
from sr_core.operators import make_operator

NETS: dict[str, dict[str, Any]] = {
    "edsr": {"blocks": 3},
    "edsr x3 over the plain upscaling": {"scale": 3, "base": "operator"},
    "edsr x4, three bands at once": {"scale": 4, "channels": 3, "bandwise": False},
    "srcnn": {"family": "srcnn", "width": 8},
    "linear": {"family": "linear"},
    "nothing but the upscaling": {"family": "linear", "base": "operator"},
    "no spread": {"spread": False},
}


def _net(scale: int = 2, **changes: Any) -> SRNet:
    operator = make_operator("bicubic", scale)
    body = {"family": "edsr", "scale": scale, "width": 8, "blocks": 1, "linear_taps": 5, "spread": True, "operator": operator.to_json()}
    net = build(Descriptor.model_validate(body | changes)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    if net.filter is not None:
        net.set_filter(0.05 * torch.randn(scale**2, 1, 5, 5, generator=generator))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", NETS)
@torch.inference_mode()
def test_mean_and_spread_equal_the_whole_bit_for_bit(name: str, precision: torch.dtype) -> None:
    net = _net(**NETS[name])
    y = torch.randn(1, net.descriptor.channels, 43, 130, generator=torch.Generator().manual_seed(2)).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        mean, spread = net.forward_spread(y) if net.descriptor.spread else (net(y), None)
    for fed in (1, 5, 16, 43):  # with one row at a time, nothing comes out for long
        flow, means, spreads = NetFlow(net, precision, net.descriptor.spread), [], []
        for row in range(0, 43, fed):
            one, other = flow.feed(y[:, :, row : row + fed], row + fed >= 43)
            means.append(one)
            spreads += [] if other is None else [other]
        assert torch.equal(torch.cat(means, dim=2), mean), fed
        assert (spread is None and not spreads) or torch.equal(torch.cat(spreads, dim=2), spread), fed


@torch.inference_mode()
def test_rows_come_out_as_soon_as_their_halo_is_there() -> None:
    net = _net(blocks=2)
    flow, y, out = NetFlow(net, torch.float32, spread=True), torch.randn(1, 1, 40, 64), 0
    for row in range(40):
        mean, _ = flow.feed(y[:, :, row : row + 1], last=False)
        out += mean.shape[2] // 2
        assert row + 1 - net.halo <= out <= row + 1
    assert out == 40 - net.halo


def test_rows_that_wait_do_not_keep_what_they_were_part_of() -> None:
    queue, larger = Queue(), torch.randn(2, 4, 6, 10)
    queue.put(larger[:1])
    (held,) = queue.take(6)
    assert torch.equal(held, larger[:1])
    assert held.untyped_storage().nbytes() == held.nbytes
