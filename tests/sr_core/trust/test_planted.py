"""Planted objects: recovery of bicubic by value, objects erased and created are found, places, sizes, refusals in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from sr_core.errors import InputError, ShapeError, TrustError
from sr_core.operators import make_operator
from sr_core.trust.planted import (
    RecoveryCurve,
    choose_places,
    created_objects,
    hidden_sentence,
    object_amplitudes,
    planted_objects,
    recovery_curve,
    size_at_half,
)

X2 = make_operator("bicubic", 2)


def truth(height: int = 120, width: int = 144, bands: int = 1) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return np.stack([100 + 20 * np.sin(rows / (5 + b)) * np.cos(cols / 7) for b in range(bands)]).astype(np.float32)


def bicubic(y: np.ndarray) -> np.ndarray:
    return X2.upscale(torch.from_numpy(y)).numpy()


def blob(fwhm: float, at: tuple[float, float], shape: tuple[int, int] = (120, 144)) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-4 * math.log(2) * ((rows - at[0]) ** 2 + (cols - at[1]) ** 2) / fwhm**2)[None].astype(np.float32)


def test_recovery_of_bicubic_by_size() -> None:
    curve = recovery_curve(truth(), bicubic, X2, 10.0)
    assert [r.recovery for r in curve.sizes] == pytest.approx([0.48, 0.69, 0.88, 0.95, 0.99], abs=0.015)
    assert [r.bicubic for r in curve.sizes] == pytest.approx([r.recovery for r in curve.sizes], abs=1e-5)
    assert all(len(r.places) == 12 and r.erased == 0 for r in curve.sizes)
    assert all(r.side_effect is not None and r.side_effect < 0.014 for r in curve.sizes)
    assert curve.size_at_half == pytest.approx(1.55, abs=0.05) and curve.bicubic_size_at_half == pytest.approx(curve.size_at_half, abs=1e-3)
    assert RecoveryCurve.from_json(curve.to_json(), "here") == curve


def test_recovery_does_not_depend_on_amplitude_sign_bands_or_kernel_of_a_linear_upscaler() -> None:
    x = truth(bands=3)
    small, dark = planted_objects(x, bicubic, X2, 3, 5.0), planted_objects(x, bicubic, X2, 3, -20.0)
    assert small.recovery == pytest.approx(dark.recovery, abs=1e-4) and small.side_effect == pytest.approx(dark.side_effect, abs=1e-4)
    inverse = planted_objects(x, lambda y: X2.pinv(torch.from_numpy(y)).numpy(), X2, 3, 5.0)
    assert inverse.recovery is not None and inverse.bicubic is not None and inverse.recovery > inverse.bicubic + 0.05


def test_an_upscaler_that_smooths_objects_off_is_caught() -> None:
    found = planted_objects(truth(), lambda y: gaussian_filter(bicubic(y), (0, 3, 3)), X2, 2, 10.0)
    assert found.erased == 12 and found.recovery is not None and found.recovery < 0.2
    broken = planted_objects(truth(), lambda y: bicubic(y) * np.float32(np.nan), X2, 2, 10.0)
    assert broken.erased == 12 and broken.side_effect is not None and math.isnan(broken.side_effect)


def test_a_change_far_from_every_object_is_a_side_effect() -> None:
    def leaking(y: np.ndarray) -> np.ndarray:
        out = bicubic(y)
        out[:, 0, 0] += np.float32(0.5) * (y.max() - 120)
        return out

    x = np.full((1, 120, 144), 120, np.float32)
    found, clean = planted_objects(x, leaking, X2, 3, 10.0), planted_objects(x, bicubic, X2, 3, 10.0)
    assert clean.side_effect is not None and clean.side_effect < 0.014 and found.side_effect is not None and found.side_effect > 0.2


def test_places_are_fixed_apart_usable_and_between_pixels() -> None:
    mask = np.ones((120, 144), bool)
    mask[:, 60:70] = False
    places = choose_places((120, 144), 3, mask, 14)
    assert places == choose_places((120, 144), 3, mask, 14) and len(set(places)) == 14
    for row, col in places:
        assert mask[round(row) - 6 : round(row) + 7, round(col) - 6 : round(col) + 7].all() and 6 <= row <= 113 and 6 <= col <= 137
    assert min(math.dist(a, b) for a in places for b in places if a != b) > 6
    assert np.std([p[0] % 1 for p in places]) > 0.2


def test_holes_do_not_reach_the_figures() -> None:
    x = truth()
    mask = np.ones(x.shape[1:], bool)
    mask[40:60, 40:80] = False
    whole = planted_objects(x, bicubic, X2, 2, 10.0)
    x[:, ~mask] = np.nan
    found = planted_objects(x, bicubic, X2, 2, 10.0, mask)
    assert found.recovery == pytest.approx(whole.recovery, abs=0.03)
    assert all(not (34 < p.row < 66 and 34 < p.col < 86) for p in found.places)


def test_refusals_in_words() -> None:
    with pytest.raises(ShapeError, match="Use a larger image"):
        planted_objects(truth(40, 40), bicubic, X2, 6, 10.0)
    with pytest.raises(InputError, match="amplitude"):
        planted_objects(truth(), bicubic, X2, 3, 0.0)
    with pytest.raises(InputError, match="at least 12"):
        planted_objects(truth(), bicubic, X2, 3, 1.0, count=3)
    with pytest.raises(InputError):
        choose_places((100, 100), math.nan)
    with pytest.raises(InputError, match="rising"):
        recovery_curve(truth(), bicubic, X2, 1.0, sizes=(3, 2))
    with pytest.raises(TrustError, match="operator's scale"):
        planted_objects(truth(), lambda y: y, X2, 3, 1.0)
    absent = recovery_curve(truth(), bicubic, None, 1.0, sizes=(3,))
    assert absent.sizes[0].recovery is None and "linear operator" in absent.sizes[0].absent and absent.size_at_half is None


def test_size_at_half() -> None:
    assert size_at_half((1, 2, 4), (0.25, 0.75, 1)) == 1.5
    assert size_at_half((1, 2, 4), (0.9, 0.4, 0.6)) == 3.0  # from there on all come through
    assert size_at_half((1, 2), (0.6, 0.7)) == 1 and size_at_half((1, 2), (0.1, 0.4)) is None
    assert size_at_half((1, 2), (0.6, math.nan)) is None and size_at_half((1, 2), (math.nan, 0.6)) == 2


def test_a_created_object_is_found_by_place_and_amplitude() -> None:
    x = truth(bands=2)
    noise = np.random.default_rng(0).normal(0, 0.3, x.shape).astype(np.float32)
    half = np.full_like(x, 2)
    assert created_objects(x + noise, x, half, 3) == ()
    z = x + noise
    z[1:2] += 6 * blob(3, (50, 70))
    z[0:1] -= 4 * blob(3, (90, 20))
    found = created_objects(z, x, half, 3)
    assert [(o.band, o.row, o.col) for o in found] == [(1, 50, 70), (0, 90, 20)]
    assert [o.amplitude for o in found] == pytest.approx([6, -4], abs=0.3) and found[0].half_width == 2
    assert created_objects(z, x, half + 10, 3) == () and created_objects(z, x, half * np.nan, 3) == ()
    mask = np.ones(x.shape[1:], bool)
    mask[40:60, 60:80] = False
    assert [o.row for o in created_objects(z, x, half, 3, mask)] == [90]


def test_amplitudes_of_a_planted_object_by_value() -> None:
    x = truth()
    for fwhm in (1.5, 4.0):
        found = object_amplitudes(x + 5 * blob(fwhm, (60, 60)), x, fwhm)
        assert found[0, 60, 60] == pytest.approx(5, rel=1e-3) and found.dtype == np.float32
        assert np.isnan(found[0, 0, 0]) and np.nanmax(found) == pytest.approx(found[0, 60, 60])
    assert np.nanmax(np.abs(object_amplitudes(x, x, 3))) == 0
    with pytest.raises(InputError):
        object_amplitudes(x, x, 0)


def test_what_could_hide_is_said_in_words() -> None:
    half = np.full((2, 20, 20), 0.02, np.float32)
    half[1, 5, 6] = 0.04
    assert hidden_sentence(half, (5.2, 6.4), 3, "reflectance") == "An object of 3 px weaker than 0.04 reflectance cannot be excluded here."
    half[0, 5, 6] = np.nan
    assert "no interval" in hidden_sentence(half, (5, 6), 3, "reflectance")
    with pytest.raises(ShapeError):
        hidden_sentence(half, (30, 6), 3, "reflectance")
