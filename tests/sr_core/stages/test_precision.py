"""The gate refuses a planted bundle, lets a sound one pass, and what it says is obeyed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy import Run, Sentences, ToyDomain, cancelling

from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.networks import precision as formats
from sr_core.raster import Window
from sr_core.records import BundleRef, Group, Region
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.ingest import load_manifest
from sr_core.stages.package import package
from sr_core.stages.precision import PrecisionMeter, in_turn, measure_precision
from sr_core.stages.regions import read_pair
from sr_core.stages.restore import Restorer
from sr_core.trust.precision import PRECISION, Limits, PrecisionGate, load_gate
from sr_core.workspace import Workspace


@pytest.fixture
def gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that computes bfloat16 itself, so that the tests say the same everywhere."""
    monkeypatch.setattr(formats, "bfloat16_gains", lambda device: True)


@pytest.fixture(scope="module")
def planted(run: Run, tmp_path_factory: pytest.TempPathFactory) -> BundleRef:
    return cancelling(run.bundle, tmp_path_factory.mktemp("planted") / "model")


def _measure(run: Run, folder: Path) -> PrecisionGate:
    return measure_precision(ToyDomain(), load_manifest(run.manifest), "test", folder, ("bfloat16",), log=Silent(), device="cpu")


def _region(group: str, row: int) -> Region:
    return Region(source="s" * 64, window=Window(row, 0, 8, 8), group=Group(kind="place", id=group))


def test_groups_take_turns() -> None:
    regions = [_region("a", 0), _region("a", 8), _region("a", 16), _region("b", 0), _region("c", 0), _region("c", 8)]
    taken = [(r.group.id, r.window.row) for r in in_turn(regions, 5)]
    assert taken == [("a", 0), ("b", 0), ("c", 0), ("a", 8), ("c", 8)]
    assert len(in_turn(regions)) == 6


@pytest.mark.parametrize("which", ["sound", "planted"])
def test_what_is_measured_is_what_the_files_would_show(run: Run, planted: BundleRef, which: str) -> None:
    """By hand, for every region: PSNR of the written values on usable pixels, without the border of one LR pixel."""
    bundle = run.bundle if which == "sound" else planted
    made = _measure(run, bundle.path)
    assert (made.weights, made.device, made.split, made.one_group) == (bundle.weights, "cpu", "test", True)
    full, short = (Restorer(bundle.path, p, "cpu") for p in ("float32", "bfloat16"))
    manifest = load_manifest(run.manifest)
    assert [g.group for g in made.costs[0].groups] == [r.name for r in manifest.split.test]
    for region, cost in zip(manifest.split.test, made.costs[0].groups, strict=True):
        pair = read_pair(ToyDomain(), manifest, region, full.operator)
        assert pair.hr.mask.all()
        a, b = (pair.encoding.encode(r.restore(pair.lr.pixels, pair.lr.mask).sr).astype(float) for r in (full, short))
        inner, truth = (slice(None), slice(2, -2), slice(2, -2)), pair.encoding.encode(pair.hr.pixels).astype(float)
        errors = [np.mean((stored - truth)[inner] ** 2) for stored in (a, b)]
        assert cost.psnr_db == pytest.approx(10 * np.log10((made.protocol.data_range / 0.001) ** 2 / errors[0]), abs=1e-6)
        assert cost.loss_db == pytest.approx(10 * np.log10(errors[1] / errors[0]), abs=1e-6)
        assert cost.changed == int((a != b).sum())
        assert cost.values == a.size
        assert cost.largest == pytest.approx(0.001 * np.abs(a - b).max(), rel=1e-3)
    assert (made.costs[0].changed_share > 0.1) == (which == "planted")


def test_a_sound_bundle_is_allowed(run: Run) -> None:
    assert _measure(run, run.bundle.path).refused(run.bundle.weights) == ()


def test_a_planted_bundle_is_refused_and_auto_takes_float32(run: Run, planted: BundleRef, tmp_path: Path, gains: None) -> None:
    folder = Path(shutil.copytree(planted.path, tmp_path / "model"))
    assert Restorer(folder, device="cpu").precision == "bfloat16"  # nothing was measured yet
    made = _measure(run, folder)
    assert made.refused(planted.weights) == ("bfloat16",)
    assert made.costs[0].mean_loss_db > 0.5
    (folder / PRECISION).write_text(made.to_json())
    assert Restorer(folder, device="cpu").precision == "float32"
    named = Restorer(folder, "bfloat16", "cpu")  # a person may insist
    assert (named.precision, named.refused) == ("bfloat16", ("bfloat16",))


def test_the_record_of_other_weights_is_not_obeyed(run: Run, planted: BundleRef, tmp_path: Path, gains: None) -> None:
    folder = Path(shutil.copytree(run.bundle.path, tmp_path / "model"))
    (folder / PRECISION).write_text(_measure(run, planted.path).to_json())
    assert Restorer(folder, device="cpu").precision == "bfloat16"


