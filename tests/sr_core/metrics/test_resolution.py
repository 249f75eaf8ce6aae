"""Ring correlation and octave energy: white noise with known answers, the butterfly of Set5, masks.

Golden numbers: an independent program (double precision).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import Protocol, RingCorrelation, highest_octave, octave_distance, octave_energy, ring_correlation, srcnn_pair
from sr_core.operators.matlab import resize

PLAIN = Protocol(data_range=255, border=0)
FRC_GOLDEN = {0.5: 0.79965, 1.0: 0.49360, 6**0.5: 0.13898}
BUTTERFLY_RING = {2: 94.378, 4: 42.983}
BUTTERFLY_OCTAVES = {2: (0.0903006, 0.5345355, 0.9571483, 0.9959698), 4: (0.000625502, 0.0647031, 0.6244373, 0.9456545)}


@pytest.fixture(scope="module")
def butterfly(shared_data: Path) -> np.ndarray:
    return np.asarray(Image.open(shared_data / "sr_test" / "Set5" / "butterfly.png").convert("RGB")).transpose(2, 0, 1)


def against_bicubic(picture: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    lr, reference = srcnn_pair(picture, scale)
    return 255 * resize(lr, scale)[None], reference[None]


def test_white_noise_golden() -> None:
    random = np.random.default_rng(0)
    signal = random.normal(size=(256, 256))
    for deviation, golden in FRC_GOLDEN.items():
        a, b = (signal + deviation * random.normal(size=(256, 256)) for _ in range(2))
        curve = ring_correlation(a[None], b[None], PLAIN, window=False).values[0]
        assert curve.shape == (129,)
        assert curve[10:128].mean() == pytest.approx(golden, abs=5.1e-6)
        assert golden == pytest.approx(1 / (1 + deviation**2), abs=0.008)


@pytest.mark.parametrize("scale", [2, 4])
def test_butterfly(butterfly: np.ndarray, scale: int) -> None:
    sr, hr = against_bicubic(butterfly, scale)
    crossing = ring_correlation(sr, hr, PLAIN).resolution()[0]
    assert crossing is not None
    assert crossing * 256 == pytest.approx(BUTTERFLY_RING[scale], abs=5.1e-4)
    np.testing.assert_allclose(octave_energy(sr, hr, PLAIN)[0], BUTTERFLY_OCTAVES[scale], rtol=1e-6, atol=5.1e-8)


def test_resolution_rule() -> None:
    curve = np.array([[1, 1, 0.9, 0.5, 0.1, 0.8, 0.0, 0.0, 0.0]])
    (found,) = RingCorrelation(curve, 16).resolution()
    assert found == pytest.approx((3 + (0.5 - 1 / 7) / 0.4) / 16)  # the first crossing, though the curve rises again
    assert RingCorrelation(np.ones((2, 9)), 16).resolution() == (None, None)
    assert RingCorrelation(np.array([[1, 0.1, 0.9]]), 4).resolution() == (0.25,)
    assert RingCorrelation(np.array([[np.nan, 1.0, 1.0, np.nan, 1.0]]), 8).resolution()[0] == pytest.approx((2 + 6 / 7) / 8)


def test_equal_images() -> None:
    hr = np.random.default_rng(1).random((2, 64, 64))
    curve = ring_correlation(hr, hr, PLAIN)
    assert curve.values[:, 1:] == pytest.approx(1, abs=1e-12)
    assert curve.resolution() == (None, None)
    assert octave_energy(hr, hr, PLAIN) == pytest.approx(1, abs=1e-12)


def test_blur_and_invented_texture() -> None:
    random = np.random.default_rng(2)
    hr = scipy.ndimage.gaussian_filter(random.normal(size=(1, 96, 120)), (0, 1, 1))
    blurred = octave_energy(scipy.ndimage.gaussian_filter(hr, (0, 1, 1)), hr, PLAIN)[0]
    assert (np.diff(blurred) > 0).all() and blurred[0] < 0.05
    assert octave_energy(hr + 0.1 * random.normal(size=hr.shape), hr, PLAIN)[0, 0] > 1.5
    assert octave_energy(2 * hr, hr, PLAIN) == pytest.approx(4)


def test_masks() -> None:
    random = np.random.default_rng(3)
    hr = random.random((1, 80, 90))
    sr = scipy.ndimage.gaussian_filter(hr, (0, 0.6, 0.6))
    mask = np.zeros((80, 90), dtype=bool)
    mask[4:68, 10:74] = True
    cut = sr[:, 4:68, 10:74].copy(), hr[:, 4:68, 10:74].copy()
    sr[:, ~mask], hr[:, ~mask] = np.nan, 1e9
    assert (ring_correlation(sr, hr, PLAIN, mask).values == ring_correlation(*cut, PLAIN).values).all()
    assert (octave_energy(sr, hr, PLAIN, mask) == octave_energy(*cut, PLAIN)).all()
    mask[30, 30] = False
    for metric in (ring_correlation, octave_energy):
        with pytest.raises(ShapeError, match="1 unusable px"):
            metric(sr, hr, PLAIN, mask)


def test_refusals() -> None:
    image = np.zeros((1, 32, 40))
    with pytest.raises(ShapeError, match="a square"):
        ring_correlation(image, image, PLAIN)
    with pytest.raises(ShapeError, match="at least 16"):
        octave_energy(image[:, :15], image[:, :15], PLAIN)
    with pytest.raises(ShapeError, match="Ask for fewer"):
        octave_energy(image, image, PLAIN, octaves=6)
    with pytest.raises(InputError, match="0 octaves"):
        octave_energy(image, image, PLAIN, octaves=0)
    assert np.isnan(octave_energy(image, image, PLAIN)).all()
    assert ring_correlation(image[:, :, :32], image[:, :, :32], PLAIN).resolution() == (1 / 32,)


def test_highest_octave_of_each_band_where_it_is_a_number() -> None:
    hr = np.random.default_rng(5).normal(size=(3, 32, 40))
    hr[1] = 0.5  # no energy at all
    sr = hr * np.array([2.0, 1.0, 0.5])[:, None, None]
    assert highest_octave(sr, hr, PLAIN) == pytest.approx((4, 0.25))
    holed = np.ones((32, 40), bool)
    holed[10, 10] = False
    assert highest_octave(sr, hr, PLAIN, holed) == ()
    assert highest_octave(sr[:, :15], hr[:, :15], PLAIN) == ()


def test_half_is_as_far_from_the_truth_as_double() -> None:
    assert octave_distance(1) == 0 and octave_distance(0.5) == octave_distance(2) == pytest.approx(np.log(2))
    assert 20 < octave_distance(0) < np.inf and np.isnan(octave_distance(np.nan))
