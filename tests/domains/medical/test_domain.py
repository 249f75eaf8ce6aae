"""The domain as the stages see it: demo, split, recipe, checks, degradations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from domains.medical.checks import Clipping, UniformBias
from domains.medical.domain import DOMAIN
from sr_core.errors import RecipeError
from sr_core.log import Silent
from sr_core.trust.verdict import Evidence

REPOSITORY = Path(__file__).resolve().parents[3]


def test_demo_has_two_patients_and_shows_a_refusal(tmp_path):
    paths = DOMAIN.demo(tmp_path)
    sources, refusals = DOMAIN.discover(paths, Silent())
    assert sorted(s.shape for s in sources) == [(1, 128, 128), (1, 512, 512)]
    assert {s.unit for s in sources} == {"HU"} and len({s.group for s in sources}) == 2
    assert [r.path.name for r in refusals] == ["693_J2KI.dcm"] and "compression lost detail" in refusals[0].sentence
    split = DOMAIN.split(sources, 2, 16, 1)
    assert {r.group for r in split.train}.isdisjoint({r.group for r in (*split.calibration, *split.test)})
    assert len(split.test) == len(split.calibration) == 2
    again = DOMAIN.demo(tmp_path)  # a second run finds its files in place
    assert DOMAIN.discover(again, Silent())[0] == sources


def test_importing_the_domain_is_cheap():
    code = "import sys, domains.medical.domain; print([m for m in ('pydicom', 'torch', 'highdicom', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]"


def test_sensitivity_asks_for_a_person():
    assert DOMAIN.sensitivity.needs_approval and DOMAIN.sensitivity.minimum_test_groups == 3
    assert DOMAIN.sensitivity.notice == "Not for primary diagnosis."
    assert DOMAIN.recipe().domain == "medical"
    with pytest.raises(RecipeError, match="made-up detail"):
        DOMAIN.recipe().with_overrides({"purpose": "perceptual"})
    assert DOMAIN.recipe().with_overrides({"purpose": "perceptual", "allow_perceptual": "true"}).purpose == "perceptual"


@pytest.mark.parametrize("scale", [2, 3])
def test_degradations_keep_a_flat_image_flat(scale):
    import torch

    operators = DOMAIN.operators()
    assert next(iter(operators)) == "bicubic"
    for name, make in operators.items():
        flat = torch.full((1, 12 * scale, 12 * scale), -1000.0, dtype=torch.float64)
        assert torch.allclose(make(scale).apply(flat), flat[:, ::scale, ::scale], atol=1e-9), name


def evidence(z: np.ndarray, bicubic: np.ndarray, unit: str = "HU") -> Evidence:
    lr = bicubic[:, ::2, ::2].copy()
    return Evidence(
        y=lr, z=z, bicubic=bicubic, mask_lr=np.ones(lr.shape[1:], bool), mask_hr=np.ones(z.shape[1:], bool), residual=np.zeros_like(lr),
        half_width=None, step=1.0, valid_range=(-1024.0, 3071.0), unit=unit,
    )  # fmt: skip


def halves() -> np.ndarray:
    image = np.full((1, 80, 80), -1000, np.float32)
    image[:, :, 40:] = 40
    return image + np.random.default_rng(1).normal(0, 1, image.shape).astype(np.float32)


@pytest.mark.parametrize(("shift", "outcome"), [(0.0, "pass"), (0.9, "pass"), (1.1, "warn"), (5.1, "fail"), (np.nan, "fail")])
def test_uniform_bias_in_hu(shift, outcome):
    image = halves()
    moved = image.copy()
    moved[:, :, 40:] += shift  # soft tissue only: the mean over the image would hide half of it
    result = UniformBias()(evidence(moved, image))
    assert result.outcome == outcome
    if np.isfinite(shift):
        assert result.value == pytest.approx(shift, abs=1e-3)


def test_uniform_bias_without_unit_is_relative():
    image = np.abs(halves())
    result = UniformBias()(evidence(image * np.float32(1.005), image, "signal"))
    assert result.outcome == "warn" and result.value == pytest.approx(0.005, rel=0.05)


def test_uniform_bias_is_skipped_where_nothing_is_uniform():
    image = halves()[:, :8, :8]
    assert UniformBias()(evidence(image, image)).outcome == "skipped"


def test_clipping_counts_new_extremes():
    image = halves()
    clipped = image.copy()
    clipped[0, 0, 0] = 3071
    assert Clipping()(evidence(image, image)).outcome == "pass"
    assert Clipping()(evidence(clipped, image)).outcome == "warn"
    clipped[0, :5] = -1024
    assert Clipping()(evidence(clipped, image)).outcome == "fail"


def test_kspace_slices_are_prepared_trained_calibrated_and_evaluated(tmp_path, make_slice):
    """Four patients with one slice each: no image is cut, each is degraded whole."""
    from sr_core.stages.calibrate import calibrate
    from sr_core.stages.evaluate import evaluate, load_evaluation
    from sr_core.stages.ingest import ingest, load_manifest
    from sr_core.stages.prepare import prepare
    from sr_core.stages.train import train
    from sr_core.workspace import Workspace

    rows, cols = np.mgrid[:96, :96]
    files = []
    for patient in range(4):
        round_ = np.hypot(rows - 40 - patient, cols - 50) < 20 + 3 * patient
        pixels = (np.where(round_, 1100, 100) + 40 * np.sin(cols / (4 + patient))).astype(np.int16)
        own = {"PatientID": f"P{patient}", "SeriesInstanceUID": f"1.2.3.{patient + 9}", "SOPInstanceUID": f"1.2.4.{patient + 9}"}
        files.append(make_slice(f"{patient}.dcm", pixels, StudyInstanceUID=f"1.2.5.{patient + 9}", **own))
    recipe = DOMAIN.recipe().with_overrides(
        {"operator": "kspace", "training.steps": 4, "training.batch": 4, "spread.steps": 4, "network.width": 8, "network.blocks": 1}
    )
    settings = {"recipe": recipe, "workspace": Workspace(tmp_path / "w"), "log": Silent()}
    manifest = ingest(DOMAIN, files, **settings)
    split = load_manifest(manifest).split
    assert split.notes == () and len(split.test) == len(split.calibration) == 1
    bundle = train(prepare(DOMAIN, manifest, **settings), **settings)
    calibrated = calibrate(DOMAIN, manifest, bundle, **settings)
    evaluation = load_evaluation(evaluate(DOMAIN, manifest, calibrated, champion=None, **settings))
    assert "k-space" in evaluation.operator
    for region in evaluation.regions:
        assert {c.outcome for c in region.verdict.checks if c.name in ("residual rms", "residual max", "uniform bias")} == {"pass"}
