"""The classical resize. The uint8 example was made by a program whose output equals MATLAB's files bit for bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from sr_core.errors import InputError, ShapeError
from sr_core.operators import make_operator
from sr_core.operators.matlab import half_away, resize, u8, weights

PICTURE = np.array([
    [0, 37, 74, 111, 148, 185, 222, 3], [40, 77, 114, 151, 188, 225, 6, 43], [80, 117, 154, 191, 228, 9, 46, 83],
    [120, 157, 194, 231, 12, 49, 86, 123], [160, 197, 234, 15, 52, 89, 126, 163], [200, 237, 18, 55, 92, 129, 166, 203],
    [240, 21, 58, 95, 132, 169, 206, 243], [24, 61, 98, 135, 172, 209, 246, 27],
], dtype=np.uint8)  # fmt: skip
HALF = np.array([[34, 115, 183, 72], [121, 187, 87, 76], [195, 92, 78, 173], [91, 88, 179, 172]])
HALF_ROUNDED_ONCE = np.array([[34, 115, 183, 72], [121, 187, 87, 76], [195, 93, 79, 173], [91, 88, 179, 172]])
DOUBLED = np.array([
    [18, 41, 85, 134, 185, 174, 98, 61], [42, 66, 113, 146, 166, 147, 91, 62], [90, 116, 168, 171, 126, 94, 74, 64],
    [142, 153, 174, 155, 95, 73, 90, 98], [196, 175, 131, 97, 71, 84, 135, 161], [188, 160, 103, 79, 87, 116, 164, 188],
    [117, 107, 87, 99, 142, 166, 172, 176], [80, 80, 80, 109, 169, 192, 178, 171],
])  # fmt: skip


def test_uint8_example() -> None:
    half = resize(PICTURE, Fraction(1, 2))
    assert half.dtype == np.uint8
    np.testing.assert_array_equal(half, HALF)
    np.testing.assert_array_equal(resize(PICTURE, 0.5, rounding="end"), HALF_ROUNDED_ONCE)
    np.testing.assert_array_equal(resize(half, 2), DOUBLED)


def test_columns_first_would_be_caught() -> None:
    assert (resize(PICTURE.T, Fraction(1, 2)).T != HALF).any()


def test_clamped_border_matrix() -> None:
    taps, index = weights(8, 4, 0.5, "bicubic", True, "clamp")
    matrix = np.zeros((4, 8))
    np.add.at(matrix, (np.arange(4)[:, None], index), taps)
    np.testing.assert_allclose(256 * matrix[:2], [[128, 111, 29, -9, -3, 0, 0, 0], [-12, 29, 111, 111, 29, -9, -3, 0]], atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_double_equals_the_operator(scale: int) -> None:
    x = np.random.default_rng(0).random((2, 7 * scale, 5 * scale))
    for kind in ("bicubic", "bilinear"):
        operator = make_operator(kind, scale)
        down = resize(x, Fraction(1, scale), kernel=kind)  # type: ignore[arg-type]
        np.testing.assert_allclose(down, operator.apply(torch.from_numpy(x)).numpy(), rtol=0, atol=1e-14)
        np.testing.assert_allclose(
            resize(down, scale, kernel=kind),
            operator.upscale(torch.from_numpy(down)).numpy(),
            rtol=0,
            atol=1e-14,  # type: ignore[arg-type]
        )


def test_class_and_sizes() -> None:
    assert resize(np.ones((3, 7, 9), np.float32), Fraction(1, 2)).dtype == np.float32
    assert resize(np.ones((7, 9)), Fraction(1, 2)).shape == (4, 5)
    assert resize(np.ones((258, 258)), 1 / 3).shape == (86, 86)
    np.testing.assert_allclose(resize(np.full((5, 6), 7.0), 3), 7, atol=1e-14)


def test_rounding_is_half_away_from_zero() -> None:
    assert half_away(np.array([-2.5, -0.5, 0.5, 1.5, 2.5])).tolist() == [-3, -1, 1, 2, 3]
    assert u8(np.array([-4.0, 0.5, 254.5, 300.0])).tolist() == [0, 1, 255, 255]


def test_refusals() -> None:
    with pytest.raises(InputError, match="uint8"):
        resize(np.ones((4, 4), np.int16), 2)
    with pytest.raises(InputError, match="above 0"):
        resize(np.ones((4, 4)), 0)
    with pytest.raises(ShapeError):
        resize(np.ones(4), 2)
