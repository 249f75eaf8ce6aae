from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from made_evaluation import DIGEST, evaluation, row
from toy import Run, ToyDomain
from typer.testing import CliRunner

from flows.cli import models
from flows.cli.main import app
from flows.evidence import hold_back, run_tags, version_tags
from flows.registry import Registry
from sr_core.recipe import Recipe, setting_names
from sr_core.records import BundleRef, EvaluationRef, ManifestRef
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import Decision

PASSED = Decision(register_it=True, promote=True, reasons=("+1 dB",), sentence="Promoted.")


def put(registry: Registry, run_id: str, folder: Path, text: str, then: str) -> None:
    folder.mkdir()
    (folder / "bundle.json").write_text(text)
    tags = {"bundle": text, "weights": f"w-{text}", "gate": "passed", "champion_then": then}
    registry.promote(registry.register("sr-test", folder, tags, run_id, None))


def test_what_a_person_rolled_back_a_schedule_does_not_promote(registry: Registry, run_id: str, tmp_path: Path) -> None:
    put(registry, run_id, tmp_path / "a", "a", "none")
    put(registry, run_id, tmp_path / "b", "b", "1")
    assert hold_back(PASSED, registry, "sr-test", "w-b") == PASSED
    registry.rollback("sr-test")
    held = hold_back(PASSED, registry, "sr-test", "w-b")
    assert not held.promote and held.register_it
    assert "version 2" in held.sentence and "sr models promote sr-test 2" in held.sentence
    assert hold_back(PASSED, registry, "sr-test", "w-c") == PASSED


def test_a_refusal_stays_a_refusal(registry: Registry) -> None:
    refused = Decision(register_it=False, promote=False, reasons=("no",), sentence="No.")
    assert hold_back(refused, registry, "sr-test", "w") == refused


def tags_of(content: EvaluationRef, packaged: BundleRef) -> dict[str, str]:
    return version_tags(ToyDomain(), content, "edsr", PASSED, packaged, work="w", manifest="m", champion=None)


def test_a_version_carries_claim_and_verdict_and_so_does_the_loaded_model(
    registry: Registry, run_id: str, toy_run: Run, toy_package: BundleRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = tags_of(toy_run.evaluation, toy_package)
    version = registry.register("sr-toy", toy_package.path, tags, run_id, None)
    claim = load_evaluation(toy_run.evaluation).claim
    stored = registry.find("sr-toy", version.number).tags
    assert (stored["claim_level"], stored["claim"], stored["claim_groups"]) == (claim.level, claim.text, str(claim.n))
    assert stored["verdict"] in ("pass", "warn", "abstain", "fail") and stored["operator"] and stored["calibration"] == claim.calibration
    loaded = mlflow.pyfunc.load_model("models:/sr-toy@challenger")
    assert loaded.metadata.metadata == {name: tags[name] for name in loaded.metadata.metadata}
    assert {"claim_level", "claim", "verdict", "verdict_sentence", "worst_check", "operator"} <= loaded.metadata.metadata.keys()

    monkeypatch.setattr(models, "_open", lambda workspace: registry)
    monkeypatch.setenv("COLUMNS", "300")
    listed = CliRunner().invoke(app, ["models", "list"]).stdout
    assert listed.splitlines()[0].split()[-4:] == ["claim", "groups", "verdict", "gate"]
    assert [claim.level, str(claim.n), tags["verdict"], tags["gate"]] == listed.splitlines()[1].split()[-4:]
    shown = CliRunner().invoke(app, ["models", "show", "sr-toy", "challenger"]).stdout
    assert f"verdict_sentence {tags['verdict_sentence']}" in shown and claim.text in shown and tags["worst_check"] in shown


def test_the_worst_check_is_named_with_its_limit_and_where_that_came_from(tmp_path: Path) -> None:
    content = evaluation([row(30, 31, 31.5)] * 3, one_group=True, failed=True)
    (tmp_path / "evaluation.json").write_text(content.to_json())
    packaged = BundleRef(path=tmp_path, hash=DIGEST, family="edsr", weights=DIGEST)
    tags = tags_of(EvaluationRef(path=tmp_path, hash=DIGEST), packaged)
    assert (tags["verdict"], tags["verdict_sentence"]) == ("fail", "All 3 test regions failed.")
    assert tags["worst_check"] == "residual rms: fail, 9 1, limit at most 1 1 (from: physical)"
    assert (tags["claim_groups"], tags["claim_groups_needed"], tags["group_kind"]) == ("2", "22", "block of one scene")


def test_a_run_names_every_setting_also_those_that_a_record_leaves_out() -> None:
    recipe = Recipe(domain="toy").with_overrides({"training.steps": 7})
    tags = run_tags(recipe, ManifestRef(path=Path(), hash="0" * 64))
    assert set(setting_names()) <= set(tags)
    assert (tags["noise"], tags["training.steps"], tags["scale"], tags["data_range"]) == (0.0, 7, 2, "None")
