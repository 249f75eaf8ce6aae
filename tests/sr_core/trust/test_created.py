"""Created objects: found by place and amplitude, not in noise the interval holds, and what could hide is said in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sr_core.errors import InputError, ShapeError
from sr_core.trust.created import created_objects, hidden_sentence, object_amplitudes


def truth(bands: int = 1) -> np.ndarray:
    rows, cols = np.mgrid[:120, :144]
    return np.stack([100 + 20 * np.sin(rows / (5 + b)) * np.cos(cols / 7) for b in range(bands)]).astype(np.float32)


def blob(fwhm: float, at: tuple[float, float], shape: tuple[int, int] = (120, 144)) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-4 * math.log(2) * ((rows - at[0]) ** 2 + (cols - at[1]) ** 2) / fwhm**2)[None].astype(np.float32)


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
    assert hidden_sentence(half, (5, 6), 3, "reflectance") == "An object of 3 px weaker than 0.04 reflectance cannot be excluded here."
    half[0, 5, 6] = np.nan
    assert "no interval" in hidden_sentence(half, (5, 6), 3, "reflectance")
    with pytest.raises(ShapeError):
        hidden_sentence(half, (30, 6), 3, "reflectance")
