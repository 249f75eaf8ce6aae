"""What says how large errors are, from recipe to file: head, heuristic and self-ensemble, and that one's interval is not another's."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import numpy as np
import pytest
from toy import ENCODING, Run, Sentences, ToyDomain, ToyScene, texture

from sr_core.bundle import CALIBRATION, Bundle, Curve
from sr_core.log import Silent
from sr_core.records import BundleRef, CalibrationRef
from sr_core.stages import bands, strips
from sr_core.stages.bands import restore_bands
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path
from sr_core.trust.calibration import Calibration


def calibrated(run: Run, log: Silent | None = None, bundle: BundleRef | None = None, **settings: object) -> CalibrationRef:
    recipe = ToyDomain().recipe().with_overrides({f"calibration.{name}": value for name, value in settings.items()})
    return calibrate(ToyDomain(), run.manifest, bundle or run.bundle, recipe=recipe, workspace=run.workspace, log=log or Silent())


def stored(ref: CalibrationRef) -> Calibration:
    return Calibration.from_json((ref.path / CALIBRATION).read_text(), "here")


@pytest.fixture(scope="module")
def heuristic(run: Run) -> CalibrationRef:
    return calibrated(run, estimator="heuristic")


@pytest.fixture(scope="module")
def headless(run: Run, tmp_path_factory: pytest.TempPathFactory) -> BundleRef:
    """The same network without its head, as other people's weights are."""
    own = Bundle.load(run.bundle.path)
    net = copy.deepcopy(own.net)
    net.drop_spread_head()
    made = Bundle.save(tmp_path_factory.mktemp("headless") / "bundle", own.card, net, Curve())
    return run.bundle.model_copy(update={"path": made.folder, "hash": made.weights_hash, "weights": made.weights_hash})


def scene(folder: Path, height: int, width: int) -> Path:
    np.save(folder / "lr.npy", texture(height, width, seed=5))
    return folder / "lr.npy"


def test_each_estimator_is_named_and_holds_for_itself_only(run: Run, heuristic: CalibrationRef) -> None:
    deviation = calibrated(run, estimator="self-ensemble", ensemble="8")
    refs = {"magnitude head": run.calibrated, "heuristic": heuristic, "self-ensemble": deviation}
    for name, ref in refs.items():
        restorer = Restorer(ref.path)
        assert stored(ref).settings.estimator == restorer.estimator == name
        assert restorer.calibration is not None and np.isfinite(restorer.calibration.multiplier)
        for other in ("head", "heuristic", "self-ensemble"):
            if other not in name:
                asked = Restorer(ref.path, ensemble=8 if other == "self-ensemble" else None, estimator=other)  # type: ignore[arg-type]
                assert asked.calibration is None and "another estimate of spread" in asked.uncalibrated
    assert (stored(run.calibrated).heuristic, stored(deviation).heuristic) == (None, None)
    line = stored(heuristic).heuristic
    assert line is not None and len(line.slopes) == 4 and line.level == pytest.approx(ENCODING.step / 8)
    alone = Restorer(deviation.path, ensemble=1)  # asked for one run: the head speaks, and no interval holds
    assert alone.estimator == "magnitude head" and "a self-ensemble of 8" in alone.uncalibrated


def test_the_image_does_not_depend_on_the_estimator(run: Run, heuristic: CalibrationRef) -> None:
    y, mask = ENCODING.decode(texture(40, 50, seed=2)), np.ones((40, 50), bool)
    by_head, by_line = (Restorer(path).restore(y, mask) for path in (run.calibrated.path, heuristic.path))
    assert np.array_equal(by_head.sr, by_line.sr)
    assert not np.allclose(by_head.spread, by_line.spread, rtol=0.05) and (by_line.spread > 0).all()
    line = stored(heuristic).heuristic
    assert line is not None
    assert np.array_equal(by_line.spread, line.spread(by_line.sr, y, Restorer(heuristic.path).operator))


def test_a_model_without_a_head_is_upscaled_calibrated_and_evaluated(run: Run, headless: BundleRef, tmp_path: Path) -> None:
    bare = Restorer(headless.path)
    assert bare.estimator == "heuristic" and bare.heuristic is None
    path = scene(tmp_path, 60, 70)
    made = upscale_path(ToyDomain(), path, bare, tmp_path / "bare.npz", log=Silent())
    assert made.verdict.claim.level == "none"
    log = Sentences()
    ref = calibrated(run, log, headless)
    assert any("the model has no spread head" in sentence and "heuristic" in sentence for sentence in log.said)
    upscale_path(ToyDomain(), path, Restorer(ref.path), tmp_path / "sr.npz", log=Silent())
    assert np.isfinite(np.load(tmp_path / "sr.npz")["half_width"]).all()
    assert np.array_equal(np.load(tmp_path / "sr.npz")["sr"], np.load(tmp_path / "bare.npz")["sr"])
    evaluate(ToyDomain(), run.manifest, ref, champion=None, recipe=ToyDomain().recipe(), workspace=run.workspace, log=Silent())


@pytest.mark.parametrize("way", ["windows", "rows", "strips"])
def test_bands_of_the_heuristic_equal_the_whole(
    way: str, heuristic: CalibrationRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer, image = Restorer(heuristic.path, "float32"), ToyScene(scene(tmp_path, 150, 552))
    restorer = restorer.calibrated_by(_in_float32(heuristic))
    assert restorer.calibration is not None and restorer.delivery_reach > restorer.projection_reach
    with monkeypatch.context() as patch:
        patch.setattr(bands, "WHOLE", 1000)
        patch.setattr(restorer.predictor, "tile", 1000)
        (whole,) = restore_bands(restorer, image)
    monkeypatch.setattr(bands, "PIXELS", 32 * 552)
    if way == "windows":
        monkeypatch.setattr(restorer.predictor, "tile", 100)
    if way == "strips":
        monkeypatch.setattr(restorer.predictor, "strip", 240)
        monkeypatch.setattr(strips, "GROUP", 64)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    size = np.ptp(whole.sr)

    def difference() -> float:
        made = list(restore_bands(restorer, image))
        assert len(made) == 5
        return float(np.abs(np.concatenate([band.half_width for band in made], axis=1) - whole.half_width).max() / size)

    assert difference() <= 1e-6
    monkeypatch.setattr(Restorer, "delivery_reach", 2)  # planted: too few rows
    assert difference() > 1e-5


def _in_float32(ref: CalibrationRef) -> Calibration:
    calibration = stored(ref)
    return calibration.model_copy(update={"settings": calibration.settings.model_copy(update={"precision": "float32"})})


def test_a_laplace_head_is_no_magnitude_head(run: Run) -> None:
    light = stored(run.calibrated)
    assert light.mismatch(
        weights=light.weights, operator=light.operator, projection=light.settings.projection, precision=light.settings.precision,
        estimator="Laplace head", normalisation=light.settings.normalisation,
    ) == "it was calibrated with another estimate of spread"  # fmt: skip
