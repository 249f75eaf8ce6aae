"""Before an image is upscaled it is held against the calibrated ones: outside, the claim is withdrawn and the interval is empty."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from toy import ENCODING, Run, Sentences, ToyDomain, ToyScene, texture

from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Fact
from sr_core.stages import inside
from sr_core.stages.finished import finished
from sr_core.stages.inside import figures_of
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import Upscaled, upscale_path
from sr_core.trust.declared import NAME as FACTS
from sr_core.trust.declared import gather_facts
from sr_core.trust.domain_check import NAME as STATISTICS
from sr_core.trust.domain_check import fit_domain
from sr_core.trust.reference import Reference

DECLARED = gather_facts([(Fact(name="stored type", value="uint16"),)], 2)


def scene_of(path: Path, stored: np.ndarray) -> Path:
    np.save(path, stored)
    return path


@pytest.fixture(scope="module")
def plain(run: Run) -> Restorer:
    return Restorer(run.calibrated.path)


@pytest.fixture(scope="module")
def restorer(plain: Restorer, tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    """The toy model, with the statistics of 24 scenes like its own."""
    folder = tmp_path_factory.mktemp("scenes")
    found = {}
    for seed in range(24):
        scene = ToyScene(scene_of(folder / f"{seed}.npy", texture(96, 96, seed=100 + seed)))
        found[str(seed)] = [figures_of(scene.read, scene.shape, ENCODING.step, plain)]
    fit = fit_domain(found, found, unit_kind="place", independent=True)
    return knowing(plain, Reference(images=24, groups=24, facts=DECLARED, domain=fit))


def knowing(restorer: Restorer, reference: Reference | None) -> Restorer:
    assert restorer.calibration is not None
    return restorer.calibrated_by(restorer.calibration.model_copy(update={"reference": reference}))


def outcomes(done: Upscaled) -> dict[str, str]:
    return {check.name: check.outcome for check in done.verdict.checks}


def noisy(stored: np.ndarray) -> np.ndarray:
    return (stored + np.random.default_rng(0).normal(0, 250, stored.shape)).clip(1, 65535).astype(np.uint16)


SHIFTS = {
    "noise": noisy,
    "scale": lambda stored: (stored / 10 + 1).astype(np.uint16),
    "offset": lambda stored: (stored + 9000).astype(np.uint16),
    "already upscaled": lambda stored: ndimage.zoom(stored[:, :50, :50].astype(float), (1, 2, 2), order=3).clip(1, 65535).astype(np.uint16),
}


def test_an_image_like_the_calibrated_ones_keeps_its_claim(restorer: Restorer, tmp_path: Path) -> None:
    path = scene_of(tmp_path / "lr.npy", texture(100, 100, seed=7))
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=Silent())
    assert (outcomes(done)[FACTS], outcomes(done)[STATISTICS]) == ("pass", "pass") and done.verdict.status != "abstain"
    assert np.isfinite(np.load(tmp_path / "sr.npz")["half_width"]).all() and done.verdict.covered_share == 1.0


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shifted_image_is_abstained_from(restorer: Restorer, tmp_path: Path, shift: str) -> None:
    path, log = scene_of(tmp_path / "lr.npy", SHIFTS[shift](texture(100, 100, seed=7))), Sentences()
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=log)
    verdict, written = done.verdict, np.load(tmp_path / "sr.npz")
    assert verdict.status == "abstain" and verdict.claim.level == "none"
    assert "deviations" in verdict.claim.text and verdict.claim.text.endswith("Do not use it as a bound.")
    assert np.isnan(written["half_width"]).all() and verdict.covered_share == 0.0
    assert (written["sr"] > 0).all(), "the picture is written all the same"
    assert outcomes(done)[STATISTICS] == "warn" and any("outside of what was calibrated" in said for said in log.said)
    assert len(set(verdict.reasons)) == len(verdict.reasons) and verdict.claim.text not in verdict.reasons


def test_a_withdrawn_claim_is_not_in_the_file(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []
    create = ToyDomain.create
    monkeypatch.setattr(ToyDomain, "create", lambda self, like, plan: plans.append(plan) or create(self, like, plan))
    path = scene_of(tmp_path / "lr.npy", noisy(texture(100, 100, seed=7)))
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=Silent())
    assert plans[0].claim == done.verdict.claim.text and plans[0].interval


def test_an_abstained_result_is_known_again(restorer: Restorer, tmp_path: Path) -> None:
    """What decided is in the key: nothing is made twice, nor taken for the result of another calibration."""
    path, target = scene_of(tmp_path / "lr.npy", noisy(texture(100, 100, seed=7))), tmp_path / "sr.npz"
    done = upscale_path(ToyDomain(), path, restorer, target, log=Silent())
    (source,), _ = ToyDomain().discover([path], Silent())
    verdict = done.verdict.model_copy(update={"outputs": ("0" * 64,)})
    (tmp_path / "sr.npz.verdict.json").write_text(verdict.to_json())
    again = finished(ToyDomain(), source, restorer, target)
    assert again is None  # the toy's writer states no hash of its file; the key alone is compared below
    from sr_core.stages.plan import make_plan

    with ToyDomain().open(source) as scene:
        assert make_plan(ToyDomain(), source, scene, restorer, target).key == done.verdict.key
        other = knowing(restorer, None)
        assert make_plan(ToyDomain(), source, scene, other, target).key != done.verdict.key


def test_a_fact_that_was_not_calibrated_is_named(plain: Restorer, tmp_path: Path) -> None:
    other = gather_facts([(Fact(name="stored type", value="uint8"),)], 2)
    restorer = knowing(plain, Reference(images=1, groups=1, facts=other))
    path = scene_of(tmp_path / "lr.npy", texture(60, 60, seed=7))
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=Silent())
    assert done.verdict.status == "abstain" and np.isnan(np.load(tmp_path / "sr.npz")["half_width"]).all()
    sentence = "the stored type is uint16, and uint8 was calibrated"
    assert done.verdict.claim.text == f"The interval is not calibrated for this image: {sentence}. Do not use it as a bound."
    assert sentence in done.verdict.reasons[0] and outcomes(done)[STATISTICS] == "skipped"


def test_a_missing_fact_warns(plain: Restorer, tmp_path: Path) -> None:
    more = gather_facts([(Fact(name="stored type", value="uint16"), Fact(name="kernel", value="B30f"))], 2)
    restorer = knowing(plain, Reference(images=1, groups=1, facts=more))
    path = scene_of(tmp_path / "lr.npy", texture(60, 60, seed=7))
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=Silent())
    assert outcomes(done)[FACTS] == "warn" and done.verdict.status == "warn"
    assert np.isfinite(np.load(tmp_path / "sr.npz")["half_width"]).all()


def test_a_calibration_from_before_holds_nothing_back(plain: Restorer, tmp_path: Path) -> None:
    path = scene_of(tmp_path / "lr.npy", noisy(texture(60, 60, seed=7)))
    done = upscale_path(ToyDomain(), path, knowing(plain, None), tmp_path / "sr.npz", log=Silent())
    said = {check.name: check for check in done.verdict.checks}
    for name in (FACTS, STATISTICS):
        assert said[name].outcome == "skipped" and not said[name].required and not any(name in reason for reason in done.verdict.reasons)


def test_a_constant_image_is_not_passed(restorer: Restorer, tmp_path: Path) -> None:
    path = scene_of(tmp_path / "lr.npy", np.full((2, 80, 80), 900, np.uint16))
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=Silent())
    assert outcomes(done)[STATISTICS] == "skipped" and done.verdict.status == "warn"
    assert any("one value" in reason for reason in done.verdict.reasons)


def test_too_few_valid_pixels_are_not_passed(restorer: Restorer, tmp_path: Path) -> None:
    stored = np.zeros((2, 80, 80), np.uint16)
    stored[:, :10, :10] = texture(10, 10)
    done = upscale_path(ToyDomain(), scene_of(tmp_path / "lr.npy", stored), restorer, tmp_path / "sr.npz", log=Silent())
    assert outcomes(done)[STATISTICS] == "skipped" and done.verdict.status != "pass"


def test_one_band_is_judged(restorer: Restorer, tmp_path: Path) -> None:
    path = scene_of(tmp_path / "lr.npy", texture(100, 100, bands=1, seed=7))
    done = upscale_path(ToyDomain(), path, restorer, tmp_path / "sr.npz", log=Silent())
    assert outcomes(done)[STATISTICS] in ("pass", "warn")


def test_a_large_scene_is_looked_at_in_a_few_windows(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its size: at most 16 windows with pixels, spread over all of it, and the network on less than a tenth of them."""
    read: list[Window] = []
    patches: list[tuple[int, ...]] = []
    predict = restorer.predictor.predict
    monkeypatch.setattr(restorer.predictor, "predict", lambda y: patches.append(y.shape) or predict(y))
    tile = texture(256, 256, seed=3)
    small = ToyScene.__new__(ToyScene)
    small.stored, small.shape, small.bands = tile, tile.shape, ("B0", "B1")

    def reader(window: Window) -> object:
        read.append(window)
        return small.read(Window(0, 0, window.height, window.width))

    found = figures_of(reader, (2, 5000, 4000), ENCODING.step, restorer)  # type: ignore[arg-type]
    assert found.values and len(read) == inside.WINDOWS and max(w.height * w.width for w in read) <= inside.SIDE**2
    quadrants = {(w.row < 2500, w.col < 2000) for w in read}
    assert len(quadrants) == 4 and len(patches) == 16 and all(shape == (2, 64, 64) for shape in patches)


