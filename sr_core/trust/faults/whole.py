"""Mutations of the whole image: geometry, radiometry, sharpness, and output that is no model's work.

All take (image float64 (C, H, W), the delivered image, size, random numbers) and give a new image of that shape; the size's meaning
stands with each. None changes its input.
"""

from __future__ import annotations

import numpy as np

from sr_core.operators import Operator, make_operator
from sr_core.trust.faults.record import Delivered, Float64Array, Random

UNSHARP_SIGMA = 1.0  # px


def moved(image: Float64Array, rows: float, cols: float) -> Float64Array:
    """Give the image shifted down and right by parts of a pixel (cubic splines, mirrored at the borders)."""
    from scipy.ndimage import shift

    return np.asarray(shift(image, (0.0, rows, cols), order=3, mode="mirror"))


def smoothed(image: Float64Array, sigma: float) -> Float64Array:
    """Give the image behind a Gaussian of so many pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, (0.0, sigma, sigma)))


def shift_right(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Shift it to the right by `size` px."""
    return moved(image, 0.0, size)


def shift_diagonally(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Shift it along the diagonal by `size` px, measured along it."""
    return moved(image, size / np.sqrt(2), size / np.sqrt(2))


def shift_first_band(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Shift the first band alone to the right by `size` px."""
    return np.concatenate([moved(image[:1], 0.0, size), image[1:]])


def swap_bands(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Swap the first band and the last."""
    return image[[len(image) - 1, *range(1, len(image) - 1), 0]]


def mirror(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Mirror it left-right."""
    return image[:, :, ::-1].copy()


def gain(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Multiply it by 1 + `size` percent."""
    return image * (1 + size / 100)


def offset(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add `size` grey levels."""
    return image + size * delivered.level


def gamma(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Raise it to the power 1 + `size` percent, between the ends of the measured range."""
    low, high = delivered.measured_range
    span = (high - low) or 1.0
    part = (image - low) / span
    return np.asarray(low + span * np.sign(part) * np.abs(part) ** (1 + size / 100))


def smooth(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Blur it by a Gaussian with a standard deviation of `size` px."""
    return smoothed(image, size)


def sharpen(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add `size` percent of what a Gaussian of 1 px takes away."""
    return image + size / 100 * (image - smoothed(image, UNSHARP_SIGMA))


def interpolate(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Replace `size` percent of it by plain interpolation of the measurement."""
    import torch

    plain = delivered.operator.upscale(torch.from_numpy(delivered.measurement())).numpy()
    return image + size / 100 * (plain - image)


def smallest_explanation(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Replace `size` percent of it by A+ y: consistent with the measurement, and nothing added to it."""
    import torch

    nothing_added = delivered.operator.pinv(torch.from_numpy(delivered.measurement())).numpy()
    return image + size / 100 * (nothing_added - image)


def repeat_pixels(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Replace `size` percent of it by each measured pixel repeated."""
    rows, cols = delivered.operator.scale
    return image + size / 100 * (delivered.measurement().repeat(rows, axis=1).repeat(cols, axis=2) - image)


def wrong_kernel(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Go `size` percent of the way to where the projection for another kernel would bring it."""
    import torch

    x, y = torch.from_numpy(image), torch.from_numpy(delivered.measurement())
    return image + size / 100 * (other_kernel(delivered.operator).project(x, y).numpy() - image)


def other_kernel(operator: Operator) -> Operator:
    """Give the kernel that a degradation is mistaken for: a box; of a box, bicubic."""
    return make_operator("bicubic" if operator.kind == "box" else "box", operator.scale)


def noise(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add white Gaussian noise of `size` grey levels."""
    return image + size * delivered.level * rng.standard_normal(image.shape)


def checkerboard(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add and subtract `size` grey levels in turn, from pixel to pixel."""
    rows, cols = np.indices(image.shape[1:])
    return image + size * delivered.level * (1 - 2 * ((rows + cols) % 2))


def clip_highlights(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Cut the brightest `size` percent of each band to one value."""
    return np.minimum(image, _bright(image, delivered, size))


def wrap_highlights(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Let the brightest `size` percent of each band come back from the bottom of the range, as an integer type too narrow would."""
    low = delivered.encoding.valid_range[0]
    bottom = low if delivered.encoding.is_integer else delivered.measured_range[0]
    edge = _bright(image, delivered, size)
    return np.where(image > edge, bottom + (image - edge), image)


def coarse_steps(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Round it to multiples of `size` grey levels."""
    step, start = size * delivered.level, delivered.encoding.offset
    return np.rint((image - start) / step) * step + start


def _bright(image: Float64Array, delivered: Delivered, percent: float) -> Float64Array:
    """Give the value of each band (C, 1, 1) that so many percent of its measured pixels exceed."""
    values = image[:, delivered.mask]
    return np.quantile(values, 1 - percent / 100, axis=1)[:, None, None] if values.size else np.full((len(image), 1, 1), np.inf)
