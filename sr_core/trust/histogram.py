"""Mergeable histograms on logarithmic axes: how quantiles of many images are found without holding their pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

BINS = 2048
DECADES = 4.0  # the axis runs from 10^-4 to 10^4
CELLS = BINS + 2  # with the values below and above the axis
COARSE = 512  # bins of the second axis of a joint histogram
COARSE_CELLS = COARSE + 2

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.floating]


def cells(values: Values, bins: int = BINS) -> npt.NDArray[np.int64]:
    """Give the cell of each value: 0 below the axis (0 included), bins + 1 above it, infinite or not a number.

    A value on an edge counts below it, so that `value <= upper edge` is exact for whole cells.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.ceil((np.log10(values.astype(np.float64)) + DECADES) * (bins / (2 * DECADES)))
    place = np.where(np.isnan(place), bins + 1, place)
    return np.clip(place, 0, bins + 1).astype(np.int64)


def upper_edge(cell: int, bins: int = BINS) -> float:
    """Give the largest value of a cell; +inf for the last."""
    return float("inf") if cell > bins else float(10.0 ** (cell * (2 * DECADES / bins) - DECADES))


def quantile_cell(counts: Counts, share: float) -> int:
    """Give the first cell up to which at least `share` of the counted values lie.

    `share` of 0.9 over ten values is nine of them: the target is computed with a tolerance of one part in 10^12.
    """
    target = share * float(counts.sum()) * (1 - 1e-12)
    return int(np.searchsorted(np.cumsum(counts), target, side="left"))


@dataclass
class Joint:
    """How often each pair of cells occurred: rows a quantity on the coarse axis, columns the score on the fine one."""

    counts: Counts = field(default_factory=lambda: np.zeros((COARSE_CELLS, CELLS), np.int64))

    def update(self, rows: Values, columns: npt.NDArray[np.int64]) -> None:
        """Count values of the row quantity with the cells (`cells`) of the column quantity."""
        flat = cells(rows, COARSE) * CELLS + columns
        self.counts += np.bincount(flat, minlength=COARSE_CELLS * CELLS).reshape(COARSE_CELLS, CELLS)

    def merge(self, other: Joint) -> None:
        """Add what another one counted."""
        self.counts += other.counts