def test_nodata_is_passed_over(restorer: Restorer) -> None:
    count = 0
    stored = np.zeros((2, 256, 256), np.uint16)
    empty = ToyScene.__new__(ToyScene)
    empty.stored, empty.shape, empty.bands = stored, stored.shape, ("B0", "B1")

    def reader(window: Window) -> object:
        nonlocal count
        count += 1
        return empty.read(Window(0, 0, window.height, window.width))

    assert "0 valid pixels" in figures_of(reader, (2, 9000, 9000), ENCODING.step, restorer).absent  # type: ignore[arg-type]
    assert count == inside.READ


def test_stages_store_what_files_declare(run: Run) -> None:
    calibration = Restorer(run.calibrated.path).calibration
    assert calibration is not None and calibration.reference is not None and calibration.reference.facts is not None
    (fact,) = calibration.reference.facts.seen
    assert (fact.name, fact.values, fact.files) == ("stored type", ("uint16",), 1)


def test_groups_outside_of_validation_do_not_calibrate(run: Run, plain: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_core.records import Group, Region

    regions = tuple(Region(source="0" * 64, window=Window(n, 0, 9, 9), group=Group(kind="place", id=str(n))) for n in range(3))
    log = Sentences()
    kept = inside.calibration_inside(regions, inside.Fitted(None, frozenset({"1"})), log)
    assert [region.group.id for region in kept] == ["0", "2"] and "left out of the calibration" in log.said[0]
    assert inside.calibration_inside(regions, inside.Fitted(None, frozenset()), log) == regions and len(log.said) == 1


def test_restorer_outside_is_a_copy(plain: Restorer) -> None:
    outside = plain.outside("it is another kind of image")
    assert plain.withdrawn == "" and plain.claim("place").level != "certified"
    assert outside.claim("place").level == "none" and outside.calibration is plain.calibration
    assert np.isnan(outside.half_width(np.ones((1, 2, 2), np.float32))).all()
    assert dataclasses.is_dataclass(inside.Inside)
