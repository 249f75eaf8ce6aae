"""Consistency: meters by value and merged, saturation, and the range / null-space split."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sr_core.errors import ShapeError
from sr_core.operators import make_operator
from sr_core.trust.consistency import BoundsMeter, MaskMeter, ResidualMeter, guess, guess_map, saturated_pixels, smallest_vouched_size

RNG = np.random.default_rng(0)
RESIDUAL = RNG.normal(size=(3, 12, 16)).astype(np.float32)
MASK = RNG.random((12, 16)) > 0.3
SATURATED = RNG.random((3, 12, 16)) > 0.9


def image(bands: int = 2, height: int = 40, width: int = 48) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    waves = [np.sin(rows / (2 + b)) * np.cos(cols / 3) + (cols > rows) for b in range(bands)]
    return np.stack(waves).astype(np.float32)


def test_residual_meter_by_value() -> None:
    meter = ResidualMeter.of(3)
    meter.update(RESIDUAL, MASK, SATURATED)
    use = MASK & ~SATURATED
    taken = RESIDUAL[use].astype(np.float64)
    assert meter.rms == pytest.approx(np.sqrt(np.mean(taken**2)), rel=1e-12) and meter.max == np.abs(taken).max()
    assert meter.band_rms[1] == pytest.approx(np.sqrt(np.mean(RESIDUAL[1][use[1]].astype(np.float64) ** 2)), rel=1e-12)
    assert meter.saturated.sum() == (MASK & SATURATED).sum()
    assert meter.lr_psnr_db(255) == pytest.approx(20 * math.log10(255 / meter.rms))


def test_windows_and_merging_equal_the_whole() -> None:
    whole, top, bottom = (ResidualMeter.of(3) for _ in range(3))
    whole.update(RESIDUAL, MASK, SATURATED)
    top.update(RESIDUAL[:, :5], MASK[:5], SATURATED[:, :5])
    bottom.update(RESIDUAL[:, 5:], MASK[5:], SATURATED[:, 5:])
    top.merge(bottom)
    assert top.rms == pytest.approx(whole.rms, rel=1e-14) and top.max == whole.max and (top.count == whole.count).all()
    pixels, parts = BoundsMeter((-1, 1)), [BoundsMeter((-1, 1)), BoundsMeter((-1, 1))]
    pixels.update(RESIDUAL, MASK)
    parts[0].update(RESIDUAL[:, :, :9], MASK[:, :9])
    parts[1].update(RESIDUAL[:, :, 9:], MASK[:, 9:])
    parts[0].merge(parts[1])
    assert parts[0] == pixels and pixels.outside == int((np.abs(RESIDUAL[:, MASK]) > 1).sum()) and pixels.below > 0


def test_a_nan_stays_visible() -> None:
    residual = RESIDUAL.copy()
    residual[1, 4, 4] = np.nan
    meter, other = ResidualMeter.of(3), ResidualMeter.of(3)
    meter.update(residual, np.ones((12, 16), bool))
    other.update(RESIDUAL, MASK)
    other.merge(meter)
    for m in (meter, other):
        assert math.isnan(m.rms) and math.isnan(m.max) and math.isnan(m.lr_psnr_db(1))


def test_equal_images_and_empty_meters() -> None:
    meter = ResidualMeter.of(1)
    assert math.isnan(meter.rms) and math.isnan(meter.max)
    meter.update(np.zeros((1, 3, 3), np.float32), np.ones((3, 3), bool))
    assert meter.rms == 0 and math.isinf(meter.lr_psnr_db(1))
    with pytest.raises(ShapeError):
        meter.update(np.zeros((2, 3, 3), np.float32), np.ones((3, 3), bool))


def test_bounds_count_each_value_once() -> None:
    values = np.array([[[np.nan, np.inf, -5, 300], [0, 255, 255.4, 7]]], np.float32)
    meter = BoundsMeter((0, 255))
    meter.update(values, np.array([[True] * 4, [True, True, True, False]]), slack=0.5)
    assert (meter.not_finite, meter.below, meter.above, meter.count) == (2, 1, 1, 7) and meter.outside == 4


def test_mask_meter() -> None:
    lr = np.array([[True, False], [True, True]])
    hr = lr.repeat(2, 0).repeat(3, 1)
    meter = MaskMeter()
    meter.update(lr, hr)
    assert (meter.lost, meter.gained, meter.count) == (0, 0, 24)
    hr[0, 0] = False
    hr[1, 4:] = True
    meter.update(lr, hr)
    assert (meter.lost, meter.gained) == (1, 2)
    with pytest.raises(ShapeError):
        meter.update(lr, hr[:3])


def test_saturation_spreads_as_far_as_the_kernel() -> None:
    z = np.full((1, 40, 40), 100, np.float32)
    z[0, 21, 21] = 255
    valid = np.ones((40, 40), bool)
    marked = saturated_pixels(z, valid, (2, 2), (0, 255), 1.0)
    assert marked.sum() == 25 and marked[0, 8:13, 8:13].all()
    valid[21, 21] = False
    assert not saturated_pixels(z, valid, (2, 2), (0, 255), 1.0).any()


@pytest.mark.parametrize(("kind", "scale"), [("bicubic", 2), ("bicubic", 4), ("box", 2), ("bilinear", (2, 1))])
def test_interpolation_by_the_own_adjoint_guesses_nothing(kind: str, scale: int | tuple[int, int]) -> None:
    operator = make_operator(kind, scale)
    y = torch.rand(2, 12, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z = operator.upscale(y).numpy().astype(np.float32)
    assert np.abs(guess(z, operator)).max() < 2e-6


def test_guess_is_a_projection_and_lies_in_the_null_space() -> None:
    operator = make_operator("bicubic", 2)
    z = image()
    part = guess(z, operator)
    assert np.abs(part).max() > 0.05
    assert np.abs(guess(part, operator) - part).max() < 1e-5
    assert operator.apply(torch.from_numpy(part)).abs().max() < 1e-5
    measured = z - part
    assert abs(float(np.vdot(measured, part))) < 1e-5 * float(np.linalg.norm(measured) * np.linalg.norm(part)) + 1e-4


def test_guess_map_is_local_and_keeps_nodata() -> None:
    operator = make_operator("bicubic", 2)
    z = np.full((1, 64, 64), 0.5, np.float32)
    z[0, 40:44, 40:44] += 0.3
    mask = np.ones((64, 64), bool)
    mask[:8, :8] = False
    z[:, :8, :8] = np.nan
    drawn = guess_map(z, operator, mask)
    assert drawn.dtype == np.float32 and np.isnan(drawn[0, :8, :8]).all() and np.isfinite(drawn[:, mask]).all()
    assert drawn[0, 38:46, 38:46].max() > 0.02 and drawn[0, 10:20, 10:20].max() < 1e-4


def test_smallest_vouched_size_is_where_a_tenth_is_left() -> None:
    operator = make_operator("bicubic", 2)
    size = smallest_vouched_size(operator)
    assert size is not None and 3.0 <= size <= 3.6  # between 0.12 at 3 px and 0.06 at 4 px
    assert operator.invisible(size) <= 0.10 < operator.invisible(size - 0.15)
    box = smallest_vouched_size(make_operator("box", 2))
    assert box is not None and box > 8
