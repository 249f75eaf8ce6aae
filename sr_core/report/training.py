"""How training went, for the report: every phase's curves, and what the guard decided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sr_core.bundle import BundleCard, Curve, CurvePoint
from sr_core.report.charts import Level, Line, chart
from sr_core.report.pictures import number

RATE, NORM = "Learning rate", "Gradient norm"
TERMS = ("pixel", "adversarial", "matching", "texture", "consistency", "gradient", "frequency", "spectrum", "content", "variation")


@dataclass(frozen=True)
class Key:
    """What a line of a chart is: its style, and its name with its last value."""

    style: str
    words: str


@dataclass(frozen=True)
class Panel:
    """One chart with its heading and keys."""

    heading: str
    keys: tuple[Key, ...]
    svg: Markup


@dataclass(frozen=True)
class PhaseCharts:
    """The charts of one phase of training."""

    heading: str
    sentence: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class _Plot:
    """What a chart shows: the metrics' names with their labels, and the name of the vertical axis."""

    heading: str
    up: str
    labels: dict[str, str]


def _usual(curve: str) -> tuple[_Plot, ...]:
    return (
        _Plot("Loss", "loss", {f"{curve}/loss": "mean since the last point"}),
        _Plot(RATE, "rate", {f"{curve}/rate": "peak rate times schedule"}),
        _Plot(NORM, "norm", {f"{curve}/gradient_norm": "before clipping"}),
    )


PHASES: tuple[tuple[str, str, tuple[_Plot, ...]], ...] = (
    (
        "Pixel phase", "The network learns what the fitted linear filter leaves. An L1 loss of 1 means that it adds nothing.",
        (_Plot("PSNR on the validation images", "PSNR in dB", {"val/psnr_db": "network"}), *_usual("train")),
    ),
    (
        "Adversarial phase", "The network goes on against a discriminator: texture for PSNR.",
        (
            _Plot("PSNR on the validation images", "PSNR in dB", {"adversarial/psnr_db": "network"}),
            _Plot("Energy in the highest octave of frequency", "share of the truth's", {"adversarial/octave_energy": "network"}),
            _Plot("Patches that the discriminator tells right", "share",
                  {"adversarial/accuracy_real": "true patches", "adversarial/accuracy_fake": "made patches"}),
            _Plot("Terms of the loss before their weights", "loss", {f"adversarial/{name}": name for name in TERMS}),
            _Plot("Loss of the discriminator", "loss", {"adversarial/discriminator_loss": "mean since the last point"}),
            *_usual("adversarial"),
        ),
    ),
    ("Spread phase", "The head that says how large errors are learns on the finished network.", _usual("spread")),
)  # fmt: skip
TOLD_OTHERWISE = ("val/gain_over_bicubic_db", "val/gain_over_linear_db")  # they are the levels beside the PSNR


def phase_charts(curve: Curve) -> tuple[PhaseCharts, ...]:
    """Draw the curves of every phase; names that no chart knows get one each at the end. Values that are not finite are left out."""
    series: dict[str, list[tuple[int, float]]] = {}
    for point in curve.points:
        if math.isfinite(point.value):
            series.setdefault(point.name, []).append((point.step, point.value))
    for points in series.values():
        points.sort()
    found = []
    for heading, sentence, plots in PHASES:
        panels = [_panel(plot, series, _levels(plot, curve.points)) for plot in plots]
        found.append(PhaseCharts(heading, sentence, tuple(panel for panel in panels if panel is not None)))
    known = {name for _, _, plots in PHASES for plot in plots for name in plot.labels} | set(TOLD_OTHERWISE)
    others = [_panel(_Plot(name, "value", {name: "value"}), series, ()) for name in series if name not in known]
    found.append(PhaseCharts("Other figures", "", tuple(panel for panel in others if panel is not None)))
    return tuple(phase for phase in found if phase.panels)


def guard_sentence(card: BundleCard, curve: Curve) -> str:
    """Say how network and filter compared on the validation images, and which of them is the model; nothing where no curve was kept."""
    if card.recipe.network.family == "linear":
        return "The recipe asks for the fitted linear filter; no network was trained."
    if not curve.points:
        return ""
    base = _baselines(curve.points)
    psnr = _last(curve.points, "val/psnr_db")
    if base is None or psnr is None:
        return "There were no validation images: nothing compared the network with the fitted linear filter."
    bicubic, linear = base
    ended = (
        f"at the last validation the network had {psnr.value:.2f} dB, the fitted linear filter {linear:.2f} dB, bicubic {bicubic:.2f} dB"
    )
    if card.descriptor.family == "linear":
        return f"The guard chose the filter, since the network did not beat it: {ended}."
    kept = f"The guard kept the network: {ended}."
    if card.recipe.purpose == "fidelity":
        return kept
    cost = _last(curve.points, "adversarial/psnr_db")
    if not card.perceptual or cost is None:
        after = (
            "The adversarial phase's network is the model." if card.perceptual else "The adversarial phase gained nothing and was left out."
        )
        return f"{kept} {after}"
    return f"{kept} The adversarial phase's network is the model, {psnr.value - cost.value:.2f} dB below that."


def _panel(plot: _Plot, series: dict[str, list[tuple[int, float]]], levels: Sequence[Level]) -> Panel | None:
    lines = [Line(label, series[name]) for name, label in plot.labels.items() if name in series]
    if not lines or (not levels and all(len(line.points) < 2 for line in lines)):
        return None
    keys = [Key(f"line-{i}", f"{line.label}, ends at {number(line.points[-1][1], 4)}") for i, line in enumerate(lines)]
    keys += [Key(f"level-{i}", f"{level.label}, {number(level.value, 4)}") for i, level in enumerate(levels)]
    return Panel(plot.heading, tuple(keys), chart(plot.heading, plot.up, lines, levels))


def _levels(plot: _Plot, points: Sequence[CurvePoint]) -> tuple[Level, ...]:
    if "adversarial/octave_energy" in plot.labels:
        return (Level("the truth", 1.0),)
    base = _baselines(points)
    if plot.up != "PSNR in dB" or base is None:
        return ()
    levels = (Level("bicubic", base[0]), Level("linear filter", base[1]))
    pixel = _last(points, "val/psnr_db")
    return (*levels, Level("pixel phase's network", pixel.value)) if "adversarial/psnr_db" in plot.labels and pixel else levels


def _baselines(points: Sequence[CurvePoint]) -> tuple[float, float] | None:
    """Give PSNR of bicubic and of the filter on the validation images, from the network's and its gains over them."""
    last = [_last(points, f"val/{name}") for name in ("psnr_db", "gain_over_bicubic_db", "gain_over_linear_db")]
    values = [point.value for point in last if point is not None and math.isfinite(point.value)]
    return (values[0] - values[1], values[0] - values[2]) if len(values) == 3 else None


def _last(points: Sequence[CurvePoint], name: str) -> CurvePoint | None:
    return next((point for point in reversed(points) if point.name == name), None)
