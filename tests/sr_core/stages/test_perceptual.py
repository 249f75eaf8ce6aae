"""A perceptual recipe through the stages: only asked for by name, and said of the model wherever it is described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_bundle import make_bundle
from toy import Run, ToyDomain, run_stages, texture

from sr_core.bundle import Bundle
from sr_core.log import Silent
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.export import metadata
from sr_core.stages.gate import gate
from sr_core.stages.package import package
from sr_core.stages.plan import make_plan
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale
from sr_core.training import adversarial
from sr_core.trust.verdict import MADE_UP

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
    assert f"\n{MADE_UP}\n" in carded(made)
    evaluation = load_evaluation(made.evaluation)
    assert evaluation.perceptual and evaluation.purpose == "perceptual" and evaluation.pixel_champion is None
    for region in evaluation.regions:
        # What is delivered is projected like any other: made-up texture lies where the measurement cannot see.
        assert region.residual_rms <= 0.15 * 0.001
        assert region.verdict.status == "warn" and region.verdict.sentence.endswith(MADE_UP)
        assert all(score.octave_energy is not None and 0 < score.octave_energy < 3 for score in region.methods)


def test_others_are_for_fidelity(run: Run) -> None:
    assert not Bundle.load(run.bundle.path).card.perceptual
    assert "- Purpose: fidelity\n" in carded(run) and MADE_UP not in carded(run)
    evaluation = load_evaluation(run.evaluation)
    assert not evaluation.perceptual and evaluation.purpose == "fidelity"
    assert not any(region.verdict.cautions for region in evaluation.regions)


def test_the_champion_for_fidelity_is_measured_on_the_same_regions(run: Run) -> None:
    domain = ToyDomain()
    settings = {"recipe": domain.recipe(), "workspace": run.workspace, "log": Silent()}
    same = load_evaluation(evaluate(domain, run.manifest, run.calibrated, champion=None, pixel_champion=run.calibrated.path, **settings))
    assert same.methods()[-1] == "pixel champion" and same.pixel_champion == same.bundle and same.champion is None
    for region in same.regions:
        model, pixel = region.score("model"), region.score("pixel champion")
        assert model and pixel and model.model_copy(update={"method": "pixel champion"}) == pixel
    assert set(same.octave_gain("pixel champion").values()) == {0.0}


def test_every_image_says_it(tmp_path: Path) -> None:
    """In the verdict, in the file's tags, and in the key: no row of another model is taken for one of this."""
    np.save(tmp_path / "lr.npy", texture(60, 50))
    (source,), _ = ToyDomain().discover([tmp_path / "lr.npy"], Silent())
    plans = {}
    for name in ("perceptual", "plain"):
        restorer = Restorer(make_bundle(tmp_path / name, perceptual=name == "perceptual"))
        done = upscale(ToyDomain(), source, restorer, tmp_path / f"{name}.npz", log=Silent())
        assert (MADE_UP in done.verdict.sentence) is (name == "perceptual")
        with ToyDomain().open(source) as scene:
            plans[name] = make_plan(ToyDomain(), source, scene, restorer, tmp_path / "x.npz")
    assert plans["perceptual"].tags["SR_CAUTION"] == MADE_UP and "SR_CAUTION" not in plans["plain"].tags
    assert plans["perceptual"].key != plans["plain"].key


def test_an_exported_network_says_it(tmp_path: Path) -> None:
    said, plain = (metadata(Bundle.load(make_bundle(tmp_path / str(made_up), perceptual=made_up))) for made_up in (True, False))
    assert said["caution"] == MADE_UP and "caution" not in plain
