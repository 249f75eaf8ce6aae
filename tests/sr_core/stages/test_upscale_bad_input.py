"""Images, targets and models that do not fit: one sentence, exit code 2, nothing left behind; odd images that do fit come out right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import ENCODING, Run, ToyDomain, ToyScene, texture

from sr_core.errors import InputError, OutputError, ShapeError, SRError, UnitError
from sr_core.log import Silent
from sr_core.raster import Raster, Window
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import Upscaled, upscale_path


@pytest.fixture(scope="module")
def restorer(run: Run) -> Restorer:
    return Restorer(run.calibrated.path)


@pytest.fixture
def upscaled(restorer: Restorer, tmp_path: Path) -> Callable[..., Upscaled]:
    def go(stored: np.ndarray, **options: Any) -> Upscaled:
        np.save(tmp_path / "lr.npy", stored)
        return upscale_path(ToyDomain(), tmp_path / "lr.npy", restorer, tmp_path / "out" / "sr.npz", log=Silent(), **options)

    return go


def refused(error: SRError, folder: Path) -> None:
    assert error.exit_code == 2
    sentence = str(error)
    assert "; expected " in sentence and "\n" not in sentence
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("shape", [(5, 7), (1, 60), (60, 1), (1, 1), (2, 300)])
def test_images_smaller_than_the_receptive_field(shape: tuple[int, int], upscaled: Callable[..., Upscaled], tmp_path: Path) -> None:
    stored = texture(300, 300)[:, : shape[0], : shape[1]]
    try:
        done = upscaled(stored)
    except SRError as error:
        refused(error, tmp_path / "out")
        return
    sr = np.load(tmp_path / "out" / "sr.npz")["sr"]
    assert sr.shape == (2, 2 * shape[0], 2 * shape[1]) and (sr > 0).all()
    assert {c.name: c.outcome for c in done.verdict.checks}["residual rms"] == "pass"


def test_all_masked(upscaled: Callable[..., Upscaled], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lr\.npy has no valid pixel") as caught:
        upscaled(np.zeros((2, 80, 80), np.uint16))
    refused(caught.value, tmp_path / "out")


def test_one_valid_pixel(upscaled: Callable[..., Upscaled], tmp_path: Path) -> None:
    stored = np.zeros((2, 80, 80), np.uint16)
    stored[:, 40, 30] = 700
    upscaled(stored)
    sr = np.load(tmp_path / "out" / "sr.npz")["sr"]
    assert (sr[:, 80:82, 60:62] > 0).all() and np.count_nonzero(sr) == 2 * 4


@pytest.mark.parametrize(("side", "level"), [(7, "none"), (8, "empirical")])
def test_too_few_valid_pixels_carry_no_claim(side: int, level: str, upscaled: Callable[..., Upscaled], tmp_path: Path) -> None:
    stored = np.zeros((2, 80, 80), np.uint16)
    stored[:, 40 : 40 + side, 30 : 30 + side] = texture(side, side)
    verdict = upscaled(stored).verdict
    width = np.load(tmp_path / "out" / "sr.npz")["half_width"]
    assert verdict.claim.level == level and (verdict.status == "abstain") == (level == "none") == (verdict.covered_share == 0)
    assert np.isnan(width).all() == (level == "none")
    if level == "none":
        assert "only 98 of its values are valid, and 100 are needed" in verdict.claim.text
        assert verdict.reasons[0] == "valid values: only 98 of its values are valid, and 100 are needed."


@pytest.mark.parametrize("value", [1, 700, 65534])
def test_a_constant_image_comes_out_constant(value: int, upscaled: Callable[..., Upscaled], tmp_path: Path) -> None:
    done = upscaled(np.full((2, 60, 70), value, np.uint16))
    made = np.load(tmp_path / "out" / "sr.npz")
    assert np.isfinite(made["half_width"]).all() and (made["half_width"] > 0).all()
    assert np.abs(made["sr"].astype(int) - value).max() <= max(1, value // 100)
    odd = {c.name for c in done.verdict.checks if c.outcome not in ("pass", "skipped")}
    assert odd <= ({"period-2 pattern"} if value == 65534 else set())  # so far from what it learned, this network draws a pattern


def test_a_measured_pixel_that_is_not_finite(upscaled: Callable[..., Upscaled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ToyScene.read

    def read(self: ToyScene, window: Window) -> Raster:
        raster = honest(self, window)
        raster.pixels[0, 3, 3] = np.nan
        return raster

    monkeypatch.setattr(ToyScene, "read", read)
    with pytest.raises(InputError, match=r"lr\.npy, rows 0 to 79, columns 0 to 69: .*not finite") as caught:
        upscaled(texture(80, 70))
    refused(caught.value, tmp_path / "out")


@pytest.mark.parametrize("largest", [40, 256])
def test_dark_16_bit_data_stay_16_bit(largest: int, upscaled: Callable[..., Upscaled], tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(1, largest + 1, (2, 60, 70)).astype(np.uint16)
    done = upscaled(stored)
    sr = np.load(tmp_path / "out" / "sr.npz")["sr"]
    assert sr.dtype == np.uint16 and sr.min() >= 1 and abs(float(sr.mean()) - float(stored.mean())) < 0.05 * largest + 1
    assert {c.name: c.outcome for c in done.verdict.checks}["residual max"] == "pass"


def test_another_unit_or_other_bands(
    upscaled: Callable[..., Upscaled], restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(UnitError, match="an image in DN; expected reflectance") as caught:
        patch.setattr(ToyScene, "unit", "DN")
        upscaled(texture(60, 70))
    refused(caught.value, tmp_path / "out")
    joint = restorer.card.model_copy(update={"descriptor": restorer.card.descriptor.model_copy(update={"bandwise": False})})
    monkeypatch.setattr(restorer, "card", joint)
    with pytest.raises(ShapeError, match="an image of 3 bands; expected the 2 bands B0, B1") as caught_shape:
        upscaled(texture(60, 70, bands=3))
    refused(caught_shape.value, tmp_path / "out")
    monkeypatch.setattr(restorer, "card", joint.model_copy(update={"bands": ("B1", "B0")}))
    with pytest.raises(ShapeError, match="bands in the order B0, B1; expected B1, B0") as caught_order:
        upscaled(texture(60, 70))
    refused(caught_order.value, tmp_path / "out")


@pytest.mark.parametrize("link", ["itself", "symlink", "hardlink", "through a linked folder"])
def test_output_on_top_of_the_input(link: str, restorer: Restorer, tmp_path: Path) -> None:
    image, target = tmp_path / "lr.npy", tmp_path / "lr.npy"
    np.save(image, texture(60, 70))
    before = image.read_bytes()
    if link in ("symlink", "hardlink"):
        target = tmp_path / "other.npy"
        target.symlink_to(image) if link == "symlink" else target.hardlink_to(image)
    elif link != "itself":
        (tmp_path / "folder").symlink_to(tmp_path)
        target = tmp_path / "folder" / "lr.npy"
    there = sorted(p.name for p in tmp_path.iterdir())
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is the input; expected another path") as caught:
            upscale_path(ToyDomain(), image, restorer, target, log=Silent(), overwrite=overwrite)
        assert caught.value.exit_code == 2 and sorted(p.name for p in tmp_path.iterdir()) == there
    assert image.read_bytes() == before and ENCODING.dtype == "uint16"
