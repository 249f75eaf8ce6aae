"""What the interval held on the test regions: reliability diagram, coverage per group, coverage by spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from sr_core.report.charts import ticks
from sr_core.report.tables import percent
from sr_core.trust.claim import plural
from sr_core.trust.held import Held, calibrated_shares, held_shares, merged

if TYPE_CHECKING:
    from sr_core.evaluation import Evaluation
    from sr_core.trust.calibration import Calibration

LOWEST, HIGHEST = 0.5, 0.99  # nominal shares that the diagram shows
SIDE, LEFT, BOTTOM, EDGE = 340, 52, 42, 26
ROW = 24  # px a group of the coverage chart
MOST_ROWS = 40  # groups drawn one by one; of more, the worst
TOO_LOW = 0.10  # below the promise, in a bin of the spread


@dataclass(frozen=True)
class GroupRow:
    """Coverage of one test group, as text; `short` where it is below the promise."""

    name: str
    regions: int
    coverage: str
    largest: str
    short: bool


@dataclass(frozen=True)
class BinRow:
    """Coverage in one bin of the spread, as text: on the calibration groups and on the test groups; `low` marks a warning."""

    shares: str
    up_to: str
    calibrated: str
    tested: str
    low: bool


@dataclass(frozen=True)
class IntervalPart:
    """All that the page says of the interval on the test regions; charts are empty where nothing was measured."""

    diagram: Markup
    diagram_sentence: str
    groups: Markup
    group_rows: tuple[GroupRow, ...]
    group_sentence: str
    bins: tuple[BinRow, ...]
    bin_sentence: str


def interval_part(evaluation: Evaluation, calibration: Calibration | None) -> IntervalPart | None:
    """Put together what the interval held; None where no region has one."""
    groups = {
        name: tuple(r for r in regions if r.coverage is not None and not math.isnan(r.coverage))
        for name, regions in evaluation.by_group().items()
    }
    groups = {name: regions for name, regions in groups.items() if regions}
    if not groups:
        return None
    coverage = {name: _mean([r.coverage for r in regions]) for name, regions in groups.items()}
    largest = {name: _mean([r.largest_errors_held for r in regions]) for name, regions in groups.items()}
    promised = 1 - evaluation.claim.alpha
    rows = tuple(
        GroupRow(name, len(groups[name]), percent(share), percent(largest[name]), share < promised) for name, share in coverage.items()
    )
    curves = _curves(evaluation, calibration)
    bins = _bin_rows(evaluation, calibration)
    kind = plural(evaluation.claim.group_kind)
    held = sum(not row.short for row in rows)
    return IntervalPart(
        diagram=reliability(curves, promised, _mean(list(coverage.values()))) if curves else Markup(""),
        diagram_sentence=_diagram_sentence(curves, kind),
        groups=coverage_chart(coverage, promised),
        group_rows=rows,
        group_sentence=(
            f"On {held} of {len(rows)} test {kind} the interval held at least the {percent(promised)} of the pixels that it aims at; "
            f"the least is {percent(min(coverage.values()))}."
        ),
        bins=bins,
        bin_sentence=_bin_sentence(bins, promised),
    )


@dataclass(frozen=True)
class Curves:
    """Observed coverage, a line each over the nominal one: `pooled` and one a group; shares 0..1, at the same points."""

    nominal: tuple[float, ...]
    pooled: tuple[float, ...]
    groups: dict[str, tuple[float, ...]]


def _curves(evaluation: Evaluation, calibration: Calibration | None) -> Curves | None:
    """Read both shares at the end of every cell of the histograms: no interpolation, no level chosen by us."""
    known = {
        name: merged(parts) for name, regions in evaluation.by_group().items() if (parts := [r.held for r in regions if r.held is not None])
    }
    if not known or calibration is None or not calibration.histogram_counts:
        return None
    nominal = calibrated_shares(calibration)
    shown = np.flatnonzero((nominal >= LOWEST) & (nominal <= HIGHEST))
    if shown.size < 2:
        return None

    def line(held: Held) -> tuple[float, ...]:
        return tuple(float(v) for v in held_shares(held)[shown])

    return Curves(tuple(float(v) for v in nominal[shown]), line(merged(known.values())), {name: line(held) for name, held in known.items()})


def reliability(curves: Curves, promised: float, delivered: float) -> Markup:
    """Draw observed over nominal coverage: the diagonal, a thin line a group, a thick one of all, and the interval as delivered.

    Parameters
    ----------
    curves : see `Curves`.
    promised, delivered : share that the delivered interval aims at, and the mean of what it held.
    """
    low = max(0.0, min([LOWEST, delivered, *curves.pooled, *(v for line in curves.groups.values() for v in line)]) - 0.02)

    def x(share: float) -> float:
        return LEFT + (share - LOWEST) / (1 - LOWEST) * (SIDE - LEFT - EDGE)

    def y(share: float) -> float:
        return EDGE + (1 - share) / (1 - low) * (SIDE - EDGE - BOTTOM)

    def path(line: tuple[float, ...]) -> str:
        return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(curves.nominal, line, strict=True))

    label = f"Reliability diagram: nominal against observed coverage; the delivered interval held {percent(delivered)}"
    parts = [f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(label)}">']
    for value in ticks(low, 1.0, 5):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{SIDE - EDGE}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{100 * value:.0f} %</text>')
    for value in ticks(LOWEST, 1.0, 5):
        parts.append(f'<text class="tick" x="{x(value):.1f}" y="{SIDE - 24}" text-anchor="middle">{100 * value:.0f} %</text>')
    parts.append(f'<text class="axis" x="{(LEFT + SIDE - EDGE) / 2:.1f}" y="{SIDE - 7}" text-anchor="middle">nominal</text>')
    parts.append('<text class="axis" x="2" y="13">observed</text>')
    parts.append(f'<line class="zero ideal" x1="{x(LOWEST):.1f}" x2="{x(1.0):.1f}" y1="{y(LOWEST):.1f}" y2="{y(1.0):.1f}"/>')
    parts += [f'<polyline class="thin" points="{path(line)}"/>' for line in curves.groups.values()]
    parts.append(f'<polyline class="thick" points="{path(curves.pooled)}"/>')
    parts.append(f'<rect class="delivered" x="{x(promised) - 5:.1f}" y="{y(delivered) - 5:.1f}" width="10" height="10"/>')
    return Markup("".join(parts) + "</svg>")


def coverage_chart(coverage: dict[str, float], promised: float) -> Markup:
    """Draw the coverage of each group, the lowest first, and the promise as a line across; at most 40 groups."""
    shown = sorted(coverage.items(), key=lambda item: item[1])[:MOST_ROWS]
    low = max(0.0, math.floor(20 * (min(promised, shown[0][1]) - 0.02)) / 20)
    width, left, right = 560, 210, 62
    height = ROW * len(shown) + 44

    def x(share: float) -> float:
        return left + (share - low) / (1 - low) * (width - left - right)

    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Coverage of each test group beside the {percent(promised)} promised">'
    ]
    for value in ticks(low, 1.0, 4):
        parts.append(f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="18" y2="{height - 26}"/>')
        parts.append(f'<text class="tick" x="{x(value):.1f}" y="{height - 10}" text-anchor="middle">{100 * value:.0f} %</text>')
    for i, (name, share) in enumerate(shown):
        y = 20 + ROW * (i + 0.5)
        short = share < promised
        mark = f'<path class="below" d="M{x(share) - 6:.1f} {y - 5:.1f}h12l-6 10z"/>' if short else (
            f'<circle class="above" cx="{x(share):.1f}" cy="{y:.1f}" r="5"/>'
        )  # fmt: skip
        parts.append(f'<text class="label" x="{left - 14}" y="{y + 4:.1f}" text-anchor="end">{escape(_short(name))}</text>')
        parts.append(mark)
        parts.append(f'<text class="value" x="{width - 2}" y="{y + 4:.1f}" text-anchor="end">{percent(share)}</text>')
    parts.append(f'<line class="promise" x1="{x(promised):.1f}" x2="{x(promised):.1f}" y1="16" y2="{height - 26}"/>')
    parts.append(f'<text class="tick" x="{x(promised):.1f}" y="11" text-anchor="middle">promised {percent(promised)}</text>')
    return Markup("".join(parts) + "</svg>")


def _bin_rows(evaluation: Evaluation, calibration: Calibration | None) -> tuple[BinRow, ...]:
    if calibration is None or not calibration.coverage_by_bin:
        return ()
    known = [r.held for r in evaluation.regions if r.held is not None and len(r.held.bins) == len(calibration.coverage_by_bin)]
    tested = merged(known).bins if known else (None,) * len(calibration.coverage_by_bin)
    edge = 1 - evaluation.claim.alpha - TOO_LOW
    rows = []
    for own, there in zip(calibration.coverage_by_bin, tested, strict=True):
        held = there.held / there.pixels if there is not None and there.pixels else math.nan
        rows.append(
            BinRow(
                shares=f"{100 * own.low_share:.0f} to {100 * own.high_share:.0f} %", up_to=f"{own.spread_high:.3g}",
                calibrated=percent(own.coverage), tested=percent(held), low=own.coverage < edge or held < edge,
            )
        )  # fmt: skip
    return tuple(rows)


def _bin_sentence(bins: tuple[BinRow, ...], promised: float) -> str:
    if not bins:
        return ""
    low = [row.shares for row in bins if row.low]
    if not low:
        return f"No bin lies more than 10 percentage points below the {percent(promised)} promised over all pixels."
    edge = percent(promised - TOO_LOW)
    return f"Do not rely on the interval where the spread is among the {'; '.join(low)}: it held less than {edge} there."


def _diagram_sentence(curves: Curves | None, kind: str) -> str:
    if curves is None:
        return ""
    off = max((b - a for a, b in zip(curves.nominal, curves.pooled, strict=True)), key=abs)
    side = "above" if off > 0 else "below"
    return (
        f"Nominal: what an interval of some width held on the calibration {kind}. Observed: what the same held here, at most "
        f"{100 * abs(off):.1f} percentage points {side} it. As delivered, the interval is wide enough for most {kind}, not only for most "
        "pixels, so it lies higher."
    )


def _mean(values: list[float | None]) -> float:
    known = [v for v in values if v is not None and not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


def _short(name: str) -> str:
    return name if len(name) <= 30 else f"{name[:14]}…{name[-14:]}"
