"""A self-ensemble from recipe to file: calibrated so or not, band by band, in the forecast and in the tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import ENCODING, Run, Sentences, ToyDomain, texture

from sr_core.errors import RecipeError
from sr_core.log import Silent
from sr_core.records import CalibrationRef
from sr_core.stages import bands
from sr_core.stages.bands import restore_bands
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.footprint import band_work
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path


@pytest.fixture(scope="module")
def flipped(run: Run) -> CalibrationRef:
    """The bundle of all stages, calibrated as a self-ensemble of 4."""
    recipe = ToyDomain().recipe().with_overrides({"calibration.ensemble": "4"})
    return calibrate(ToyDomain(), run.manifest, run.bundle, recipe=recipe, workspace=run.workspace, log=Silent())


def image(folder: Path, height: int = 96, width: int = 131) -> Path:
    np.save(folder / "lr.npy", texture(height, width, seed=5))
    return folder / "lr.npy"


def test_an_interval_calibrated_without_it_is_none_with_it(run: Run, tmp_path: Path) -> None:
    plain, eight = Restorer(run.calibrated.path), Restorer(run.calibrated.path, ensemble=8)
    assert plain.calibration is not None and plain.predictor.ensemble.runs == 1
    assert eight.calibration is None and eight.uncalibrated == "it was calibrated with no self-ensemble"
    log = Sentences()
    made = upscale_path(ToyDomain(), image(tmp_path), eight, tmp_path / "sr.npz", log=log)
    assert made.verdict.claim.level == "none" and "calibrated with no self-ensemble" in made.verdict.claim.text
    assert "holds here (it was calibrated with no self-ensemble); no interval is written" in log.said[0]
    assert [file.role for file in np.load(tmp_path / "sr.npz").items() if file[0] == "half_width"] == []


def test_an_interval_calibrated_with_it_holds_with_it_only(run: Run, flipped: CalibrationRef, tmp_path: Path) -> None:
    as_calibrated = Restorer(flipped.path)
    assert as_calibrated.predictor.ensemble.size == 4  # every consumer runs it as it was calibrated
    assert as_calibrated.calibration is not None and as_calibrated.calibration.settings.ensemble == 4
    assert Restorer(flipped.path, ensemble=1).uncalibrated == "it was calibrated with a self-ensemble of 4"
    assert Restorer(flipped.path, ensemble=8).calibration is None
    one = Restorer(run.calibrated.path).calibration
    assert one is not None and one.multiplier != as_calibrated.calibration.multiplier
    tags: dict[str, str] = {}
    honest = ToyDomain.create

    def create(self: ToyDomain, like: Any, plan: Any) -> Any:
        tags.update(plan.tags)
        return honest(self, like, plan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ToyDomain, "create", create)
        upscale_path(ToyDomain(), image(tmp_path), as_calibrated, tmp_path / "sr.npz", log=Silent())
    assert tags["SR_ENSEMBLE"] == "4" and tags["SR_CALIBRATION"] == as_calibrated.calibration.digest()
    assert np.isfinite(np.load(tmp_path / "sr.npz")["half_width"]).all()


def test_an_evaluation_measures_it_as_it_was_calibrated_and_says_so(run: Run, flipped: CalibrationRef) -> None:
    recipe = ToyDomain().recipe()
    ref = evaluate(ToyDomain(), run.manifest, flipped, champion=None, recipe=recipe, workspace=run.workspace, log=Silent())
    plain, four = load_evaluation(run.evaluation), load_evaluation(ref)
    assert four.mean_psnr_db("model") != plain.mean_psnr_db("model")
    assert four.mean_psnr_db("bicubic") == plain.mean_psnr_db("bicubic")
    assert any("self-ensemble: the mean of 4 runs" in note for note in four.notes)
    assert not any("self-ensemble" in note for note in plain.notes)


def test_a_recipe_refuses_another_size() -> None:
    with pytest.raises(RecipeError, match=r"calibration.ensemble must be 1 \(none\), 4"):
        ToyDomain().recipe().with_overrides({"calibration.ensemble": 2})


@pytest.mark.parametrize("size", [4, 8])
def test_bands_equal_the_whole_and_the_forecast_counts_the_runs(
    size: int, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = image(tmp_path)
    (source,), _ = ToyDomain().discover([path], Silent())
    restorer, one = (Restorer(run.calibrated.path, "float32", ensemble=n) for n in (size, 1))
    with ToyDomain().open(source) as scene:
        (whole,) = restore_bands(restorer, scene)
        monkeypatch.setattr(bands, "WHOLE", 0)
        monkeypatch.setattr(bands, "ROWS", (32, 32))
        made = list(restore_bands(restorer, scene))
        assert len(made) == 3
        joined = np.concatenate([band.sr for band in made], axis=1)
        assert np.abs(joined - whole.sr).max() <= 1e-5 * np.ptp(ENCODING.valid_range)
        runs = _runs(restorer, lambda: list(restore_bands(restorer, scene)))
    said, alone = band_work(restorer, source), band_work(one, source)
    assert runs == said.passes == size * alone.passes and said.network_pixels == size * alone.network_pixels


def _runs(restorer: Restorer, do: Any) -> int:
    calls = []
    honest = restorer.predictor.net.forward_spread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restorer.predictor.net, "forward_spread", lambda lr: (calls.append(1), honest(lr))[1])
        do()
    return len(calls)
