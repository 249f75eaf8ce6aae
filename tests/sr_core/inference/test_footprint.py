"""What a network takes, derived from its blocks, against what PyTorch allocates and how often it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from sr_core.inference import Predictor, fed_rows
from sr_core.inference.ensemble import choose_ensemble
from sr_core.inference.footprint import Work, bytes_per_pixel, passage_bytes, work
from sr_core.inference.stream import NetFlow
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
    assert len(kept) == 2
    return int(np.cumsum(_changes(seen)).max())


def _changes(seen: Any) -> list[int]:
    """Give what was allocated (> 0) and freed (< 0), in order."""
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    return [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]


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


class Stub(Predictor):
    """A predictor of a network without a bundle on disk."""

    def __init__(self, net: SRNet, tile: int | None = None, precision: torch.dtype = torch.float32) -> None:
        self.net, self.tile, self.precision, self.device = net, tile, precision, torch.device("cpu")
        self.strip, self.ensemble, self.spread_from = None, choose_ensemble(1, ""), "head"
        self.bundle = type("Stub", (), {"net": net, "card": type("Card", (), {"mean": 0.0, "std": 1.0})()})()  # type: ignore[assignment]


@pytest.mark.parametrize(("tile", "bandwise"), [(None, True), (None, False), (64, True), (100, False)])
def test_work_counts_the_runs_and_their_pixels(tile: int | None, bandwise: bool) -> None:
    net = _net(width=8, blocks=1, channels=1 if bandwise else 3, bandwise=bandwise)
    seen: list[int] = []

    class Counted(Stub):
        def _run(self, y: Any) -> Any:
            seen.append(y.shape[1] * y.shape[2])
            return super()._run(y)

    predictor = Counted(net, tile)
    predictor.predict(np.zeros((3, 150, 170), np.float32))
    said = work(predictor, 3, 150, 170)
    assert (said.passes, said.pixels, said.largest) == (len(seen), sum(seen), max(seen))
    assert said.executor == ("whole" if tile is None else "tiles")


@pytest.mark.parametrize("bandwise", [True, False])
def test_work_of_rows_counts_every_pixel_once(bandwise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[tuple[int, int]] = []
    passages: list[int] = []

    class Counted(NetFlow):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            passages.append(1)

        def feed(self, y: torch.Tensor, last: bool) -> Any:
            fed.append((y.shape[2], y.shape[3]))
            return super().feed(y, last)

    predictor = Stub(_net(width=8, blocks=1, channels=1 if bandwise else 3, bandwise=bandwise))
    said = work(predictor, 3, 61, 600)
    monkeypatch.setattr("sr_core.inference.predictor.NetFlow", Counted)
    predictor.predict(np.zeros((3, 61, 600), np.float32))
    assert (said.executor, said.passes) == ("rows", len(passages))
    assert said.pixels == sum(rows * width for rows, width in fed)
    assert said.largest == max(rows * width for rows, width in fed)


NETS: list[dict[str, Any]] = [
    {"width": 32, "blocks": 4, "linear_taps": 9},
    {"scale": 3},
    {"scale": 4, "base": "operator"},
    {"channels": 3, "bandwise": False},
    {"family": "srcnn", "width": 32},
    {"family": "linear"},
]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("changes", NETS, ids=str)
def test_what_a_passage_keeps_is_exact(changes: dict[str, Any], precision: torch.dtype) -> None:
    net = _net(**changes)
    predictor, channels, width = Stub(net, precision=precision), 3, 530
    passage = predictor.stream(channels)
    for _ in range(4):
        passage.feed(np.zeros((channels, 2 * net.halo, width), np.float32), False)
    assert passage_bytes(predictor, channels, width).kept == passage.kept()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [600, 2100])
@pytest.mark.parametrize("changes", NETS[:-1], ids=str)  # a filter alone holds little, and most of it inside a library
def test_the_peak_of_a_passage_is_what_pytorch_allocates(changes: dict[str, Any], width: int, precision: torch.dtype) -> None:
    net, rows = _net(**changes), fed_rows(width)
    count = net.descriptor.channels
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        flow = NetFlow(net, precision, True)
        feeds = -(-2 * net.halo // rows) + 3
        for number in range(feeds):
            flow.feed(torch.zeros(1, count, rows, width), number == feeds - 1)
    measured = int(np.cumsum(_changes(seen)).max())
    said = passage_bytes(Stub(net, precision=precision), count, width).peak
    assert 0.75 * measured <= said <= 1.25 * measured


def test_work_of_strips_counts_their_halos() -> None:
    predictor = Stub(_net(width=8, blocks=1))
    predictor.strip = 200
    halo = predictor.halo
    seen = 200 + halo + 200 + 2 * halo + 200 + halo  # the outer ones have a halo on one side only
    assert work(predictor, 3, 100, 600) == Work("strips", 9, 3 * 100 * seen, fed_rows(200 + 2 * halo) * (200 + 2 * halo))
    assert passage_bytes(predictor, 3, 200 + 2 * halo).peak < 0.5 * passage_bytes(predictor, 3, 600).peak
