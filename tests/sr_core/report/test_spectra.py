"""Curves of the contact sheet, by value against formulas."""

from __future__ import annotations

import numpy as np
import pytest

from sr_core.report.spectra import chart, histograms, radial_power, share_beyond, spectra


def noise(side: int, count: int, sigma: float = 2.0) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(5, sigma, (2, side, side)).astype(np.float32) for _ in range(count)]


def wave(side: int, cycles: float) -> np.ndarray:
    return np.broadcast_to(np.cos(2 * np.pi * cycles * np.arange(side)), (1, side, side)).astype(np.float32)


def test_white_noise_has_a_flat_spectrum_at_its_variance() -> None:
    frequencies, power = radial_power(noise(66, 100))
    assert frequencies[0] > 0 and frequencies[-1] <= 0.5 and (np.diff(frequencies) > 0).all()
    np.testing.assert_allclose(power[4:], 4.0, rtol=0.08)  # the power of white noise is sigma^2 at every frequency
    assert power[10:].mean() == pytest.approx(4.0, rel=0.02)


def test_a_wave_stands_at_its_frequency_on_both_grids() -> None:
    fine = wave(66, 0.1)
    coarse = wave(33, 0.2)  # the same wave, every second pixel
    for picture, spacing in ((fine, 1), (coarse, 2)):
        frequencies, power = radial_power([picture], spacing)
        assert frequencies[power.argmax()] == pytest.approx(0.1, abs=1 / 66)
    assert radial_power([fine])[1].max() == pytest.approx(radial_power([coarse], 2)[1].max(), rel=0.15)  # rings differ in width


@pytest.mark.parametrize("cycles", [4, 9])
def test_averaging_pairs_of_pixels_costs_what_its_transfer_function_says(cycles: int) -> None:
    hr = wave(66, cycles / 66)
    before, after = spectra([hr], [hr.reshape(1, 33, 2, 33, 2).mean(axis=(2, 4))])
    assert (before.style, after.style) == ("before", "after") and after.x.max() <= 0.25 < before.x.max()
    lost = before.y.max() - after.y.max()
    assert lost == pytest.approx(-2 * np.log10(np.cos(np.pi * cycles / 66)), abs=0.06)


def test_share_beyond_the_nyquist_frequency() -> None:
    assert share_beyond([wave(64, 0.1)], 2) < 0.01
    assert share_beyond([wave(64, 0.4)], 2) > 0.99
    assert share_beyond(noise(64, 20), 2) == pytest.approx(1 - 0.25, abs=0.03)  # a quarter of the plane lies inside
    assert share_beyond([np.full((1, 8, 8), 3, np.float32)], 2) == 0


def test_histograms_are_shares_of_one_range() -> None:
    hr, lr = noise(66, 3), noise(33, 3, sigma=1.0)
    before, after = histograms(hr, lr)
    assert before.y.sum() == pytest.approx(1) and after.y.sum() == pytest.approx(1)
    np.testing.assert_array_equal(before.x, after.x)
    assert after.y.max() > 1.5 * before.y.max()
    flat, _ = histograms([np.full((1, 4, 4), 7, np.float32)], [np.full((1, 2, 2), 7, np.float32)])
    assert flat.y.max() == 1 and 6 < flat.x[flat.y.argmax()] < 8


@pytest.mark.parametrize("powers", [False, True])
def test_charts_stay_inside_their_frame_and_speak(powers: bool) -> None:
    lines = spectra(noise(66, 1), noise(33, 1)) if powers else histograms(noise(66, 1), noise(33, 1))
    svg = chart(lines, 'a "label" & more', "x", powers=powers, mark=0.25 if powers else None)
    assert 'role="img"' in svg and "a &#34;label&#34; &amp; more" in svg
    assert svg.count("<polyline") == 2 and ("nyquist" in svg) == powers
    points = [tuple(map(float, p.split(","))) for part in svg.split('points="')[1:] for p in part.split('"')[0].split()]
    assert all(0 <= x <= 320 and 0 <= y <= 170 for x, y in points)


def test_flat_pictures_draw_nothing_wild() -> None:
    flat = [np.full((1, 33, 33), 3, np.float32)]
    svg = chart(spectra(flat, flat), "flat", "x", powers=True)
    assert "nan" not in svg and "inf" not in svg
