"""What an interval of any width would have held on a test image: small histograms, kept in the evaluation, for diagrams and tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust import histogram

if TYPE_CHECKING:
    from sr_core.trust.calibration import Calibration

FINE_PER_COARSE = histogram.BINS // histogram.COARSE


class Bin(Record):
    """Values whose spread lies in one bin of the calibration (`Calibration.coverage_by_bin`), and how many the interval held."""

    pixels: int
    held: int


class Held(Record):
    """The errors of one test image, in units of what was expected.

    Attributes
    ----------
    first, counts : histogram of log10(|error| / (spread + floor)) on the coarse axis of `trust.histogram`, empty ends left out. A value
        that is not a number lies in the last cell: no interval holds it.
    bins : by bin of the spread, with the calibration's own edges (the last one is open); empty where it has no interval.
    """

    first: int
    counts: tuple[int, ...]
    bins: tuple[Bin, ...] = ()

    def cells(self) -> histogram.Counts:
        """Give the whole histogram, int64 (COARSE_CELLS,)."""
        whole = np.zeros(histogram.COARSE_CELLS, np.int64)
        whole[self.first : self.first + len(self.counts)] = self.counts
        return whole


def measure_held(abs_error: Float32Array, spread: Float32Array, mask: BoolArray, calibration: Calibration) -> Held:
    """Count the errors of a test image against what its spread lets expect.

    Parameters
    ----------
    abs_error, spread : float32 (C, H, W), |HR - SR as delivered| and the uncalibrated estimate, physical unit.
    mask : bool (H, W), True = use.
    calibration : its floor, multiplier and bins of the spread are taken.
    """
    error = abs_error[:, mask].astype(np.float64).ravel()
    expected = spread[:, mask].astype(np.float64).ravel()
    reach = expected + calibration.floor
    score = error / np.where(reach > 0, reach, np.nan)
    counts = np.bincount(histogram.cells(score, histogram.COARSE), minlength=histogram.COARSE_CELLS)
    used = np.flatnonzero(counts)
    first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    bins: tuple[Bin, ...] = ()
    if calibration.multiplier is not None and calibration.coverage_by_bin:
        edges = [b.spread_high for b in calibration.coverage_by_bin[:-1]]
        place = np.searchsorted(edges, expected, side="left")
        held = score <= calibration.multiplier
        bins = tuple(
            Bin(pixels=int((place == i).sum()), held=int((held & (place == i)).sum())) for i in range(len(calibration.coverage_by_bin))
        )
    return Held(first=first, counts=tuple(int(c) for c in counts[first:last]), bins=bins)


def merged(parts: Iterable[Held]) -> Held:
    """Add up images of one calibration.

    Raises
    ------
    TrustError
        If there are none, or their bins of the spread are not the same in number.
    """
    known = list(parts)
    if len({len(part.bins) for part in known}) != 1:
        raise TrustError(f"{len(known)} images with other bins of the spread", "images of one calibration", "Evaluate them again.")
    total = np.sum([part.cells() for part in known], axis=0)
    used = np.flatnonzero(total)
    first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    bins = tuple(
        Bin(pixels=sum(b.pixels for b in row), held=sum(b.held for b in row)) for row in zip(*(p.bins for p in known), strict=True)
    )
    return Held(first=first, counts=tuple(int(c) for c in total[first:last]), bins=bins)


def calibrated_shares(calibration: Calibration) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the share of the calibration's values that an interval ending at each coarse cell would have held, (COARSE_CELLS,).

    The coarse cells end where every fourth fine one does, so nothing is interpolated.
    """
    fine = np.zeros(histogram.CELLS, np.int64)
    fine[calibration.histogram_first : calibration.histogram_first + len(calibration.histogram_counts)] = calibration.histogram_counts
    sums = np.cumsum(fine)
    ends = np.array([*range(0, histogram.BINS + 1, FINE_PER_COARSE), histogram.BINS + 1])
    return np.asarray(sums[ends] / max(1, int(sums[-1])), np.float64)


def held_shares(held: Held) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the share of a test image's values that an interval ending at each coarse cell would have held, (COARSE_CELLS,)."""
    sums = np.cumsum(held.cells())
    return np.asarray(sums / max(1, int(sums[-1])), np.float64)
