"""The kernel check on images: what validation pairs teach, and what windows of a scene say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy import ENCODING, Run, ToyDomain, ToyScene, texture

from sr_core.log import Silent
from sr_core.operators import make_operator
from sr_core.raster import Raster, Window
from sr_core.stages import kernel
from sr_core.stages.ingest import load_manifest
from sr_core.stages.kernel import kernel_check, shown
from sr_core.stages.reference import reference_of
from sr_core.stages.regions import Pair, degrade
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path
from sr_core.trust.kernel_check import Shown, fit_kernel, kernel_bank, kernel_features, kernel_sums
from sr_core.trust.reference import Reference

X2 = make_operator("bicubic", 2)


def hr(seed: int, height: int = 160, width: int = 200) -> Raster:
    pixels = ENCODING.decode(texture(height, width, bands=1, seed=seed))
    return Raster(pixels, np.ones((height, width), np.bool_), ("B0",), "reflectance", ENCODING.valid_range)


def pair(seed: int) -> Pair:
    return degrade(hr(seed), ENCODING, X2)


def test_a_validation_image_is_seen_under_every_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, one = kernel_bank(X2), pair(1)
    found = shown("g", one, bank)
    assert found is not None and found.group == "g" and list(found.features) == list(bank)
    own = kernel_features(kernel_sums(one.lr.pixels, one.lr.mask, ENCODING.step))
    assert (found.features[next(iter(bank))] == own).all()
    monkeypatch.setattr(kernel, "LARGEST", 64)
    middle = shown("g", one, bank)
    cut = one.hr.pixels[:, 16:144, 36:164]
    part = degrade(replace(one.hr, pixels=cut, mask=one.hr.mask[16:144, 36:164]), ENCODING, X2)
    assert middle is not None
    assert (middle.features[next(iter(bank))] == kernel_features(kernel_sums(part.lr.pixels, part.lr.mask, ENCODING.step))).all()
    flat = replace(one.hr, pixels=np.full_like(one.hr.pixels, 0.5))
    assert shown("g", Pair(flat, one.lr, ENCODING), bank) is None


@pytest.fixture(scope="module")
def restorer(run: Run) -> Restorer:
    """The toy model, calibrated as if it had seen a dozen pictures under the bank."""
    plain = Restorer(run.calibrated.path)
    bank = kernel_bank(X2)
    images = [image for seed in range(12) if (image := shown(str(seed), pair(seed), bank)) is not None]
    reference = Reference(images=12, groups=12, kernel=fit_kernel(images))
    assert plain.calibration is not None
    return plain.calibrated_by(plain.calibration.model_copy(update={"reference": reference}))


def test_windows_of_a_scene_tell_a_wrong_kernel(restorer: Restorer, tmp_path: Path) -> None:
    said = {}
    for name, operator in {
        "right": X2,
        "blurrier": make_operator("gaussian", 2, sigma=1.4),
        "sharper": make_operator("nearest", 2),
    }.items():
        lr = degrade(hr(50, 320, 400), ENCODING, operator).lr
        path = tmp_path / f"{name}.npy"
        np.save(path, ENCODING.encode(lr.pixels))
        said[name] = kernel_check(ToyScene(path), [Window(0, 0, 80, 200), Window(80, 0, 80, 200)], restorer)
    assert [check.outcome for check in said.values()] == ["pass", "warn", "warn"]
    assert said["blurrier"].value > 0.3 and said["sharper"].value < -0.3  # type: ignore[operator]


def test_the_verdict_of_an_upscale_carries_the_check(run: Run, restorer: Restorer, tmp_path: Path) -> None:
    lr = degrade(hr(50, 320, 400), ENCODING, make_operator("gaussian", 2, sigma=1.4)).lr
    np.save(tmp_path / "lr.npy", np.repeat(ENCODING.encode(lr.pixels), 2, axis=0))
    checks = {}
    for name, model in {"with": restorer, "without": Restorer(run.bundle.path)}.items():
        done = upscale_path(ToyDomain(), tmp_path / "lr.npy", model, tmp_path / f"{name}.npy", log=Silent())
        checks[name] = next(check for check in done.verdict.checks if check.name == "kernel blur")
        assert any("kernel blur" in reason for reason in done.verdict.reasons) == (name == "with")
    assert checks["with"].outcome == "warn" and checks["without"].outcome == "skipped"


def test_calibration_learns_in_its_pass_over_validation_regions(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer, manifest = Restorer(run.calibrated.path), load_manifest(run.manifest)
    whole = manifest.sources[0]
    region = manifest.split.val[0].model_copy(update={"source": whole.sha256, "window": Window(0, 0, *whole.shape[1:])})
    manifest = manifest.model_copy(update={"split": manifest.split.model_copy(update={"val": (region,)})})
    taught: list[Shown] = []
    monkeypatch.setattr("sr_core.trust.kernel_check.fit_kernel", taught.extend)
    found = reference_of(ToyDomain(), manifest, restorer, Silent())
    assert found.kernel is None and found.images == 1
    assert [image.group for image in taught] == [region.group.id]
    assert all(list(image.features) == list(kernel_bank(restorer.operator)) for image in taught)
