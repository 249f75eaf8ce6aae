"""Texture by octave: powers by value, the fit and its JSON, invented and missing texture found, refusals in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from sr_core.errors import ShapeError, TrustError
from sr_core.operators import make_operator
from sr_core.trust.texture import OctaveFit, OctaveMeter, fit_octaves, octave_excess, octave_power

X2 = make_operator("bicubic", 2)


def natural(seed: int, side: int = 128, bands: int = 2) -> np.ndarray:
    """Noise with a falling spectrum, of a contrast of its own."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = 1
    waves = np.fft.ifft2(np.fft.fft2(rng.normal(size=(bands, side, side))) / frequency**1.2).real
    return (50 + rng.uniform(0.1, 3) * waves).astype(np.float32)


def lr(x: np.ndarray) -> np.ndarray:
    return X2.apply(torch.from_numpy(x)).numpy()


def fitted() -> OctaveFit:
    return fit_octaves([(x, lr(x), None) for x in map(natural, range(20))])


FIT = fitted()


def test_powers_do_not_depend_on_size_and_find_their_octave() -> None:
    rng = np.random.default_rng(0)
    for side in (64, 256):
        power = octave_power(rng.normal(size=(4, side, side))).mean(axis=0)
        assert power == pytest.approx([3 / 4, 3 / 16, 3 / 64, 3 / 256], rel=0.25)
    rows = np.arange(128)
    for k, cycles in enumerate((48, 24, 12, 6)):
        wave = np.broadcast_to(np.sin(2 * np.pi * cycles * rows / 128)[:, None], (1, 128, 128))
        power = octave_power(wave)[0]
        assert power[k] == pytest.approx(0.5, rel=1e-2) and power.sum() - power[k] < 1e-3
    assert (octave_power(np.full((1, 32, 32), 5.0)) == 0).all()
    with pytest.raises(ShapeError):
        octave_power(np.zeros((1, 15, 40)))


def test_the_fit_follows_contrast_and_comes_back_from_json() -> None:
    assert FIT.windows == (20, 20) and FIT.scale == (2, 2)
    assert all(0.85 < s < 1.15 for row in FIT.slope for s in row)  # twice the contrast, four times the power in every octave
    assert all(0.01 <= sd < 0.4 for row in FIT.residual_sd for sd in row)
    assert OctaveFit.from_json(FIT.to_json(), "here") == FIT


def test_the_truth_passes_and_planted_texture_does_not() -> None:
    x = natural(100, 256)
    y = lr(x)
    real = octave_excess(x, y, FIT)
    assert not real.warns and real.windows == 4
    noisy = octave_excess(x + np.random.default_rng(1).normal(0, x.std() / 3, x.shape).astype(np.float32), y, FIT)
    assert noisy.warns and noisy.deviations is not None and noisy.deviations[0][0] > 4
    smooth = octave_excess(gaussian_filter(x, (0, 1.0, 1.0)), y, FIT)
    assert smooth.log_ratio is not None and smooth.log_ratio[0][0] < -2 and not smooth.warns


def test_a_constant_image_and_texture_over_it() -> None:
    flat = np.full((2, 128, 128), 9, np.float32)
    found = octave_excess(flat, flat[:, ::2, ::2], FIT)
    assert not found.warns and found.log_ratio is not None and np.isfinite(found.log_ratio).all()
    textured = flat + np.random.default_rng(0).normal(0, 500, flat.shape).astype(np.float32)
    assert octave_excess(textured, flat[:, ::2, ::2], FIT).warns
    broken = flat.copy()
    broken[1, 5, 5] = np.nan
    assert octave_excess(broken, flat[:, ::2, ::2], FIT).warns  # not a number never passes


def test_windows_with_holes_are_left_out() -> None:
    x = natural(7, 256)
    y, mask = lr(x), np.ones((128, 128), bool)
    mask[70, 70] = False
    x[:, 140:142, 140:142] = np.nan
    y[:, 70, 70] = np.nan
    assert octave_excess(x, y, FIT, mask).windows == 3 and not octave_excess(x, y, FIT, mask).warns
    nothing = octave_excess(x, y, FIT, np.zeros_like(mask))
    assert nothing.log_ratio is None and not nothing.warns and "free of holes" in nothing.absent


def test_refusals_in_words() -> None:
    x = natural(0, 64)
    with pytest.raises(ShapeError, match="at least 128 x 128 px"):
        octave_excess(x, lr(x), FIT)
    with pytest.raises(TrustError, match="as fitted"):
        octave_excess(natural(0, bands=1), lr(natural(0, bands=1)), FIT)
    with pytest.raises(TrustError, match="3 windows with texture"):
        fit_octaves([(x, lr(x), None) for x in map(natural, range(3))])
    with pytest.raises(TrustError, match="no pairs"):
        fit_octaves([])
    with pytest.raises(ShapeError, match="Give the pair"):
        octave_excess(natural(0), natural(0)[:, :50, :50], FIT)
    with pytest.raises(ShapeError, match="multiple of the scale"):
        fit_octaves([(natural(0), lr(natural(0)), None)], side=30)


def test_windows_give_what_the_whole_gives_and_can_be_bounded() -> None:
    x = natural(11, 256)
    y, meter = lr(x), OctaveMeter(FIT)
    for row in (0, 128):
        for col in (0, 128):
            meter.update(x[:, row : row + 128, col : col + 128], y[:, row // 2 : row // 2 + 64, col // 2 : col // 2 + 64])
    whole, parts = octave_excess(x, y, FIT), meter.excess()
    assert parts.windows == whole.windows == 4
    assert np.allclose(parts.deviations, whole.deviations, rtol=1e-9)
    few = OctaveMeter(FIT)
    few.update(x, y, most=2)
    assert few.windows == 2 and OctaveMeter(FIT).excess().log_ratio is None
