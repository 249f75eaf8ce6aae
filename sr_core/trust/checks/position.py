"""Whether the image lies where the measurement lies: as a whole, by quadrant and tile, and band by band.

A shift shows in the residual as a multiple of the image's gradient: y - A z = g . delta + o + kappa (y - mean), with g the gradient of
(y + A z) / 2, solved for delta by least squares; o and kappa take up a change of level and contrast.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sr_core.raster import BoolArray, Float32Array, Window
from sr_core.trust.checks.place import in_image
from sr_core.trust.checks.residual import nothing_usable, residual_limits
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

Shift = tuple[float, float]  # HR px down and right; NaN where a value was not a number
WHOLE_LIMIT, WHOLE_FAIL = 0.05, 0.2  # HR px: time series need 0.3, and upscaling must not use it up
PIECE_LIMIT, PIECE_FAIL = 0.1, 0.3
BAND_LIMIT, BAND_FAIL = 0.05, 0.2  # sensors register their bands to 0.3
SMALLEST_PIECE = 16  # LR px a side
SURE = 3.0  # a direction counts where rounding moves the estimate by at most a third of the limit
NEEDS = "physical: a sixth of what time series need"


@dataclass(frozen=True)
class WholeShift:
    """The shift of the whole window, of the worst band."""

    name: str = "shift"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where the image has structure enough."""
        found = _known(whole_shifts(evidence))
        if not found:
            return skipped(self.name, _no_structure(evidence), required=False)
        return limit(
            self.name, _largest(found), unit="HR px", threshold=WHOLE_LIMIT, fail_threshold=WHOLE_FAIL, severity="warn",
            source=NEEDS, where=evidence.where, sentence="the image lies where the measurement lies",
        )  # fmt: skip


@dataclass(frozen=True)
class ShiftByPiece:
    """The shift of each quadrant and of each tile, of the worst band: warps and misplaced tiles cancel in the whole."""

    name: str = "shift by quadrant"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure the worst piece."""
        worst, where = -1.0, None
        for piece in pieces(evidence):
            found = _known(shifts(evidence, PIECE_LIMIT, piece))
            if found and not _largest(found) <= worst:
                worst, where = _largest(found), piece
                if math.isnan(worst):
                    break
        if where is None:
            return skipped(self.name, _no_structure(evidence), required=False)
        return limit(
            self.name, worst, unit="HR px", threshold=PIECE_LIMIT, fail_threshold=PIECE_FAIL, severity="warn",
            source="physical: a third of what time series need", where=in_image(evidence, where),
            sentence="every part of the image lies where the measurement lies",
        )  # fmt: skip


@dataclass(frozen=True)
class BandToBand:
    """The shift of each band against the mean of all."""

    name: str = "band-to-band shift"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure the worst band."""
        if evidence.y.shape[0] < 2:
            return skipped(self.name, "there is one band", required=False)
        found = _known(whole_shifts(evidence))
        if len(found) < 2:
            return skipped(self.name, "fewer than two bands have structure enough to see a shift by", required=False)
        apart = np.asarray(found) - np.mean(found, axis=0)
        return limit(
            self.name, float(np.max(np.hypot(apart[:, 0], apart[:, 1]))), unit="HR px", threshold=BAND_LIMIT, fail_threshold=BAND_FAIL,
            severity="warn", source="physical: a sixth of the bands' own registration", where=evidence.where,
            sentence="the bands lie on each other as they did",
        )  # fmt: skip


def whole_shifts(evidence: Evidence) -> list[Shift | None]:
    """Give the shift of each band over the whole window."""
    return evidence.once("shifts", lambda: shifts(evidence, WHOLE_LIMIT))


def shifts(evidence: Evidence, wanted: float, piece: Window | None = None) -> list[Shift | None]:
    """Give the shift of each band, in a window of the LR grid or in all; None where rounding hides a shift of `wanted` HR px.

    Along a direction in which the image does not vary the shift counts as 0.
    """
    place = (slice(None), slice(None)) if piece is None else piece.slices()
    noise = residual_limits(evidence)[0][0]
    rows, cols = evidence.gradient
    return [
        fit_shift(evidence.residual[band][place], (rows[band][place], cols[band][place]), y[place], use[place], SURE * noise / wanted)
        for band, (y, use) in enumerate(zip(evidence.y, evidence.usable, strict=True))
    ]


def fit_shift(
    residual: Float32Array, gradient: tuple[Float32Array, Float32Array], y: Float32Array, use: BoolArray, structure: float
) -> Shift | None:
    """Fit a shift to a residual.

    Parameters
    ----------
    residual, y : float32 (h, w), y - A z and y.
    gradient : float32 (h, w) each, down and right, unit per HR px.
    use : bool (h, w).
    structure : root of the sum of squared gradients that a direction must have, unit per HR px.
    """
    known: list[npt.NDArray[np.float64]] = [a[use].astype(np.float64) for a in (*gradient, residual, y)]
    if known[0].size < 4:
        return None
    if not all(np.isfinite(a).all() for a in known):
        return math.nan, math.nan
    columns = np.stack(known)
    columns -= columns.mean(axis=1, keepdims=True)
    others, level = columns[:3], columns[3]
    if (energy := float(level @ level)) > 0:
        others = others - np.outer(others @ level / energy, level)
    products = others @ others.T
    strength, axes = np.linalg.eigh(products[:2, :2])
    least = max(structure**2, 1e-12 * float(np.sum(columns[:2] ** 2)), np.finfo(np.float64).tiny)
    seen = strength >= least
    if not seen.any():
        return None
    along = axes[:, seen]
    row, col = along @ ((along.T @ products[:2, 2]) / strength[seen])
    return float(row), float(col)


def pieces(evidence: Evidence) -> list[Window]:
    """List the quadrants, and the tiles where tile lines are known, that are at least 16 LR px a side."""
    height, width = evidence.mask_lr.shape
    halves = [[n // 2] for n in (height, width)]
    lines = [[-(-at // s) for at in given] for given, s in zip((evidence.rows, evidence.cols), evidence.scale, strict=True)]
    cut = [*_cells(halves, height, width), *(_cells(lines, height, width) if any(lines) else [])]
    return [w for w in dict.fromkeys(cut) if min(w.height, w.width) >= SMALLEST_PIECE]


def _cells(lines: Sequence[Sequence[int]], height: int, width: int) -> list[Window]:
    rows, cols = (sorted({0, n, *(i for i in at if 0 < i < n)}) for at, n in zip(lines, (height, width), strict=True))
    return [Window(a, c, b - a, d - c) for a, b in itertools.pairwise(rows) for c, d in itertools.pairwise(cols)]


def _known(found: Sequence[Shift | None]) -> list[Shift]:
    return [shift for shift in found if shift is not None]


def _largest(found: Sequence[Shift]) -> float:
    return float(np.max([math.hypot(*shift) for shift in found]))


def _no_structure(evidence: Evidence) -> str:
    return "the image has too little structure to see a shift by" if evidence.usable.any() else nothing_usable(evidence)
