from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_nets import FAMILIES, SMALL, TRAINED

from sr_core.bundle import Bundle, BundleCard
from sr_core.errors import BundleError, InputError, ShapeError
from sr_core.inference import Predictor, stream
from sr_core.inference.predictor import FILLED, WHOLE
from sr_core.networks import Descriptor, build
from sr_core.networks.activations import Activation
from sr_core.networks.blocks import Conv, TransposedConv
from sr_core.operators import make_operator
from sr_core.raster import Float32Array, fill_nearest
from sr_core.recipe import Recipe

MEAN, STD = 120.0, 30.0
ULP = 2e-5  # one step of float32 below 256


def _bundle(seed: int = 5, **changes: Any) -> Bundle:
    """A bundle in memory whose every weight is random, so that nothing hides behind a zero."""
    scale = changes.get("scale", 2)
    body: dict[str, Any] = {
        "family": "edsr", "scale": scale, "linear_taps": 5, "spread": True, "operator": make_operator("bicubic", scale).to_json(),
    }  # fmt: skip
    family = changes.get("family", "edsr")
    body |= SMALL[family] | ({"blocks": 1} if family == "edsr" else {})
    descriptor = Descriptor.model_validate(body | changes)
    net = build(descriptor, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    if net.filter is not None:
        net.set_filter(0.05 * torch.randn(scale**2, 1, 5, 5, generator=generator))
    card = BundleCard(
        descriptor=net.descriptor, operator=descriptor.operator, mean=MEAN, std=STD, bands=("a",), unit="grey level",
        valid_range=(0.0, 255.0), step=1.0, data_range=255.0, recipe=Recipe(domain="photo"), data="0" * 64, data_summary="made up",
        parents=(), software="test", licence="CC0", credits=(), notes=(),
    )  # fmt: skip
    return Bundle(Path("nowhere"), card, net.eval(), "0" * 64)


def _image(*shape: int, seed: int = 0) -> Float32Array:
    return (MEAN + STD * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def _difference(a: Float32Array | None, b: Float32Array | None) -> float:
    assert a is not None and b is not None
    return float(np.abs(a - b).max())


class _ShortHalo(Predictor):
    """A planted fault: the halo is one pixel short."""

    @property
    def halo(self) -> int:
        return super().halo - 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [2, 3])
def test_tiled_equals_whole_in_float32(family: str, scale: int) -> None:
    bundle, y = _bundle(family=family, scale=scale), _image(2, 61, 140)
    whole = Predictor(bundle, "float32").predict(y)
    assert whole.mean.shape == (2, 61 * scale, 140 * scale)
    for tile in (16, 33, 128):
        tiled = Predictor(bundle, "float32", tile=tile).predict(y)
        assert _difference(tiled.mean, whole.mean) <= 1e-6 * STD + ULP
        assert _difference(tiled.spread, whole.spread) <= 1e-6 * STD


def test_tiled_equals_whole_bit_for_bit_in_float32_for_a_large_network() -> None:
    bundle, y = _bundle(blocks=2, width=32), _image(1, 70, 173)
    whole = Predictor(bundle, "float32").predict(y)
    for tile in (40, 128):
        tiled = Predictor(bundle, "float32", tile=tile).predict(y)
        assert np.array_equal(tiled.mean, whole.mean)
        assert np.array_equal(tiled.spread, whole.spread)


@pytest.mark.parametrize(
    "changes",
    [{"blocks": 4, "width": 16}, {"bandwise": False, "channels": 2}, *({"family": family} for family in FAMILIES)],
    ids=str,
)
def test_tiled_equals_whole_bit_for_bit_in_bfloat16(changes: dict[str, Any]) -> None:
    bundle, y = _bundle(**changes), _image(2, 70, 83)
    whole = Predictor(bundle, "bfloat16").predict(y)
    for tile in (24, 40, 64):
        tiled = Predictor(bundle, "bfloat16", tile=tile).predict(y)
        assert np.array_equal(tiled.mean, whole.mean)
        assert np.array_equal(tiled.spread, whole.spread)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_halo_one_pixel_short_shows(precision: str) -> None:
    bundle, y = _bundle(base="operator"), _image(1, 61, 74)
    whole = Predictor(bundle, precision).predict(y)
    tiled = _ShortHalo(bundle, precision, tile=16).predict(y)
    assert _difference(tiled.mean, whole.mean) > 1e-3


@pytest.mark.parametrize("family", TRAINED)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_halo_one_pixel_short_shows_in_every_family(family: str, scale: int) -> None:
    """Every convolution only looks at one corner of its kernel, so that what lies farthest away arrives as large as what is near."""
    whole_residuals = {"residual_scale": 1.0} if family == "rrdb" else {}
    bundle, y = (
        _bundle(family=family, scale=scale, base="operator", spread=False, **whole_residuals),
        np.abs(_image(1, 61, 74) - MEAN) + MEAN,
    )
    with torch.no_grad():
        for block in bundle.net.modules():
            if isinstance(block, Conv):
                kernel = torch.zeros_like(block.weight)
                kernel[:, :, 0, 0] = 2.0 / len(block.weight[0])
                block.weight.copy_(kernel)
            if isinstance(block, TransposedConv):
                block.weight.fill_(2.0 / len(block.weight))
    whole = Predictor(bundle, "float32").predict(y)
    assert _difference(Predictor(bundle, "float32", tile=16).predict(y).mean, whole.mean) <= 1e-5 * float(np.abs(whole.mean).max())
    assert _difference(_ShortHalo(bundle, "float32", tile=16).predict(y).mean, whole.mean) > 0.01 * STD


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (5, 7)])
def test_tiny_images_come_out(family: str, shape: tuple[int, int]) -> None:
    prediction = Predictor(_bundle(family=family), "float32").predict(_image(1, *shape))
    assert prediction.mean.shape == (1, 2 * shape[0], 2 * shape[1])


