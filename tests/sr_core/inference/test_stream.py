"""A whole network fed a few rows at a time: the first feeds may give nothing yet, and the last one gives all that remains."""

from __future__ import annotations

import pytest
import torch

from sr_core.inference.rows import Queue
from sr_core.inference.stream import NetFlow
from sr_core.networks import Descriptor, SRNet, build
from sr_core.operators import make_operator


def _net(channels: int, blocks: int) -> SRNet:
    body = {
        "family": "edsr", "scale": 2, "width": 8, "blocks": blocks, "spread": True, "linear_taps": 9,
        "operator": make_operator("bicubic", 2).to_json(), "channels": channels, "bandwise": channels == 1,
    }  # fmt: skip
    net = build(Descriptor.model_validate(body)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fed", [1, 3, 4, 11])
@torch.inference_mode()
def test_feeds_lower_than_the_network_sees_give_the_whole(fed: int, channels: int) -> None:
    net, height = _net(channels, blocks=5), 40
    y = torch.randn(1, channels, height, 140, generator=torch.Generator().manual_seed(2))
    flow, means, spreads = NetFlow(net, torch.float32, True), [], []
    for row in range(0, height, fed):
        mean, spread = flow.feed(y[:, :, row : row + fed], row + fed >= height)
        assert spread is not None
        means.append(mean)
        spreads.append(spread)
    assert means[0].shape[2] == 0  # nothing is known of the first row before those below it
    whole = net.forward_spread(y)
    for made, expected in zip((torch.cat(means, 2), torch.cat(spreads, 2)), whole, strict=True):
        assert made.shape == expected.shape
        assert (made - expected).abs().max() <= 2e-6 * max(1.0, float(expected.abs().max()))


def test_rows_that_wait_do_not_keep_what_they_were_part_of() -> None:
    queue, larger = Queue(), torch.randn(2, 4, 6, 10)
    queue.put(larger[:1])
    (held,) = queue.take(6)
    assert torch.equal(held, larger[:1])
    assert held.untyped_storage().nbytes() == held.nbytes
