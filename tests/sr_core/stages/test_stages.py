"""The chain of stages: idempotent, repeatable, and honest about one scene."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy import Run, Sentences, ToyDomain, run_stages, texture

from sr_core.errors import InputError, RecipeError, SplitError
from sr_core.log import Silent
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.stages.package import package
from sr_core.stages.regions import operator_of
from sr_core.workspace import Workspace, folder_sha256


def test_second_run_reuses_every_stage(run: Run) -> None:
    log = Sentences()
    again = run_stages(run.folder, log)
    assert [s.split(":")[0] for s in log.said if "reused" in s] == ["ingest", "prepare", "train", "calibrate", "evaluate"]
    assert again.evaluation == run.evaluation


def test_same_inputs_elsewhere_give_the_same_hashes(run: Run, tmp_path: Path) -> None:
    other = run_stages(tmp_path, Silent())
    for name in ("manifest", "store", "bundle", "calibrated", "evaluation"):
        assert getattr(other, name).hash == getattr(run, name).hash, name


def test_refs_hold_the_hash_of_their_folder(run: Run) -> None:
    for ref in (run.store, run.bundle, run.calibrated, run.evaluation):
        assert folder_sha256(ref.path) == ref.hash


def test_one_scene_is_said_and_caps_the_claim(run: Run) -> None:
    split = load_manifest(run.manifest).split
    assert all(r.one_group for name in ("train", "val", "calibration", "test") for r in split.part(name))
    assert any("one scene" in note for note in split.notes)
    evaluation = load_evaluation(run.evaluation)
    assert evaluation.one_group
    assert evaluation.claim.level == "empirical"
    assert "blocks of one scene" in evaluation.claim.text


def test_projected_output_gives_the_measurement_back(run: Run) -> None:
    for region in load_evaluation(run.evaluation).regions:
        rms = next(c for c in region.verdict.checks if c.name == "residual rms")
        assert rms.outcome == "pass"
        assert region.residual_rms <= 0.15 * 0.001
        assert region.lr_psnr_db > region.bicubic_lr_psnr_db + 10


def test_baselines_are_ordered(run: Run) -> None:
    evaluation = load_evaluation(run.evaluation)
    assert evaluation.methods() == ("bicubic", "projected bicubic", "linear filter", "model")
    assert evaluation.mean_psnr_db("projected bicubic") > evaluation.mean_psnr_db("bicubic")
    assert evaluation.mean_psnr_db("linear filter") > evaluation.mean_psnr_db("bicubic")


def test_record_on_disk_names_no_absolute_path(run: Run) -> None:
    assert json.loads((run.bundle.path / "record.json").read_text())["path"] == "."


def test_missing_path(tmp_path: Path) -> None:
    domain = ToyDomain()
    with pytest.raises(InputError, match="does not exist"):
        ingest(domain, [tmp_path / "none.npy"], recipe=domain.recipe(), workspace=Workspace(tmp_path / "w"), log=Silent())


def test_only_refusals_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    domain = ToyDomain()
    with pytest.raises(InputError, match=r"no usable toy image .* not a \.npy file"):
        ingest(domain, [tmp_path / "a.txt"], recipe=domain.recipe(), workspace=Workspace(tmp_path / "w"), log=Silent())


def test_smaller_than_a_patch(tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", texture(50, 300))
    domain = ToyDomain()
    with pytest.raises(SplitError, match="66 x 66"):
        ingest(domain, [tmp_path / "small.npy"], recipe=domain.recipe(), workspace=Workspace(tmp_path / "w"), log=Silent())


def test_unknown_operator() -> None:
    domain = ToyDomain()
    with pytest.raises(RecipeError, match="one of bicubic"):
        operator_of(domain, domain.recipe().with_overrides({"operator": "sharpen"}), ())


@pytest.mark.parametrize("network", [{"network.family": "srcnn", "patches.grid": "hr"}, {"network.base": "operator"}])
def test_the_filter_is_a_baseline_also_of_networks_that_do_not_hold_it(run: Run, tmp_path: Path, network: dict[str, str]) -> None:
    other = run_stages(tmp_path, Silent(), **network)
    mine, reference = load_evaluation(other.evaluation), load_evaluation(run.evaluation)
    assert mine.methods() == reference.methods()
    assert mine.mean_psnr_db("linear filter") == pytest.approx(reference.mean_psnr_db("linear filter"), abs=0.01)


def test_another_family_goes_through_every_stage_and_onto_its_card(tmp_path: Path) -> None:
    run = run_stages(tmp_path, Silent(), **{"network.family": "fsrcnn", "training.steps": 30, "training.rate": 5e-3})
    assert run.bundle.family == "fsrcnn"
    decision = gate(ToyDomain(), run.evaluation, family="fsrcnn", approved_by=None, champion_level=None, log=Silent())
    packaged = package(run.calibrated, run.evaluation, decision, workspace=run.workspace, log=Silent())
    assert "- Network: FSRCNN(8, 1, 1), band-wise, over linear base" in (packaged.path / "card.md").read_text()
    assert "FSRCNN(8, 1, 1) over the fitted linear filter" in (packaged.path / "report.html").read_text()