def test_untrained_linear_family_is_the_operators_upscaling_in_the_files_unit() -> None:
    bundle = _bundle(family="linear", base="operator")
    y = _image(3, 20, 22)
    expected = make_operator("bicubic", 2).upscale(torch.from_numpy(y)[None])[0].numpy()
    prediction = Predictor(bundle, "float32").predict(y)
    assert prediction.mean.dtype == np.float32
    assert _difference(prediction.mean, expected) < 1e-4


def test_spread_is_in_the_files_unit() -> None:
    bundle, y = _bundle(), _image(1, 12, 12)
    spread = bundle.net.forward_spread(torch.from_numpy((y - MEAN) / STD)[None])[1][0].detach().numpy()
    assert _difference(Predictor(bundle, "float32").predict(y).spread, spread * STD) < 1e-4


def test_bands_do_not_depend_on_each_other() -> None:
    bundle, y = _bundle(), _image(3, 18, 18)
    predictor = Predictor(bundle, "float32")
    assert _difference(predictor.predict(y).mean[1:2], predictor.predict(y[1:2]).mean) == 0


def test_network_without_a_head_gives_no_spread() -> None:
    assert Predictor(_bundle(spread=False), "float32").predict(_image(1, 10, 10)).spread is None


def test_invalid_pixels_are_filled_from_the_nearest_valid_one() -> None:
    y = np.array([[[1.0, np.nan, 3.0, np.nan, np.nan]]], np.float32)
    filled = fill_nearest(y, np.isfinite(y[0]), 0.0)
    assert filled[0, 0, [0, 2, 3, 4]].tolist() == [1.0, 3.0, 3.0, 3.0]
    assert filled[0, 0, 1] in (1.0, 3.0)
    assert fill_nearest(y, np.zeros((1, 5), bool), 9.0).tolist() == [[[9.0] * 5]]


def test_what_lies_under_the_mask_does_not_matter() -> None:
    predictor, y = Predictor(_bundle(), "float32"), _image(1, 20, 20)
    mask = np.ones((20, 20), bool)
    mask[3:7, 4:9] = False
    one, other = y.copy(), y.copy()
    one[:, ~mask], other[:, ~mask] = np.nan, -9999.0
    assert np.array_equal(predictor.predict(one, mask).mean, predictor.predict(other, mask).mean)


