"""Values and spatial frequencies before and after a degradation: histograms and radial power spectra, as numbers and as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from sr_core.raster import Float32Array
from sr_core.report.charts import ticks
from sr_core.report.pictures import number

Values = npt.NDArray[np.float64]
BINS = 32
FLOOR = 1e-9  # share of the largest power below which nothing is drawn: rounding of float32
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALL, LARGE = (320, 170), (520, 250)  # px of the drawing area
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 42


@dataclass(frozen=True)
class Line:
    """One curve: a name, the style class that draws it ("before" or "after"), and its points."""

    name: str
    style: str
    x: Values
    y: Values


def histograms(before: Sequence[Float32Array], after: Sequence[Float32Array]) -> tuple[Line, Line]:
    """Give the share of values in each of 32 bins of one common range (percentiles 0.2 to 99.8 of the reference).

    Parameters
    ----------
    before, after : HR and LR pictures, float32 (C, H, W), physical unit. Values beyond the range count in the end bins.
    """
    left, right = (np.concatenate([x.ravel() for x in part]).astype(np.float64) for part in (before, after))
    low, high = np.percentile(left, (0.2, 99.8))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    edges = np.linspace(low, high, BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    counts = [np.histogram(np.clip(values, low, high), edges)[0] / values.size for values in (left, right)]
    return Line("before (HR)", "before", centres, counts[0]), Line("after (LR)", "after", centres, counts[1])


def radial_power(pictures: Sequence[Float32Array], spacing: int = 1) -> tuple[Values, Values]:
    """Give the mean power of pictures of one shape by spatial frequency.

    Parameters
    ----------
    pictures : float32 (C, H, W), physical unit; finite.
    spacing : HR pixels per pixel.

    Returns
    -------
    frequencies : float64 (n,), cycles per HR pixel, up to 0.5 / spacing (the grid's Nyquist frequency).
    power : float64 (n,), unit^2 per (cycle per HR pixel)^2; a scene sampled coarsely without blur keeps it.

    Notes
    -----
    Each band's mean is taken out and a Hann window laid over it; powers are averaged over bands, pictures and rings.
    """
    height, width = pictures[0].shape[1:]
    window = np.outer(_hann(height), _hann(width))
    total = np.zeros((height, width))
    bands = 0
    for picture in pictures:
        centred = picture.astype(np.float64) - picture.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        total += (np.abs(np.fft.fft2(centred * window)) ** 2).sum(axis=0)
        bands += picture.shape[0]
    power = total / bands * spacing**2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]) / spacing
    rings = max(1, min(height, width) // 2)
    edges = np.linspace(0, 0.5 / spacing, rings + 1)
    edges[0] = np.finfo(np.float64).tiny  # the mean was taken out
    which = np.digitize(radius, edges)
    counts = np.bincount(which.ravel(), minlength=rings + 2)[1 : rings + 1]
    sums = np.bincount(which.ravel(), power.ravel(), minlength=rings + 2)[1 : rings + 1]
    places = np.bincount(which.ravel(), radius.ravel(), minlength=rings + 2)[1 : rings + 1]
    full = counts > 0
    return places[full] / counts[full], sums[full] / counts[full]


def spectra(before: Sequence[Float32Array], after: Sequence[Float32Array]) -> tuple[Line, Line]:
    """Give log10 power by frequency of HR pictures and of their LR pictures (smaller by a whole number, or of one size)."""
    spacing = before[0].shape[1] // after[0].shape[1]
    (f_hr, p_hr), (f_lr, p_lr) = radial_power(before), radial_power(after, spacing)
    floor = max(float(p_hr.max(initial=0)), float(p_lr.max(initial=0))) * FLOOR or 1.0
    left, right = np.log10(np.maximum(p_hr, floor)), np.log10(np.maximum(p_lr, floor))
    return Line("before (HR)", "before", f_hr, left), Line("after (LR)", "after", f_lr, right)


def share_beyond(pictures: Sequence[Float32Array], scale: int) -> float:
    """Give the share of the pictures' power at row or column frequencies above the Nyquist frequency of the LR grid; 0 if flat."""
    inside = total = 0.0
    for picture in pictures:
        height, width = picture.shape[1:]
        centred = picture.astype(np.float64) - picture.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        power = (np.abs(np.fft.fft2(centred * np.outer(_hann(height), _hann(width)))) ** 2).sum(axis=0)
        rows, cols = np.abs(np.fft.fftfreq(height))[:, None], np.abs(np.fft.fftfreq(width))[None]
        inside += float(power[(rows <= 0.5 / scale) & (cols <= 0.5 / scale)].sum())
        total += float(power.sum())
    return 1 - inside / total if total else 0.0


def chart(
    lines: Sequence[Line], label: str, x_title: str, *, large: bool = False, powers: bool = False, mark: float | None = None
) -> Markup:
    """Draw curves over one another.

    Parameters
    ----------
    lines : what is drawn.
    label : the whole chart in words, for those who cannot see it.
    x_title : under the axis.
    large : the size of the summary rather than of one pair.
    powers : y is a power of ten.
    mark : x of a vertical line, the LR grid's Nyquist frequency.
    """
    width, height = LARGE if large else SMALL
    every_x, every_y = (np.concatenate([getattr(line, axis) for line in lines]) for axis in "xy")
    x_low, x_high = (0.0, 0.5) if powers else (float(every_x.min()), float(every_x.max()))
    y_low, y_high = (math.floor(every_y.min()), math.ceil(every_y.max())) if powers else (0.0, float(every_y.max()) * 1.06)
    x_high, y_high = (high if high > low else low + 1.0 for low, high in ((x_low, x_high), (y_low, y_high)))

    def x(value: float) -> float:
        return LEFT + (value - x_low) / (x_high - x_low) * (width - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (y_high - value) / (y_high - y_low) * (height - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">']
    for value in [v for v in ticks(y_low, y_high, 4) if not powers or v == round(v)]:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        text = f"10{str(round(value)).translate(RAISED)}" if powers else f"{100 * value:.3g} %"
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    for value in ticks(x_low, x_high, 5 if large else 4):
        parts.append(f'<text x="{x(value):.1f}" y="{height - BOTTOM + 17}" text-anchor="middle">{number(value)}</text>')
    parts.append(f'<text x="{(LEFT + width - RIGHT) / 2:.0f}" y="{height - 6}" text-anchor="middle">{escape(x_title)}</text>')
    if mark is not None:
        parts.append(f'<line class="nyquist" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
    for line in lines:
        points = " ".join(f"{x(float(a)):.1f},{y(float(b)):.1f}" for a, b in zip(line.x, line.y, strict=True))
        parts.append(f'<polyline class="{line.style}" points="{points}"/>')
    return Markup("".join(parts) + "</svg>")


def _hann(size: int) -> Values:
    """Hann window without zeros at its ends."""
    return np.asarray(np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2, dtype=np.float64)
