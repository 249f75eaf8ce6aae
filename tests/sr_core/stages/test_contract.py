"""What each stage promises is pinned: a changed result needs a raised VERSION, or old results would be reused as if they were new.

If a test here turns red, the stage's result has changed: raise its VERSION, then pin the new figures.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy import Run, ToyDomain

from sr_core.log import Silent
from sr_core.stages import calibrate, evaluate, ingest, package, prepare, train
from sr_core.stages.evaluate import load_evaluation
from sr_core.workspace import Workspace


def integer_scene() -> np.ndarray:
    """Digital numbers from whole-number arithmetic: the same on every machine."""
    rows, cols = np.mgrid[:220, :260]
    image = 500 + (7 * rows * cols + 13 * cols + 900 * ((rows // 16 + cols // 16) % 2)) % 3000
    return np.stack([image, image[::-1]]).astype(np.uint16)


def test_versions() -> None:
    stages = {s.__name__.rsplit(".", 1)[1]: s.VERSION for s in (ingest, prepare, train, calibrate, evaluate, package)}
    assert stages == {"ingest": 1, "prepare": 4, "train": 3, "calibrate": 3, "evaluate": 4, "package": 6}


def test_ingest_1_and_prepare_4(tmp_path: Path) -> None:
    np.save(tmp_path / "scene.npy", integer_scene())
    domain, workspace = ToyDomain(), Workspace(tmp_path / "workspace")
    settings = {"recipe": domain.recipe(), "workspace": workspace, "log": Silent()}
    manifest = ingest.ingest(domain, [tmp_path / "scene.npy"], **settings)
    store = prepare.prepare(domain, manifest, **settings)
    assert (manifest.hash[:16], store.hash[:16]) == ("0e5b10acede4b69f", "b3610369b9355413")


def test_train_3(run: Run) -> None:
    card = json.loads((run.bundle.path / "bundle.json").read_text())
    assert (card["mean"], card["std"], card["data_range"]) == pytest.approx((2.11905, 0.402807, 2.583), rel=1e-4)
    curve = {(p["name"], p["step"]): p["value"] for p in json.loads((run.bundle.path / "training.json").read_text())["points"]}
    assert curve["val/gain_over_bicubic_db", 3] == pytest.approx(1.1738, abs=0.01)
    assert curve["train/loss", 6] == pytest.approx(1.0656, rel=0.01)
    assert curve["train/rate", 6] == pytest.approx(2.8e-05)


def test_calibrate_3(run: Run) -> None:
    calibration = json.loads((run.calibrated.path / "calibration.json").read_text())
    assert (calibration["floor"], calibration["k"], calibration["rule"]) == (0.002, 3, "maximum")
    assert calibration["multiplier"] == pytest.approx(2.371, rel=0.03)


def test_evaluate_4(run: Run) -> None:
    evaluation = load_evaluation(run.evaluation)
    psnr = {m: evaluation.mean_psnr_db(m) for m in evaluation.methods()}
    assert psnr["bicubic"] == pytest.approx(41.27246, abs=1e-3)
    assert psnr["projected bicubic"] == pytest.approx(42.4827, abs=1e-3)
    assert psnr["linear filter"] == pytest.approx(42.31945, abs=1e-3)
    assert psnr["model"] == pytest.approx(42.317, abs=0.02)
    assert evaluation.mean_ssim("bicubic") == pytest.approx(0.975001, abs=1e-5)
