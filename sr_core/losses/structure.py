"""Losses on what lies between pixels: differences of neighbours, edges, frequencies.

All take float32 or float64 images (N, C, H, W) of any unit and give a scalar tensor of their type, in that unit. What a patch has
beyond its border does not count, except in `frequency`, which sees the patch as periodic.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from sr_core.losses.shapes import image_batch, same

RINGS = 16  # of frequencies


def total_variation(x: Tensor) -> Tensor:
    """Give the mean absolute difference of vertical neighbours plus that of horizontal ones (anisotropic total variation).

    Raises
    ------
    ShapeError
        If `x` is no batch of images of at least 2 x 2 pixels.

    References
    ----------
    Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60, 1992,
    doi:10.1016/0167-2789(92)90242-F.
    """
    image_batch(x)
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., :, 1:] - x[..., :, :-1]).abs().mean()


def sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give the derivatives down and to the right, (N, C, H - 2, W - 2) each, in units of x per pixel (Sobel's taps over 8).

    Raises
    ------
    ShapeError
        If `x` is no batch of images of at least 3 x 3 pixels.
    """
    image_batch(x, 3)
    smooth, slope = x.new_tensor([1.0, 2.0, 1.0]), x.new_tensor([-1.0, 0.0, 1.0])
    bands = x.reshape(-1, 1, *x.shape[-2:])
    kernels = torch.stack([torch.outer(slope, smooth), torch.outer(smooth, slope)])[:, None] / 8
    made = functional.conv2d(bands, kernels).reshape(*x.shape[:2], 2, x.shape[-2] - 2, x.shape[-1] - 2)
    return made[:, :, 0], made[:, :, 1]


def gradient(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the mean absolute difference of the images' Sobel derivatives, the two directions added.

    Raises
    ------
    ShapeError
        If the shapes differ, or are not those of images of at least 3 x 3 pixels.

    References
    ----------
    Sobel's operator as in Duda, Hart, "Pattern classification and scene analysis", 1973, pp. 271-272; as a loss in Ma et al.,
    "Structure-preserving super resolution with gradient guidance", CVPR 2020, doi:10.1109/CVPR42600.2020.00779.
    """
    same(predicted, target)
    down, right = sobel(predicted - target)  # the derivatives are linear
    return down.abs().mean() + right.abs().mean()


def frequency(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the mean absolute difference of the amplitude spectra (orthonormal 2-D Fourier transform of each band).

    Where a texture lies does not count, only how strong each of its frequencies is.

    Raises
    ------
    ShapeError
        If the shapes differ, or are not those of images of at least 2 x 2 pixels.

    References
    ----------
    Fuoli, Van Gool, Timofte, "Fourier space losses for efficient perceptual image super-resolution", ICCV 2021,
    doi:10.1109/ICCV48922.2021.00236 (the amplitude part, over all frequencies).
    """
    same(predicted, target)
    image_batch(predicted)
    return (_amplitude(predicted) - _amplitude(target)).abs().mean()


def spectrum(predicted: Tensor, target: Tensor, rings: int = RINGS) -> Tensor:
    """Give how far apart the images' energies are, ring of frequencies by ring: the mean of 2 |a - b| / (a + b), 0 to 2, without unit.

    a and b are root mean squares of a band's Fourier coefficients in a ring, of the patch under a Hann window (whose soft border keeps what
    leaves the patch from counting as high frequencies). Neither where a texture lies counts nor which of a ring's waves it is made of, so
    unlike `frequency` it is small only where the energies are equal.

    Parameters
    ----------
    rings : of equal width, from 0 to half a cycle a pixel; the corners beyond belong to the last.

    Raises
    ------
    ShapeError
        If the shapes differ, or are not those of images of at least 8 x 8 pixels.
    """
    same(predicted, target)
    image_batch(predicted, 8)
    a, b = (_ring_sizes(image, rings) for image in (predicted, target))
    return (2 * (a - b).abs() / (a + b)).mean()


def _ring_sizes(x: Tensor, rings: int) -> Tensor:
    """Give the root mean square of the windowed image's coefficients by ring, (N, C, rings)."""
    height, width = x.shape[-2:]
    window = torch.outer(*(torch.hann_window(side, periodic=False, dtype=x.dtype, device=x.device) for side in (height, width)))
    coefficients = torch.fft.fft2((x - x.mean(dim=(-2, -1), keepdim=True)) * window, norm="ortho")
    down, right = (torch.fft.fftfreq(side, dtype=x.dtype, device=x.device).abs() for side in (height, width))
    ring = (torch.hypot(down[:, None], right[None]) * 2 * rings).long().clamp_max(rings - 1).flatten()
    power = (coefficients.real.square() + coefficients.imag.square()).flatten(2)
    total = power.new_zeros(*x.shape[:2], rings).index_add(2, ring, power)
    # The root's slope at 0 is infinite; a flat patch would make the gradient no number.
    size: Tensor = (total / torch.bincount(ring, minlength=rings).clamp_min(1) + torch.finfo(x.dtype).tiny).sqrt()
    return size


def _amplitude(x: Tensor) -> Tensor:
    spectrum = torch.fft.fft2(x, norm="ortho")
    # The root's slope at 0 is infinite; a patch without a frequency would make the gradient no number.
    size: Tensor = (spectrum.real.square() + spectrum.imag.square() + torch.finfo(x.dtype).tiny).sqrt()
    return size
