"""A perceptual recipe through the stages: only asked for by name, and said of the model wherever it is described."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import Run, ToyDomain, run_stages

from sr_core.bundle import Bundle
from sr_core.log import Silent
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.package import package
from sr_core.training import adversarial

SETTINGS = {"purpose": "perceptual", "adversarial.steps": 6, "adversarial.width": 4, "training.steps": 40, "training.rate": 5e-3}


def carded(run: Run) -> str:
    decision = gate(ToyDomain(), run.evaluation, family=run.bundle.family, approved_by=None, champion_level=None, log=Silent())
    made = package(run.calibrated, run.evaluation, decision, workspace=run.workspace, log=Silent())
    return (made.path / "card.md").read_text()


@pytest.mark.long
def test_the_bundle_says_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "LEAST_GAIN", -9.0)  # six steps gain nothing, and are kept here all the same
    made = run_stages(tmp_path, Silent(), **SETTINGS)
    bundle = Bundle.load(made.bundle.path)
    assert bundle.card.perceptual and bundle.card.recipe.purpose == "perceptual"
    assert not any("discriminator" in name or "judge" in name for name in bundle.net.state_dict()), "the other player is not shipped"
    assert any("not a measurement" in note for note in bundle.card.notes)
    assert "Purpose: texture that looks right" in carded(made)
    # What is delivered is projected like any other: made-up texture lies where the measurement cannot see.
    for region in load_evaluation(made.evaluation).regions:
        assert region.residual_rms <= 0.15 * 0.001


def test_others_are_for_fidelity(run: Run) -> None:
    assert not Bundle.load(run.bundle.path).card.perceptual
    assert "- Purpose: fidelity\n" in carded(run)
