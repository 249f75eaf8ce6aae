"""What is invented and left out, through the stages: clean outputs pass, planted faults are flagged, what cannot be told says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from toy import ENCODING, Run, Sentences, ToyDomain, run_stages, texture

from sr_core.evaluation import Evaluation
from sr_core.log import Silent
from sr_core.operators import make_operator
from sr_core.raster import Float32Array, Raster
from sr_core.stages import bands, overall
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.evidence import evidence_of
from sr_core.stages.gate import gate
from sr_core.stages.hallucination import CREATED, ENERGY, IMPLAUSIBLE, LEAST_RATIO, OCTAVES, RATIO, SELF_TEST, HallucinationMeter
from sr_core.stages.invention import DISAGREEMENT, ERASED, invention_of
from sr_core.stages.package import package
from sr_core.stages.regions import degrade
from sr_core.stages.restore import Restored, Restorer
from sr_core.stages.upscale import upscale_path
from sr_core.trust.planted import profile
from sr_core.trust.verdict import CheckResult, Verdict
from sr_core.workspace import Workspace

Change = Callable[[Float32Array], Float32Array]


def checks_of(verdict: Verdict) -> dict[str, CheckResult]:
    return {check.name: check for check in verdict.checks}


def dotted(z: Float32Array) -> Float32Array:
    """Add objects 1.5 px wide, about as strong as the brightest edges, four of them."""
    out = z.copy()
    for row, col in ((20, 20), (20, 31), (31, 20), (31, 31)):
        if row < z.shape[1] - 4 and col < z.shape[2] - 4:
            shape = [profile(np.arange(n), at, 1.5) for n, at in zip(z.shape[1:], (row, col), strict=True)]
            out += (1.0 * np.outer(*shape)).astype(np.float32)
    return out


def blurring(z: Float32Array) -> Float32Array:
    return np.asarray(gaussian_filter(z, (0, 3, 3)), np.float32)


def faulty(monkeypatch: pytest.MonkeyPatch, change: Change, *, projected: bool) -> None:
    """Plant a fault in what is delivered, before or after the projection onto the measurement."""
    honest = Restorer.delivered

    def delivered(self: Restorer, mean: Float32Array, filled: Float32Array, *rest: object) -> Float32Array:
        if projected:
            return honest(self, change(mean), filled, *rest)  # type: ignore[arg-type]
        return change(honest(self, mean, filled, *rest))  # type: ignore[arg-type]

    monkeypatch.setattr(Restorer, "delivered", delivered)


def evaluated(run: Run, folder: Path, **more: Path) -> Evaluation:
    domain = ToyDomain()
    settings = {"recipe": domain.recipe(), "workspace": Workspace(folder), "log": Silent(), "champion": None}
    return load_evaluation(evaluate(domain, run.manifest, run.calibrated, **(settings | more)))  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    np.save(tmp_path / "lr.npy", texture(150, 131, seed=3))
    return tmp_path / "lr.npy"


def test_an_upscale_carries_every_figure_with_its_limit_and_where_that_came_from(run: Run, scene: Path, tmp_path: Path) -> None:
    restorer = Restorer(run.calibrated.path)
    found = checks_of(upscale_path(ToyDomain(), scene, restorer, tmp_path / "sr.npz", log=Silent()).verdict)
    reference = restorer.calibration.reference  # type: ignore[union-attr]
    assert reference is not None and reference.octaves is not None and reference.guesses is not None
    assert found[ENERGY].threshold is None and 0 < found[ENERGY].value < 0.05  # type: ignore[operator]
    for name in (RATIO, LEAST_RATIO, IMPLAUSIBLE):
        assert found[name].outcome == "pass" and "clean outputs" in found[name].threshold_source, name
    assert (
        found[OCTAVES].threshold == 2 and f"{min(reference.octaves.windows)} windows of training images" in found[OCTAVES].threshold_source
    )
    assert found[SELF_TEST].outcome == "pass" and found[SELF_TEST].threshold == 0 and found[SELF_TEST].value > 0  # type: ignore[operator]
    assert not any(found[name].required for name in (ENERGY, RATIO, IMPLAUSIBLE, OCTAVES, SELF_TEST))


def test_figures_of_windows_are_those_of_the_whole(run: Run, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = Restorer(run.calibrated.path)
    monkeypatch.setattr(overall, "SIDE", 1024)
    whole = checks_of(upscale_path(ToyDomain(), scene, restorer, tmp_path / "a.npz", log=Silent()).verdict)
    monkeypatch.setattr(overall, "SIDE", 80)
    monkeypatch.setattr(overall, "FEWEST", overall.CHECKED)
    monkeypatch.setattr(bands, "ROWS", (64, 64))
    monkeypatch.setattr(bands, "WHOLE", 0)
    parts = checks_of(upscale_path(ToyDomain(), scene, restorer, tmp_path / "b.npz", log=Silent()).verdict)
    for name, most in ((ENERGY, 0.0006), (RATIO, 0.15), (LEAST_RATIO, 0.15), (IMPLAUSIBLE, 0.1), (OCTAVES, 0.3)):
        assert parts[name].value == pytest.approx(whole[name].value, abs=most), name


def test_a_bundle_without_a_reference_is_not_asked_for_one(run: Run, scene: Path, tmp_path: Path) -> None:
    restorer = Restorer(run.calibrated.path)
    old = restorer.calibrated_by(restorer.calibration.model_copy(update={"reference": None}))  # type: ignore[union-attr]
    found = checks_of(upscale_path(ToyDomain(), scene, old, tmp_path / "a.npz", log=Silent()).verdict)
    assert found[OCTAVES].outcome == "skipped" and found[OCTAVES].sentence == "the calibration knows no texture of real images"
    assert found[RATIO].threshold is None and "knows no clean images" in found[RATIO].threshold_source
    bare = checks_of(upscale_path(ToyDomain(), scene, Restorer(run.bundle.path), tmp_path / "b.npz", log=Silent()).verdict)
    assert bare[ENERGY].value == pytest.approx(found[ENERGY].value, rel=1e-3) and bare[RATIO].outcome == "skipped"
    assert not (bare[OCTAVES].required or bare[RATIO].required or found[OCTAVES].required)


def test_objects_that_the_measurement_cannot_see_are_flagged_in_an_upscale(
    run: Run, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(monkeypatch, dotted, projected=True)
    verdict = upscale_path(ToyDomain(), scene, Restorer(run.calibrated.path), tmp_path / "sr.npz", log=Silent()).verdict
    found = checks_of(verdict)
    assert found["residual rms"].outcome == "pass"  # they are consistent with the measurement
    assert found[IMPLAUSIBLE].outcome == "warn" and any(IMPLAUSIBLE in reason for reason in verdict.reasons)
    row, col = (int(word) for word in re.findall(r"row (\d+), column (\d+)", found[IMPLAUSIBLE].sentence)[0])
    assert min(abs(row - r) for r in (20, 31)) <= 3 and min(abs(col - c) for c in (20, 31)) <= 3


def test_fine_texture_made_up_everywhere_is_flagged_in_an_upscale(
    run: Run, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grained(z: Float32Array) -> Float32Array:
        return z + np.random.default_rng(0).normal(0, 0.3, z.shape).astype(np.float32)

    faulty(monkeypatch, grained, projected=True)
    found = checks_of(upscale_path(ToyDomain(), scene, Restorer(run.calibrated.path), tmp_path / "sr.npz", log=Silent()).verdict)
    assert found[OCTAVES].outcome == "warn" and found[OCTAVES].sentence.startswith("more fine texture than real images")
    assert found[RATIO].outcome == "warn" and found[SELF_TEST].outcome == "warn"


def test_a_clean_evaluation_says_what_is_invented_and_left_out(run: Run) -> None:
    evaluation = load_evaluation(run.evaluation)
    for region in evaluation.regions:
        invention = region.invention
        assert invention is not None and invention.split.null_rms is not None and invention.split.measured_rms is not None
        assert max(invention.split.measured_rms) < 0.1 * min(invention.split.null_rms)  # what is measured is projected
        shares = (invention.shares.improvement, invention.shares.omission, invention.shares.synthesis)
        assert sum(shares) == pytest.approx(1) and not invention.shares.harmonised  # type: ignore[arg-type]
        assert invention.planted is not None and invention.erased == 0 and invention.objects == 48
        assert invention.planted.size_at_half == pytest.approx(1.5, abs=0.1)
        assert "of 3 px weaker than" in invention.hidden and "cannot be excluded here" in invention.hidden
        assert checks_of(region.verdict)[CREATED].outcome == checks_of(region.verdict)[ERASED].outcome == "pass"
    assert Evaluation.from_json(evaluation.to_json(), "here") == evaluation
    older = evaluation.model_copy(update={"regions": tuple(r.model_copy(update={"invention": None}) for r in evaluation.regions)})
    text = older.to_json().replace('"invention":null,', "").replace('"invention": null,', "")
    assert "invention" not in text and Evaluation.from_json(text, "here") == older


def test_an_upscaler_that_smooths_small_objects_off_is_flagged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty(monkeypatch, blurring, projected=False)
    for region in evaluated(run, tmp_path).regions:
        assert region.invention is not None and region.invention.erased > 20
        assert checks_of(region.verdict)[ERASED].outcome == "warn" and any(ERASED in reason for reason in region.verdict.reasons)
        assert region.invention.planted is not None and region.invention.planted.size_at_half is None


def test_an_upscaler_that_adds_objects_is_flagged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty(monkeypatch, dotted, projected=True)
    for region in evaluated(run, tmp_path).regions:
        found = checks_of(region.verdict)
        assert found["residual rms"].outcome == "pass" and found[CREATED].outcome == "warn"
        assert region.invention is not None and region.invention.times > 5  # type: ignore[operator]
        row, col = next(size.where for size in region.invention.created if size.fwhm == 1.5)  # type: ignore[misc]
        assert min(abs(row - r) for r in (20, 31)) <= 2 and min(abs(col - c) for c in (20, 31)) <= 2


def test_a_perceptual_image_is_held_against_the_pixel_champions_interval(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for region in evaluated(run, tmp_path / "same", pixel_champion=run.calibrated.path).regions:
        assert region.invention is not None and region.invention.disagreement is not None and region.invention.disagreement.share == 0
        assert checks_of(region.verdict)[DISAGREEMENT].outcome == "pass"
    honest, turn = Restorer.restore, iter(range(10**6))

    def first_is_grained(self: Restorer, y: Float32Array, mask: np.ndarray) -> Restored:
        made = honest(self, y, mask)
        noise = np.random.default_rng(next(turn)).normal(0, 0.2, made.sr.shape).astype(np.float32)
        return replace(made, sr=self.project(made.sr + noise, y, mask))

    monkeypatch.setattr(Restorer, "restore", first_is_grained)
    for region in evaluated(run, tmp_path / "other", pixel_champion=run.calibrated.path).regions:
        check = checks_of(region.verdict)[DISAGREEMENT]
        assert check.outcome == "warn" and check.value > 0.3 and "style, not evidence" in check.sentence  # type: ignore[operator]


def test_a_small_region_says_why_and_raises_nothing(run: Run) -> None:
    restorer = Restorer(run.calibrated.path)
    hr = Raster(ENCODING.decode(texture(20, 22)), np.ones((20, 22), bool), ("B0", "B1"), "reflectance", ENCODING.valid_range)
    pair = degrade(hr, ENCODING, restorer.operator)
    restored = restorer.restore(pair.lr.pixels, pair.lr.mask)
    found = invention_of(restorer, pair, restored.sr, restored.sr, restored.half_width, plant=True)
    assert found.planted is None and "too small" in found.planted_absent and "too small" in found.shares.absent
    assert found.split.null_rms is not None
    flat = replace(pair, hr=replace(hr, pixels=np.full_like(hr.pixels, np.nan), mask=np.zeros_like(hr.mask)))
    nothing = invention_of(restorer, flat, restored.sr, restored.sr, restored.half_width, plant=True)
    assert nothing.planted_absent == "no pixel is usable" and nothing.created == () and nothing.hidden == ""
    meter = HallucinationMeter(restorer, (20, 22))
    meter.take(evidence_of(restorer, pair.lr, restored.sr, None, 0.001, spread=restored.spread))
    found_checks = {check.name: check for check in meter.results()}
    assert found_checks[SELF_TEST].outcome == "skipped" and found_checks[OCTAVES].outcome == "skipped"


def test_planting_is_bounded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_core.stages import invention

    restorer, seen = Restorer(run.calibrated.path), []
    honest = Restorer.restore
    monkeypatch.setattr(Restorer, "restore", lambda self, y, mask: (seen.append(y.shape), honest(self, y, mask))[1])
    monkeypatch.setattr(invention, "PLANTED_SIDE", 48)
    hr = Raster(ENCODING.decode(texture(200, 220)), np.ones((200, 220), bool), ("B0", "B1"), "reflectance", ENCODING.valid_range)
    pair = degrade(hr, ENCODING, restorer.operator)
    curve, absent = invention._planted(restorer, pair)
    assert absent == "" and curve is not None and len(curve.sizes) == 4 and set(seen) == {(2, 48, 48)}


@pytest.fixture
def blurred_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def operators(self: ToyDomain) -> dict[str, object]:
        return {"blur": partial(make_operator, "gaussian", sigma=1.6)}

    monkeypatch.setattr(ToyDomain, "operators", operators)
    return run_stages(tmp_path / "blurred", Sentences(), operator="blur")


def test_a_degradation_without_an_inverse_says_that_nothing_can_be_told_apart(blurred_run: Run, tmp_path: Path) -> None:
    run = blurred_run
    evaluation = load_evaluation(run.evaluation)
    assert "projected bicubic" not in evaluation.methods()
    for region in evaluation.regions:
        check = checks_of(region.verdict)[ENERGY]
        assert check.outcome == "skipped" and "ill-conditioned" in check.sentence and not check.required
        assert (
            region.invention is not None and region.invention.split.null_rms is None and "ill-conditioned" in region.invention.split.absent
        )
        assert region.verdict.invisible_size_px is None and RATIO not in checks_of(region.verdict)
    decision = gate(ToyDomain(), run.evaluation, family="edsr", approved_by=None, champion_level=None, log=Silent())
    made = package(run.calibrated, run.evaluation, decision, workspace=run.workspace, log=Silent())
    page, card = ((made.path / name).read_text() for name in ("report.html", "card.md"))
    assert "What is measured and what is guessed is not told apart: gaussian x2 is too ill-conditioned" in card
    assert "too ill-conditioned to be inverted" in page and "guessed part of region" not in page
    np.save(tmp_path / "lr.npy", texture(60, 70))
    verdict = upscale_path(ToyDomain(), tmp_path / "lr.npy", Restorer(run.calibrated.path), tmp_path / "sr.npz", log=Silent()).verdict
    assert "ill-conditioned" in checks_of(verdict)[ENERGY].sentence


def test_card_and_report_say_it_in_plain_words(run: Run) -> None:
    decision = gate(ToyDomain(), run.evaluation, family="edsr", approved_by=None, champion_level=None, log=Silent())
    made = package(run.calibrated, run.evaluation, decision, workspace=run.workspace, log=Silent())
    page, card = ((made.path / name).read_text() for name in ("report.html", "card.md"))
    for text in (page, card):
        assert "lies in detail that the measurement cannot see" in text
        assert "144 small objects were planted in 3 regions: 0 of them were erased" in text
        assert "cannot be excluded here" in text
    assert "What it invents, what it leaves out" in page
