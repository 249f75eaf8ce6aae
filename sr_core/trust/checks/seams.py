"""Seams: whether the lines between the pieces in which an image was computed stand out from other lines.

A seam that was projected afterwards hides in the null space; no residual shows it, and a search over all lines drowns it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sr_core.raster import BoolArray, Float32Array, Window
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

SEAM_LIMIT, SEAM_FAIL = 5.0, 8.0  # robust deviations
OTHERS = 100  # lines to compare with
FEWEST = 20  # below which a deviation is not known
LEAST_PIXELS = 16  # of a line between two crossing ones
CLIP = 3.0  # robust deviations: an edge in the image that meets the line counts no more than that
ROBUST = 1.4826  # of a normal distribution: standard deviation over median absolute deviation
ROUNDED = math.sqrt(5 / 12)  # rms that rounding by a step leaves of a step across a line
NUMERIC = 1e-6  # of the values


class Found(NamedTuple):
    """The line that stands out most: its score, axis (0: a row) and first pixel behind it."""

    score: float
    axis: int
    line: int


@dataclass(frozen=True)
class Seam:
    """The mean step across each tile line, by second differences, against 100 random lines; the worst piece of the worst line."""

    name: str = "seam"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where tile lines are known."""
        if not (evidence.rows or evidence.cols):
            return skipped(self.name, "the image was computed in one piece here", required=False)
        found = [
            worst
            for band in evidence.z
            for axis in (0, 1)
            if (worst := _worst_line(band, evidence, axis)) is not None
        ]  # fmt: skip
        if not found:
            return skipped(self.name, "too few lines to compare the tile lines with", required=False)
        bad = max(found, key=lambda f: math.inf if math.isnan(f.score) else f.score)
        return limit(
            self.name, bad.score, unit="robust deviations", threshold=SEAM_LIMIT, fail_threshold=SEAM_FAIL, severity="warn",
            source="physical: of 100 random lines", where=_around(evidence, bad), sentence="no line between pieces stands out",
        )  # fmt: skip


def _worst_line(band: Float32Array, evidence: Evidence, axis: int) -> Found | None:
    """Score the tile lines of one direction; None where there are none, or too few others."""
    image, mask = (band, evidence.mask_hr) if axis == 0 else (band.T, evidence.mask_hr.T)
    lines, crossing = (evidence.rows, evidence.cols) if axis == 0 else (evidence.cols, evidence.rows)
    height, width = image.shape
    own = sorted({line for line in lines if 2 <= line <= height - 2})
    near = {line + k for line in own for k in (-2, -1, 0, 1, 2)}
    size_of_pixel = evidence.scale[axis]  # between two LR pixels an interpolation steps otherwise than inside one
    phases = {line % size_of_pixel for line in own}
    free = [line for line in range(2, height - 1) if line not in near and line % size_of_pixel in phases]
    if not own or len(free) < FEWEST:
        return None
    others = np.random.default_rng(0).permutation(free)[:OTHERS]  # the same for the same image
    steps, known = _steps(image, mask, np.concatenate([own, others]))
    size = np.abs(steps[len(own) :][known[len(own) :]])
    if not size.size:
        return None
    smallest = max(evidence.step, NUMERIC * float(np.nanmax(np.abs(np.where(mask, image, 0)))), np.finfo(np.float64).tiny)
    bound = max(CLIP * ROBUST * float(np.median(size)), smallest)
    clipped = np.where(known, np.clip(steps, -bound, bound), 0.0)  # NaN stays
    best: Found | None = None
    for first, last in itertools.pairwise([0, *sorted({c for c in crossing if 0 < c < width}), width]):
        counts = known[:, first:last].sum(axis=1)
        enough = counts >= LEAST_PIXELS
        means = clipped[:, first:last].sum(axis=1) / np.maximum(counts, 1)
        compared = means[len(own) :][enough[len(own) :]]
        if compared.size < FEWEST:
            continue
        middle = float(np.median(compared))
        scatter = ROBUST * float(np.median(np.abs(compared - middle)))
        for line, value, count in zip(own, means, counts[: len(own)], strict=False):
            if count >= LEAST_PIXELS:
                score = abs(float(value) - middle) / max(scatter, ROUNDED * smallest / math.sqrt(count))
                if best is None or not score <= best.score:
                    best = Found(score, axis, line)
    return best


def _steps(image: Float32Array, mask: BoolArray, lines: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], BoolArray]:
    """Give the step across each line beyond what its neighbours go on with, float64 (lines, W), and where it is known."""
    above2, above, below, below2 = (image[lines + k].astype(np.float64) for k in (-2, -1, 0, 1))
    known = mask[lines - 2] & mask[lines - 1] & mask[lines] & mask[lines + 1]
    return (below - above) - ((above - above2) + (below2 - below)) / 2, np.asarray(known, np.bool_)


def _around(evidence: Evidence, found: Found) -> Window:
    """Give the four rows or columns around a line."""
    height, width = evidence.mask_hr.shape
    top, left = (evidence.where.row, evidence.where.col) if evidence.where is not None else (0, 0)
    if found.axis == 0:
        return Window(top + found.line - 2, left, 4, width)
    return Window(top, left + found.line - 2, height, 4)


def lines_inside(lines: Sequence[int], first: int, length: int) -> tuple[int, ...]:
    """Give the lines of an image that lie inside a piece of it, counted from the piece's first pixel."""
    return tuple(line - first for line in lines if first < line < first + length)
