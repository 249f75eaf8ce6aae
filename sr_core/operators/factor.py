"""One axis of a separable degradation: a row of taps, shifted by the scale, with symmetric borders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SYMBOL_SAMPLES = 8192  # frequencies at which symbols are taken; the slowest inverse in use decays long before


def reflect(index: IntArray, size: int) -> IntArray:
    """Fold indices into 0..size-1 by the symmetric rule (the edge pixel is doubled), however far outside they lie.

    >>> reflect(np.array([-2, -1, 0, 3, 4, 5, 9]), 4).tolist()
    [1, 0, 0, 3, 3, 2, 1]
    """
    folded = np.mod(index, 2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


@dataclass(frozen=True)
class Factor:
    """A banded m x n matrix, n = scale * m: `y[j] = sum_t taps[t] * x[scale * j + offset + t]`, x continued symmetrically.

    Attributes
    ----------
    scale : HR pixels a LR pixel along this axis, >= 1.
    offset : HR pixel of the first tap, relative to scale * j.
    taps : the weights, from the first HR pixel on.
    """

    scale: int
    offset: int
    taps: tuple[float, ...]

    @classmethod
    def centred(cls, scale: int, taps: tuple[float, ...]) -> Factor:
        """Place taps on the shared grid: their centre on HR position scale * j + (scale - 1) / 2.

        Where that position falls between two pixels and the number of taps is odd, the centre is the pixel after it
        (scale * j + scale // 2), as nearest-neighbour decimation has it.
        """
        return cls(scale, -((len(taps) - scale) // 2), taps)

    @property
    def identity(self) -> bool:
        """Whether this axis is left as it is."""
        return self.scale == 1 and self.offset == 0 and self.taps == (1.0,)

    @property
    def before(self) -> int:
        """HR pixels that the taps reach before the block of a LR pixel."""
        return max(0, -self.offset)

    @property
    def after(self) -> int:
        """HR pixels that the taps reach after the block of a LR pixel."""
        return max(0, self.offset + len(self.taps) - self.scale)

    @property
    def symmetric(self) -> bool:
        """Whether the taps are mirror images about the block's centre (then symmetric borders commute with the factor)."""
        same = np.allclose(self.taps, self.taps[::-1], rtol=0, atol=1e-14 * max(map(abs, self.taps)))
        return same and 2 * self.offset + len(self.taps) == self.scale

    def times(self, number: float) -> Factor:
        """Give the factor with all taps multiplied."""
        return replace(self, taps=tuple(number * tap for tap in self.taps))

    def balanced(self) -> Factor:
        """Give the same factor with zero taps added so that it reaches equally far before and after."""
        head, tail = max(0, self.after - self.before), max(0, self.before - self.after)
        if not head and not tail:
            return self
        # A negative reach on the short side (taps that begin inside the block) is filled up first.
        head += max(0, self.offset) if head else 0
        tail += max(0, self.scale - self.offset - len(self.taps)) if tail else 0
        return Factor(self.scale, self.offset - head, (0.0,) * head + self.taps + (0.0,) * tail)

    def sources(self, size: int) -> IntArray:
        """Give the HR pixel under each tap, borders folded: (size // scale, taps) for an axis of `size` HR pixels."""
        return self.sources_of(np.arange(size // self.scale), size)

    def sources_of(self, rows: IntArray, size: int) -> IntArray:
        """Give `sources` of some LR pixels only: (len(rows), taps)."""
        return reflect(self.scale * rows[:, None] + self.offset + np.arange(len(self.taps))[None, :], size)

    def sparse(self, size: int) -> scipy.sparse.csr_array:
        """Give the matrix (size // scale, size) in sparse form, float64, borders folded."""
        columns = self.sources(size)
        rows = np.repeat(np.arange(columns.shape[0]), columns.shape[1])
        values = np.tile(np.asarray(self.taps), columns.shape[0])
        return scipy.sparse.csr_array((values, (rows, columns.ravel())), shape=(columns.shape[0], size))

    def dense(self, size: int) -> FloatArray:
        """Give the matrix (size // scale, size), float64, borders folded."""
        return np.asarray(self.sparse(size).toarray(), dtype=np.float64)

    @cached_property
    def numerators(self) -> int | None:
        """Sum of the taps' numerators, without signs, over their common denominator 2^k, k <= 24; None where they have none."""
        for k in range(25):
            scaled = [tap * 2.0**k for tap in self.taps]
            if all(tap.is_integer() for tap in scaled):
                return sum(abs(int(tap)) for tap in scaled)
        return None

    @cached_property
    def gram(self) -> FloatArray:
        """Interior row of `A A^T`, from the diagonal outwards: correlation of the taps at multiples of the scale."""
        taps = np.asarray(self.taps)
        reach = (len(taps) - 1) // self.scale
        return np.array([taps[self.scale * k :] @ taps[: len(taps) - self.scale * k] for k in range(reach + 1)])

    @cached_property
    def symbol(self) -> FloatArray:
        """Eigenvalues of the interior `A A^T` (long signals): its cosine series at SYMBOL_SAMPLES frequencies."""
        row = np.zeros(SYMBOL_SAMPLES)
        row[: len(self.gram)] = self.gram
        return np.asarray(2 * np.fft.fft(row).real - self.gram[0], dtype=np.float64)

    @property
    def condition(self) -> float:
        """Condition number of the interior `A A^T` along this axis."""
        lowest = float(self.symbol.min())
        return float(self.symbol.max()) / lowest if lowest > 0 else float("inf")

    @cached_property
    def border_condition(self) -> float:
        """Condition number of `A A^T` along this axis with its borders: the largest of a few lengths.

        Symmetric taps commute with symmetric borders, so it is the interior's for them, or less. Others see the folded pixels twice.
        """
        if self.symmetric:
            return self.condition
        worst = self.condition
        for count in (1, 2, 3, 4, 6, 8, 16, 2 * (max(self.before, self.after) // self.scale) + 32):
            matrix = self.dense(self.scale * count)
            values = np.linalg.eigvalsh(matrix @ matrix.T)
            worst = max(worst, float(values[-1] / values[0]) if values[0] > 0 else float("inf"))
        return worst

    @property
    def noise_gain(self) -> float:
        """Standard deviation of the HR noise that `A^+` makes of unit white LR noise, along this axis."""
        return float(np.sqrt(np.mean(1 / self.symbol) / self.scale)) if self.symbol.min() > 0 else float("inf")


@lru_cache(maxsize=64)
def inverse_series(factor: Factor) -> FloatArray:
    """Give the interior row of `(A A^T)^-1`, from the diagonal outwards (SYMBOL_SAMPLES // 2 entries, LR pixels)."""
    series = np.fft.ifft(1 / factor.symbol).real
    return np.asarray(series[: SYMBOL_SAMPLES // 2], dtype=np.float64)


@lru_cache(maxsize=64)
def prefilter(factor: Factor, tolerance: float) -> Factor:
    """Give `(A A^T)^-1` as a short symmetric filter on the LR grid, for a symmetric factor.

    Notes
    -----
    Cut where what is left is below `tolerance` of the whole; the cut part is given back at the centre, so flat images stay flat.
    With symmetric taps, symmetric borders commute with A, so the same filter with symmetric borders is the inverse at the borders too.
    """
    series = inverse_series(factor)
    weight = np.abs(series)
    left_over = 2 * (weight.sum() - np.cumsum(weight))  # beyond index k, both sides
    reach = int(np.argmax(left_over <= tolerance * (2 * weight.sum() - weight[0])))
    kept = series[: reach + 1].copy()
    kept[0] += 1 / factor.symbol[0] - (2 * kept.sum() - kept[0])
    return Factor(1, -reach, tuple(map(float, np.concatenate([kept[:0:-1], kept]))))
