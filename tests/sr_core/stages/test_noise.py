"""A noise that the recipe knows of: in made measurements, in projection and check, in what a calibration holds for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy import ENCODING, Run, ToyDomain, run_stages, texture

from sr_core.bundle import read_card
from sr_core.log import Silent
from sr_core.operators import make_operator
from sr_core.raster import Raster, Window
from sr_core.records import Group, Region
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import Decision
from sr_core.stages.grain import TILE, Grain
from sr_core.stages.ingest import load_manifest
from sr_core.stages.package import card_text
from sr_core.stages.regions import degrade, degrade_window, read_pair
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path

SIGMA = 0.02  # reflectance: twenty steps of the file
OPERATOR = make_operator("bicubic", 2)


def region(col: int = 0) -> Region:
    return Region(source="a" * 64, window=Window(0, col, 200, 180), group=Group(kind="place", id="g"))


def raster(stored: np.ndarray) -> Raster:
    return Raster(ENCODING.decode(stored), np.ones(stored.shape[1:], bool), ("B0", "B1"), "reflectance", ENCODING.valid_range)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_stages(tmp_path_factory.mktemp("noisy"), Silent(), noise=SIGMA)


def test_grain_is_white_and_of_its_size_and_another_for_every_region() -> None:
    grain, other = Grain.of(region(), SIGMA), Grain.of(region(4), SIGMA)
    assert grain is not None and other is not None and Grain.of(region(), 0.0) is None
    values = grain.drawn(2, Window(0, 0, 300, 280))
    assert values.shape == (2, 300, 280) and values.std() == pytest.approx(SIGMA, rel=0.01) and abs(values.mean()) < SIGMA / 100
    for one, two in ((values[:, 1:], values[:, :-1]), (values[..., TILE:], values[..., :-TILE]), (values[0], values[1])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(values.ravel(), other.drawn(2, Window(0, 0, 300, 280)).ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("window", [Window(0, 0, 5, 7), Window(60, 30, 9, 100), Window(63, 64, 66, 1), Window(128, 0, 40, 200)])
def test_grain_of_a_window_is_that_of_the_whole(window: Window) -> None:
    grain = Grain(SIGMA, 5)
    rows, cols = window.slices()
    assert np.array_equal(grain.drawn(3, window), grain.drawn(3, Window(0, 0, 200, 240))[:, rows, cols])


def test_measurements_get_the_noise_the_same_by_windows() -> None:
    hr, grain = raster(texture(200, 180)), Grain.of(region(), SIGMA)
    exact, made = degrade(hr, ENCODING, OPERATOR).lr.pixels, degrade(hr, ENCODING, OPERATOR, grain).lr.pixels
    assert (made - exact).std() == pytest.approx(SIGMA, rel=0.02)

    def read(window: Window) -> Raster:
        rows, cols = window.slices()
        return Raster(hr.pixels[:, rows, cols], hr.mask[rows, cols], hr.bands, hr.unit, hr.valid_range)

    part = degrade_window(read, Window(30, 20, 50, 60), (200, 180), ENCODING, OPERATOR, grain)
    assert np.array_equal(part.lr.pixels, made[:, 30:80, 20:80])


def test_training_pairs_have_the_noise_of_the_regions_they_are_cut_from(noisy: Run) -> None:
    from sr_core.patches import PatchStore, whole_pairs

    manifest = load_manifest(noisy.manifest)
    pair = read_pair(ToyDomain(), manifest, manifest.split.val[0], OPERATOR, SIGMA)
    with PatchStore(noisy.store.path) as store:
        stored = [np.asarray(one[0]) for one in whole_pairs(store, "val")]
    assert any(one.shape[-2:] == pair.lr.pixels.shape[-2:] and np.allclose(one, pair.lr.pixels, atol=1e-6) for one in stored)


def test_card_and_calibration_say_it(noisy: Run, run: Run) -> None:
    card = read_card(noisy.bundle.path)
    assert card.noise == SIGMA and "noise" not in read_card(run.bundle.path).to_json()
    assert card.normalisation != card.model_copy(update={"noise": 0.0}).normalisation
    restorer = Restorer(noisy.calibrated.path)
    assert restorer.calibration is not None and restorer.calibration.floor >= SIGMA / 8
    assert restorer.projection_reach == Restorer(run.calibrated.path).projection_reach + 4


def test_delivered_images_leave_the_noise_and_beat_the_exact_projection(noisy: Run) -> None:
    restorer, manifest = Restorer(noisy.calibrated.path), load_manifest(noisy.manifest)
    errors = {"noise-aware": [], "exact": []}
    for one in manifest.split.test:
        pair = read_pair(ToyDomain(), manifest, one, restorer.operator, SIGMA)
        estimate = restorer.predictor.predict(pair.lr.pixels).mean
        exact = restorer.operator.project(*map(torch_of, (estimate, pair.lr.pixels)), pair.lr.valid_range, 0.001).numpy()
        made = restorer.restore(pair.lr.pixels, pair.lr.mask).sr
        errors["noise-aware"].append(float(np.square(made - pair.hr.pixels).mean()))
        errors["exact"].append(float(np.square(exact - pair.hr.pixels).mean()))
    assert np.mean(errors["noise-aware"]) < 0.9 * np.mean(errors["exact"])


def test_the_model_card_says_it_and_how_many_of_the_largest_errors_were_held(noisy: Run) -> None:
    decision = Decision(register_it=False, promote=False, reasons=(), sentence="Not registered.")
    text = card_text(read_card(noisy.bundle.path), load_evaluation(noisy.evaluation), decision)
    assert "White noise of 0.02 reflectance on the measurement." in text
    (claimed,) = [line for line in text.splitlines() if load_evaluation(noisy.evaluation).claim.text in line]
    assert "Of the 1 % largest errors on the test regions the interval held " in claimed


def torch_of(values: np.ndarray) -> object:
    import torch

    return torch.from_numpy(values)


def test_the_check_is_the_noise_s_in_evaluation_and_upscale(noisy: Run, tmp_path: Path) -> None:
    evaluation = load_evaluation(noisy.evaluation)
    found = [check for score in evaluation.regions for check in score.verdict.checks if check.name == "residual rms"]
    assert found and all(check.unit == "of the noise's power" and check.outcome != "fail" for check in found)
    clean = texture(90, 100, seed=3)
    noise = np.random.default_rng(0).normal(0, SIGMA / 0.001, clean.shape)
    np.save(tmp_path / "lr.npy", np.clip(clean + noise, 1, 65534).astype(np.uint16))
    verdict = upscale_path(ToyDomain(), tmp_path / "lr.npy", Restorer(noisy.calibrated.path), tmp_path / "sr.npz", log=Silent()).verdict
    (power,) = [check for check in verdict.checks if check.name == "residual rms"]
    (largest,) = [check for check in verdict.checks if check.name == "residual max"]
    assert power.outcome in ("pass", "warn") and largest.outcome == "pass"
    assert power.value is not None and 0.2 < power.value <= 1.25
