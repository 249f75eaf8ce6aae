"""Truncation in k-space: against the written-out DFT, its inverse, its grid, and its refusal of windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sr_core.errors import InputError, OperatorError, ShapeError
from sr_core.operators import KSpaceOperator, Operator, make_operator, operator_from

SCALES: list[int | tuple[int, int]] = [2, 3, 4, 5, 8, (2, 1), (1, 3), (2, 5)]


def image(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def dense(scale: int, count: int, centred: bool) -> np.ndarray:
    """Write one axis out as sums of cosines, frequency by frequency (no FFT)."""
    size = scale * count
    at = scale * np.arange(count) + (scale - 1) / 2 * centred
    distance = at[:, None] - np.arange(size)[None, :]
    total = np.ones_like(distance)
    for k in range(1, (count - 1) // 2 + 1):
        total += 2 * np.cos(2 * np.pi * k * distance / size)
    if count % 2 == 0:  # the real part of the unpaired frequency: alternating in j, half at either sign
        k, j = count // 2, np.arange(count)
        shift = (scale - 1) / 2 * centred
        total += (-1.0) ** j[:, None] * np.cos(2 * np.pi * k * (shift - np.arange(size)[None, :]) / size)
    return total / size


@pytest.mark.parametrize("centred", [1, 0])
@pytest.mark.parametrize("scale", [2, 3, 4, 5])
@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_equals_the_written_out_transform(scale: int, count: int, centred: int) -> None:
    operator = make_operator("kspace", (scale, 1), centred=centred)
    matrix = torch.from_numpy(dense(scale, count, bool(centred)))
    x, y = image(2, scale * count, 3), image(2, count, 3, seed=1)
    torch.testing.assert_close(operator.apply(x), matrix @ x, rtol=0, atol=1e-13)
    torch.testing.assert_close(operator.adjoint(y), matrix.T @ y, rtol=0, atol=1e-13)
    torch.testing.assert_close(operator.pinv(y), torch.linalg.pinv(matrix) @ y, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("count", "eigenvalues"), [(7, [1 / 3] * 7), (8, [1 / 6] + [1 / 3] * 7)])
def test_conditioning(count: int, eigenvalues: list[float]) -> None:
    matrix = make_operator("kspace", (3, 1)).apply(torch.eye(3 * count, dtype=torch.float64))
    np.testing.assert_allclose(torch.linalg.eigvalsh(matrix @ matrix.T).numpy(), eigenvalues, rtol=0, atol=1e-14)
    operator = make_operator("kspace", 3)
    assert operator.condition == 4 and make_operator("kspace", (3, 1)).condition == 2 and operator.invertible


@given(
    scale=st.sampled_from(SCALES), height=st.integers(1, 21), width=st.integers(1, 21), centred=st.integers(0, 1), seed=st.integers(0, 99)
)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_identities(scale: int | tuple[int, int], height: int, width: int, centred: int, seed: int) -> None:
    operator = make_operator("kspace", scale, centred=centred)
    rows, cols = operator.scale
    x, y = image(3, height * rows, width * cols, seed=seed), image(3, height, width, seed=seed + 1)
    there, back = (operator.apply(x) * y).sum(), (x * operator.adjoint(y)).sum()
    assert float((there - back).abs() / (x.norm() * y.norm())) < 1e-14
    assert (operator.apply(operator.pinv(y)) - y).abs().max() < 1e-12
    assert (operator.upscale(y) - rows * cols * operator.adjoint(y)).abs().max() < 1e-14 * 20
    assert (operator.apply(torch.full_like(x, 3.5)) - 3.5).abs().max() < 1e-13
    made = operator.project(x, y)
    assert operator.residual(made, y).abs().max() < 1e-12


def test_float32() -> None:
    operator, y = make_operator("kspace", 2), image(1, 40, 51, dtype=torch.float32)
    made = operator.pinv(y)
    assert made.dtype == torch.float32 and (operator.apply(made) - y).abs().max() < 4e-6


def test_the_grid_is_that_of_the_others() -> None:
    position = torch.arange(96, dtype=torch.float64)
    smooth = torch.exp(-((position - 41.7) ** 2) / 200)
    x = smooth[:, None].expand(-1, 8).contiguous()[None]
    centres, corners = 4 * torch.arange(24) + 1.5, 4.0 * torch.arange(24)
    for centred, at in ((1, centres), (0, corners)):
        made = make_operator("kspace", (4, 1), centred=centred).apply(x)[0, :, 0]
        assert (made - torch.exp(-((at - 41.7) ** 2) / 200)).abs().max() < 2e-3


def test_zero_filling_of_an_odd_image() -> None:
    operator, y = make_operator("kspace", 3, centred=0), image(9, 7)
    spectrum = torch.zeros(27, 21, dtype=torch.complex128)
    spectrum[9:18, 7:14] = torch.fft.fftshift(torch.fft.fft2(y))
    filled = 9 * torch.fft.ifft2(torch.fft.ifftshift(spectrum)).real
    torch.testing.assert_close(operator.pinv(y), filled, rtol=0, atol=1e-13)


def test_windows_are_refused() -> None:
    operator = make_operator("kspace", 2)
    assert not operator.windowed and make_operator("bicubic", 2).windowed
    with pytest.raises(OperatorError, match="whole images"):
        _ = operator.support
    with pytest.raises(OperatorError, match="whole images"):
        operator.pinv_halo()
    x = image(1, 40, 40)
    assert not torch.allclose(operator.apply(x[:, :20])[:, 5], operator.apply(x)[:, 5], atol=1e-4)


def test_projection_stays_in_range() -> None:
    operator = make_operator("kspace", 2)
    truth = (image(2, 40, 44) * 0.5 + 0.5).clamp(0, 1)
    y = operator.apply(truth)
    made = operator.project(operator.upscale(y), y, (0.0, 1.0), 1 / 255)
    assert made.min() >= 0 and made.max() <= 1
    once = operator.pinv(y).clamp(0, 1)
    assert operator.residual(made, y).norm() < 0.5 * operator.residual(once, y).norm()


def test_text_forms() -> None:
    operator = make_operator("kspace", 2)
    assert operator.to_json() == '{"kind": "kspace", "parameters": {}, "scale": [2, 2], "schema": 1, "version": 1}'
    assert make_operator("kspace", 2, centred=1) == operator
    for made in (operator, make_operator("kspace", (1, 4), centred=0)):
        again = operator_from(made.to_json())
        assert isinstance(again, KSpaceOperator) and isinstance(again, Operator)
        assert again == made and again.digest() == made.digest() and hash(again) == hash(made)
    assert operator != make_operator("kspace", 2, centred=0)
    assert operator.describe() == (
        "Truncation in k-space to the central frequencies, edges wrap, by 2 along both axes; "
        "undoing it multiplies white noise by 1 (condition number 4)."
    )
    assert "corners" in make_operator("kspace", 2, centred=0).describe()


def test_noise_gain_is_what_noise_does() -> None:
    operator = make_operator("kspace", 2)
    assert float(operator.pinv(image(300, 301)).std()) == pytest.approx(operator.noise_gain, rel=0.02)


def test_invisible_is_the_energy_beyond_the_cut() -> None:
    operator = make_operator("kspace", (4, 1))
    sizes = [operator.invisible(fwhm) for fwhm in (1.5, 3, 6, 8, 12)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 1e-3
    # At the object's centre, the part beyond the cut is erfc(pi sigma sqrt(2) / (2 s)): for a wide object the largest remainder.
    sigma = 6 / (2 * math.sqrt(2 * math.log(2)))
    assert operator.invisible(6) == pytest.approx(math.erfc(math.pi * sigma * math.sqrt(2) / 8), rel=0.05)
    with pytest.raises(InputError, match="above 0"):
        operator.invisible(-1)


def test_refusals() -> None:
    with pytest.raises(OperatorError, match="centred = 2"):
        make_operator("kspace", 2, centred=2)
    with pytest.raises(OperatorError, match="'sigma'"):
        make_operator("kspace", 2, sigma=2)
    with pytest.raises(ShapeError, match="Crop it to 6 x 8"):
        make_operator("kspace", 2).apply(image(1, 7, 8))
    with pytest.raises(InputError, match="float32 or float64"):
        make_operator("kspace", 2).pinv(torch.zeros((1, 8, 8), dtype=torch.int32))


def test_gradients_are_the_transposed_maps() -> None:
    operator, y = make_operator("kspace", (2, 3)), image(1, 6, 5).requires_grad_()
    assert torch.autograd.gradcheck(operator.pinv, (y,)) and torch.autograd.gradcheck(operator.upscale, (y,))
    guess = image(1, 12, 15).requires_grad_()
    assert torch.autograd.gradcheck(operator.project, (guess, y))
