"""Information fidelity criterion: bits a pixel that the image shares with its reference, in a wavelet model of natural pictures.

References
----------
H. R. Sheikh, A. C. Bovik, G. de Veciana, An information fidelity criterion for image quality assessment using natural scene statistics,
IEEE TIP 14 (2005), doi:10.1109/TIP.2005.859389. E. P. Simoncelli, W. T. Freeman, The steerable pyramid, ICIP 1995,
doi:10.1109/ICIP.1995.537667 (filters sp5). M. Gaubatz, MeTriX MuX 1.1 (`ifc` and its padding).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from sr_core.errors import InputError
from sr_core.metrics.protocol import BoolArray, Protocol
from sr_core.operators.factor import FloatArray
from sr_core.operators.matlab import half_away

LEVELS = 4
BLOCK = 3
TINY = 1e-15
SMALLEST_SIDE = 65  # unpadded: the coarsest level needs one block inside its frame
SMALLEST_PADDED = 17  # the widest window
PADDED_SIDE = 128


def _octant(rows: tuple[tuple[float, ...], ...]) -> FloatArray:
    """Unfold the upper triangle of a quadrant (corner first, centre last) into the whole, 8-fold symmetric filter."""
    size = len(rows)
    quadrant = np.zeros((size, size))
    for i, row in enumerate(rows):
        quadrant[i, i:] = quadrant[i:, i] = row
    return np.pad(quadrant, (0, size - 1), mode="reflect")


FIRST = _octant(((0.00341614, -0.01551246, -0.03848215), (0.05586982, 0.15925570), (0.40304148,)))
LOW = 2 * _octant((
    (0.00085404, -0.00244917, -0.00387812, -0.00944432, -0.00962054), (-0.00523281, -0.00661117, 0.00410600, 0.01002988),
    (0.01396746, 0.03277038, 0.03981393), (0.06426333, 0.08169618), (0.10096540,),
))  # fmt: skip
_BAND = np.array([
    [0.00277643, -0.00986904, -0.01021852], [0.00496194, -0.00893064, -0.03075356],
    [0.01026699, 0.01189859, -0.08226445], [0.01455399, 0.02755155, -0.11732297],
])  # fmt: skip
_ROWS = np.concatenate([_BAND, _BAND[2::-1]])
BAND = np.concatenate([_ROWS, np.zeros((7, 1)), -_ROWS[:, ::-1]], axis=1)


def ifc(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None, padded: bool = True) -> float:
    """Give the information fidelity criterion, bits a pixel, mean over bands.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit. Not symmetric in the two.
    protocol : Protocol
        Channel, range, border, rounding; the range is brought to 0..255, in which the model's constants are.
    mask : array (H, W) of bool, optional
        True where a pixel is usable; the usable pixels must be a full rectangle, because the pyramid carries a hole across its levels.
    padded : bool
        Whether sides are first filled up to a multiple of 32, at least 128, as MeTriX MuX does: the variant of the SRCNN tables. Some
        papers print the other one; a table must name it.

    Raises
    ------
    ShapeError
        If the images do not fit, the mask has holes, or a side is below 65 px (17 where padded).
    InputError
        If the reference has no texture at some level: the criterion is then not defined.
    """
    a, b = protocol.prepare_whole(sr, hr, mask, "IFC", SMALLEST_PADDED if padded else SMALLEST_SIDE)
    a, b = (255 / protocol.data_range * v for v in (a, b))
    if padded:
        a, b = (np.stack([pad(band) for band in v]) for v in (a, b))
    return float(np.mean([_band(y, x) for x, y in zip(a, b, strict=True)]))


def pad(image: FloatArray) -> FloatArray:
    """Fill (H, W) up to multiples of 32, at least 128: sides by mirror about the edge pixel, corners by one constant each."""
    height, width = image.shape
    rows, top = _padded_index(height)
    cols, left = _padded_index(width)
    result = image[np.ix_(rows, cols)]
    bottom, right = top + height, left + width
    result[:top, :left], result[:top, right:] = image[1, 1], image[1, width - 2]
    result[bottom:, :left], result[bottom:, right:] = image[height - 2, 1], image[height - 2, width - 2]
    return result


def _padded_index(size: int) -> tuple[NDArray[np.int64], int]:
    """Give the input index under each padded one, and how many were put before."""
    total = max(PADDED_SIDE, 32 * math.ceil(size / 32))
    before = int(half_away(np.array((total - size) / 2)))
    index = np.arange(total) - before
    index = np.where(index < 0, np.minimum(size - 1, -index), index)
    return np.where(index >= size, size - 1 - np.minimum(size - 1, index - size + 1), index), before


def _band(reference: FloatArray, distorted: FloatArray) -> float:
    lows = [scipy.ndimage.correlate(image, FIRST, mode="mirror") for image in (reference, distorted)]
    bits = 0.0
    for level in range(LEVELS):
        for filter_ in (BAND, BAND.T):
            y, z = (scipy.ndimage.correlate(low, filter_, mode="mirror") for low in lows)
            bits += _information(y, z, level)
        lows = [scipy.ndimage.correlate(low, LOW, mode="mirror")[::2, ::2] for low in lows]
    return bits / reference.size


def _information(y: FloatArray, z: FloatArray, level: int) -> float:
    """Give the bits of one subband: y of the reference, z of the distorted image."""
    height, width = (BLOCK * (side // BLOCK) for side in y.shape)
    y, z = y[:height, :width], z[:height, :width]
    window = 2 ** (LEVELS - level) + 1
    gain, variance = _channel(y, z, window)
    blocks = np.lib.stride_tricks.sliding_window_view(y, (BLOCK, BLOCK)).reshape(-1, BLOCK * BLOCK)
    covariance = np.cov(blocks, rowvar=False, bias=True)
    values = np.linalg.eigvalsh(covariance)
    if not values[0] > 1e-14 * values[-1] or values[-1] < TINY:
        raise InputError(f"a reference without texture at level {level}", "a picture with structure", "Measure IFC on another image.")
    own = y.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(0, 2, 1, 3).reshape(-1, BLOCK * BLOCK)
    spread = (own * np.linalg.solve(covariance, own.T).T).sum(axis=1).reshape(gain.shape) / (BLOCK * BLOCK)
    frame = math.ceil(((window - 1) / 2) / BLOCK)
    inner = slice(frame, -frame), slice(frame, -frame)
    ratio = gain[inner] ** 2 * spread[inner] / (variance[inner] + 1e-10)
    return float(np.log2(1 + ratio[..., None] * values).sum())


def _channel(y: FloatArray, z: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Give gain and noise variance of the channel that makes z of y, at the centre of each 3 x 3 block."""
    count = window * window
    sy, sz = _sums(y, window), _sums(z, window)
    cross = _sums(y * z, window) - sy * sz / count
    vy = np.maximum(_sums(y * y, window) - sy * sy / count, 0)
    vz = np.maximum(_sums(z * z, window) - sz * sz / count, 0)
    gain = cross / (vy + TINY)
    variance = (vz - gain * cross) / count
    flat = vy < TINY
    gain, variance = np.where(flat, 0, gain), np.where(flat, vz, variance)
    flat = vz < TINY
    gain, variance = np.where(flat, 0, gain), np.where(flat, 0, variance)
    variance = np.where(gain < 0, vz, variance)
    return np.maximum(gain, 0), np.maximum(variance, TINY)


def _sums(x: FloatArray, window: int) -> FloatArray:
    for axis in (0, 1):
        x = scipy.ndimage.correlate1d(x, np.ones(window), axis=axis, mode="mirror")
    return x[1::BLOCK, 1::BLOCK]
