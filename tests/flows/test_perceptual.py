"""A perceptual recipe through the body of the flow, on a toy scene: beside the champion for fidelity, under its own name or under none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy import ENCODING, ToyDomain

from flows import environment, pipeline
from flows.beside import Beside
from flows.console import Notebook
from flows.evidence import model_name
from flows.registry import Registry, Version
from flows.result import FlowResult, Request
from flows.tasks import Work
from flows.tracking import Tracking
from sr_core.bundle import Bundle, Curve
from sr_core.evaluation import Evaluation
from sr_core.log import Silent
from sr_core.networks import build
from sr_core.records import BundleRef
from sr_core.stages.ingest import ingest
from sr_core.training import adversarial
from sr_core.trust.verdict import MADE_UP, Verdict
from sr_core.workspace import Workspace

SETTINGS = {"purpose": "perceptual", "training.steps": 40, "training.rate": 5e-3, "adversarial.steps": 6, "adversarial.width": 4}


@pytest.fixture
def chain(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the flow's body over a workspace, its tasks as plain functions."""
    for name in vars(pipeline):
        if name.endswith("_task"):
            monkeypatch.setattr(pipeline, name, getattr(pipeline, name).fn)
    workspace = Workspace(tmp_path / "workspace")
    (workspace.root / "mlflow.db").parent.mkdir(parents=True, exist_ok=True)
    (workspace.root / "mlflow.db").write_bytes(empty_database.read_bytes())
    for name in ("MLFLOW_TRACKING_URI", environment.OWN_TRACKING):
        monkeypatch.setenv(name, "")  # undone at the end, whatever the body sets

    def make(**settings: object) -> pipeline._Chain:
        domain = ToyDomain()
        recipe = domain.recipe().with_overrides(settings)
        manifest = ingest(domain, domain.demo(tmp_path), recipe=recipe, workspace=workspace, log=Silent())
        return pipeline._Chain(Work(domain, recipe, workspace, Silent()), manifest, Beside(), Request(), Notebook(), ())

    return make


def interpolating(of: Path, folder: Path) -> str:
    """Write a bundle that gives no more texture than interpolation, and give its weights' hash."""
    card = Bundle.load(of).card
    net = build(card.descriptor.model_copy(update={"family": "edsr", "base": "operator"}))
    plain = card.model_copy(update={"descriptor": net.descriptor, "projection": False})
    return Bundle.save(folder, plain, net, Curve()).weights_hash


def champion_for_fidelity(tracking: Tracking, folder: Path) -> Version:
    tags = {"bundle": "b", "weights": "w", "gate": "passed", "champion_then": "none", "claim_level": "none"}
    registry, run_id = Registry(tracking), tracking.run("sr-toy", "key", "run")
    return registry.promote(registry.register("sr-toy", folder, tags, run_id, None))


def verdicts(result: FlowResult) -> list[Verdict]:
    return [Verdict.from_json(path.read_text(), str(path)) for path in result.outputs if path.suffix == ".json"]


@pytest.mark.long
def test_it_is_judged_beside_the_champion_for_fidelity_and_says_what_it_is(
    chain: Any, toy_package: BundleRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adversarial, "LEAST_GAIN", -9.0)  # six steps gain nothing over their own start, and are kept here all the same
    body = chain(**SETTINGS)
    assert body.pixel_champion is None
    weights = interpolating(toy_package.path, tmp_path / "interpolating")
    pixel = champion_for_fidelity(body.tracking, tmp_path / "interpolating")
    body = chain(**SETTINGS)
    result = body.new()
    assert result.model == "sr-toy-perceptual" and result.promoted, result.decision
    assert "with the pixel champion: nearer to 1 by" in result.decision and "of which at most 2 dB may be lost" in result.decision
    assert [row.method for row in result.table][-2:] == ["model", "pixel champion"]
    model, reference = result.table[-2:]
    assert model.octave_energy and reference.octave_energy and abs(1 - model.octave_energy) < abs(1 - reference.octave_energy)

    version = body.registry.find("sr-toy-perceptual", "champion")
    assert (version.tags["purpose"], version.tags["perceptual"], version.tags["pixel_champion_then"]) == (
        "perceptual", MADE_UP, str(pixel.number),
    )  # fmt: skip
    assert body.registry.find("sr-toy", "champion").number == pixel.number, "the model for fidelity stays where it is"
    folder = body.registry.folder(version, body.copies)
    evaluation = Evaluation.from_json((folder / "evaluation.json").read_text(), "evaluation.json")
    assert evaluation.pixel_champion == weights
    assert MADE_UP in (folder / "report.html").read_text() and MADE_UP in (folder / "card.md").read_text()
    assert all(said.endswith(MADE_UP) for said in result.verdicts)
    (verdict,) = verdicts(result)
    assert verdict.status == "warn" and verdict.cautions == (MADE_UP,)
    assert next(c.value for c in verdict.checks if c.name == "residual rms") <= 0.15 * ENCODING.step

    again = chain(**SETTINGS)
    assert again.known() is not None and json.loads(version.tags["gate_reasons"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"adversarial.rate": 1e-30, "adversarial.steps": 2}, "the network of the pixel phase"),
        ({"training.rate": 1e-30, "training.steps": 2}, "the fitted linear filter"),
    ],
)
def test_a_run_that_ended_as_another_is_registered_under_no_name(chain: Any, settings: dict[str, object], what: str) -> None:
    body = chain(**{**SETTINGS, **settings})
    result = body.new()
    assert (result.version, result.alias, result.promoted) == (None, None, False)
    assert result.decision.startswith(f"Not registered, not promoted: the run ended as {what}, which is no perceptual model")
    assert body.registry.names() == ()
    assert not any(MADE_UP in said for said in result.verdicts)


def test_the_partner_is_the_champion_of_the_same_scale() -> None:
    from flows.evidence import pixel_name

    domain = ToyDomain()
    recipe = domain.recipe()
    assert pixel_name(domain, recipe) is None
    for scale in ({}, {"scale": 4}):
        perceptual = recipe.with_overrides({"purpose": "perceptual", **scale})
        assert pixel_name(domain, perceptual) == model_name(domain, perceptual.with_overrides({"purpose": "fidelity"}))
