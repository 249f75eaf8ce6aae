"""Figures as inline SVG: training curves and paired gains. Colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from sr_core.report.pictures import number

WIDTH, HEIGHT = 520, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 28
ROW = 42  # px a row of the gain chart


@dataclass(frozen=True)
class Panel:
    """One chart with its heading."""

    heading: str
    last: str
    svg: Markup


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


def curves(points: Sequence[tuple[str, int, float]]) -> tuple[Panel, ...]:
    """Draw one small chart for each named value over steps; values that are not finite are left out.

    Parameters
    ----------
    points : (name, step, value) in any order.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for name, step, value in points:
        if math.isfinite(value):
            series.setdefault(name, []).append((step, value))
    panels = []
    for name, values in series.items():
        values.sort()
        if len(values) > 1:
            panels.append(Panel(name, number(values[-1][1], 4), _line(name, values)))
    return tuple(panels)


def _line(name: str, values: Sequence[tuple[int, float]]) -> Markup:
    steps = [float(s) for s, _ in values]
    heights = [v for _, v in values]
    low, high = min(heights), max(heights)
    margin = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin

    def x(step: float) -> float:
        return LEFT + (step - steps[0]) / (steps[-1] - steps[0] or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)} over training steps">']
    for value in ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{number(value, 4)}</text>')
    for step in ticks(steps[0], steps[-1], 5):
        parts.append(f'<text class="tick" x="{x(step):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{step:.0f}</text>')
    path = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in values)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    parts.append(f'<circle class="mark" cx="{x(steps[-1]):.1f}" cy="{y(heights[-1]):.1f}" r="3.5"/></svg>')
    return Markup("".join(parts))


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
