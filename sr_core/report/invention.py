"""What the model invents and what it leaves out, as rows of text and one plain sentence."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sr_core.report.pictures import number
from sr_core.report.tables import percent

if TYPE_CHECKING:
    from sr_core.evaluation import Evaluation
    from sr_core.trust.hallucination_truth import ErrorSplit
    from sr_core.trust.invention import Invention


@dataclass(frozen=True)
class InventionRow:
    """One line of the table, as text: a region, the error's two parts, the three shares, planted objects, objects that are not there."""

    name: str
    measured: str
    unseen: str
    improvement: str
    omission: str
    synthesis: str
    half: str
    bicubic_half: str
    erased: str
    created: str
    why: str


@dataclass(frozen=True)
class InventionTable:
    """The table, what it says in plain words, and on how many regions objects were planted."""

    sentences: tuple[str, ...]
    rows: tuple[InventionRow, ...]


def invention_table(evaluation: Evaluation) -> InventionTable | None:
    """Give the table; None for an evaluation from before it was measured."""
    known = [(r.region.name, r.invention) for r in evaluation.regions if r.invention is not None]
    if not known:
        return None
    return InventionTable(invention_sentences(evaluation), tuple(_row(name, invention) for name, invention in known))


def invention_sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """Say in plain words what is invented and what is left out; nothing for an evaluation from before it was measured."""
    known = [r.invention for r in evaluation.regions if r.invention is not None]
    return tuple(
        sentence for sentence in (_split_sentence(known, evaluation.unit), _planted_sentence(known), _hidden_sentence(known)) if sentence
    )


def _split_sentence(known: list[Invention], unit: str) -> str:
    if not known:
        return ""
    parts = [(_rms(i.split.measured_rms), _rms(i.split.null_rms)) for i in known]
    split = [(measured, unseen) for measured, unseen in parts if measured is not None and unseen is not None]
    if not split:
        return f"What is measured and what is guessed is not told apart: {known[0].split.absent}."
    measured, unseen = (_rms(column) or 0.0 for column in zip(*split, strict=True))
    total = measured**2 + unseen**2
    share = unseen**2 / total if total > 0 else 0.0
    return (
        f"Of the model's error, {percent(share)} (in energy) lies in detail that the measurement cannot see: "
        f"{number(unseen)} {unit} rms there, {number(measured)} {unit} in what it can."
    )


def _planted_sentence(known: list[Invention]) -> str:
    curves = [i.planted for i in known if i.planted is not None and any(size.places for size in i.planted.sizes)]
    if not curves:
        return ""
    erased, objects = (sum(getattr(i, what) for i in known) for what in ("erased", "objects"))
    halves = [c.size_at_half for c in curves]
    sizes = [h for h in halves if h is not None]
    plural = "" if len(curves) == 1 else "s"
    said = f"{objects} small objects were planted in {len(curves)} region{plural}: {erased} of them were erased"
    if len(sizes) == len(halves):
        smallest = curves[0].sizes[0].fwhm
        at_least = max(sizes)
        how = f"from at most {smallest:g} px" if at_least <= smallest else f"from {at_least:.1f} px"
        return f"{said}; half of an object comes through {how} (width at half height) on."
    return f"{said}; of the largest ones, too, less than half came through."


def _hidden_sentence(known: list[Invention]) -> str:
    return next((i.hidden for i in known if i.hidden), "")


def _row(name: str, invention: Invention) -> InventionRow:
    split, shares, planted = invention.split, invention.shares, invention.planted
    times = invention.times
    reasons = dict.fromkeys(reason for reason in (split.absent, shares.absent, invention.planted_absent) if reason)
    tried = planted is not None and invention.objects > 0
    return InventionRow(
        name=name,
        measured=_part(split, "measured_rms"),
        unseen=_part(split, "null_rms"),
        improvement=percent(shares.improvement),
        omission=percent(shares.omission),
        synthesis=percent(shares.synthesis),
        half=_size(planted.size_at_half, planted.sizes[0].fwhm, planted.sizes[-1].fwhm) if tried and planted is not None else "–",
        bicubic_half=_size(planted.bicubic_size_at_half, planted.sizes[0].fwhm, planted.sizes[-1].fwhm)
        if tried and planted is not None
        else "–",
        erased=f"{invention.erased} of {invention.objects}" if tried else "–",
        created="–" if times is None else f"{number(times, 2)} ×",
        why="; ".join(reasons),
    )


def _size(size: float | None, smallest: float, largest: float) -> str:
    if size is None:
        return f"> {largest:g} px"
    return f"≤ {smallest:g} px" if size <= smallest else f"{size:.1f} px"


def _part(split: ErrorSplit, name: str) -> str:
    return number(_rms(getattr(split, name)))


def _rms(values: Iterable[float] | None) -> float | None:
    """Give the root of the mean square, over bands or regions."""
    return None if values is None else statistics.fmean(v**2 for v in values) ** 0.5
