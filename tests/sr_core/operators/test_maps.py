"""Kernel and noise maps."""

from __future__ import annotations

import pytest
import torch

from sr_core.errors import InputError, ShapeError
from sr_core.operators import KernelBasis, SeparableOperator, degradation_maps, kernel_of, make_operator


def blur(sigma: float) -> SeparableOperator:
    made = make_operator("gaussian", 3, sigma=sigma, taps=13)
    assert isinstance(made, SeparableOperator)
    return made


KERNELS = torch.stack([kernel_of(blur(0.4 + 0.1 * i)) for i in range(17)])


def test_a_kernel_is_the_outer_product_of_the_taps() -> None:
    operator = blur(1.6)
    kernel = kernel_of(operator)
    assert kernel.shape == (15, 15) and float(kernel.sum()) == pytest.approx(1, abs=1e-14)
    taps = torch.tensor(operator.rows.taps, dtype=torch.float64)
    torch.testing.assert_close(kernel[1:14, 1:14], torch.outer(taps, taps), rtol=0, atol=1e-15)
    single = make_operator("gaussian", (3, 1), sigma=1.6, taps=7)
    assert torch.count_nonzero(kernel_of(single)) == 7  # type: ignore[arg-type]


def test_kernels_come_back_from_their_vectors() -> None:
    basis = KernelBasis.fit(KERNELS, 5)
    torch.testing.assert_close(basis.directions @ basis.directions.T, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-12)
    back = basis.kernel(basis.vector(KERNELS))
    assert (back - KERNELS).norm() < 0.01 * KERNELS.norm()
    whole = KernelBasis.fit(KERNELS, 15)
    assert (whole.kernel(whole.vector(KERNELS)) - KERNELS).abs().max() < 1e-6
    assert torch.equal(KernelBasis.fit(KERNELS.clone(), 5).directions, basis.directions)
    energy = [(b.vector(KERNELS) ** 2).sum() for b in (KernelBasis.fit(KERNELS, n) for n in (1, 2, 3))]
    assert energy[0] < energy[1] < energy[2] <= (KERNELS**2).sum()


def test_maps_are_the_vector_stretched_and_the_noise() -> None:
    basis, y = KernelBasis.fit(KERNELS, 5), torch.zeros(2, 3, 6, 7)
    maps = degradation_maps(KERNELS[4], basis, 0.1, y)
    assert maps.shape == (2, 6, 6, 7) and maps.dtype == torch.float32
    assert torch.equal(maps[1, :5, 3, 2], basis.vector(KERNELS[4]).float()) and torch.equal(
        maps[:, :5], maps[:, :5, :1, :1].expand(-1, -1, 6, 7)
    )
    assert torch.equal(maps[:, 5], torch.full((2, 6, 7), 0.1))
    field = torch.rand(2, 1, 6, 7)
    assert torch.equal(degradation_maps(KERNELS[4], basis, field, y)[:, 5:], field)


def test_refusals() -> None:
    basis, y = KernelBasis.fit(KERNELS, 3), torch.zeros(1, 1, 4, 4)
    with pytest.raises(ShapeError, match="side=33"):
        kernel_of(make_operator("bicubic", 8), 15)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="odd"):
        kernel_of(blur(1), 14)
    with pytest.raises(ShapeError, match="Stack kernels"):
        KernelBasis.fit(KERNELS[0])
    with pytest.raises(ShapeError, match="more kernels"):
        KernelBasis.fit(KERNELS, 18)
    with pytest.raises(InputError, match="finite"):
        KernelBasis.fit(KERNELS * float("nan"))
    with pytest.raises(ShapeError, match="15, 15"):
        basis.vector(torch.zeros(13, 13))
    with pytest.raises(ShapeError, match="batch"):
        degradation_maps(KERNELS[0], basis, 0, y[0])
    with pytest.raises(ShapeError, match="one kernel"):
        degradation_maps(KERNELS, basis, 0, y)
    with pytest.raises(ShapeError, match="broadcasts"):
        degradation_maps(KERNELS[0], basis, torch.zeros(3, 3), y)
    with pytest.raises(InputError, match="negative"):
        degradation_maps(KERNELS[0], basis, -1.0, y)
