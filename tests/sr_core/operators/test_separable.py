"""The operator in two dimensions: against its own dense matrices, windows, the inverse, the projection, and other libraries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from sr_core.errors import InputError, OperatorError, ShapeError
from sr_core.operators import Operator, make_operator
from sr_core.operators.engine import single_thread
from sr_core.operators.inverse import solve

KINDS: list[tuple[str, dict[str, float]]] = [
    ("bicubic", {}), ("bilinear", {}), ("nearest", {}), ("box", {}), ("gaussian", {"sigma": 1.6, "taps": 7}), ("mtf", {"value": 0.2}),
    ("taps", {"taps": [0.05, 0.1, 0.45, 0.3, 0.07, 0.03]}),
]  # fmt: skip
SCALES = [(2, 2), (3, 3), (4, 4), (8, 8), (2, 1), (1, 4), (3, 5)]
BOTH = [torch.float32, torch.float64]


def image(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def matrices(operator: Operator, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows' and columns' dense matrices for an LR image of height x width."""
    sizes = (height * operator.scale[0], width * operator.scale[1])
    rows, cols = (torch.from_numpy(f.dense(n)) for f, n in zip((operator.rows, operator.cols), sizes, strict=True))
    return rows, cols


def adjoint_error(operator: Operator, x: Tensor, y: Tensor) -> float:
    there, back = (operator.apply(x) * y).sum(), (x * operator.adjoint(y)).sum()
    return float((there - back).abs() / (x.norm() * y.norm()))


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_equals_its_matrices(kind: str, parameters: dict[str, float], scale: tuple[int, int], dtype: torch.dtype) -> None:
    operator = make_operator(kind, scale, **parameters)
    tolerance = 1e-13 if dtype == torch.float64 else 3e-6
    for height, width in ((1, 1), (2, 3), (9, 20), (37, 18)):
        rows, cols = matrices(operator, height, width)
        x = image(2, 1, height * scale[0], width * scale[1], dtype=dtype)
        y = image(2, 1, height, width, dtype=dtype, seed=1)
        assert (operator.apply(x).double() - rows @ x.double() @ cols.T).abs().max() < tolerance
        assert (operator.adjoint(y).double() - rows.T @ y.double() @ cols).abs().max() < tolerance


@given(
    kind=st.sampled_from(KINDS), scale=st.sampled_from(SCALES), height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99)
)
@settings(derandomize=True, max_examples=40, deadline=None)
def test_adjoint_identity(kind: tuple[str, dict[str, float]], scale: tuple[int, int], height: int, width: int, seed: int) -> None:
    operator = make_operator(kind[0], scale, **kind[1])
    x = image(3, height * scale[0], width * scale[1], seed=seed)
    assert adjoint_error(operator, x, image(3, height, width, seed=seed + 1)) < 1e-14


def test_adjoint_identity_catches_a_shifted_grid() -> None:
    operator = make_operator("bicubic", 2)

    class Shifted:
        def apply(self, x: Tensor) -> Tensor:
            return replace(operator, rows=replace(operator.rows, offset=operator.rows.offset + 1)).apply(x)

        def adjoint(self, y: Tensor) -> Tensor:
            return operator.adjoint(y)

    assert adjoint_error(Shifted(), image(3, 40, 40), image(3, 20, 20, seed=1)) > 1e-4  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["bicubic", "bilinear", "box"])
@pytest.mark.parametrize("scale", SCALES)
def test_upscale_is_the_scaled_adjoint(kind: str, scale: tuple[int, int]) -> None:
    operator, y = make_operator(kind, scale), image(2, 13, 9)
    assert (operator.upscale(y) - scale[0] * scale[1] * operator.adjoint(y)).abs().max() < 1e-14 * 20


