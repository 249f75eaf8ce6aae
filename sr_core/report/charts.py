"""Figures as inline SVG: lines over steps and paired gains. Colours and dashes come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from sr_core.report.pictures import number

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 66, 12, 28, 40
ROW = 42  # px a row of the gain chart


@dataclass(frozen=True)
class Line:
    """A named value over steps: (step, value), steps in rising order, values finite."""

    label: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Level:
    """A value that does not change, to compare with."""

    label: str
    value: float


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Give round numbers that cover an interval: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def chart(title: str, up: str, lines: Sequence[Line], levels: Sequence[Level] = ()) -> Markup:
    """Draw lines over the steps of a phase, the last point of each marked, and levels across.

    Parameters
    ----------
    title : what is shown, for those who cannot see it.
    up : name of the vertical axis.
    lines : at least one, with at least one point each; line i has the style `line-i`.
    levels : level i has the style `level-i`.
    """
    steps = [float(step) for line in lines for step, _ in line.points]
    values = [value for line in lines for _, value in line.points] + [level.value for level in levels]
    first, last, low, high = min(steps), max(steps), min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)} over the steps of the phase">']
    for value in ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{number(value, 4)}</text>')
    for step in ticks(first, last, 4):
        parts.append(f'<text class="tick" x="{x(step):.1f}" y="{HEIGHT - 24}" text-anchor="middle">{step:.0f}</text>')
    parts.append(f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 7}" text-anchor="middle">step</text>')
    parts.append(f'<text class="axis" x="2" y="13">{escape(up)}</text>')
    for i, level in enumerate(levels):
        parts.append(
            f'<line class="level level-{i}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level.value):.1f}" y2="{y(level.value):.1f}"/>'
        )
    for i, line in enumerate(lines):
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in line.points)
        step, value = line.points[-1]
        parts.append(f'<polyline class="curve line-{i}" points="{path}"/>')
        parts.append(f'<circle class="end line-{i}" cx="{x(step):.1f}" cy="{y(value):.1f}" r="3"/>')
    return Markup("".join(parts) + "</svg>")


def gains(rows: Mapping[str, Sequence[float]]) -> Markup:
    """Draw the model's gain over each reference in dB: a dot a region, a bar at the mean, a line at zero.

    Parameters
    ----------
    rows : reference -> gains in dB; values that are not finite are left out.
    """
    finite = {name: [v for v in values if math.isfinite(v)] for name, values in rows.items()}
    finite = {name: values for name, values in finite.items() if values}
    if not finite:
        return Markup("")
    every = [v for values in finite.values() for v in values]
    low, high = min(0.0, *every), max(0.0, *every)
    margin = (high - low) * 0.08 or 1.0
    low, high = low - margin, high + margin
    width, left = 680, 150
    height = ROW * len(finite) + 34

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 70)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Gain in PSNR over each reference, a dot a region">']
    for value in ticks(low, high, 6):
        style = "zero" if abs(value) < 1e-12 else "grid"
        parts.append(f'<line class="{style}" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="6" y2="{height - 26}"/>')
        parts.append(f'<text class="tick" x="{x(value):.1f}" y="{height - 8}" text-anchor="middle">{number(value)}</text>')
    for i, (name, values) in enumerate(finite.items()):
        y = 6 + ROW * (i + 0.5)
        mean = sum(values) / len(values)
        parts.append(f'<text class="label" x="{left - 14}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="range" x1="{x(min(values)):.1f}" x2="{x(max(values)):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts += [f'<circle class="dot" cx="{x(v):.1f}" cy="{y:.1f}" r="5"/>' for v in values]
        parts.append(f'<line class="mean" x1="{x(mean):.1f}" x2="{x(mean):.1f}" y1="{y - 12:.1f}" y2="{y + 12:.1f}"/>')
        parts.append(f'<text class="value" x="{width - 4}" y="{y + 4:.1f}" text-anchor="end">{signed(mean)}</text>')
    return Markup("".join(parts) + "</svg>")


def signed(value: float, digits: int = 2) -> str:
    """Write a difference in dB with its sign."""
    return number(value) if not math.isfinite(value) else f"{value:+.{digits}f}".replace("-", "−")
