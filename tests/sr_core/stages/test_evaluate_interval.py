"""Evaluate keeps what the interval held on each test region, and how wide the champion's is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy import Run, ToyDomain

from sr_core.log import Silent
from sr_core.report.content import ReportContent
from sr_core.stages.evaluate import PICTURES, evaluate, load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.package import REPORT, package
from sr_core.trust.calibration import Calibration
from sr_core.trust.held import held_shares
from sr_core.workspace import Workspace


def test_what_the_interval_held_is_what_the_pictures_show(run: Run) -> None:
    content = load_evaluation(run.evaluation)
    calibration = Calibration.from_json((run.calibrated.path / "calibration.json").read_text(), "here")
    assert content.champion_claim is None and calibration.multiplier is not None
    for region in content.regions:
        assert region.held is not None and region.coverage is not None and region.champion_width is None
        with np.load(run.evaluation.path / PICTURES / f"{region.region.name}.npz") as images:
            values = int(images["mask"].sum()) * len(images["sr"])
        assert sum(region.held.counts) == values == sum(b.pixels for b in region.held.bins)
        assert sum(b.held for b in region.held.bins) / values == pytest.approx(region.coverage, abs=2 / values)
        ends = held_shares(region.held)
        below = ends[ends <= region.coverage + 1e-9]
        assert region.coverage - below[-1] < 0.05  # the histogram's own share, to a cell
        assert len(region.to_json()) < 30_000


def test_the_champions_width_is_measured_on_the_same_regions(run: Run) -> None:
    recipe = ToyDomain().recipe()
    with_ = {"recipe": recipe, "workspace": run.workspace, "log": Silent()}
    beside = evaluate(ToyDomain(), run.manifest, run.calibrated, champion=run.calibrated.path, **with_)
    content = load_evaluation(beside)
    assert content.champion_claim == content.claim
    assert [r.champion_width for r in content.regions] == [r.mean_width for r in content.regions]
    decision = gate(ToyDomain(), beside, family="edsr", approved_by=None, champion_level=content.claim.level, log=Silent())
    assert "wider" not in decision.sentence


def test_the_packaged_report_shows_the_interval(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_core.report import html

    seen: list[ReportContent] = []
    plain = html.build_report
    monkeypatch.setattr(html, "build_report", lambda target, content: (seen.append(content), plain(target, content))[1])
    decision = gate(ToyDomain(), run.evaluation, family="edsr", approved_by=None, champion_level=None, log=Silent())
    made = package(run.calibrated, run.evaluation, decision, workspace=Workspace(tmp_path), log=Silent())
    text = (made.path / REPORT).read_text("utf-8")
    assert "What the interval held" in text and "Reliability diagram: nominal against observed coverage" in text
    assert seen[0].calibration is not None and seen[0].calibration.digest() == seen[0].evaluation.claim.calibration
