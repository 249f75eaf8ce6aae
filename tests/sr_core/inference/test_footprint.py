"""What a network takes, derived from its blocks, against what PyTorch allocates and how often it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from sr_core.inference import Predictor
from sr_core.inference.ensemble import choose_ensemble
from sr_core.inference.footprint import bytes_per_pixel, work
from sr_core.networks import Descriptor, SRNet, build
from sr_core.operators import make_operator

HEIGHT, WIDTH = 160, 200


def _net(scale: int = 2, **changes: Any) -> SRNet:
    body = {
        "family": "edsr",
        "scale": scale,
        "width": 16,
        "blocks": 2,
        "spread": True,
        "operator": make_operator("bicubic", scale).to_json(),
    }
    return build(Descriptor.model_validate(body | changes)).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _allocated(net: SRNet, precision: torch.dtype) -> int:
    """Give the most bytes that are alive in one run, counted by PyTorch itself."""
    y = torch.randn(1, net.descriptor.channels, HEIGHT, WIDTH).to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        net.forward_spread(y)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            kept = net.forward_spread(y)
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = np.cumsum([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())])
    assert len(kept) == 2
    return int(alive.max())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "changes",
    [
        {"width": 32, "blocks": 4},
        {"scale": 3},
        {"scale": 4},
        {"base": "operator"},
        {"channels": 3, "bandwise": False},
        {"residual_scale": 0.1},
        {"family": "srcnn", "width": 32},
        {"family": "srcnn", "width": 32, "narrow": 24, "middle": 5},
        {"family": "fsrcnn", "width": 56, "blocks": 4},
        {"family": "fsrcnn", "width": 24, "scale": 3},
        {"family": "fsrcnn", "width": 56, "scale": 4},
        {"family": "fsrcnn", "width": 56, "channels": 3, "bandwise": False},
        {"family": "vdsr", "blocks": 4},
        {"family": "srresnet"},
        {"family": "srresnet", "scale": 4},
        {"family": "rrdb", "blocks": 1, "width": 32},
        {"family": "rrdb", "blocks": 1, "scale": 3, "growth": 16},
        {"family": "linear"},
    ],
    ids=str,
)
def test_bytes_a_pixel_are_what_pytorch_allocates(changes: dict[str, Any], precision: torch.dtype) -> None:
    net = _net(**changes)
    measured = _allocated(net, precision) / (HEIGHT * WIDTH)
    assert measured <= bytes_per_pixel(net, precision) <= 1.25 * measured


@pytest.mark.parametrize(("tile", "bandwise"), [(None, True), (None, False), (64, True), (100, False)])
def test_work_counts_the_runs_and_their_pixels(tile: int | None, bandwise: bool) -> None:
    net = _net(width=8, blocks=1, channels=1 if bandwise else 3, bandwise=bandwise)
    seen: list[int] = []

    class Counted(Predictor):
        def __init__(self) -> None:
            self.net, self.tile = net, tile
            self.bundle = type("Stub", (), {"net": net, "card": type("Card", (), {"mean": 0.0, "std": 1.0})()})()  # type: ignore[assignment]
            self.device, self.precision, self.ensemble = torch.device("cpu"), torch.float32, choose_ensemble(1, "")

        def _run(self, y: Any, with_spread: bool) -> Any:
            seen.append(y.shape[1] * y.shape[2])
            return super()._run(y, with_spread)

    predictor = Counted()
    predictor.predict(np.zeros((3, 150, 170), np.float32))
    said = work(predictor, 3, 150, 170)
    assert (said.passes, said.pixels, said.largest) == (len(seen), sum(seen), max(seen))
    assert said.executor == ("whole" if tile is None else "tiles")
