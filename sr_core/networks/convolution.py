"""How an image is convolved and extended beyond its border: to the same bits whatever the size of the image around a pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

SMALL = 20480  # values: PyTorch's own threshold between its two float32 convolutions on a CPU


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    """Convolve, each pixel to the same bits whatever the size of the image around it.

    PyTorch computes a single small float32 image with another kernel than a large one, or than a batch, and the last bits differ:
    a small window would not equal the whole. So a single small image is computed as a batch of two.
    """
    if x.shape[0] == 1 and x.numel() <= SMALL and x.device.type == "cpu":
        return functional.conv2d(x.expand(2, -1, -1, -1), weight, bias, padding=padding)[:1]
    return functional.conv2d(x, weight, bias, padding=padding)


def mirrored(x: Tensor, margin: int) -> Tensor:
    """Extend an image by half-sample symmetry, `margin` pixels on each side, however small the image.

    >>> mirrored(torch.tensor([[1.0, 2.0, 3.0]]), 2)[0]
    tensor([2., 1., 1., 2., 3., 3., 2.])
    """
    return mirrored_axis(mirrored_axis(x, margin, -2), margin, -1)


def mirrored_axis(x: Tensor, margin: int, axis: int) -> Tensor:
    """Extend an image by half-sample symmetry along one axis."""
    size = x.shape[axis]
    place = torch.arange(-margin, size + margin, device=x.device) % (2 * size)
    return x.index_select(axis, torch.where(place < size, place, 2 * size - 1 - place))


def sub_pixel_taps(side: int, zoom: int, padding: int) -> Tensor:
    """Say which taps of a transposed convolution make each sub-pixel of an input pixel, on one axis.

    Returns
    -------
    int64 tensor (zoom, m), m odd
        The number of the tap that the input pixel at place u - m // 2 has in sub-pixel r; `side` where it has none.

    >>> sub_pixel_taps(3, 2, 1)
    tensor([[3, 1, 3],
            [3, 2, 0]])
    """
    reach = max((zoom - 1 + padding) // zoom, (side - 1 - padding) // zoom)
    sub_pixel, place = torch.arange(zoom)[:, None], torch.arange(-reach, reach + 1)[None]
    tap = sub_pixel + padding - zoom * place
    return torch.where((tap >= 0) & (tap < side), tap, side)
