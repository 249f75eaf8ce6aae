"""All stages with a degradation that differs from band to band; an image of other bands is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy import ENCODING, Run, Sentences, ToyDomain, run_stages, texture

from sr_core.errors import ShapeError
from sr_core.log import Silent
from sr_core.operators import BandwiseOperator, make_operator
from sr_core.patches import PatchStore
from sr_core.stages.ingest import ingest
from sr_core.stages.prepare import prepare
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path
from sr_core.workspace import Workspace

OPERATOR = make_operator("mtf", 2, value=[0.4, 0.2])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_stages(tmp_path_factory.mktemp("per_band"), Silent(), operator="mtf-two-bands")


def test_the_store_holds_each_bands_own_measurement(run: Run) -> None:
    with PatchStore(run.store.path) as store:
        assert store.operator == OPERATOR.to_json()
        image = next(iter(store.images("train")))
    for band, one in enumerate(OPERATOR.for_bands(2)):
        exact = one.apply(torch.from_numpy(image.hr.pixels[band]).double())
        inner = (slice(8, -8), slice(8, -8))  # a region's rim is not the image's
        assert float((exact - image.lr.pixels[band])[inner].abs().max()) <= 0.51 * ENCODING.step


def test_what_is_delivered_explains_each_band(run: Run) -> None:
    restorer = Restorer(run.calibrated.path)
    assert isinstance(restorer.operator, BandwiseOperator)
    y = ENCODING.decode(texture(60, 70, seed=5))
    sr = restorer.restore(y, np.ones(y.shape[1:], bool)).sr
    for band, one in enumerate(OPERATOR.for_bands(2)):
        left = one.residual(torch.from_numpy(sr[band]).double(), torch.from_numpy(y[band]).double())
        assert float(left.square().mean().sqrt()) < 0.15 * ENCODING.step
    swapped = OPERATOR.residual(torch.from_numpy(sr[::-1].copy()), torch.from_numpy(y[::-1].copy()))
    assert float(swapped.square().mean().sqrt()) > 2 * ENCODING.step


def test_a_whole_upscale_passes_its_checks(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "lr.npy", texture(80, 90, seed=3))
    done = upscale_path(ToyDomain(), tmp_path / "lr.npy", Restorer(run.calibrated.path), tmp_path / "sr.npz", log=Silent())
    residuals = [check for check in done.verdict.checks if "residual" in check.name and check.threshold is not None]
    assert len(residuals) == 3 and all(check.value <= check.threshold for check in residuals)


def test_other_bands_are_refused_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "lr.npy", texture(80, 90, bands=3))
    restorer = Restorer(run.calibrated.path)
    with pytest.raises(ShapeError, match="an image of 3 bands; expected 2 bands"):
        upscale_path(ToyDomain(), tmp_path / "lr.npy", restorer, tmp_path / "sr.npz", log=Silent())
    assert not (tmp_path / "sr.npz").exists()
    with pytest.raises(ShapeError, match="an image of 3 bands; expected 2 bands"):
        restorer.restore(np.zeros((3, 40, 40), np.float32), np.ones((40, 40), bool))


def test_preparing_an_image_of_other_bands_names_it(tmp_path: Path) -> None:
    domain, log = ToyDomain(), Sentences()
    np.save(tmp_path / "three.npy", texture(220, 260, bands=3))
    with_ = {"recipe": domain.recipe().with_overrides({"operator": "mtf-two-bands"}), "workspace": Workspace(tmp_path / "w"), "log": log}
    manifest = ingest(domain, [tmp_path / "three.npy"], **with_)
    with pytest.raises(ShapeError, match="an image of 3 bands; expected 2 bands"):
        prepare(domain, manifest, **with_)
    assert any("three.npy is not prepared" in sentence for sentence in log.said)
