"""What an output invents, without the truth: identities of the guessed part, planted guesses, disagreement, the test on the LR image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sr_core.errors import ShapeError, TrustError
from sr_core.operators import Operator, make_operator
from sr_core.trust.consistency import away_from_holes, guess
from sr_core.trust.hallucination import GuessFigures, GuessMeter, disagreement, guess_figures, outside_interval
from sr_core.trust.self_test import SelfTestMeter, self_test, windows_to_test

X2 = make_operator("bicubic", 2)
REFUSED = make_operator("gaussian", 2, sigma=1.6)


def scene(height: int = 96, width: int = 96, bands: int = 2) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    waves = [np.sin(rows / (3 + b)) * np.cos(cols / 4) + np.tanh((cols - rows + 5) / 2) for b in range(bands)]
    return (100 + 20 * np.stack(waves)).astype(np.float32)


def bicubic(y: np.ndarray, operator: Operator = X2) -> np.ndarray:
    return operator.upscale(torch.from_numpy(y)).numpy()


def degraded(x: np.ndarray, operator: Operator = X2) -> np.ndarray:
    return operator.apply(torch.from_numpy(x)).numpy()


def smallest(y: np.ndarray) -> np.ndarray:
    return X2.pinv(torch.from_numpy(y)).numpy()


@pytest.mark.parametrize("upscale", [bicubic, smallest])
def test_an_interpolation_guesses_nothing(upscale: object) -> None:
    z = upscale(degraded(scene()))
    found = guess_figures(z, X2, spread=np.ones_like(z))
    assert found.energy is not None and max(found.energy) < 1e-10
    assert found.ratio is not None and max(found.ratio) < -9 and found.implausible is not None and found.implausible < -8


def test_energy_and_ratio_of_a_pure_guess_by_value() -> None:
    rows, cols = np.mgrid[:64, :64]
    checkerboard = (3.0 * (-1.0) ** (rows + cols)).astype(
        np.float32
    )  # bicubic x2 has a zero there: all null space, but for the mirror at the sides
    ramp = np.repeat(np.arange(32, dtype=np.float32), 2)[None].repeat(64, 0)
    z = np.stack([checkerboard + 50, np.full((64, 64), 7, np.float32), bicubic(ramp[None, :, ::2][:, ::2].copy())[0] + checkerboard])
    found = guess_figures(z, X2, spread=np.full_like(z, 3.0))
    assert found.energy is not None and found.ratio is not None
    assert found.energy[0] == pytest.approx(1, rel=1e-4) and found.energy[1] == 0
    assert found.energy[2] == pytest.approx(9 / z[2].var(), rel=1e-3)
    assert found.ratio[0] == pytest.approx(0, abs=1e-4)
    assert found.implausible == pytest.approx(0, abs=1e-2)
    assert guess_figures(z, X2, spread=np.full_like(z, 3.0), floor=3.0).implausible == pytest.approx(-math.log(2), abs=1e-2)


def test_a_planted_guess_is_the_implausible_place() -> None:
    z = bicubic(degraded(scene()))
    spread = np.full_like(z, 0.5)
    before = guess_figures(z + np.random.default_rng(0).normal(0, 0.1, z.shape).astype(np.float32), X2, spread=spread)
    z[1, 41, 58] += 20
    after = guess_figures(z, X2, spread=spread)
    assert after.where is not None and after.where[0] == 1 and math.dist(after.where[1:], (41, 58)) < 2
    assert before.implausible is not None and after.implausible is not None and after.implausible > before.implausible + 2
    spread[1, 30:52, 48:70] = 20  # what is expected to be wrong there explains it
    assert (explained := guess_figures(z, X2, spread=spread).implausible) is not None and explained < after.implausible - 2


def test_holes_are_left_out_and_a_nan_is_not() -> None:
    y = degraded(scene())
    mask_lr = np.ones(y.shape[1:], bool)
    mask_lr[20:26, 10:18] = False
    z, mask = bicubic(y), mask_lr.repeat(2, 0).repeat(2, 1)
    z[:, ~mask] = np.nan
    found = guess_figures(z, X2, mask, np.where(mask, 1, np.nan).repeat(1, 0)[None].repeat(2, 0).astype(np.float32))
    assert found.energy is not None and max(found.energy) < 1e-4 and found.pixels == away_from_holes(mask, X2).sum() < mask.sum()
    assert found.implausible is not None and math.isfinite(found.implausible)
    z[0, 80, 80] = np.nan
    broken = guess_figures(z, X2, mask, np.ones_like(z))
    assert broken.energy is not None and math.isnan(broken.energy[0]) and broken.implausible is not None and math.isnan(broken.implausible)
    assert "no pixel is usable" in guess_figures(z, X2, np.zeros_like(mask)).absent
    narrow = np.zeros_like(mask)
    narrow[10:12] = True
    assert "beside a hole" in guess_figures(z, X2, narrow).absent


@pytest.mark.parametrize("operator", [None, REFUSED])
def test_without_a_known_inverse_the_figures_are_absent_in_words(operator: Operator | None) -> None:
    found = guess_figures(scene(), operator, spread=np.ones_like(scene()))
    assert found == GuessFigures(absent=found.absent) and found.energy is None
    assert ("linear operator" if operator is None else "ill-conditioned") in found.absent
    assert GuessFigures.from_json(found.to_json(), "here") == found


def test_arrays_of_two_images_are_refused() -> None:
    with pytest.raises(ShapeError):
        guess_figures(scene(), X2, np.ones((4, 4), bool))
    with pytest.raises(ShapeError):
        guess_figures(scene(), X2, spread=np.ones((2, 4, 4), np.float32))
    with pytest.raises(ShapeError):
        outside_interval(scene(), scene(64), scene())


def test_disagreement_counts_what_the_interval_does_not_hold() -> None:
    pixel = scene(40, 50)
    half = np.full_like(pixel, 2.0)
    style = pixel.copy()
    style[0, :4] += 2.5
    style[1, :, :5] -= 1.5
    assert disagreement(style, pixel, half).bands == (0.1, 0.0)
    style[1, 20, 20] = np.nan  # not a number: outside
    half[:, :2] = np.nan  # no interval: not counted
    found = disagreement(style, pixel, half)
    assert found.bands == (2 * 50 / (38 * 50), 1 / (38 * 50)) and found.values == 2 * 38 * 50
    mask = np.zeros((40, 50), bool)
    assert math.isnan(disagreement(style, pixel, half, mask).share)
    mask[3] = True
    assert disagreement(style, pixel, half, mask).share == 0.5 and outside_interval(style, pixel, half, mask).sum() == 50


def test_self_test_tells_a_better_from_a_worse_upscaler() -> None:
    y = scene(150, 280)
    calls = []

    def blurred(coarse: np.ndarray) -> np.ndarray:
        calls.append(coarse.shape)
        return bicubic(coarse) * 0.9 + 10

    assert self_test(y, smallest, X2).gain_db > 0.2
    worse = self_test(y, blurred, X2)
    assert worse.warns and worse.gain_db is not None and worse.gain_db < -1 and "worse than bicubic" in worse.says()
    assert calls == [(2, 64, 64)] * 2 and worse.windows == 2
    same = self_test(y, bicubic, X2)
    assert same.gain_db == pytest.approx(0, abs=1e-4) and not self_test(np.full((1, 64, 64), 4, np.float32), bicubic, X2).warns
    broken = self_test(y, lambda coarse: bicubic(coarse) * np.nan, X2)
    assert broken.warns


def test_self_test_takes_few_windows_spread_evenly_and_free_of_holes() -> None:
    y = np.random.default_rng(0).normal(size=(1, 32 * 6, 32 * 6)).astype(np.float32)
    seen = []

    def noting(coarse: np.ndarray) -> np.ndarray:
        seen.append(coarse.copy())
        return bicubic(coarse)

    assert self_test(y, noting, X2, windows=5, side=32).windows == 5 == len(seen)
    first = list(seen)
    self_test(y, noting, X2, windows=5, side=32)
    assert all((a == b).all() for a, b in zip(first, seen[5:], strict=True)) and not (first[0] == first[-1]).all()
    mask = np.zeros(y.shape[1:], bool)
    mask[32:64, 64:97] = True
    assert self_test(y, noting, X2, mask, side=32).windows == 1
    y[0, 40, 70] = np.nan
    assert "free of holes" in self_test(y, noting, X2, mask, side=32).absent and self_test(y, noting, X2, mask, side=32).gain_db is None


def test_self_test_refuses_in_words() -> None:
    with pytest.raises(ShapeError, match="16 x 16 px for a test one scale coarser"):
        self_test(scene(15, 40), bicubic, X2)
    with pytest.raises(TrustError, match="operator's scale"):
        self_test(scene(), lambda coarse: coarse, X2)
    absent = self_test(scene(), bicubic, None)
    assert absent.gain_db is None and not absent.warns and "Not tested" in absent.says()


@pytest.mark.parametrize(("kind", "scale", "parameters"), [("mtf", 2, {"value": [0.3, 0.25]}), ("kspace", 2, {}), ("box", (2, 1), {})])
def test_every_invertible_operator_is_served(kind: str, scale: int | tuple[int, int], parameters: dict[str, list[float]]) -> None:
    operator = make_operator(kind, scale, **parameters)
    x = scene()
    least = operator.pinv(operator.apply(torch.from_numpy(x).double())).numpy().astype(np.float32)
    nothing, all_of_it = guess_figures(least, operator), guess_figures(x - least, operator)
    assert nothing.energy is not None and max(nothing.energy) < 1e-10
    assert all_of_it.energy == pytest.approx((1, 1), rel=0.02)  # the mean of what A cannot see is not always exactly 0
    assert self_test(x, lambda coarse: operator.upscale(torch.from_numpy(coarse)).numpy(), operator).windows == 1


def test_windows_give_what_the_whole_gives() -> None:
    rng = np.random.default_rng(3)
    z = scene(160, 192) + rng.normal(0, 2, (2, 160, 192)).astype(np.float32)
    spread = rng.uniform(0.5, 2, z.shape).astype(np.float32)
    usable = np.ones(z.shape[1:], bool)
    whole = guess_figures(z, X2, usable, spread, 0.1)
    part = guess(z, X2, usable)
    meter = GuessMeter(2, 0.1)
    for row in range(0, 160, 80):
        for col in range(0, 192, 64):
            rows, cols = slice(row, row + 80), slice(col, col + 64)
            meter.update(z[:, rows, cols], part[:, rows, cols], usable[rows, cols], usable[rows, cols], spread[:, rows, cols], (row, col))
    found = meter.figures()
    assert found.energy == pytest.approx(whole.energy, rel=1e-6) and found.ratio == pytest.approx(whole.ratio, abs=1e-6)
    assert found.pixels == whole.pixels == 160 * 192
    assert found.implausible == pytest.approx(whole.implausible, abs=0.15)  # smoothing sees a window's sides
    alone = GuessMeter(2, 0.1)
    alone.update(z, np.full_like(z, np.nan), usable, usable, spread)
    assert math.isnan(alone.figures().implausible or 0) and "no pixel" in GuessMeter(2).figures().absent


def test_the_test_on_the_measurement_adds_up() -> None:
    y = scene(128, 256)
    whole, meter = self_test(y, smallest, X2, side=64), SelfTestMeter()
    for window in (*windows_to_test(y[:, :64], X2, side=64), *windows_to_test(y[:, 64:], X2, side=64)):
        meter.update(window, smallest, X2)
    assert meter.result() == whole and whole.windows == 8
    assert SelfTestMeter().result().gain_db is None
