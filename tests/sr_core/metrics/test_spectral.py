"""Spectral angle, ERGAS, RMSE, NDVI difference: by hand, against torchmetrics, with nodata.

Golden numbers: an independent program (double precision).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import error_relative_global_dimensionless_synthesis, spectral_angle_mapper

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import Protocol, ergas, ndvi_difference, ndvi_difference_lr, rmse, spectral_angle
from sr_core.operators import make_operator

PLAIN = Protocol(data_range=1, border=0)
SPECTRA = [(1, 2, 3), (4, 5, 6), (1, 0, 0), (2, 2, 1)]
OTHERS = [(2, 4, 6), (4, 5, 7), (0, 1, 0), (2, 1, 2)]


def column(spectra: list[tuple[int, ...]]) -> np.ndarray:
    return np.array(spectra, dtype=float).T[:, :, None]


def cube(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    hr = random.uniform(0.05, 0.6, (4, 24, 26))
    return hr + random.normal(0, 0.02, hr.shape), hr


def test_spectral_angle_by_hand() -> None:
    assert spectral_angle(column(OTHERS), column(SPECTRA), PLAIN).mean_degrees == pytest.approx(30.41936282, abs=5e-9)
    each = [spectral_angle(column([b]), column([a]), PLAIN).mean_degrees for a, b in zip(SPECTRA, OTHERS, strict=True)]
    assert each == pytest.approx([0, 4.41140684, 90, 27.26604445], abs=5e-9)
    assert each[0] < 1e-13  # the arc cosine would give 1e-6


def test_spectra_of_zeros_are_counted() -> None:
    found = spectral_angle(column([*OTHERS, (0, 0, 0), (1, 1, 1)]), column([*SPECTRA, (1, 1, 1), (0, 0, 0)]), PLAIN)
    assert (found.pixels, found.left_out) == (4, 2)
    assert found.mean_degrees == pytest.approx(30.41936282, abs=5e-9)
    with pytest.raises(ShapeError, match="zeros only"):
        spectral_angle(column([(0, 0)]), column([(0, 0)]), PLAIN)
    with pytest.raises(ShapeError, match="one band"):
        spectral_angle(np.ones((1, 3, 3)), np.ones((1, 3, 3)), PLAIN)


def test_ergas_by_hand() -> None:
    hr = np.array([[[10, 20], [30, 40]], [[100, 110], [120, 130]]], dtype=float)
    sr = hr + np.array([[[1, -1], [2, -2]], [[5, -5], [5, -5]]])
    assert ergas(sr, hr, PLAIN, 2) == pytest.approx(2.7134754394, abs=5e-11)
    assert ergas(sr, hr, PLAIN, 4) == pytest.approx(1.3567377197, abs=5e-11)
    with pytest.raises(InputError, match="mean 0"):
        ergas(sr, hr * np.array([1, 0])[:, None, None], PLAIN, 2)
    with pytest.raises(InputError, match="scale 0"):
        ergas(sr, hr, PLAIN, 0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_oracles_agree(scale: int) -> None:
    sr, hr = cube()
    made, truth = (torch.from_numpy(v)[None] for v in (sr, hr))
    oracle = float(error_relative_global_dimensionless_synthesis(made, truth, ratio=scale))
    assert ergas(sr, hr, PLAIN, scale) == pytest.approx(oracle, rel=1e-12)
    radians = float(spectral_angle_mapper(made, truth))
    assert math.radians(spectral_angle(sr, hr, PLAIN).mean_degrees) == pytest.approx(radians, abs=1e-12)


def test_rmse_in_units() -> None:
    hr = np.zeros((2, 4, 4))
    sr = hr + np.array([3.0, 0.5])[:, None, None]
    assert rmse(sr, hr, PLAIN).tolist() == [3.0, 0.5]
    luma = Protocol(channel="luma", data_range=255, border=0)
    assert rmse(np.full((3, 4, 4), 255.0), np.zeros((3, 4, 4)), luma) == pytest.approx([219.0])


def ndvi_pair() -> tuple[np.ndarray, np.ndarray]:
    hr = np.array([[0.1, 0.05, 0.2], [0.5, 0.05, 0.1]])[:, :, None]
    return np.full_like(hr, 0.3), hr  # NDVI of the produced image is 0 everywhere


def test_ndvi_difference_by_hand() -> None:
    sr, hr = ndvi_pair()
    found = ndvi_difference(sr, hr, PLAIN, red=0, near_infrared=1)
    assert found.mean == pytest.approx(-(0.6666667 - 0.3333333) / 3, abs=1e-7)
    assert found.mean_absolute == pytest.approx(1 / 3, abs=1e-12)
    assert found.p95_absolute == pytest.approx(np.quantile([2 / 3, 0, 1 / 3], 0.95), abs=1e-12)
    each = [ndvi_difference(sr[:, [k]], hr[:, [k]], PLAIN, 0, 1).mean for k in range(3)]
    assert each == pytest.approx([-0.6666667, 0, 0.3333333], abs=5e-8)
    swapped = ndvi_difference(sr, hr, PLAIN, red=1, near_infrared=0)
    assert swapped.mean == pytest.approx(-found.mean)


def test_ndvi_undefined_is_counted() -> None:
    sr, hr = ndvi_pair()
    hr[:, 1] = 0
    sr[:, 2] = -0.1
    found = ndvi_difference(sr, hr, PLAIN, 0, 1)
    assert (found.pixels, found.left_out, found.mean) == (1, 2, pytest.approx(-2 / 3))
    with pytest.raises(ShapeError, match="no pixel with an NDVI"):
        ndvi_difference(-np.abs(sr), hr, PLAIN, 0, 1)
    with pytest.raises(ShapeError, match="bands 0"):
        ndvi_difference(sr, hr, PLAIN, 0, 2)


def test_ndvi_on_the_lr_grid() -> None:
    random = np.random.default_rng(0)
    operator = make_operator("box", 2)
    sr = random.uniform(0.05, 0.5, (2, 12, 12))
    lr = operator.apply(torch.from_numpy(sr)).numpy()
    exact = ndvi_difference_lr(sr, lr, operator, 0, 1)
    assert exact.mean_absolute < 1e-15 and exact.pixels == 36
    # Degrading the index instead of the bands is another number: NDVI is not linear.
    index = (sr[1] - sr[0]) / (sr[1] + sr[0])
    wrong = operator.apply(torch.from_numpy(index[None])).numpy()[0] - (lr[1] - lr[0]) / (lr[1] + lr[0])
    assert np.abs(wrong).mean() > 1e-2
    spoiled, hr_mask = sr.copy(), np.ones((12, 12), dtype=bool)
    spoiled[:, 3, 3], hr_mask[3, 3] = np.nan, False
    kept = ndvi_difference_lr(spoiled, lr, operator, 0, 1, hr_mask=hr_mask)
    assert kept.pixels == 35 and kept.mean_absolute < 1e-15
    with pytest.raises(InputError, match="not a number"):
        ndvi_difference_lr(spoiled, lr, operator, 0, 1)


@pytest.mark.parametrize("nodata", [np.nan, -32768.0, np.inf])
def test_nodata_never_enters(nodata: float) -> None:
    sr, hr = cube()
    mask = np.random.default_rng(3).random((24, 26)) > 0.3
    clean = [f(sr[:, mask][..., None], hr[:, mask][..., None], PLAIN) for f in (spectral_angle, rmse)]
    clean_ergas = ergas(sr[:, mask][..., None], hr[:, mask][..., None], PLAIN, 2)
    clean_ndvi = ndvi_difference(sr[:, mask][..., None], hr[:, mask][..., None], PLAIN, 0, 1)
    sr[:, ~mask], hr[:, ~mask] = nodata, nodata
    assert spectral_angle(sr, hr, PLAIN, mask) == clean[0]
    assert rmse(sr, hr, PLAIN, mask) == pytest.approx(clean[1], rel=1e-14)
    assert ergas(sr, hr, PLAIN, 2, mask) == pytest.approx(clean_ergas, rel=1e-14)
    assert ndvi_difference(sr, hr, PLAIN, 0, 1, mask) == clean_ndvi


@settings(derandomize=True, deadline=None, max_examples=25)
@given(gain=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_a_gain_turns_no_spectrum(gain: float, seed: int) -> None:
    sr, hr = cube(seed)
    assert spectral_angle(hr * gain, hr, PLAIN).mean_degrees < 1e-12
    assert spectral_angle(sr * gain, hr, PLAIN).mean_degrees == pytest.approx(spectral_angle(sr, hr, PLAIN).mean_degrees, rel=1e-12)
    assert ergas(sr * gain, hr * gain, PLAIN, 2) == pytest.approx(ergas(sr, hr, PLAIN, 2), rel=1e-9)
    assert ndvi_difference(hr * gain, hr, PLAIN, 0, 1).mean_absolute < 1e-14


def test_swapped_bands_would_be_seen() -> None:
    _, hr = cube()
    assert spectral_angle(hr[[1, 0, 2, 3]], hr, PLAIN).mean_degrees > 5
