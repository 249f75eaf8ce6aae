"""MS-SSIM, IFC, NQM, WPSNR: filters against golden values, planted faults, masks. Their golden numbers are in test_six."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from sr_core.errors import InputError, ShapeError, SRError
from sr_core.metrics import Protocol, ifc, msssim, nqm, wpsnr
from sr_core.metrics.ifc import BAND, FIRST, LOW, pad
from sr_core.metrics.nqm import VIEWING_ANGLE, _sensitivity_threshold
from sr_core.metrics.wpsnr import sensitivity

EIGHT_BIT = Protocol(data_range=255, border=0)
UNIT = Protocol(data_range=1, border=0)
Metric = Callable[..., float]
ALL: list[Metric] = [msssim, ifc, nqm, wpsnr]


def pair(height: int, width: int, noise: float = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    hr = 128 + 120 * np.tanh(scipy.ndimage.gaussian_filter(random.normal(size=(1, height, width)), (0, 2, 2)) * 6)
    return scipy.ndimage.gaussian_filter(hr, (0, 1, 1)) + random.normal(0, noise, hr.shape), hr


def test_contrast_sensitivity_filter() -> None:
    h = sensitivity()
    golden = [0.07811248013345912, 0.058116058202853926, 0.0220138914253196, 0.04182958215332307]
    assert [h[20, 20], h[20, 21], h[20, 22], h[21, 21]] == pytest.approx(golden, abs=1e-15)
    assert h.sum() == pytest.approx(0.5, abs=1e-14)


def test_wpsnr_equals_plain_convolution() -> None:
    sr, hr = pair(50, 47)
    weighted = scipy.signal.convolve2d((hr - sr)[0] / 255, sensitivity(), mode="same")
    assert wpsnr(sr, hr, EIGHT_BIT) == pytest.approx(-10 * math.log10(np.mean(weighted**2)), abs=1e-10)


def test_nqm_thresholds() -> None:
    detect = [0.05858009382290674, 0.0416718788585379, 0.026765679818480024, 0.01610038811513882, 0.009624792911759982]
    masking = [0.0158247903529535, 0.009470195860899507, 0.007238798458096494, 0.006168821734418649, 0.00559436130538254]
    assert pytest.approx(16.37022271802352, abs=1e-13) == VIEWING_ANGLE
    assert [_sensitivity_threshold(2**k / VIEWING_ANGLE) for k in range(1, 6)] == pytest.approx(detect, abs=1e-15)
    assert [_sensitivity_threshold(k) for k in range(1, 6)] == pytest.approx(masking, abs=1e-15)


def test_pyramid_filters() -> None:
    assert FIRST.shape == (5, 5) and LOW.shape == (9, 9) and BAND.shape == (7, 7)
    for low in (FIRST, LOW):
        assert (low == low.T).all() and (low == low[::-1]).all()
    assert FIRST[2, 2] == 0.40304148 and LOW[4, 4] == 0.2019308 and LOW[1, 2] == -0.01322234 and LOW[4, 0] == -0.01924108
    assert (BAND[::-1] == BAND).all() and (-BAND[:, ::-1] == BAND).all()
    assert BAND[3, :3].tolist() == [0.01455399, 0.02755155, -0.11732297]


def test_ifc_padding() -> None:
    image = np.arange(100.0 * 131).reshape(100, 131)
    filled = pad(image)
    assert filled.shape == (128, 160)
    top, left = 14, 15  # (128 - 100) / 2; (160 - 131) / 2 = 14.5, rounded half away from zero
    assert (filled[top : top + 100, left : left + 131] == image).all()
    assert filled[top - 1, left] == image[1, 0] and filled[top + 100, left] == image[98, 0]
    assert filled[top, left + 131] == image[0, 129] and filled[top, 0] == image[0, 15]
    assert (filled[:top, :left] == image[1, 1]).all() and (filled[top + 100 :, left + 131 :] == image[98, 129]).all()


@pytest.mark.parametrize("metric", ALL)
def test_more_noise_is_worse(metric: Metric) -> None:
    values = [metric(*pair(192, 200, noise), EIGHT_BIT) for noise in (0, 6, 20)]
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("metric", ALL)
def test_unit_does_not_matter(metric: Metric) -> None:
    sr, hr = pair(192, 180)
    assert metric(sr / 255, hr / 255, UNIT) == pytest.approx(metric(sr, hr, EIGHT_BIT), rel=1e-6)


@pytest.mark.parametrize("metric", ALL)
def test_bands_and_border(metric: Metric) -> None:
    a, b = pair(192, 180), pair(192, 180, 12, seed=1)
    both = metric(np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]]), EIGHT_BIT)
    if metric is not wpsnr:  # which pools squared errors
        assert both == pytest.approx((metric(*a, EIGHT_BIT) + metric(*b, EIGHT_BIT)) / 2, abs=1e-12)
    inner = metric(a[0][:, 2:-2, 2:-2], a[1][:, 2:-2, 2:-2], EIGHT_BIT)
    assert metric(*a, Protocol(data_range=255, border=2)) == inner


def test_equal_images() -> None:
    _, hr = pair(192, 180)
    assert msssim(hr, hr, EIGHT_BIT) == pytest.approx(1, abs=1e-12)
    assert nqm(hr, hr, EIGHT_BIT) == math.inf and wpsnr(hr, hr, EIGHT_BIT) == math.inf


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("nodata", [np.nan, -32768.0])
def test_rectangular_mask_cuts(metric: Metric, nodata: float) -> None:
    sr, hr = pair(200, 190)
    mask = np.zeros((200, 190), dtype=bool)
    mask[10:190, 5:185] = True
    expected = metric(sr[:, 10:190, 5:185], hr[:, 10:190, 5:185], EIGHT_BIT)
    sr[:, ~mask], hr[:, ~mask] = nodata, nodata
    assert metric(sr, hr, EIGHT_BIT, mask) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("metric", [ifc, nqm])
def test_holes_are_refused(metric: Metric) -> None:
    sr, hr = pair(192, 190)
    mask = np.ones((192, 190), dtype=bool)
    mask[90:95, 100] = False
    with pytest.raises(ShapeError, match=r"5 unusable px.*window without nodata"):
        metric(sr, hr, EIGHT_BIT, mask)


@pytest.mark.parametrize("metric", [msssim, wpsnr])
def test_holes_never_enter(metric: Metric) -> None:
    sr, hr = pair(420, 400)
    mask = np.ones((420, 400), dtype=bool)
    mask[:12, 380:] = False
    values = []
    for nodata in (np.nan, 0.0, 1e6):
        sr[:, ~mask], hr[:, ~mask] = nodata, -nodata
        values.append(metric(sr, hr, EIGHT_BIT, mask))
    assert values[0] == values[1] == values[2]
    assert values[0] == pytest.approx(metric(*pair(420, 400), EIGHT_BIT), rel=0.02)


@pytest.mark.parametrize(("metric", "side"), [(msssim, 175), (ifc, 16), (nqm, 31)])
def test_too_small(metric: Metric, side: int) -> None:
    sr, hr = pair(side, 200)
    with pytest.raises(ShapeError, match=f"at least {side + 1} x {side + 1}"):
        metric(sr, hr, EIGHT_BIT)


def test_unpadded_ifc_is_another_number_and_needs_more() -> None:
    sr, hr = pair(65, 70)
    assert ifc(sr, hr, EIGHT_BIT, padded=False) != pytest.approx(ifc(sr, hr, EIGHT_BIT), abs=0.01)
    with pytest.raises(ShapeError, match="at least 65"):
        ifc(sr[:, :64], hr[:, :64], EIGHT_BIT, padded=False)


def test_flat_reference() -> None:
    flat = np.full((1, 192, 192), 100.0)
    with pytest.raises(InputError, match="without texture"):
        ifc(flat, flat, EIGHT_BIT)
    assert nqm(flat + 1, flat, EIGHT_BIT) == math.inf  # contrasts are what it sees


def test_anticorrelated_structure_is_not_a_number() -> None:
    _, hr = pair(192, 192)
    assert math.isnan(msssim(255 - hr, hr, EIGHT_BIT))


@pytest.mark.parametrize("metric", ALL)
def test_usable_nan_is_refused(metric: Metric) -> None:
    sr, hr = pair(192, 190)
    sr[0, 50, 50] = np.nan
    with pytest.raises(SRError, match="not a number"):
        metric(sr, hr, EIGHT_BIT)
