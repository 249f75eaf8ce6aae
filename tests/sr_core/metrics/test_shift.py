"""Sub-pixel shift: planted shifts, scikit-image as oracle, the floor on aliased pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.registration import phase_cross_correlation

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import Protocol, Shift, luma, mean_floor, sub_pixel_shift
from sr_core.metrics.resolution import hann
from sr_core.metrics.shift import FLOOR_RMS_PX, FLOOR_WORST_PX
from sr_core.operators.matlab import resize

PLAIN = Protocol(data_range=255, border=0)


def texture(seed: int = 0, height: int = 96, width: int = 120) -> np.ndarray:
    return 40 * scipy.ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 1.2, mode="wrap")


def moved(image: np.ndarray, row: float, col: float) -> np.ndarray:
    return np.fft.ifft2(scipy.ndimage.fourier_shift(np.fft.fft2(image), (row, col))).real


def windowed(image: np.ndarray) -> np.ndarray:
    return (image - image.mean()) * np.outer(hann(image.shape[0]), hann(image.shape[1]))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(row=st.floats(-3, 3), col=st.floats(-3, 3), upsample=st.sampled_from([20, 50, 100]), seed=st.integers(0, 100))
def test_planted_shift_and_oracle(row: float, col: float, upsample: int, seed: int) -> None:
    hr = texture(seed)
    sr = moved(hr, row, col)
    (found,) = sub_pixel_shift(sr[None], hr[None], PLAIN, upsample=upsample)
    assert abs(found.row - row) < 0.06 and abs(found.col - col) < 0.06
    theirs = phase_cross_correlation(windowed(hr), windowed(sr), upsample_factor=upsample, normalization=None)[0]
    assert (found.row, found.col) == pytest.approx(tuple(-theirs), abs=1e-9)


def test_sign_and_bands() -> None:
    hr = np.stack([texture(0), texture(1)])
    sr = np.stack([np.roll(hr[0], (2, -1), (0, 1)), hr[1]])
    first, second = sub_pixel_shift(sr, hr, PLAIN)
    assert (first.row, first.col) == pytest.approx((2, -1), abs=0.03)
    assert (second.row, second.col) == (0, 0)
    assert first.beyond_floor and not second.beyond_floor
    assert first.length == pytest.approx(5**0.5, abs=0.04)


def test_floor_is_in_the_record() -> None:
    shift = Shift(row=0.1, col=-0.2, upsample=100)
    assert (shift.floor_rms, shift.floor_worst) == (0.08, 0.25)
    assert shift.describe() == (
        "+0.10 px down, -0.20 px right (steps of 1/100): within the method's floor (0.08 px RMS, 0.25 px at worst, on aliased x4 pairs)"
    )
    assert (mean_floor(1), mean_floor(9), mean_floor(10)) == (0.25, 0.25, 0.1)
    assert Shift.from_json(shift.to_json(), "x") == shift


@pytest.mark.long
def test_floor_holds_on_aliased_pairs(shared_data: Path) -> None:
    random = np.random.default_rng(0)
    errors: dict[str | None, list[float]] = {None: [], "phase": []}
    for name in ("baby", "bird", "butterfly", "head", "woman"):
        picture = np.asarray(Image.open(shared_data / "sr_test" / "Set5" / f"{name}.png").convert("RGB")).transpose(2, 0, 1)
        hr = luma(picture)
        hr = hr[: hr.shape[0] // 4 * 4, : hr.shape[1] // 4 * 4]
        for planted in random.uniform(-1.5, 1.5, (6, 2)):
            sr = resize(resize(moved(hr, *planted), 0.25), 4)
            (found,) = sub_pixel_shift(sr[None], hr[None], PLAIN, upsample=20)
            errors[None] += [found.row - planted[0], found.col - planted[1]]
            white = phase_cross_correlation(windowed(hr), windowed(sr), upsample_factor=20, normalization="phase")[0]
            errors["phase"] += list(-white - planted)
    rms = {name: float(np.sqrt(np.mean(np.square(values)))) for name, values in errors.items()}
    assert rms[None] < FLOOR_RMS_PX and max(map(abs, errors[None])) < FLOOR_WORST_PX
    assert rms["phase"] > 0.3  # whitening, the library's default, is not for SR images


def test_mask_and_refusals() -> None:
    hr = texture()
    sr = moved(hr, 0.5, 0.25)
    mask = np.zeros(hr.shape, dtype=bool)
    mask[8:88, 10:110] = True
    expected = sub_pixel_shift(sr[None, 8:88, 10:110], hr[None, 8:88, 10:110], PLAIN)
    sr, hr = np.where(mask, sr, np.nan), np.where(mask, hr, -9999)
    assert sub_pixel_shift(sr[None], hr[None], PLAIN, mask) == expected
    mask[50, 50] = False
    with pytest.raises(ShapeError, match="unusable px"):
        sub_pixel_shift(sr[None], hr[None], PLAIN, mask)
    with pytest.raises(ShapeError, match="flat"):
        sub_pixel_shift(np.ones((1, 20, 20)), np.ones((1, 20, 20)), PLAIN)
    with pytest.raises(InputError, match="20 to 100"):
        sub_pixel_shift(sr[None], hr[None], PLAIN, upsample=10)
