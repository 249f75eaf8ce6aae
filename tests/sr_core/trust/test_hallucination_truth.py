"""The error's two parts, the maps, and the shares of improvement, omission and synthesis, against the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sr_core.errors import ShapeError
from sr_core.operators import Operator, make_operator
from sr_core.trust.consistency import guess
from sr_core.trust.hallucination_truth import correctness, error_split, null_error_maps

X2 = make_operator("bicubic", 2)
REFUSED = make_operator("gaussian", 2, sigma=1.6)


def truth(side: int = 96, seed: int = 0, bands: int = 2) -> np.ndarray:
    rows, cols = np.mgrid[:side, :side]
    noise = np.random.default_rng(seed).normal(0, 6, (bands, side, side))
    return (100 + 20 * np.sin(rows / 5) * np.cos(cols / 7) + noise).astype(np.float32)


def plain(x: np.ndarray) -> np.ndarray:
    return X2.upscale(X2.apply(torch.from_numpy(x))).numpy()


def exact(z: np.ndarray, x: np.ndarray) -> np.ndarray:
    return X2.project(torch.from_numpy(z), X2.apply(torch.from_numpy(x))).numpy()


def test_the_two_parts_are_orthogonal_and_add_up() -> None:
    x, z = truth(), truth(seed=1)
    found = error_split(z, x, X2)
    assert found.measured_rms is not None and found.null_rms is not None and found.pixels == 96 * 96
    whole = np.mean((z.astype(np.float64) - x) ** 2, axis=(1, 2))
    assert np.square(found.measured_rms) + np.square(found.null_rms) == pytest.approx(whole, rel=1e-6)


def test_a_projected_output_errs_in_the_null_space_only_and_an_offset_in_the_measured_part_only() -> None:
    x = truth()
    projected = error_split(exact(truth(seed=1), x), x, X2)
    assert projected.measured_rms is not None and projected.null_rms is not None
    assert max(projected.measured_rms) < 1e-4 and min(projected.null_rms) > 4
    moved = error_split(x + np.float32(3), x, X2)
    assert moved.measured_rms == pytest.approx((3, 3), rel=1e-5) and moved.null_rms is not None and max(moved.null_rms) < 1e-4
    perfect = error_split(x, x, X2)
    assert perfect.measured_rms == (0, 0) == perfect.null_rms


def test_holes_and_numbers_that_are_none() -> None:
    x = truth()
    mask = np.ones((96, 96), bool)
    mask[30:40, 30:40] = False
    z = x + np.float32(2)
    z[:, ~mask] = np.nan
    found = error_split(z, x, X2, mask)
    assert found.measured_rms == pytest.approx((2, 2), rel=1e-3) and found.pixels < mask.sum()
    z[0, 80, 80] = np.nan
    assert (broken := error_split(z, x, X2, mask).null_rms) is not None and math.isnan(broken[0])
    assert "no pixel is usable" in error_split(z, x, X2, np.zeros_like(mask)).absent
    maps = null_error_maps(z, x, np.ones_like(x), X2, mask)
    assert maps.hallucination is not None and maps.omission is not None
    assert np.isnan(maps.hallucination[:, ~mask]).all() and np.isnan(maps.omission[:, 80, 80]).all()
    known = mask.copy()
    known[80, 80] = False
    assert np.isfinite(maps.hallucination[:, known]).all() and np.isfinite(maps.omission[:, known]).all()


def test_maps_tell_what_was_created_from_what_was_erased() -> None:
    rows, cols = np.mgrid[:96, :96]
    point = 40 * np.exp(-((rows - 30) ** 2 + (cols - 30) ** 2) / 0.8)
    base = plain(truth(bands=1))
    half = np.full_like(base, 3)
    with_point = (base + point).astype(np.float32)
    created = null_error_maps(with_point, base, half, X2)
    erased = null_error_maps(base, with_point, half, X2)
    for maps in (created, erased):
        assert maps.hallucination is not None and maps.omission is not None and maps.hallucination.dtype == np.float32
        top = np.unravel_index(int(maps.hallucination.argmax()), maps.hallucination.shape)
        assert math.dist(top[1:], (30, 30)) < 2 and maps.hallucination[0, 60:, 60:].max() == 0
        assert maps.hallucination.max() == pytest.approx(np.abs(guess(point[None].astype(np.float32), X2)).max(), rel=1e-2)
    assert created.omission is not None and created.omission.max() == 0
    assert erased.omission is not None and erased.hallucination is not None and (erased.omission == erased.hallucination).all()
    silent = null_error_maps(base, with_point, half + 100, X2)
    assert silent.hallucination is not None and silent.hallucination.max() == 0
    no_interval = null_error_maps(base, with_point, half * np.nan, X2)
    assert no_interval.hallucination is not None and no_interval.hallucination[0, 30, 30] > 3


@pytest.mark.parametrize("operator", [None, REFUSED])
def test_without_a_known_inverse_absent_in_words(operator: Operator | None) -> None:
    x = truth()
    split, maps = error_split(x, x, operator), null_error_maps(x, x, x, operator)
    assert (
        split.measured_rms is None and split.absent and maps.hallucination is None and maps.omission is None and maps.absent == split.absent
    )


def test_shares_of_the_three_pure_outputs_by_value() -> None:
    x = truth()
    b = plain(x)
    pure = 1 / (1 + 2 * math.exp(-4))
    perfect, idle = correctness(x, x, b), correctness(b, x, b)
    assert perfect.improvement == pytest.approx(pure, abs=1e-4) and perfect.omission == pytest.approx((1 - pure) / 2, abs=1e-4)
    assert idle.omission == pytest.approx(pure, abs=1e-4) and idle.synthesis == pytest.approx((1 - pure) / 2, abs=1e-4)
    invented = correctness(b + np.random.default_rng(5).normal(0, 60, b.shape).astype(np.float32), x, b)
    assert invented.synthesis is not None and invented.synthesis > 0.6
    for found in (perfect, idle, invented):
        assert found.improvement is not None and found.omission is not None and found.synthesis is not None
        assert found.improvement + found.omission + found.synthesis == pytest.approx(1, abs=1e-12)
    assert perfect.pixels == pytest.approx(0.25 * 64 * 64, abs=2)  # a quarter of what the border leaves


def test_harmonising_hides_gain_offset_and_shift() -> None:
    x = truth()
    b, biased = plain(x), x * np.float32(1.2) + np.float32(5)
    honest, hidden = correctness(biased, x, b), correctness(biased, x, b, harmonise=True)
    assert honest.improvement is not None and hidden.improvement is not None
    assert hidden.harmonised and not honest.harmonised and hidden.improvement > 0.95 > honest.improvement + 0.2
    moved = np.roll(x, (1, 2), (1, 2))
    honest, hidden = correctness(moved, x, b), correctness(moved, x, b, harmonise=True)
    assert honest.improvement is not None and hidden.improvement is not None and hidden.improvement > 0.9 > honest.improvement + 0.3
    mask = np.ones((96, 96), bool)
    mask[50, 50] = False
    with pytest.raises(ShapeError, match="holes to be harmonised"):
        correctness(biased, x, b, mask, harmonise=True)


def test_shares_with_holes_constants_nan_and_small_images() -> None:
    x = truth()
    b, mask = plain(x), np.ones((96, 96), bool)
    mask[40:60] = False
    spoiled = x.copy()
    spoiled[:, 40:60] = np.nan
    assert correctness(spoiled, x, b, mask).improvement == pytest.approx(correctness(x, x, b, mask).improvement, rel=1e-12)
    assert (broken := correctness(spoiled, x, b).improvement) is not None and math.isnan(broken)
    flat = np.full_like(x, 5)
    same = correctness(flat, flat, flat)
    assert same.improvement is None and "differ nowhere" in same.absent
    added = flat.copy()
    added[:, 40:44, 40:44] += 3
    with np.errstate(divide="raise", invalid="raise"):
        assert correctness(added, flat, flat).synthesis == pytest.approx(1, abs=1e-3)
    assert "no pixel is usable" in correctness(x, x, b, np.zeros_like(mask)).absent
    with pytest.raises(ShapeError, match="more than 32 px a side"):
        correctness(x[:, :32, :32], x[:, :32, :32], b[:, :32, :32])
