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


def test_recovery_of_bicubic_by_size() -> None:
    curve = recovery_curve(truth(), bicubic, X2, 10.0)
    assert [r.recovery for r in curve.sizes] == pytest.approx([0.48, 0.69, 0.88, 0.95, 0.99], abs=0.006)
    assert [r.bicubic for r in curve.sizes] == pytest.approx([r.recovery for r in curve.sizes], abs=1e-5)
    assert all(len(r.places) == 12 and r.erased == 0 for r in curve.sizes)
    assert all(r.side_effect is not None and r.side_effect < 0.014 for r in curve.sizes)
    assert curve.size_at_half == pytest.approx(1.5 + 0.5 * 0.0162 / 0.2015, abs=0.005) and curve.bicubic_size_at_half == pytest.approx(
        curve.size_at_half, abs=1e-3
    )
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


def test_places_are_fixed_apart_usable_and_at_every_phase() -> None:
    mask = np.ones((120, 144), bool)
    mask[:, 60:70] = False
    places = choose_places((120, 144), 3, mask, 14)
    assert places == choose_places((120, 144), 3, mask, 14) and len(set(places)) == 14
    for row, col in places:
        assert mask[row - 6 : row + 7, col - 6 : col + 7].all() and 6 <= row <= 113 and 6 <= col <= 137
    assert min(math.dist(a, b) for a in places for b in places if a != b) > 6
    assert {(r % 2, c % 2) for r, c in places} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_holes_do_not_reach_the_figures() -> None:
    x = truth()
    mask = np.ones(x.shape[1:], bool)
    mask[40:60, 40:80] = False
    whole = planted_objects(x, bicubic, X2, 2, 10.0)
    x[:, ~mask] = np.nan
    found = planted_objects(x, bicubic, X2, 2, 10.0, mask)
    assert found.recovery == pytest.approx(whole.recovery, abs=1e-3)
    assert all(not (36 <= p.row < 64 and 36 <= p.col < 84) for p in found.places)


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


def test_the_image_without_objects_is_restored_once_for_all_sizes() -> None:
    seen: list[np.ndarray] = []

    def noting(y: np.ndarray) -> np.ndarray:
        seen.append(y.copy())
        return bicubic(y)

    curve = recovery_curve(truth(200, 240), noting, X2, 10.0, sizes=(2, 3))
    alone = [planted_objects(truth(200, 240), bicubic, X2, size, 10.0) for size in (2, 3)]
    assert list(curve.sizes) == alone
    plain = X2.apply(torch.from_numpy(truth(200, 240).astype(np.float64))).numpy().astype(np.float32)
    assert sum(np.array_equal(y, plain) for y in seen) == 1


def test_size_at_half() -> None:
    assert size_at_half((1, 2, 4), (0.25, 0.75, 1)) == 1.5
    assert size_at_half((1, 2, 4), (0.9, 0.4, 0.6)) == 3.0  # from there on all come through
    assert size_at_half((1, 2), (0.55, 0.7)) == 1 and size_at_half((1, 2), (0.1, 0.4)) is None
    assert size_at_half((1, 2), (0.6, math.nan)) is None and size_at_half((1, 2), (math.nan, 0.6)) == 2


@pytest.mark.parametrize(
    ("kind", "scale", "parameters"), [("mtf", 2, {"value": [0.3, 0.25]}), ("kspace", 2, {}), ("bicubic", 4, {}), ("bicubic", (2, 1), {})]
)
def test_every_linear_operator_is_served(kind: str, scale: int | tuple[int, int], parameters: dict[str, list[float]]) -> None:
    operator = make_operator(kind, scale, **parameters)
    plain = make_operator("bicubic", scale)
    found = planted_objects(truth(bands=2), lambda y: plain.upscale(torch.from_numpy(y)).numpy(), operator, 6, 10.0)
    assert found.recovery == pytest.approx(found.bicubic, abs=1e-4) and found.recovery is not None and 0.6 < found.recovery <= 1.01
