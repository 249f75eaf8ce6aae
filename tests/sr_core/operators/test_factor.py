"""One axis: golden taps and border matrices, the band's symbol, the pre-filter.

Golden values: the rows of `8 -> 4` and `9 -> 3` and the tap lists were worked out from the definition in exact fractions, and agree
with files made by MATLAB.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.operators import Factor, make_operator
from sr_core.operators.factor import prefilter, reflect

BICUBIC = {
    2: (-3, 256, [-3, -9, 29, 111]),
    3: (-4, 486, [-6, -12, 0, 54, 126, 162]),
    4: (-6, 4096, [-7, -45, -75, -49, 93, 399, 745, 987]),
    8: (-12, 65536, [-15, -117, -275, -441, -567, -605, -507, -225, 317, 1263, 2505, 3899, 5301, 6567, 7553, 8115]),
}
BILINEAR = {2: (-1, [1, 3, 3, 1]), 3: (-1, [1, 2, 3, 2, 1]), 4: (-2, [1, 3, 5, 7, 7, 5, 3, 1])}
GAUSS = {
    (3, 7): (-2, [0.0441465460171, 0.117222893029, 0.210611391953, 0.256038338001]),
    (4, 12): (-4, [0.000677564082807, 0.00477729198901, 0.0227911854119, 0.073570847717, 0.160693505236, 0.237489605563]),
}


@pytest.mark.parametrize("scale", BICUBIC)
def test_bicubic_taps_are_exact(scale: int) -> None:
    offset, over, half = BICUBIC[scale]
    factor = make_operator("bicubic", scale).rows
    mirrored = half + (half[-2::-1] if scale % 2 else half[::-1])
    assert factor.offset == offset
    np.testing.assert_allclose(factor.taps, np.array(mirrored) / over, rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", BILINEAR)
def test_bilinear_taps(scale: int) -> None:
    offset, taps = BILINEAR[scale]
    factor = make_operator("bilinear", scale).cols
    assert factor.offset == offset
    np.testing.assert_allclose(factor.taps, np.array(taps) / sum(taps), rtol=0, atol=1e-16)


@pytest.mark.parametrize(("scale", "taps"), GAUSS)
def test_gaussian_taps(scale: int, taps: int) -> None:
    offset, half = GAUSS[scale, taps]
    factor = make_operator("gaussian", scale, sigma=1.6, taps=taps).rows
    assert factor.offset == offset
    np.testing.assert_allclose(factor.taps[: len(half)], half, rtol=0, atol=1e-12)
    assert factor.symmetric


@pytest.mark.parametrize(("scale", "pixel"), [(2, 1), (3, 1), (4, 2)])
def test_nearest_keeps_the_middle_pixel(scale: int, pixel: int) -> None:
    factor = make_operator("nearest", scale).rows
    assert (factor.offset, factor.taps) == (pixel, (1.0,))


def test_border_matrices() -> None:
    half = [[140, 102, 26, -9, -3, 0, 0, 0], [-12, 29, 111, 111, 29, -9, -3, 0]]
    half += [row[::-1] for row in half[::-1]]
    np.testing.assert_allclose(256 * make_operator("bicubic", 2).rows.dense(8), half, rtol=0, atol=1e-13)
    third = [[180, 162, 114, 48, 0, -12, -6, 0, 0], [-18, 0, 54, 126, 162, 126, 54, 0, -18], [0, 0, -6, -12, 0, 48, 114, 162, 180]]
    np.testing.assert_allclose(486 * make_operator("bicubic", 3).rows.dense(9), third, rtol=0, atol=1e-12)


def test_gram_matrix() -> None:
    matrix = make_operator("bicubic", 2).rows.dense(8)
    gram = 65536 * matrix @ matrix.T
    np.testing.assert_allclose(gram[:2], [[30770, 3078, -1134, 54], [3078, 26558, 4266, -1134]], rtol=0, atol=1e-9)


def test_pinv_matrix() -> None:
    made = np.linalg.pinv(make_operator("bicubic", 2).rows.dense(8))
    np.testing.assert_allclose(made[0], [1.19546934161, -0.270743860129, 0.0970596496029, -0.0217851310793], rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", ["bicubic", "bilinear", "box", "nearest"])
@pytest.mark.parametrize("scale", [2, 3, 4, 5, 8])
def test_rows_sum_to_one(kind: str, scale: int) -> None:
    matrix = make_operator(kind, scale).rows.dense(7 * scale)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=1e-15)
    if kind != "nearest":
        np.testing.assert_allclose(matrix.sum(axis=0), 1 / scale, rtol=0, atol=1e-15)


@given(index=st.integers(-200, 200), size=st.integers(1, 30))
@settings(derandomize=True, max_examples=60)
def test_reflection_repeats_the_mirrored_signal(index: int, size: int) -> None:
    signal = np.arange(size)
    endless = np.tile(np.concatenate([signal, signal[::-1]]), 450)
    start = 2 * size * 220
    assert reflect(np.array([index]), size)[0] == endless[start + index]


@pytest.mark.parametrize(("kind", "scale", "parameters"), [("bicubic", 2, {}), ("bilinear", 4, {}), ("mtf", 4, {"value": 0.2})])
def test_prefilter_inverts_at_borders_too(kind: str, scale: int, parameters: dict[str, float]) -> None:
    factor = make_operator(kind, scale, **parameters).rows
    matrix = factor.dense(60 * scale)
    product = prefilter(factor, 1e-9).dense(60) @ matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(60), rtol=0, atol=2e-8)


def test_prefilter_of_bicubic_is_short() -> None:
    assert len(prefilter(make_operator("bicubic", 2).rows, 1e-6).taps) <= 27


def test_balancing_changes_no_row() -> None:
    off_centre = [Factor(4, -1, (0.1, 0.2, 0.4, 0.2, 0.1, 0.0, 0.0)), Factor(2, 1, (1.0,)), Factor(4, 2, (0.5, 0.3, 0.2))]
    for factor in (*off_centre, Factor(3, -4, (0.6, 0.4))):
        even = factor.balanced()
        assert even.before == even.after
        np.testing.assert_array_equal(even.dense(24), factor.dense(24))
