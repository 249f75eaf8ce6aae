"""Reliability diagram, coverage per group, coverage by spread: the numbers given are the numbers drawn."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from sr_core.evaluation import Evaluation
from sr_core.records import Group
from sr_core.report.content import ReportContent
from sr_core.report.html import build_report
from sr_core.report.interval import coverage_chart, interval_part, reliability
from sr_core.trust.calibration import Calibration
from sr_core.trust.held import Bin

Maker = Callable[..., ReportContent]
COVERAGES = (0.931, 0.88, 0.95, 0.79)


def known(content: ReportContent) -> tuple[Evaluation, Calibration]:
    assert content.calibration is not None
    return content.evaluation, content.calibration


def points(svg: str, style: str) -> list[list[tuple[float, float]]]:
    found = re.findall(rf'<polyline class="{style}" points="([^"]+)"', svg)
    return [[(float(a), float(b)) for a, b in (pair.split(",") for pair in line.split())] for line in found]


def widened(content: ReportContent, coverages: tuple[float, ...] = COVERAGES) -> ReportContent:
    """Give the content four places of other coverages."""
    regions = []
    for i, (score, coverage) in enumerate(zip(content.evaluation.regions, coverages, strict=True)):
        place = score.region.model_copy(update={"group": Group(kind="place", id=f"place {i}"), "one_group": False})
        regions.append(score.model_copy(update={"coverage": coverage, "region": place}))
    evaluation = content.evaluation.model_copy(update={"regions": tuple(regions), "one_group": False})
    return dataclasses.replace(content, evaluation=evaluation)


def test_each_group_stands_beside_the_promise(content: Maker) -> None:
    part = interval_part(*known(widened(content(regions=4))))
    assert part is not None
    assert [(row.name, row.coverage, row.short) for row in part.group_rows] == [
        ("place 0", "93.1 %", False), ("place 1", "88.0 %", True), ("place 2", "95.0 %", False), ("place 3", "79.0 %", True),
    ]  # fmt: skip
    assert part.group_sentence.startswith("On 2 of 4 test ") and part.group_sentence.endswith("the least is 79.0 %.")
    assert part.groups.count('class="below"') == 2 and part.groups.count('class="above"') == 2 and "promised 90.0 %" in part.groups
    order = [part.groups.index(f">place {i}<") for i in (3, 1, 0, 2)]
    assert order == sorted(order)  # the lowest first
    ElementTree.fromstring(str(part.groups))


def test_the_diagram_has_a_line_a_group_and_lies_where_the_shares_are(content: Maker) -> None:
    part = interval_part(*known(content(regions=4)))
    assert part is not None
    (thick,), thin = points(part.diagram, "thick"), points(part.diagram, "thin")
    assert len(thin) == 4 and {len(line) for line in thin} == {len(thick)} and len(thick) > 50
    ElementTree.fromstring(str(part.diagram))
    assert "percentage points" in part.diagram_sentence and 'class="delivered"' in part.diagram


def test_points_on_the_diagonal_are_drawn_on_it() -> None:
    from sr_core.report.interval import Curves

    line = tuple(float(v) for v in np.linspace(0.5, 0.99, 20))
    svg = str(reliability(Curves(line, line, {"a": tuple(v - 0.1 for v in line)}), 0.9, 0.95))
    ideal = re.search(r'class="zero ideal" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)" y2="([\d.]+)"', svg)
    assert ideal is not None
    x1, x2, y1, y2 = (float(v) for v in ideal.groups())
    for x, y in points(svg, "thick")[0]:
        assert y == pytest.approx(y1 + (x - x1) / (x2 - x1) * (y2 - y1), abs=0.2)
    for x, y in points(svg, "thin")[0]:
        assert y > y1 + (x - x1) / (x2 - x1) * (y2 - y1) + 10  # below the diagonal: held less than said


def test_a_bin_that_falls_short_is_marked_and_told(content: Maker) -> None:
    evaluation, calibration = known(content(regions=2))
    fine = interval_part(evaluation, calibration)
    assert fine is not None and len(fine.bins) == 7 and not any(row.low for row in fine.bins)
    assert fine.bin_sentence.startswith("No bin lies more than 10 percentage points below the 90.0 %")
    regions = []
    for region in evaluation.regions:
        assert region.held is not None
        hard = Bin(pixels=1000, held=799)
        regions.append(region.model_copy(update={"held": region.held.model_copy(update={"bins": (*region.held.bins[:-1], hard)})}))
    short = interval_part(evaluation.model_copy(update={"regions": tuple(regions)}), calibration)
    assert short is not None and [row.low for row in short.bins] == [False] * 6 + [True]
    assert short.bins[-1].tested == "79.9 %" and "97 to 100 %: it held less than 80.0 % there" in short.bin_sentence


def test_what_was_not_measured_is_not_drawn(content: Maker) -> None:
    evaluation, _ = known(content(regions=2))
    bare = interval_part(evaluation, None)
    assert bare is not None and not bare.diagram and bare.bins == () and bare.groups
    older = evaluation.model_copy(update={"regions": tuple(r.model_copy(update={"held": None}) for r in evaluation.regions)})
    part = interval_part(older, known(content())[1])
    assert part is not None and not part.diagram and part.bins[0].tested == "–"
    assert interval_part(content(interval=False).evaluation, None) is None


def test_many_groups_are_drawn_down_to_the_worst_forty() -> None:
    svg = str(coverage_chart({f"g{i:03d}": 0.85 + 0.001 * i for i in range(100)}, 0.9))
    assert svg.count('class="above"') + svg.count('class="below"') == 40 and ">g000<" in svg and ">g050<" not in svg


def test_the_page_shows_it_with_the_source_of_every_limit(content: Maker, tmp_path: Path) -> None:
    text = build_report(tmp_path / "r.html", widened(content(regions=4))).read_text("utf-8")
    for words in (
        "What the interval held", "On 2 of 4 test", "Coverage of each group", "Where the limit comes from",
        "physical: 0.15 steps of the file", "What is measured, what is guessed", "Of the 1 % largest errors",
    ):  # fmt: skip
        assert words in text
    assert text.index("regions passed") < text.index("What the interval held")
