"""The page: content in, one HTML file out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sr_core.errors import OutputError
from sr_core.report.charts import gains, signed
from sr_core.report.content import RegionPictures, ReportContent
from sr_core.report.interval import interval_part
from sr_core.report.invention import invention_table
from sr_core.report.pictures import Map, Picture, composite_bands, error_maps, four_pictures, number, trust_maps, worst_crop
from sr_core.report.tables import (
    check_rows,
    decimals,
    gain_rows,
    gain_sentences,
    known_coverage,
    largest_errors_sentence,
    method_rows,
    percent,
    region_rows,
    summary,
)
from sr_core.report.training import guard_sentence, phase_charts
from sr_core.workspace import write_atomic

MOST_BYTES = 20_000_000
MOST_REGIONS = 6
SIDES = (640, 448, 320, 192, 96)  # HR px of the largest picture: the first that keeps the page below MOST_BYTES


@dataclass(frozen=True)
class Figure:
    """A headline figure: what it is, its value as text, and one line on what it is measured against."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Part:
    """Maps that answer one question, with the question."""

    heading: str
    sentence: str
    maps: tuple[Map, ...]


@dataclass(frozen=True)
class View:
    """One region as it is shown."""

    name: str
    pictures: tuple[Picture, ...]
    parts: tuple[Part, ...]
    note: str

    @property
    def maps(self) -> tuple[Map, ...]:
        """All maps, in the order in which they stand on the page."""
        return tuple(m for part in self.parts for m in part.maps)


def build_report(target: Path, content: ReportContent) -> Path:
    """Write the report of an evaluation.

    Parameters
    ----------
    target : Path
        The HTML file; replaced in one step if it exists.
    content : ReportContent
        What the page says.

    Returns
    -------
    Path
        `target`. The file is at most 20 MB and asks for nothing from outside.

    Raises
    ------
    OutputError
        If the file cannot be written, or does not fit into 20 MB even with small pictures.
    """
    page = b""
    for side in SIDES:
        page = render(content, side).encode("utf-8")
        if len(page) <= MOST_BYTES:
            break
    else:
        raise OutputError(f"a report of {len(page) / 1e6:.0f} MB", f"at most {MOST_BYTES / 1e6:.0f} MB", "Show fewer regions or notes.")
    try:
        write_atomic(target, page)
    except OSError as error:
        raise OutputError(f"report {target} ({error.strerror})", "a place that can be written", "Give another path.") from error
    return target


def render(content: ReportContent, side: int) -> str:
    """Give the page as text, with pictures of at most `side` HR pixels."""
    environment = Environment(
        loader=PackageLoader("sr_core.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    evaluation, card = content.evaluation, content.card
    regions = [worst_crop(region, side) for region in content.regions[:MOST_REGIONS]]
    views = tuple(_view(region, whole, content) for region, whole in zip(regions, content.regions, strict=False))
    shown_bands = [card.bands[i] for i in composite_bands(card.bands)] if card.bands else []
    return environment.get_template("template.html.j2").render(
        content=content, evaluation=evaluation, card=card, claim=evaluation.claim, summary=summary(evaluation), views=views,
        hidden=len(content.regions) - len(views), shown_bands=shown_bands, figures=_figures(content), methods=method_rows(evaluation),
        region_rows=region_rows(evaluation), checks=check_rows(evaluation), gain_chart=gains(gain_rows(evaluation)),
        gain_sentences=gain_sentences(evaluation), largest=largest_errors_sentence(evaluation),
        phases=phase_charts(content.curve), guard=guard_sentence(card, content.curve),
        protocol=evaluation.protocol.describe(), model=_model_words(content),
        has_interval=bool(known_coverage(evaluation)), interval=interval_part(evaluation, content.calibration),
        invention=invention_table(evaluation), promised=percent(1 - evaluation.claim.alpha),
    )  # fmt: skip


def _view(region: RegionPictures, whole: RegionPictures, content: ReportContent) -> View:
    note = ""
    if region.sr.shape != whole.sr.shape:
        shown, full = (f"{r.sr.shape[2]} × {r.sr.shape[1]} px" for r in (region, whole))
        note = f"Shown: the {shown} with the largest errors, of {full}."
    unit = content.evaluation.unit
    parts = (
        Part(
            "What is measured, what is guessed",
            "The line stands where the slider does; each map can be chosen there, too.",
            trust_maps(region, unit),
        ),
        Part("Where it is wrong", "Known here only, because these regions have a reference.", error_maps(region, unit)),
    )
    return View(region.name, four_pictures(region, content.card.bands), parts, note)


def _figures(content: ReportContent) -> tuple[Figure, ...]:
    evaluation = content.evaluation
    regions = evaluation.regions
    model = evaluation.mean_psnr_db("model")
    count = f"mean of {len(regions)} test region{'s' if len(regions) > 1 else ''}"
    figures = [Figure("PSNR of the model", f"{decimals(model, 2)} dB", count)]
    for method in evaluation.methods():
        if method in ("bicubic", "linear filter"):
            other = evaluation.mean_psnr_db(method)
            label = "Gain over bicubic" if method == "bicubic" else "Gain over the linear filter"
            figures.append(Figure(label, f"{signed(model - other)} dB", f"from {decimals(other, 2)} dB"))
    if covered := known_coverage(evaluation):
        aim = f"on the test regions; aimed at {percent(1 - evaluation.claim.alpha)}"
        figures.append(Figure("Pixels inside the interval", percent(sum(covered) / len(covered)), aim))
    agreement, plain = min(r.lr_psnr_db for r in regions), min(r.bicubic_lr_psnr_db for r in regions)
    beside = f"LR-PSNR, worst region; plain bicubic {decimals(plain, 1)} dB"
    figures.append(Figure("Agreement with the measurement", f"{decimals(agreement, 1)} dB", beside))
    sizes = [r.verdict.invisible_size_px for r in regions if r.verdict.invisible_size_px is not None]
    if sizes:
        figures.append(Figure("Smallest vouched size", f"{number(max(sizes))} px", "FWHM on the SR grid that the measurement vouches for"))
    return tuple(figures)


def _model_words(content: ReportContent) -> str:
    net = content.card.descriptor
    bands = "one network for every band" if net.bandwise else f"{net.channels} bands together"
    base = "the fitted linear filter" if net.base == "linear" else "interpolation by the operator"
    body = base if net.family == "linear" else f"{net.describe()} over {base}"
    return f"{body}; {bands}; ×{net.scale}"
