"""Mean, spread and ends of the values of many images, without holding them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sr_core.patches.layout import STRIP
from sr_core.raster import BoolArray, Float32Array


class Moments:
    """Count, mean, squared deviations and ends of values that come piece by piece, in float64.

    Readers take images in the same strips and bands, so that they agree to the last bit.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque (1983), Algorithms for computing the sample variance, doi:10.1080/00031305.1983.10483115
    """

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0
        self.low, self.high = float("inf"), -float("inf")

    def add_image(
        self, strip: Callable[[int, slice], Float32Array], mask: Callable[[slice], BoolArray], shape: tuple[int, int, int]
    ) -> None:
        """Take the usable values of an image (C, H, W): `strip` gives rows of a band, `mask` whether they are usable."""
        for row in range(0, shape[1], STRIP):
            rows = slice(row, min(row + STRIP, shape[1]))
            usable = mask(rows)
            for band in range(shape[0]):
                self.add(strip(band, rows)[usable])

    def add(self, values: Float32Array) -> None:
        """Take more values."""
        if not values.size:
            return
        mean = float(values.mean(dtype=np.float64))
        squares = float(np.square(values.astype(np.float64) - mean).sum())
        total = self.count + values.size
        shift = mean - self.mean
        self._squares += squares + shift * shift * self.count * values.size / total
        self.mean += shift * values.size / total
        self.count = total
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    @property
    def std(self) -> float:
        """Population standard deviation."""
        return float(np.sqrt(self._squares / self.count)) if self.count else 0.0
