"""A calibration that is not the bundle's own is refused; one that a choice of the run ends is only withdrawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from made_bundle import make_bundle
from toy import Run, ToyDomain

from sr_core.bundle import CALIBRATION, CARD, BundleCard, read_card
from sr_core.errors import BundleError, SplitError, TrustError
from sr_core.log import Silent
from sr_core.records import CalibrationRef, Manifest, ManifestRef, Region
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate
from sr_core.stages.ingest import MANIFEST, load_manifest
from sr_core.stages.restore import Restorer
from sr_core.trust.calibration import Calibration
from sr_core.workspace import Workspace


@pytest.fixture
def copied(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.calibrated.path, tmp_path / "bundle"))


def recalibrated(folder: Path, change: Callable[[Calibration], Calibration]) -> None:
    path = folder / CALIBRATION
    path.write_text(change(Calibration.from_json(path.read_text(), "x")).to_json())


def carded(folder: Path, **changes: Any) -> BundleCard:
    card = read_card(folder).model_copy(update=changes)
    (folder / CARD).write_text(card.to_json())
    return card


def refused(folder: Path, word: str) -> None:
    with pytest.raises(BundleError, match=word) as caught:
        Restorer(folder)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value) and "calibration.json" in str(caught.value)


def calibrate_with(run: Run, folder: Path, **parts: tuple[Region, ...]) -> CalibrationRef:
    """Calibrate the run's bundle on another split."""
    manifest = load_manifest(run.manifest)
    changed = manifest.model_copy(update={"split": manifest.split.model_copy(update=parts)})
    (folder / "manifest").mkdir()
    (folder / "manifest" / MANIFEST).write_text(changed.to_json())
    ref = ManifestRef(path=folder / "manifest", hash=changed.content_hash())
    workspace = Workspace(folder / "workspace")
    return calibrate(ToyDomain(), ref, run.bundle, recipe=ToyDomain().recipe(), workspace=workspace, log=Silent())


def ungrouped(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    return tuple(region.model_copy(update={"one_group": False}) for region in regions)


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_group_that_trained_or_chose_cannot_calibrate(part: Literal["train", "val"], run: Run, tmp_path: Path) -> None:
    leaked = ungrouped(load_manifest(run.manifest).split.part(part)[:1])
    with pytest.raises(TrustError, match=r"calibration region .* of place .*; expected a group that did not train") as caught:
        calibrate_with(run, tmp_path, calibration=leaked)
    assert caught.value.exit_code == 2 and not (tmp_path / "workspace" / "calibrate").exists()


def test_a_test_region_that_leaked_into_the_calibration_is_refused_before_anything_is_measured(run: Run, tmp_path: Path) -> None:
    split = load_manifest(run.manifest).split
    leaked = (*split.calibration, split.test[0])
    with pytest.raises(SplitError, match=r"calibration .*test"):
        calibrate_with(run, tmp_path, calibration=leaked)
    ref = ManifestRef(
        path=tmp_path / "manifest", hash=Manifest.from_json((tmp_path / "manifest" / MANIFEST).read_text(), "made").content_hash()
    )
    with pytest.raises(SplitError, match=r"calibration .*test"):
        evaluate(
            ToyDomain(),
            ref,
            run.calibrated,
            champion=None,
            recipe=ToyDomain().recipe(),
            workspace=Workspace(tmp_path / "workspace"),
            log=Silent(),
        )


def test_one_group_left_to_calibrate_on_makes_no_interval(run: Run, tmp_path: Path) -> None:
    one = load_manifest(run.manifest).split.calibration[:1]
    made = calibrate_with(run, tmp_path, calibration=one)
    restorer = Restorer(made.path)
    assert made.level == "none" and restorer.calibration is not None and restorer.calibration.n == 1
    assert "at least two are needed" in restorer.claim("place").text
    restored = restorer.restore(np.full((2, 20, 20), 0.5, np.float32), np.ones((20, 20), bool))
    assert np.isnan(restored.half_width).all()


def test_the_stage_records_the_normalisation_of_the_card(run: Run) -> None:
    restorer = Restorer(run.calibrated.path)
    assert restorer.calibration is not None and restorer.calibration.settings.normalisation == restorer.card.normalisation


@pytest.mark.parametrize(("key", "word"), [("weights", "other weights"), ("operator", "another degradation operator")])
def test_another_bundles_calibration_is_refused(key: str, word: str, copied: Path) -> None:
    recalibrated(copied, lambda made: made.model_copy(update={key: "c" * 64}))
    refused(copied, word)


@pytest.mark.parametrize(
    "changes",
    [{"mean": 0.3}, {"std": 0.7}, {"unit": "DN"}, {"valid_range": (0.0, 0.5)}, {"step": 0.125}],
    ids=lambda changes: next(iter(changes)),
)
def test_every_constant_of_the_normalisation_counts(changes: dict[str, Any], copied: Path) -> None:
    carded(copied, **changes)
    refused(copied, "another normalisation")


def test_constants_written_as_whole_numbers_are_the_same(run: Run) -> None:
    card = read_card(run.calibrated.path)
    one = card.model_copy(update={"mean": 1, "valid_range": (0, 2)})
    assert one.normalisation == card.model_copy(update={"mean": 1.0, "valid_range": (0.0, 2.0)}).normalisation != card.normalisation


def test_a_calibration_without_the_digest_is_still_read(copied: Path) -> None:
    def older(made: Calibration) -> Calibration:
        return made.model_copy(update={"settings": made.settings.model_copy(update={"normalisation": ""})})

    recalibrated(copied, older)
    carded(copied, step=0.125)
    assert Restorer(copied).calibration is not None


@pytest.mark.parametrize(("key", "word"), [("precision", "another precision"), ("ensemble", "no self-ensemble")])
def test_what_a_user_chooses_only_withdraws_the_claim(key: str, word: str, run: Run) -> None:
    calibrated = Restorer(run.calibrated.path).calibration
    assert calibrated is not None
    other = "bfloat16" if calibrated.settings.precision == "float32" else "float32"
    options: dict[str, Any] = {key: other if key == "precision" else 4}
    restorer = Restorer(run.calibrated.path, **options)
    assert restorer.calibration is None and word in restorer.uncalibrated
    claim = restorer.claim("place")
    assert claim.level == "none" and word in claim.text
    restored = restorer.restore(np.full((2, 20, 20), 0.5, np.float32), np.ones((20, 20), bool))
    assert np.isnan(restored.half_width).all()


def test_tiles_leave_the_claim(run: Run) -> None:
    assert Restorer(run.calibrated.path, tile=32).claim("place").level == Restorer(run.calibrated.path).claim("place").level != "none"


@pytest.mark.parametrize("setting", ["projection", "estimator"])
def test_other_settings_in_the_record_withdraw_the_claim(setting: str, copied: Path) -> None:
    value: object = False if setting == "projection" else "heuristic"

    def other(made: Calibration) -> Calibration:
        return made.model_copy(update={"settings": made.settings.model_copy(update={setting: value})})

    recalibrated(copied, other)
    assert Restorer(copied).claim("place").level == "none"


def test_a_model_of_standard_scores_keeps_its_interval_in_every_unit(tmp_path: Path) -> None:
    from toy import ToyScene, texture

    np.save(tmp_path / "s.npy", texture(40, 50))
    restorer = Restorer(make_bundle(tmp_path / "b", "standard score", precision="float32"), "float32")
    there = restorer.for_scene(ToyScene(tmp_path / "s.npy"))
    assert restorer.calibration is not None and there.card.normalisation != restorer.card.normalisation
    assert there.calibrated_by(restorer.calibration).calibration == restorer.calibration