def test_a_calibration_made_in_a_refused_format_does_not_bring_it_back(run: Run, tmp_path: Path, gains: None) -> None:
    folder = Path(shutil.copytree(run.calibrated.path, tmp_path / "model"))
    text = (folder / "calibration.json").read_text()
    (folder / "calibration.json").write_text(text.replace('"precision": "float32"', '"precision": "bfloat16"'))
    (folder / PRECISION).unlink(missing_ok=True)
    assert Restorer(folder, device="cpu").calibration is not None
    allowed = _measure(run, folder)
    strict = Limits(mean_loss_db=-1.0)
    refusing = measure_precision(
        ToyDomain(), load_manifest(run.manifest), "test", folder, ("bfloat16",), log=Silent(), device="cpu", limits=strict
    )
    (folder / PRECISION).write_text(refusing.to_json())
    restorer = Restorer(folder, device="cpu")
    assert (restorer.precision, restorer.calibration) == ("float32", None)
    assert restorer.uncalibrated == "it was calibrated with another precision"
    (folder / PRECISION).write_text(allowed.to_json())
    assert Restorer(folder, device="cpu").precision == "bfloat16"


def test_values_that_are_not_finite_are_refused_in_words(run: Run) -> None:
    manifest = load_manifest(run.manifest)
    region = manifest.split.test[0]
    meter = PrecisionMeter(run.bundle.path, ("bfloat16",), "cpu")
    pair = read_pair(ToyDomain(), manifest, region, meter.full.operator)
    broken = np.full_like(pair.hr.pixels, np.nan)
    meter.add(region, pair, {"bfloat16": broken})
    made = meter.gate("test", "place", Limits())
    assert made.costs[0].reasons == ("it gives values that are not finite",)


def test_equal_images_cost_nothing_also_where_they_are_perfect(run: Run) -> None:
    manifest = load_manifest(run.manifest)
    region = manifest.split.test[0]
    meter = PrecisionMeter(run.bundle.path, ("bfloat16",), "cpu")
    pair = read_pair(ToyDomain(), manifest, region, meter.full.operator)
    meter.add(region, pair, {"float32": pair.hr.pixels, "bfloat16": pair.hr.pixels})
    cost = meter.gate("test", "place", Limits()).costs[0]
    assert (cost.mean_loss_db, cost.largest, cost.changed_share, cost.allowed) == (0.0, 0.0, 0.0, True)


def test_float16_is_for_gpus() -> None:
    with pytest.raises(InputError, match="float16"):
        formats.choose_precision("float16", "cpu")
    assert str(formats.choose_precision("float16", "cuda")) == "torch.float16"


def test_stages_calibrate_in_the_format_that_is_allowed_and_ship_the_record(
    run: Run, planted: BundleRef, tmp_path: Path, gains: None
) -> None:
    domain, workspace, log = ToyDomain(), Workspace(tmp_path / "workspace"), Sentences()
    with_ = {"recipe": domain.recipe(), "workspace": workspace, "log": log}
    calibrated = calibrate(domain, run.manifest, planted, **with_)
    before = load_gate(calibrated.path)
    assert before is not None and before.split == "val"
    assert before.refused(planted.weights) == ("bfloat16",)
    assert any(s.startswith("calibrate: bfloat16 beside float32: refused") for s in log.said)
    restorer = Restorer(calibrated.path, device="cpu")
    assert restorer.precision == "float32"
    assert restorer.calibration is not None and restorer.calibration.settings.precision == "float32"
    evaluated = evaluate(domain, run.manifest, calibrated, champion=None, **with_)
    decision = gate(domain, evaluated, family="edsr", approved_by=None, champion_level=None, log=log)
    packaged = package(calibrated, evaluated, decision, workspace=workspace, log=log)
    after = load_gate(packaged.path)
    assert after is not None and after.split == "test"
    assert after.refused(packaged.weights) == ("bfloat16",)
    assert Restorer(packaged.path, device="cpu").calibration is not None
    assert "bfloat16 beside float32: refused" in (packaged.path / "card.md").read_text()


def test_a_refusal_on_the_test_regions_only_is_said(run: Run, tmp_path: Path, gains: None, monkeypatch: pytest.MonkeyPatch) -> None:
    domain, workspace = ToyDomain(), Workspace(tmp_path / "workspace")
    with_ = {"recipe": domain.recipe(), "workspace": workspace, "log": Silent()}
    calibrated = calibrate(domain, run.manifest, run.bundle, **with_)
    assert Restorer(calibrated.path, device="cpu").precision == "bfloat16"
    monkeypatch.setattr("sr_core.stages.evaluate.Limits", lambda: Limits(mean_loss_db=-1.0))
    evaluated = evaluate(domain, run.manifest, calibrated, champion=None, **with_)
    assert any("bfloat16, measured here, is refused" in note for note in load_evaluation(evaluated).notes)


def test_nothing_is_measured_where_no_format_gains(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "bfloat16_gains", lambda device: False)
    domain, workspace = ToyDomain(), Workspace(tmp_path / "workspace")
    with_ = {"recipe": domain.recipe(), "workspace": workspace, "log": Silent()}
    calibrated = calibrate(domain, run.manifest, run.bundle, **with_)
    evaluated = evaluate(domain, run.manifest, calibrated, champion=None, **with_)
    assert load_gate(calibrated.path) is None and load_gate(evaluated.path) is None
