"""Scores of calibration images, taken one at a time: only histograms and sums are kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Group, Record
from sr_core.trust import histogram

BIN_SHARES = (0.10, 0.25, 0.50, 0.75, 0.90, 0.97)  # edges of the seven spread bins
LARGEST = 0.01  # the share of errors that counts as the largest
ENOUGH_VALUES = 100  # of an image: with fewer, "90 % of its pixels" is a matter of one or two
ROW_UNIT = 100  # joint histograms count in units of 100 floors, so that their axis runs from 0.01 to a million floors


class Sample(NamedTuple):
    """One calibration image: its group, a name, |HR - SR| and spread (float32 (C, H, W), one unit), mask (bool (H, W))."""

    group: Group
    name: str
    abs_error: Float32Array
    spread: Float32Array
    mask: BoolArray


class GroupRow(Record):
    """One calibration group: pseudonym, score, pixel coverage, mean full width (not cut to the valid range) and pixels."""

    id: str
    score: float
    coverage: float
    mean_width: float
    pixels: int


class SpreadBin(Record):
    """Coverage where the spread lies in one bin: the bin's shares of all pixels, its end in the physical unit, its pixels."""

    low_share: float
    high_share: float
    spread_high: float
    coverage: float
    pixels: int


class Accumulator:
    """Takes calibration images one at a time and keeps only histograms and sums; several can be merged.

    Parameters
    ----------
    floor : float
        Physical unit, > 0.
    by_image : bool
        Count each image as a group of its own (blocks of one scene).
    """

    def __init__(self, floor: float, *, by_image: bool = False) -> None:
        if not floor > 0 or not math.isfinite(floor):
            raise TrustError(f"floor {floor}", "a positive number in the image's unit", "Choose it with choose_floor.")
        self.floor = floor
        self.by_image = by_image
        self.images: dict[tuple[str, str], histogram.Counts] = {}
        self.reach: dict[str, float] = {}  # sum of spread + floor, a group each
        self.by_spread = histogram.Joint()
        self.by_error = histogram.Joint()

    def add(self, sample: Sample) -> None:
        """Take one image. One with fewer than 100 valid values is passed over; a value that is not a number counts as not held.

        Raises
        ------
        ShapeError
            If the arrays are not of one image.
        TrustError
            If the image was taken already.
        """
        group, name, abs_error, spread, mask = sample
        if abs_error.shape != spread.shape or mask.shape != abs_error.shape[1:]:
            raise ShapeError(
                f"errors {abs_error.shape}, spread {spread.shape}, mask {mask.shape}",
                "shapes (C, H, W), (C, H, W) and (H, W)",
                "Give one image's arrays.",
            )
        key = (name if self.by_image else group.id, name)
        if key in self.images:
            raise TrustError(f"image {name} of {group.kind} {key[0]} twice", "each image once", "Remove the double.")
        if int(mask.sum()) * len(abs_error) < ENOUGH_VALUES:
            return
        error = abs_error[:, mask].astype(np.float64).ravel()
        reach = spread[:, mask].astype(np.float64).ravel() + self.floor
        columns = histogram.cells(error / np.where(reach > 0, reach, np.nan))
        self.images[key] = np.bincount(columns, minlength=histogram.CELLS)
        self.reach[key[0]] = self.reach.get(key[0], 0.0) + float(reach.sum())
        self.by_spread.update(reach / (ROW_UNIT * self.floor), columns)
        self.by_error.update(error / (ROW_UNIT * self.floor), columns)

    def merge(self, other: Accumulator) -> None:
        """Add what another accumulator with the same floor took."""
        if other.floor != self.floor or other.by_image != self.by_image or self.images.keys() & other.images.keys():
            raise TrustError("accumulators of other settings, or with an image in both", "parts of one calibration", "Start again.")
        self.images |= other.images
        for group, value in other.reach.items():
            self.reach[group] = self.reach.get(group, 0.0) + value
        self.by_spread.merge(other.by_spread)
        self.by_error.merge(other.by_error)

    def score_cells(self, alpha: float) -> dict[str, int]:
        """Give the cell of each group's score: the largest, over its images, of the 1 - alpha quantile."""
        cells: dict[str, int] = {}
        for (group, _), counts in self.images.items():
            cells[group] = max(cells.get(group, 0), histogram.quantile_cell(counts, 1 - alpha))
        return cells

    def counts(self, group: str | None = None) -> histogram.Counts:
        """Give the merged histogram of one group, or of all."""
        parts = [c for (g, _), c in self.images.items() if group in (None, g)]
        return np.sum(parts, axis=0) if parts else np.zeros(histogram.CELLS, np.int64)

    def rows(self, alpha: float, cell: int | None) -> tuple[GroupRow, ...]:
        """Give a row for each group, with the interval that ends at a cell of the score (None: no interval)."""
        multiplier = math.nan if cell is None else histogram.upper_edge(cell)
        rows = []
        for group, score in sorted(self.score_cells(alpha).items()):
            counts = self.counts(group)
            total = int(counts.sum())
            held = math.nan if cell is None else int(counts[: cell + 1].sum()) / total
            rows.append(
                GroupRow(
                    id=group, score=histogram.upper_edge(score), coverage=held,
                    mean_width=2 * multiplier * self.reach[group] / total, pixels=total,
                )
            )  # fmt: skip
        return tuple(rows)

    def coverage_by_bin(self, cell: int) -> tuple[SpreadBin, ...]:
        """Give the coverage in seven bins of the spread, cut at fixed shares of all pixels (ties stay together)."""
        joint = self.by_spread.counts
        cumulative = np.cumsum(joint.sum(axis=1))
        total = int(cumulative[-1])
        edges = [int(np.searchsorted(cumulative, share * total, side="left")) + 1 for share in BIN_SHARES] + [joint.shape[0]]
        bins, start, low = [], 0, 0.0
        for edge, high in zip(edges, (*BIN_SHARES, 1.0), strict=True):
            part = joint[start:edge]
            if (pixels := int(part.sum())) > 0:
                last = start + int(np.flatnonzero(part.sum(axis=1))[-1])
                end = histogram.upper_edge(last, histogram.COARSE) * ROW_UNIT * self.floor - self.floor
                held = int(part[:, : cell + 1].sum()) / pixels
                bins.append(SpreadBin(low_share=low, high_share=high, spread_high=end, coverage=held, pixels=pixels))
            start, low = max(start, edge), high
        return tuple(bins)

    def largest_errors_held(self, cell: int) -> float:
        """Give the share of the 1 % largest errors inside the interval (to the width of an error cell, 3.7 %)."""
        joint = self.by_error.counts[::-1]
        per_row = joint.sum(axis=1).astype(np.float64)
        wanted = max(1.0, LARGEST * per_row.sum())
        before = np.cumsum(per_row) - per_row
        part = np.clip(wanted - before, 0.0, per_row) / np.where(per_row > 0, per_row, 1.0)
        return float((joint[:, : cell + 1].sum(axis=1) * part).sum() / wanted)
