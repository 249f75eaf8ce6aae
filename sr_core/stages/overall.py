"""What is known of a whole upscaled image from the pass that made it: kept band by band, so that a run that goes on knows it, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import Window, even_windows
from sr_core.records import Record
from sr_core.stages.regions import enlarge_mask

if TYPE_CHECKING:
    from sr_core.stages.bands import Band
    from sr_core.trust.verdict import CheckResult

SIDE = 128  # LR px of a window that may be checked; where a band has fewer rows it is wider, up to twice as wide
CHECKED = 16  # windows of an image in which the written result is read back and checked, at most
BEYOND = 2  # LR pixels around a checked window that are looked at, too: so the lines between bands lie inside
FEWEST = 4  # windows: as many are checked in any image that has them
SHARE = 8  # beyond these, one window in so many is checked


class SeenWindow(Record):
    """A window of the LR grid that holds valid pixels.

    Attributes
    ----------
    rms, largest : of |y - A z| in it (physical unit).
    claimed, half_width : how many of its values were given an interval, and the mean of their half-widths (physical unit).
    """

    window: Window
    rms: float
    largest: float
    claimed: int = 0
    half_width: float = 0.0


class BandNote(Record):
    """What the residual y - A z of a band comes to, over all of its valid values.

    Attributes
    ----------
    values : number of valid values.
    squares, largest : sum of squares, and largest |y - A z| (physical unit).
    above : values with |y - A z| over half a step of the file.
    windows : those that hold valid pixels.
    """

    values: int = 0
    squares: float = 0.0
    largest: float = 0.0
    above: int = 0
    windows: tuple[SeenWindow, ...] = ()


def note_of(band: Band, step: float) -> BandNote:
    """Sum up a band that comes with its residual; `step` is the quantisation step of the file (0: floating point)."""
    assert band.residual is not None
    values, squares, above, seen = 0, 0.0, 0, []
    for window in cells(band.window):
        rows, cols = window.inside(band.window).slices()
        size = np.abs(band.residual[:, rows, cols][:, band.lr.mask[rows, cols]], dtype=np.float64)
        if not size.size:
            continue
        total = float(np.sum(size**2))
        values, squares, above = values + size.size, squares + total, above + int(np.count_nonzero(size > step / 2))
        claimed, wide = _interval(band, window)
        rms, most = math.sqrt(total / size.size), float(size.max())
        seen.append(SeenWindow(window=window, rms=rms, largest=most, claimed=claimed, half_width=wide))
    largest = max((s.largest for s in seen), default=0.0)
    return BandNote(values=values, squares=squares, largest=largest, above=above, windows=tuple(seen))


def cells(area: Window) -> list[Window]:
    """Cut an image, or a band of it, into the windows that may be checked: of at most 128 x 128 LR px, of 256 columns in low bands."""
    return list(even_windows(area, SIDE, min(2 * SIDE, SIDE * SIDE // min(SIDE, area.height))))


def checked(windows: int) -> int:
    """Give how many of an image's windows are checked: an eighth of them, 4 to 16."""
    return min(windows, CHECKED, max(FEWEST, windows // SHARE))


def _interval(band: Band, window: Window) -> tuple[int, float]:
    """Count the values of a window that have an interval, and give the mean of their half-widths."""
    scale = band.sr.shape[2] // band.window.width
    inside = window.inside(band.window)
    rows, cols = inside.slices()
    width = band.half_width[(slice(None), *inside.scaled(scale).slices())]
    known = np.isfinite(width) & enlarge_mask(band.lr.mask[rows, cols], (scale, scale))
    count = int(np.count_nonzero(known))
    return count, float(np.sum(width, where=known, dtype=np.float64)) / count if count else 0.0


def chosen(notes: Sequence[BandNote]) -> list[Window]:
    """Choose the windows that are checked: half of them spread over the image, the others where the residual is largest.

    Returns
    -------
    An eighth of the image's windows, 4 to 16, from top to bottom; none if no pixel is valid.
    """
    seen = [window for note in notes for window in note.windows]
    count = checked(len(seen))
    if len(seen) <= count:
        return [s.window for s in seen]
    quarter = count // 4
    picked = {s.window for s in seen[:: -(-len(seen) // (count - 2 * quarter))]}
    for size in ("rms", "largest"):
        rest = sorted((s for s in seen if s.window not in picked), key=lambda s: (-getattr(s, size), s.window))
        picked |= {s.window for s in rest[:quarter]}
    return sorted(picked)


def overall_figures(notes: Sequence[BandNote], clipped: int, step: float, unit: str) -> tuple[CheckResult, ...]:
    """Give the figures of the whole image. They have no limits: valid pixels at an end of the range or beside nodata are among them.

    Parameters
    ----------
    clipped : values that the file's encoding cut to its range; shown if there are any.
    step : quantisation step of the file, 0 for floating point.
    unit : physical unit of the residuals.
    """
    values = sum(note.values for note in notes)
    figures: list[CheckResult] = []
    if values:
        everywhere = f"over all {values} valid values of the image"
        rms, largest = math.sqrt(sum(note.squares for note in notes) / values), max(note.largest for note in notes)
        in_unit, size = ("steps", step) if step else (unit, 1.0)
        figures.append(_figure("whole image: residual rms", rms / size, in_unit, everywhere))
        figures.append(_figure("whole image: residual max", largest / size, in_unit, everywhere))
        if step:
            share = sum(note.above for note in notes) / values
            figures.append(_figure("whole image: residual over half a step", share, "", f"share of the values, {everywhere}"))
    if clipped:
        figures.append(
            _figure("whole image: cut to the file's range", float(clipped), "values", "more than the file can hold was asked for")
        )
    return tuple(figures)


def _figure(name: str, value: float, unit: str, sentence: str) -> CheckResult:
    from sr_core.trust.verdict import CheckResult

    return CheckResult(
        name=name, value=value, unit=unit, threshold=None, threshold_source="information", severity="warn", outcome="pass",
        sentence=sentence, required=False,
    )  # fmt: skip
