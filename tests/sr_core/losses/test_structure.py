"""Losses between pixels: values by hand on ramps, steps and single pixels, and what each must not see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.losses import frequency, gradient, sobel, spectrum, total_variation


def ramp(down: float, right: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Give (2, 3, 6, 7) images that rise by these amounts a pixel."""
    rows, cols = torch.meshgrid(torch.arange(6, dtype=dtype), torch.arange(7, dtype=dtype), indexing="ij")
    return (down * rows + right * cols).expand(2, 3, 6, 7)


def noise(seed: int = 0) -> Tensor:
    return torch.randn(2, 1, 8, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_total_variation_of_a_ramp_is_the_sum_of_its_slopes(dtype: torch.dtype) -> None:
    found = total_variation(ramp(3, -2, dtype))
    assert found.item() == pytest.approx(5) and found.dtype == dtype


def test_total_variation_keeps_edges_as_cheap_as_slopes() -> None:
    step = torch.cat([torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 7.0)], dim=-1)
    slope = torch.arange(8.0).expand(1, 1, 4, 8)
    assert total_variation(step).item() == pytest.approx(total_variation(slope).item())  # a squared difference would not


def test_sobel_gives_the_slopes() -> None:
    down, right = sobel(ramp(3, -2))
    assert down.shape == (2, 3, 4, 5)
    assert torch.allclose(down, torch.full_like(down, 3.0)) and torch.allclose(right, torch.full_like(right, -2.0))


def test_gradient_of_a_missing_ramp_and_blindness_to_brightness() -> None:
    flat = torch.zeros(2, 3, 6, 7, dtype=torch.float64)
    assert gradient(flat, ramp(3, -2)).item() == pytest.approx(5)
    assert gradient(ramp(3, -2) + 100, ramp(3, -2)).item() == pytest.approx(0, abs=1e-12)


def test_frequency_of_a_single_bright_pixel() -> None:
    image = torch.zeros(1, 1, 4, 9, dtype=torch.float64)
    image[0, 0, 2, 5] = 3.0  # all amplitudes are 3 / sqrt(36)
    assert frequency(image, torch.zeros_like(image)).item() == pytest.approx(3 / math.sqrt(36))


def test_frequency_ignores_where_a_texture_lies_and_its_sign() -> None:
    x = noise()
    assert frequency(x.roll((3, -4), dims=(2, 3)), x).item() == pytest.approx(0, abs=1e-12)
    assert frequency(-x, x).item() == pytest.approx(0, abs=1e-12)
    assert frequency(2 * x, x).item() == pytest.approx(frequency(x, torch.zeros_like(x)).item())


def test_frequency_has_a_gradient_where_an_amplitude_is_zero() -> None:
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    frequency(x, noise()[:1, :, :4, :4].float()).backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("loss", [gradient, frequency])
def test_shapes_that_would_broadcast_are_refused(loss: object) -> None:
    with pytest.raises(ShapeError, match="HR grid"):
        loss(noise(), noise()[:1])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("function", "image"), [(total_variation, torch.zeros(1, 1, 1, 5)), (sobel, torch.zeros(1, 1, 2, 5)), (sobel, torch.zeros(5, 5))]
)
def test_too_small_an_image_is_refused(function: object, image: Tensor) -> None:
    with pytest.raises(ShapeError, match="larger patches"):
        function(image)  # type: ignore[operator]


# --- energy by ring --------------------------------------------------------------------------------------------------------


def waves(seed: int, gain: float = 1.0) -> torch.Tensor:
    return gain * torch.randn(3, 2, 32, 36, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_spectrum_is_the_relative_distance_of_energies() -> None:
    assert float(spectrum(waves(1), waves(1))) == 0
    assert float(spectrum(3 * waves(1), waves(1))) == pytest.approx(2 * 2 / 4)  # 2 |3 - 1| / (3 + 1) in every ring
    assert float(spectrum(waves(1) + 5, waves(1))) < 1e-12  # the mean does not count
    assert float(spectrum(torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16))) == pytest.approx(0, abs=1e-6)


def test_spectrum_sees_which_ring_lacks_energy() -> None:
    rows = torch.arange(64.0, dtype=torch.float64)
    slow, fast = (torch.sin(2 * torch.pi * f * rows)[None, None, :, None].expand(1, 1, 64, 64) for f in (0.05, 0.45))
    both = slow + fast
    lacking = spectrum(slow + 0.5 * fast, both)
    assert 0 < float(lacking) < float(spectrum(slow + 0.1 * fast, both))
    # Another phase of the same wave is as good: what counts is the energy.
    moved = torch.sin(2 * torch.pi * 0.45 * rows + 1.0)[None, None, :, None].expand(1, 1, 64, 64)
    assert float(spectrum(slow + moved, both)) < 0.5 * float(lacking)


def test_an_edge_that_leaves_the_patch_is_no_high_frequency() -> None:
    """Planted: a slope, whose two ends do not meet; a faint texture on it must count all the same."""
    slope = torch.arange(32.0, dtype=torch.float64)[None, None, :, None].expand(1, 1, 32, 32) * 10
    faint = 0.1 * waves(3)[:1, :1, :32, :32]
    # Without the window the ends' jump hides it: the distance would be 0.02.
    assert float(spectrum(slope + 0.3 * faint, slope + faint)) > 0.25


def test_spectrum_has_a_finite_gradient_on_a_flat_patch() -> None:
    flat = torch.zeros(1, 1, 16, 16, requires_grad=True)
    spectrum(flat, torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))).backward()
    assert flat.grad is not None and bool(torch.isfinite(flat.grad).all())
