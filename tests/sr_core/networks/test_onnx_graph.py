"""The written graph computes what the network computes, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_nets import FAMILIES, SMALL, TRAINED

from sr_core.errors import OperatorError
from sr_core.networks import Descriptor, SRNet, build
from sr_core.networks.activations import LeakyReLU, PReLU, Scale
from sr_core.networks.blocks import Block, Conv, Repeat, Sequence, TransposedConv, Upscale
from sr_core.operators import make_operator

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from sr_core.networks.onnx_graph import IR_VERSION, OPSET, graph_of, polyphase  # noqa: E402

MEAN, STD = 1200.0, 300.0
SIZES = ((1, 1), (1, 7), (5, 2), (8, 8), (9, 14), (33, 21))  # single pixels, smaller than any halo, odd, even, oblong


def drawn(kind: str = "bicubic", scale: int = 2, **changes: Any) -> SRNet:
    """Give a small network with every weight drawn, the filter and the spread head included."""
    body: dict[str, Any] = {"family": "edsr", "scale": scale, "linear_taps": 5, "spread": True}
    body |= SMALL[changes.get("family", "edsr")] | {"width": 6}
    operator = make_operator(kind, scale, **({"value": 0.25} if kind == "mtf" else {}))
    net = build(Descriptor.model_validate(body | {"operator": operator.to_json()} | changes), seed=3)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    if net.filter is not None:
        taps = net.descriptor.linear_taps
        net.set_filter(0.05 * torch.randn(scale**2, 1, taps, taps, generator=generator))
    return net.eval()


def session_of(net: SRNet) -> Any:
    model = onnx.helper.make_model(graph_of(net, MEAN, STD), opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def images(samples: int, bands: int, height: int, width: int) -> np.ndarray:
    drawn = np.random.default_rng([samples, bands, height, width]).standard_normal((samples, bands, height, width))
    return (MEAN + STD * drawn).astype(np.float32)


def by_torch(net: SRNet, y: np.ndarray) -> list[np.ndarray]:
    """Physical units in and out, in float64: no rounding of its own."""
    with torch.inference_mode():
        net = net.double()
        normalised = (torch.from_numpy(y).double() - MEAN) / STD
        mean, spread = net.forward_spread(normalised) if net.descriptor.spread else (net(normalised), None)
    return [mean.numpy() * STD + MEAN] + ([] if spread is None else [spread.numpy() * STD])


def assert_same(net: SRNet, session: Any, samples: int, bands: int, size: tuple[int, int]) -> None:
    y = images(samples, bands, *size)
    made = session.run(None, {"lr": y})
    wanted = by_torch(net, y)
    assert len(made) == len(wanted)
    for a, b in zip(made, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == np.float32
        assert np.abs(a - b).max() <= 1e-5 * 6 * STD


def test_the_laplace_head() -> None:
    net = drawn(tail="heavy")
    with torch.no_grad():
        *_, last = net.spread_parameters()
        last.sub_(2.0)  # scales of about a tenth of a standard deviation
    assert_same(net, session_of(net), 2, 3, (9, 14))


@pytest.mark.parametrize("base", ["linear", "operator"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_at_every_size(family: str, base: str) -> None:
    net = drawn(family=family, base=base)
    session = session_of(net)
    for size in SIZES:
        assert_same(net, session, 2, 3, size)


@pytest.mark.parametrize("kind", ["bicubic", "bilinear", "nearest", "box", "mtf"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_degradation_and_scale(kind: str, scale: int) -> None:
    net = drawn(kind, scale, blocks=1, width=3)
    session = session_of(net)
    for size in SIZES[:5]:
        assert_same(net, session, 1, 1, size)


@pytest.mark.parametrize("scale", [3, 4])
@pytest.mark.parametrize("family", TRAINED)
def test_every_family_and_scale(family: str, scale: int) -> None:
    net = drawn(scale=scale, family=family)
    session = session_of(net)
    for size in SIZES[:5]:
        assert_same(net, session, 1, 1, size)


def test_every_kind_of_block_that_stands_in_a_tree() -> None:
    """Slopes that are negative, above 1 and unlike from map to map; a factor; cells of other sides than a network of one scale has."""
    net = drawn(base="operator", spread=False)
    prelu, widen, last = PReLU(3), Conv(1, 3, 3), TransposedConv(3, 1, 5, 2)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        prelu.weight.copy_(torch.tensor([-0.5, 0.0, 1.5]))
        for parameter in [*widen.parameters(), *last.parameters()]:
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    shrink = Conv(3, 1, 1)
    shrink.initialise(generator)
    net.trunk = Sequence(widen, prelu, Scale(-0.3), LeakyReLU(0.2))
    for tail in (Sequence(last), Sequence(Repeat(2), shrink)):
        net.tail = tail
        session = session_of(net)
        for size in SIZES:
            assert_same(net, session, 1, 2, size)


@pytest.mark.parametrize("family", TRAINED)
def test_joint_bands_stay_together(family: str) -> None:
    net = drawn(family=family, bandwise=False, channels=4)
    session = session_of(net)
    assert session.get_inputs()[0].shape == ["samples", 4, "height", "width"]
    for size in SIZES:
        assert_same(net, session, 3, 4, size)


def test_a_band_wise_network_takes_any_number_of_bands() -> None:
    net = drawn()
    session = session_of(net)
    assert session.get_inputs()[0].shape == ["samples", "bands", "height", "width"]
    for bands in (1, 2, 13):
        assert_same(net, session, 1, bands, (6, 9))


def test_without_a_spread_head_there_is_one_output() -> None:
    net = drawn(spread=False)
    session = session_of(net)
    assert [output.name for output in session.get_outputs()] == ["mean"]
    assert_same(net, session, 1, 2, (7, 6))


def test_bicubic_by_value() -> None:
    """Keys' kernel (a = -0.5) at the distances 1.75, 0.75, 0.25, 1.25 of the two sub-pixels, computed by hand."""
    weights, margin = polyphase(Upscale(make_operator("bicubic", 2)))
    before = np.array([-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0])
    after = before[::-1]
    assert margin == 2 and weights.shape == (4, 1, 5, 5)
    for sub_pixel, (row, col) in enumerate(((before, before), (before, after), (after, before), (after, after))):
        assert weights[sub_pixel, 0].numpy() == pytest.approx(np.outer(row, col), abs=1e-7)


def test_what_is_no_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    block = Upscale(make_operator("bicubic", 2))
    upscale = type(block.operator).upscale
    monkeypatch.setattr(type(block.operator), "upscale", lambda self, y: upscale(self, y) * (1 + y.shape[-1] / 100))
    with pytest.raises(OperatorError, match="the interpolation of bicubic"):
        polyphase(block)


def test_an_unknown_block_is_named() -> None:
    class Median(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    net = drawn()
    assert net.trunk is not None
    net.trunk = Sequence(Median(), *net.trunk.steps())
    with pytest.raises(OperatorError, match="Median"):
        graph_of(net, MEAN, STD)
