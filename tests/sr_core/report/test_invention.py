"""What is invented and left out, in the report's words: by value, absent with its reason, silent for older evaluations."""

from __future__ import annotations

from collections.abc import Callable

from sr_core.evaluation import Evaluation
from sr_core.report.content import ReportContent
from sr_core.report.html import render
from sr_core.report.invention import invention_sentences, invention_table
from sr_core.trust.hallucination_truth import Correctness, ErrorSplit
from sr_core.trust.invention import CreatedObjects, Invention
from sr_core.trust.planted import PlantedObjects, PlantedPlace, RecoveryCurve

Maker = Callable[..., ReportContent]


def planted(fwhm: float, *recoveries: float) -> PlantedObjects:
    places = tuple(PlantedPlace(row=9 * n, col=5, recovery=r, bicubic=0.8) for n, r in enumerate(recoveries))
    return PlantedObjects(fwhm=fwhm, amplitude=0.05, places=places, side_effect=0.01)


def known(half: float | None = 2.25) -> Invention:
    return Invention(
        split=ErrorSplit(measured_rms=(0.003, 0.003), null_rms=(0.004, 0.004), pixels=900),
        shares=Correctness(improvement=0.5, omission=0.3, synthesis=0.2, pixels=90),
        planted=RecoveryCurve(sizes=(planted(1.5, 0.3, 0.9), planted(3.0, 0.7, 0.7)), size_at_half=half, bicubic_size_at_half=1.5),
        created=(CreatedObjects(fwhm=1.5, objects=4, bicubic=9, times=2.46, where=(3, 4)),),
        hidden="Row 3, column 4, where the interval is widest: An object of 3 px weaker than 0.02 reflectance cannot be excluded here.",
    )


def absent() -> Invention:
    return Invention(
        split=ErrorSplit(absent="box x2 is too ill-conditioned to be inverted, so the guessed part is unknown"),
        shares=Correctness(absent="the region is too small: 20 px"), planted_absent="objects are planted in at most 4 regions",
    )  # fmt: skip


def with_(evaluation: Evaluation, *inventions: Invention) -> Evaluation:
    regions = zip(evaluation.regions, (*inventions, *[None] * 9), strict=False)
    return evaluation.model_copy(update={"regions": tuple(r.model_copy(update={"invention": i}) for r, i in regions)})


def test_sentences_and_row_by_value(content: Maker) -> None:
    table = invention_table(with_(content(regions=2).evaluation, known(), absent()))
    assert table is not None and len(table.rows) == 2
    assert table.sentences == (
        "Of the model's error, 64.0 % (in energy) lies in detail that the measurement cannot see: 0.004 reflectance rms there, "
        "0.003 reflectance in what it can.",
        "4 small objects were planted in 1 region: 1 of them were erased; half of an object comes through from 2.2 px (width at half "
        "height) on.",
        known().hidden,
    )
    first, second = table.rows
    assert (first.measured, first.unseen, first.improvement, first.omission, first.synthesis) == (
        "0.003",
        "0.004",
        "50.0 %",
        "30.0 %",
        "20.0 %",
    )
    assert (first.half, first.bicubic_half, first.erased, first.created, first.why) == ("2.2 px", "≤ 1.5 px", "1 of 4", "2.5 ×", "")
    assert {second.measured, second.improvement, second.half, second.erased, second.created} == {"–"}
    assert "ill-conditioned" in second.why and "too small" in second.why and "at most 4 regions" in second.why


def test_what_cannot_be_told_is_said(content: Maker) -> None:
    (sentence,) = invention_sentences(with_(content(regions=1).evaluation, absent()))
    assert sentence.startswith("What is measured and what is guessed is not told apart: box x2 is too ill-conditioned")
    assert "less than half came through" in invention_sentences(with_(content(regions=1).evaluation, known(half=None)))[1]


def test_an_older_evaluation_has_no_table(content: Maker) -> None:
    made = content(regions=1)
    assert invention_table(made.evaluation) is None and invention_sentences(made.evaluation) == ()
    assert "What it invents" not in render(made, 96)
