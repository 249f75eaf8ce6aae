"""Tables: the worst counts, the best is marked, and a group is told apart from a region."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from sr_core.evaluation import Evaluation
from sr_core.records import Group
from sr_core.report.content import ReportContent
from sr_core.report.tables import (
    check_rows,
    decimals,
    gain_sentences,
    known_coverage,
    largest_errors_sentence,
    method_rows,
    percent,
    region_rows,
    summary,
)
from sr_core.trust.verdict import MADE_UP, judge

Maker = Callable[..., ReportContent]


@pytest.mark.parametrize(
    ("regions", "failing", "status", "sentence"),
    [
        (1, False, "pass", "The one test region passed."),
        (3, False, "pass", "All 3 test regions passed."),
        (1, True, "fail", "The one test region failed."),
        (3, True, "fail", "Of 3 test regions 2 passed, 1 failed."),
    ],
)
def test_the_worst_region_decides(content: Maker, regions: int, failing: bool, status: str, sentence: str) -> None:
    made = summary(content(regions=regions, failing=failing).evaluation)
    assert (made.status, made.sentence, bool(made.reasons)) == (status, sentence, failing)


def test_a_missing_claim_warns_without_repeating_its_text(content: Maker) -> None:
    made = summary(content(interval=False).evaluation)
    assert made.status == "warn" and made.sentence == "All 3 test regions passed with warnings." and made.reasons == ()


def test_best_of_each_column_is_marked(content: Maker) -> None:
    rows = method_rows(content().evaluation)
    assert [r.method for r in rows] == ["bicubic", "projected bicubic", "linear filter", "model"]
    assert [r.mean.best_psnr for r in rows] == [False, False, False, True] and rows[-1].regions[2].psnr == "34.07"


def test_equal_methods_have_no_best(content: Maker) -> None:
    made = content(regions=1).evaluation
    region = made.regions[0]
    same = tuple(m.model_copy(update={"psnr_db": math.inf, "ssim": 1.0}) for m in region.methods)
    rows = method_rows(made.model_copy(update={"regions": (region.model_copy(update={"methods": same}),)}))
    assert not any(r.mean.best_psnr or r.mean.best_ssim for r in rows) and rows[0].mean.psnr == "∞"


def test_checks_show_their_worst_region(content: Maker) -> None:
    rows = {r.name: r for r in check_rows(content(failing=True).evaluation)}
    assert rows["residual max"].outcome == "fail" and rows["residual max"].value == "0.00014" and rows["residual max"].regions == "2 of 3"
    assert rows["NDVI"].regions == "not run" and rows["NDVI"].value == "–" and rows["coverage"].limit == "at least 0.9"


def test_gain_is_counted_by_group_where_groups_are_independent(content: Maker) -> None:
    made = content().evaluation
    assert "better on 3 of 3 regions" in gain_sentences(made)[0]
    regions = tuple(
        r.model_copy(update={"region": r.region.model_copy(update={"group": Group(kind="place", id=str(i // 2))})})
        for i, r in enumerate(made.regions)
    )
    grouped: Evaluation = made.model_copy(update={"one_group": False, "regions": regions})
    assert "better on 2 of 2 places" in gain_sentences(grouped)[0]


def test_figures_without_an_interval(content: Maker) -> None:
    made = content(interval=False).evaluation
    assert region_rows(made)[0].coverage == "–" and largest_errors_sentence(made) == "" and known_coverage(made) == ()
    empty = tuple(r.model_copy(update={"coverage": math.nan, "largest_errors_held": math.nan}) for r in made.regions)
    unknown = made.model_copy(update={"regions": empty})
    assert region_rows(unknown)[0].coverage == "–" and largest_errors_sentence(unknown) == "" and known_coverage(unknown) == ()


def test_writing_of_figures() -> None:
    assert decimals(-0.125, 2) == "−0.12" and decimals(math.inf, 2) == "∞" and percent(0.9314) == "93.1 %" and percent(None) == "–"


def test_a_caution_is_said_once_and_not_for_every_region(content: Maker) -> None:
    made = content().evaluation
    regions = tuple(r.model_copy(update={"verdict": judge(made.claim, r.verdict.checks, cautions=[MADE_UP])}) for r in made.regions)
    said = summary(made.model_copy(update={"regions": regions}))
    assert said.status == "warn" and said.cautions == (MADE_UP,) and said.reasons == ()
    assert summary(made).cautions == ()


def test_the_highest_octave_stands_beside_the_scores_where_it_was_measured(content: Maker) -> None:
    made = content().evaluation
    assert [row.octave for row in method_rows(made)] == ["–"] * 4
    energies = iter((0.5, 0.25, 0.375))
    regions = tuple(
        r.model_copy(
            update={
                "methods": tuple(m.model_copy(update={"octave_energy": next(energies)}) if m.method == "model" else m for m in r.methods)
            }
        )
        for r in made.regions
    )
    assert [row.octave for row in method_rows(made.model_copy(update={"regions": regions}))] == ["–", "–", "–", "0.38"]