def test_a_hole_is_filled_from_64_px_away_and_no_further() -> None:
    predictor, y = Predictor(_bundle(), "float32"), _image(1, 3, 200)
    mask = np.zeros((3, 200), bool)
    mask[:, :10] = True
    filled = predictor.fill(y, mask)
    assert filled[0, 1, 9 + FILLED] == y[0, 1, 9]
    assert filled[0, 1, 10 + FILLED] == np.float32(MEAN)


def test_bad_input_is_refused_in_words() -> None:
    predictor, y = Predictor(_bundle(), "float32"), _image(1, 10, 10)
    with pytest.raises(ShapeError, match="one image"):
        predictor.predict(y[0])
    with pytest.raises(ShapeError, match="one image"):
        predictor.predict(y, np.ones((9, 9), bool))
    y[0, 4, 4] = np.nan
    with pytest.raises(InputError, match="nodata"):
        predictor.predict(y)
    with pytest.raises(ShapeError, match="2 bands"):
        Predictor(_bundle(bandwise=False, channels=2), "float32").predict(_image(3, 10, 10))


def test_output_that_is_not_finite_is_an_error() -> None:
    bundle = _bundle()
    with torch.no_grad():
        next(iter(bundle.net.mean_parameters())).fill_(float("nan"))
    with pytest.raises(BundleError, match="not finite"):
        Predictor(bundle, "float32").predict(_image(1, 10, 10))


def test_a_large_image_is_computed_row_by_row_and_equals_the_whole() -> None:
    bundle, y = _bundle(spread=True), _image(2, 40, 600)
    assert Predictor(bundle).executor(512, 512) == "whole"
    assert Predictor(bundle).executor(40, 600) == "rows"
    assert Predictor(bundle, tile=64).executor(40, 40) == "tiles"
    for precision in ("float32", "bfloat16"):
        rows, whole = Predictor(bundle, precision).predict(y), Predictor(bundle, precision, tile=600).predict(y)
        assert np.array_equal(rows.mean, whole.mean)
        assert np.array_equal(rows.spread, whole.spread)


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("changes", [{}, {"bandwise": False, "channels": 2}], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_every_family_equal_the_whole(family: str, changes: dict[str, Any], scale: int) -> None:
    if family == "linear":
        changes = {}
    bundle, y = _bundle(family=family, scale=scale, **changes), _image(2, 60, 520)
    for precision in ("float32", "bfloat16"):
        predictor = Predictor(bundle, precision)
        assert predictor.executor(60, 520) == "rows"
        rows, whole = predictor.predict(y), Predictor(bundle, precision, tile=600).predict(y)
        if precision == "bfloat16":
            assert np.array_equal(rows.mean, whole.mean)
            assert np.array_equal(rows.spread, whole.spread)
        assert _difference(rows.mean, whole.mean) <= 1e-6 * STD + ULP
        assert _difference(rows.spread, whole.spread) <= 1e-6 * STD


def test_a_block_that_cannot_be_streamed_takes_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: Any) -> None:
        raise ShapeError("a block", "another", "Take tiles.")

    monkeypatch.setattr(stream, "flow_of", refused)
    assert Predictor(_bundle()).executor(40, 600) == "tiles"


def test_a_network_that_sees_everything_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    y = _image(1, 20, WHOLE + 30)
    expected = Predictor(_bundle(), "float32", tile=WHOLE + 30).predict(y).mean
    monkeypatch.setattr(Activation, "windowed", False)
    predictor = Predictor(_bundle(), "float32")
    assert predictor.executor(4000, 4000) == "whole"
    assert np.array_equal(predictor.predict(y).mean, expected)
    with pytest.raises(InputError, match="not tileable"):
        Predictor(_bundle(), tile=64)
    with pytest.raises(InputError, match="not tileable"):
        Predictor(_bundle(), strip=128)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_gives_what_the_cpu_gives(precision: str) -> None:
    y = _image(2, 61, 74)
    on_cpu = Predictor(_bundle(), precision).predict(y)
    on_gpu = Predictor(_bundle(), precision, device="cuda").predict(y)
    allowed = STD * (1e-5 if precision == "float32" else 2e-2)  # shortened (TF32) products would miss the first
    assert _difference(on_gpu.mean, on_cpu.mean) <= allowed
    assert _difference(on_gpu.spread, on_cpu.spread) <= allowed
