"""Upscaling whole images: windows equal the whole, the file is checked as written, faults are one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from toy import ENCODING, Run, ToyDomain, ToyScene, ToyWriter, texture

from sr_core.canvas import STORED
from sr_core.errors import InputError, OutputError, SRError, UnitError
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.stages import bands, overall
from sr_core.stages.restore import Restorer, upscale_array
from sr_core.stages.upscale import upscale_path


@pytest.fixture(scope="module")
def restorer(run: Run) -> Restorer:
    return Restorer(run.calibrated.path)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    stored = texture(150, 131, seed=3)
    stored[:, 40:60, 70:75] = 0
    np.save(tmp_path / "lr.npy", stored)
    return tmp_path / "lr.npy"


def test_windows_give_what_the_whole_gives(restorer: Restorer, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = upscale_path(ToyDomain(), scene, restorer, tmp_path / "whole.npz", log=Silent())
    monkeypatch.setattr(overall, "SIDE", 48)
    monkeypatch.setattr(bands, "ROWS", (32, 32))
    monkeypatch.setattr(bands, "WHOLE", 0)
    windowed = upscale_path(ToyDomain(), scene, restorer, tmp_path / "windows.npz", log=Silent())
    a, b = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "windows.npz")
    assert (a["sr"] != b["sr"]).mean() <= 1e-4
    assert np.abs(a["sr"].astype(int) - b["sr"].astype(int)).max() <= 1
    np.testing.assert_allclose(a["half_width"], b["half_width"], rtol=1e-4, atol=1e-6)
    for done in (whole, windowed):
        assert {c.outcome for c in done.verdict.checks if c.required} == {"pass"}


def test_written_file_is_consistent_and_keeps_nodata(restorer: Restorer, scene: Path, tmp_path: Path) -> None:
    done = upscale_path(ToyDomain(), scene, restorer, tmp_path / "sr.npz", log=Silent())
    sr = np.load(tmp_path / "sr.npz")["sr"]
    lr = np.load(scene)
    np.testing.assert_array_equal(sr[0] == 0, np.kron(lr[0] == 0, np.ones((2, 2))).astype(bool))
    assert {c.name: c.outcome for c in done.verdict.checks}["residual rms"] == "pass"
    assert done.verdict.inputs and done.verdict.time


@pytest.mark.parametrize(
    ("fault", "catcher"),
    [
        (lambda z: np.roll(z, 1, axis=-1), "residual rms"),
        (lambda z: (z * 1.02).astype(z.dtype), "residual rms"),
        (lambda z: z + np.uint16(3), "residual rms"),
    ],
)
def test_writer_faults_fail_the_verdict(
    restorer: Restorer, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: object, catcher: str
) -> None:
    honest = ToyWriter.reread

    def spoilt(self: ToyWriter, window: Window) -> object:
        keep = self.canvas.read
        values = keep(STORED)
        self.canvas.read = lambda name: np.where(values == 0, 0, fault(values)).astype(np.uint16)  # type: ignore
        try:
            return honest(self, window)
        finally:
            self.canvas.read = keep  # type: ignore[method-assign]

    monkeypatch.setattr(ToyWriter, "reread", spoilt)
    verdict = upscale_path(ToyDomain(), scene, restorer, tmp_path / "sr.npz", log=Silent()).verdict
    assert verdict.status == "fail"
    assert any(catcher in reason for reason in verdict.reasons)


def test_target_exists_or_is_the_input(restorer: Restorer, scene: Path, tmp_path: Path) -> None:
    (tmp_path / "there.npz").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        upscale_path(ToyDomain(), scene, restorer, tmp_path / "there.npz", log=Silent())
    assert (tmp_path / "there.npz").read_text() == "mine"
    with pytest.raises(OutputError, match="is the input"):
        upscale_path(ToyDomain(), scene, restorer, scene, log=Silent(), overwrite=True)


def test_other_unit(restorer: Restorer, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyScene, "unit", "DN")
    with pytest.raises(UnitError, match=r"an image in DN; expected reflectance"):
        upscale_path(ToyDomain(), scene, restorer, tmp_path / "sr.npz", log=Silent())


def test_nothing_valid(restorer: Restorer, tmp_path: Path) -> None:
    np.save(tmp_path / "empty.npy", np.zeros((2, 80, 80), np.uint16))
    with pytest.raises(InputError, match="no valid pixel"):
        upscale_path(ToyDomain(), tmp_path / "empty.npy", restorer, tmp_path / "sr.npz", log=Silent())
    assert not (tmp_path / "sr.npz").exists()


def test_no_image_there(restorer: Restorer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SRError, match=r"not a \.npy file"):
        upscale_path(ToyDomain(), tmp_path / "a.txt", restorer, tmp_path / "sr.npz", log=Silent())


def test_any_band_count(restorer: Restorer, tmp_path: Path) -> None:
    np.save(tmp_path / "five.npy", texture(40, 50, bands=5))
    upscale_path(ToyDomain(), tmp_path / "five.npy", restorer, tmp_path / "sr.npz", log=Silent())
    assert np.load(tmp_path / "sr.npz")["sr"].shape == (5, 80, 100)


def test_uncalibrated_bundle_claims_nothing(run: Run, scene: Path, tmp_path: Path) -> None:
    done = upscale_path(ToyDomain(), scene, Restorer(run.bundle.path), tmp_path / "sr.npz", log=Silent())
    assert done.verdict.claim.level == "none"
    assert np.load(tmp_path / "sr.npz").files == ["sr"]


def test_other_precision_withdraws_the_claim(run: Run) -> None:
    calibrated_in = Restorer(run.calibrated.path).precision
    other = Restorer(run.calibrated.path, precision="float32" if calibrated_in == "bfloat16" else "bfloat16")
    assert other.claim("place").level == "none"
    assert "another precision" in other.claim("place").text
    assert ENCODING.step == 0.001


def test_a_residual_of_a_lossy_format_warns(restorer: Restorer, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ToyWriter.reread

    def lossy(self: ToyWriter, window: Window) -> object:
        raster = honest(self, window)
        noise = np.random.default_rng(window.row).normal(0, 0.003, raster.pixels.shape).astype(np.float32)
        return dataclasses.replace(raster, pixels=raster.pixels + noise)

    monkeypatch.setattr(ToyWriter, "reread", lossy)
    assert upscale_path(ToyDomain(), scene, restorer, tmp_path / "a.npz", log=Silent()).verdict.status == "fail"
    monkeypatch.setattr(ToyWriter, "lossless", False)
    assert upscale_path(ToyDomain(), scene, restorer, tmp_path / "b.npz", log=Silent()).verdict.status == "warn"


def test_one_call_from_a_notebook_gives_the_same(run: Run, restorer: Restorer) -> None:
    y = ENCODING.decode(texture(30, 41))
    short, long = upscale_array(run.calibrated.path, y), restorer.restore(y, np.ones((30, 41), bool))
    np.testing.assert_array_equal(short.sr, long.sr)
    np.testing.assert_array_equal(short.half_width, long.half_width)
    assert short.sr.shape == short.half_width.shape == (2, 60, 82)