def test_upscale_of_others() -> None:
    y = image(1, 9, 11)
    repeated = y.repeat_interleave(3, -1).repeat_interleave(3, -2)
    torch.testing.assert_close(make_operator("nearest", 3).upscale(y), repeated, rtol=0, atol=1e-15)
    torch.testing.assert_close(make_operator("box", 3).upscale(y), repeated, rtol=0, atol=1e-15)
    blur = make_operator("gaussian", 3, sigma=1.6, taps=7)
    torch.testing.assert_close(blur.upscale(y), make_operator("bicubic", 3).upscale(y), rtol=0, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_equals_torch_inside(scale: int) -> None:
    x = 255 * torch.rand((1, 1, 24 * scale, 20 * scale), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for kind in ("bicubic", "bilinear"):
        oracle = interpolate(x, scale_factor=1 / scale, mode=kind, antialias=True)
        difference = (make_operator(kind, scale).apply(x) - oracle).abs()
        assert difference[..., 3:-3, 3:-3].max() < 1e-11
        assert difference.max() > 1  # borders differ by design: torch drops outside taps, we mirror
    torch.testing.assert_close(make_operator("box", scale).apply(x), avg_pool2d(x, scale), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (4, 4), (8, 8), (2, 1), (1, 4)])
@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_windows_equal_the_whole_bit_for_bit(kind: str, parameters: dict[str, float], scale: tuple[int, int], dtype: torch.dtype) -> None:
    operator, random = make_operator(kind, scale, **parameters), np.random.default_rng(5)
    height, width = (int(n) for n in random.integers(30, 70, 2))
    x, y = image(2, height * scale[0], width * scale[1], dtype=dtype), image(2, height, width, dtype=dtype, seed=1)
    down, up, adjoint = operator.apply(x), operator.upscale(y), operator.adjoint(y)
    reach = [max(2, -(-operator.support // s)) for s in scale]
    for _ in range(8):
        top, left = int(random.integers(0, height)), int(random.integers(0, width))
        bottom, right = int(random.integers(top + 1, height + 1)), int(random.integers(left + 1, width + 1))
        r0, r1 = max(0, top - reach[0]), min(height, bottom + reach[0])
        c0, c1 = max(0, left - reach[1]), min(width, right + reach[1])
        inner = (..., slice(top - r0, bottom - r0), slice(left - c0, right - c0))
        part = operator.apply(x[..., r0 * scale[0] : r1 * scale[0], c0 * scale[1] : c1 * scale[1]])
        assert torch.equal(part[inner], down[..., top:bottom, left:right])
        hr = (..., slice(top * scale[0], bottom * scale[0]), slice(left * scale[1], right * scale[1]))
        hr_inner = (..., *(slice(s.start * f, s.stop * f) for s, f in zip(inner[1:], scale, strict=True)))
        assert torch.equal(operator.upscale(y[..., r0:r1, c0:c1])[hr_inner], up[hr])
        assert torch.equal(operator.adjoint(y[..., r0:r1, c0:c1])[hr_inner], adjoint[hr])


def test_windows_differ_where_the_halo_is_short() -> None:
    operator, x = make_operator("bicubic", 4), image(1, 160, 160, dtype=torch.float32)
    assert not torch.equal(operator.apply(x[:, 40:120, 40:120])[:, 1:-1, 1:-1], operator.apply(x)[:, 11:29, 11:29])


def test_batches_and_leading_dimensions_change_nothing() -> None:
    operator = make_operator("bicubic", 4)
    x = image(2, 3, 5, 40, 48, dtype=torch.float32)
    one = torch.stack([operator.apply(band) for band in x.reshape(-1, 40, 48)])
    assert torch.equal(operator.apply(x).reshape(one.shape), one)
    wide = image(1, 8, 4000, dtype=torch.float32)
    assert torch.equal(operator.apply(wide.expand(30, -1, -1))[7], operator.apply(wide)[0])


def test_not_contiguous_images() -> None:
    operator, x = make_operator("bicubic", 2), image(20, 30, 4, dtype=torch.float32)
    assert torch.equal(operator.apply(x.permute(2, 0, 1)), operator.apply(x.permute(2, 0, 1).contiguous()))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_apply_undoes_pinv(kind: str, parameters: dict[str, float], scale: tuple[int, int]) -> None:
    operator = make_operator(kind, scale, **parameters)
    if not operator.invertible:
        pytest.skip("refused; see the refusal test")
    for height, width in ((1, 2), (5, 5), (16, 33), (41, 24)):
        y = torch.rand((2, height, width), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        assert (operator.apply(operator.pinv(y)) - y).abs().max() < 1e-12
        single = operator.apply(operator.pinv(y.float())) - y.float()
        assert single.abs().max() < 2e-6 * max(1.0, operator.condition**0.5)


def test_pinv_equals_the_dense_one() -> None:
    operator, y = make_operator("bicubic", (2, 3)), image(10, 7)
    rows, cols = matrices(operator, 10, 7)
    oracle = torch.linalg.pinv(rows) @ y @ torch.linalg.pinv(cols).T
    torch.testing.assert_close(operator.pinv(y), oracle, rtol=0, atol=1e-12)


def test_short_filter_equals_the_solve() -> None:
    for kind, parameters in KINDS:
        operator = make_operator(kind, 3, **parameters)
        y = torch.rand((3, 40, 29), generator=torch.Generator().manual_seed(3))
        exact = operator.adjoint(solve(y.double(), operator.rows, operator.cols))
        assert (operator.pinv(y).double() - exact).abs().max() < 1e-6 * operator.condition


@pytest.mark.parametrize(
    ("kind", "scale", "parameters", "condition", "gain"),
    [
        ("bicubic", 2, {}, 4.48, 1.32), ("bicubic", 3, {}, 4.20, 1.31), ("bicubic", 4, {}, 4.25, 1.31),
        ("bicubic", 8, {}, 4.24, 1.31),
        ("bilinear", 2, {}, 16.0, 2.0), ("bilinear", 3, {}, 6.02, 1.57), ("bilinear", 4, {}, 10.2, 1.79), ("bilinear", 8, {}, 9.29, 1.75),
        ("box", 4, {}, 1.0, 1.0), ("gaussian", 3, {"sigma": 1.6, "taps": 7}, 53.5, 2.77),
        ("gaussian", 4, {"sigma": 1.6, "taps": 12}, 5.9, 1.56),
        ("gaussian", 2, {"sigma": 1.6, "taps": 7}, 1.15e6, 88.8),
        ("gaussian", 4, {"sigma": 3.2, "taps": 25}, 7.63e4, 39.0),
        ("mtf", 2, {"value": 0.1}, 2500, 10.4), ("mtf", 4, {"value": 0.2}, 156, 4.0), ("mtf", 4, {"value": 0.3}, 30.9, 2.45),
        ("mtf", 2, {"value": 0.4}, 9.8, 1.78),
    ],
)  # fmt: skip
def test_condition_table(kind: str, scale: int, parameters: dict[str, float], condition: float, gain: float) -> None:
    operator = make_operator(kind, scale, **parameters)
    assert operator.condition == pytest.approx(condition, rel=0.01)
    assert operator.noise_gain == pytest.approx(gain, rel=0.01)


def test_noise_gain_is_what_noise_does() -> None:
    operator = make_operator("mtf", 2, value=0.3)
    noise = operator.pinv(image(200, 200))
    assert float(noise.std()) == pytest.approx(operator.noise_gain, rel=0.02)


INVISIBLE = {
    ("bicubic", 2): [0.40, 0.28, 0.12, 0.06, 0.02, 0.01], ("box", 2): [0.44, 0.37, 0.28, 0.25, 0.17, 0.13],
    ("bicubic", 4): [0.68, 0.65, 0.50, 0.35, 0.15, 0.08], ("box", 4): [0.70, 0.69, 0.59, 0.49, 0.42, 0.36],
    ("mtf", 4): [0.68, 0.65, 0.49, 0.32, 0.12, 0.05],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "scale"), INVISIBLE)
def test_invisible_table(kind: str, scale: int) -> None:
    operator = make_operator(kind, scale, **({"value": 0.15} if kind == "mtf" else {}))
    made = [operator.invisible(fwhm) for fwhm in (1.5, 2, 3, 4, 6, 8)]
    np.testing.assert_allclose(made, INVISIBLE[kind, scale], rtol=0, atol=0.012)


def test_invisible_of_an_untouched_axis() -> None:
    operator = make_operator("bicubic", (4, 1))
    assert operator.invisible(8) < operator.invisible(3) < 1
    with pytest.raises(InputError, match="above 0"):
        operator.invisible(0)


def test_pinv_halo_values_and_promise() -> None:
    operator = make_operator("bicubic", 4)
    assert [operator.pinv_halo(tol) for tol in (1e-3, 1e-6, 1e-9)] == [8, 14, 20]  # 7, 13, 19 along one axis alone
    y = torch.rand((80, 80), generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    whole = operator.pinv(y)
    for tol in (1e-3, 1e-6):
        halo = operator.pinv_halo(tol)
        window = operator.pinv(y[30 - halo : 50 + halo, 30 - halo : 50 + halo])[4 * halo : -4 * halo, 4 * halo : -4 * halo]
        assert (window - whole[120:200, 120:200]).abs().max() < tol


def test_projection_explains_the_measurement_and_is_nearest() -> None:
    for kind, parameters in KINDS:
        operator = make_operator(kind, 3, **parameters)
        truth = image(2, 30, 36)
        y, guess = operator.apply(truth), image(2, 30, 36, seed=7)
        made = operator.project(guess, y)
        assert operator.residual(made, y).abs().max() < 1e-11
        torch.testing.assert_close(operator.project(made, y), made, rtol=0, atol=1e-11)
        assert (made - truth).norm() < (guess - truth).norm()


def test_projection_of_an_interpolation_is_pinv() -> None:
    operator, y = make_operator("bicubic", 2), image(1, 20, 20)
    torch.testing.assert_close(operator.project(operator.upscale(y), y), operator.pinv(y), rtol=0, atol=1e-12)


def test_projection_stays_in_range() -> None:
    operator = make_operator("bicubic", 2)
    truth = (image(1, 60, 64) * 0.5 + 0.5).clamp(0, 1)
    y = (operator.apply(truth).clamp(0, 1) * 255).round() / 255
    guess = operator.upscale(y)
    once = operator.project(guess, y).clamp(0, 1)
    made = operator.project(guess, y, (0.0, 1.0), 1 / 255)
    assert made.min() >= 0
    assert made.max() <= 1
    inner = (y > 0) & (y < 1)
    left = operator.residual(made, y)[inner].abs()
    assert left.mean() < 0.5 * operator.residual(once, y)[inner].abs().mean()
    assert (made - truth).norm() < (once - truth).norm()


def test_projection_touches_only_what_clips() -> None:
    operator = make_operator("bicubic", 2)
    truth = torch.full((2, 200, 200), 0.5, dtype=torch.float64)
    truth[0, 90:94, 90:94] = 1.0
    y = operator.apply(truth).clamp(0, 1)
    free, made = operator.project(operator.upscale(y), y), operator.project(operator.upscale(y), y, (0.0, 0.9))
    assert torch.equal(made[1], free[1])
    assert torch.equal(made[0, :40, :40], free[0, :40, :40])
    assert made.max() <= 0.9
    wide = operator.project(operator.upscale(y), y, (-1.0, 2.0))
    assert torch.equal(wide, free)


def test_rails_are_one_sided() -> None:
    operator = make_operator("box", 2)
    y = torch.ones(1, 4, 4, dtype=torch.float64)
    bright = torch.full((1, 8, 8), 1.2, dtype=torch.float64)
    bright[0, 0, 0] = 0.2
    made = operator.project(bright, y, (0.0, 1.0))
    assert made.max() <= 1.0
    assert made.min() >= 0.0


def test_refusals() -> None:
    hopeless = make_operator("gaussian", 2, sigma=1.6, taps=7)
    y = image(1, 8, 8)
    for ask in (lambda: hopeless.pinv(y), lambda: hopeless.project(image(1, 16, 16), y), lambda: hopeless.pinv_halo()):
        with pytest.raises(OperatorError, match=r"condition number of 1\.15e\+06"):
            ask()
    assert hopeless.residual(image(1, 16, 16), y).shape == y.shape
    assert "cannot be undone" in hopeless.describe()


def test_errors_name_the_remedy() -> None:
    operator = make_operator("bicubic", 2)
    with pytest.raises(ShapeError, match="Crop it to 6 x 8"):
        operator.apply(image(1, 7, 8))
    with pytest.raises(ShapeError, match="larger image"):
        operator.apply(image(1, 1, 8))
    with pytest.raises(InputError, match="float32 or float64"):
        operator.apply(torch.zeros((1, 8, 8), dtype=torch.uint8))
    with pytest.raises(ShapeError, match="pair"):
        operator.residual(image(1, 8, 8), image(1, 4, 5))
    with pytest.raises(ShapeError, match="dtype"):
        operator.residual(image(1, 8, 8), image(1, 4, 4, dtype=torch.float32))
    with pytest.raises(InputError, match="low < high"):
        operator.project(image(1, 8, 8), image(1, 4, 4), (1.0, 0.0))
    with pytest.raises(ShapeError):
        operator.adjoint(torch.zeros(4))


@pytest.mark.parametrize("dtype", BOTH)
def test_gradients_are_the_transposed_maps(dtype: torch.dtype) -> None:
    operator = make_operator("bicubic", 2)
    weights = image(1, 6, 5, dtype=dtype, seed=3)
    x = image(1, 12, 10, dtype=dtype).requires_grad_()
    (operator.apply(x) * weights).sum().backward()
    torch.testing.assert_close(x.grad, operator.adjoint(weights))
    y = image(1, 6, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(operator.pinv, (y,))
    assert torch.autograd.gradcheck(operator.upscale, (y,))


def test_mixed_precision_is_kept_out() -> None:
    operator, x = make_operator("bicubic", 2), image(1, 40, 40, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = operator.apply(x)
    assert torch.equal(made, operator.apply(x))


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        x = image(1, 40, 40, dtype=torch.float32)
        two = make_operator("bicubic", 2).apply(x)
        assert torch.get_num_threads() == 2
        with single_thread(), single_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert torch.equal(two, make_operator("bicubic", 2).apply(x))


@pytest.mark.parametrize("scale", [2, 3, 4, 8, (2, 1), (1, 4)])
@pytest.mark.parametrize("kind", ["bicubic", "bilinear", "box", "nearest", "mtf"])
@pytest.mark.parametrize(("low", "high", "dtype"), [(0, 65535, np.uint16), (-1024, 3071, np.int16), (-(2**31), 2**31 - 1, np.int64)])
def test_whole_numbers_give_the_bits_of_float64(kind: str, scale: int | tuple[int, int], low: int, high: int, dtype: type) -> None:
    operator = make_operator(kind, scale, **({"value": 0.25} if kind == "mtf" else {}))
    rows, cols = operator.scale
    x = np.random.default_rng(0).integers(low, high, (2, 23 * rows, 37 * cols), endpoint=True).astype(dtype)
    x[:, :2], x[:, -2:] = low, high  # the largest sums that there can be
    assert torch.equal(operator.apply_integers(x), operator.apply(torch.from_numpy(x.astype(np.float64))))


def test_numerators_are_those_of_the_exact_fractions() -> None:
    assert make_operator("bicubic", 2).rows.numerators == 2 * (3 + 9 + 29 + 111)  # of 256
    assert make_operator("box", 4).rows.numerators == 4 and make_operator("bicubic", 3).rows.numerators is None


def test_whole_numbers_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="7 x 8"):
        make_operator("bicubic", 2).apply_integers(np.zeros((7, 8), np.uint16))
