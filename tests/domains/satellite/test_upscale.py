"""GeoTIFFs through the whole of upscaling: nodata, NaN, dark and odd scenes, full disks, and a run that goes on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from os import geteuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from made_scenes import nearest, write_tiff
from rio_cogeo import cog_validate
from toy import Run, Sentences, run_stages, texture

from domains.satellite.domain import DOMAIN
from domains.satellite.read import GeoScene
from domains.satellite.write import CogWriter
from sr_core.domain import OutputPlan
from sr_core.errors import DeliveryError, SRError
from sr_core.log import Silent
from sr_core.stages import bands
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale, upscale_path
from sr_core.trust.verdict import Verdict

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_stages(tmp_path_factory.mktemp("stages"), Silent())


@pytest.fixture(scope="module")
def restorer(run: Run) -> Restorer:
    return Restorer(run.calibrated.path)


def reflectance(path: Path, stored: np.ndarray, **profile: Any) -> Path:
    """A scene of stored values in steps of 0.001."""

    def edit(dataset: Any) -> None:
        if dataset.dtypes[0] != "float32":
            dataset.scales = (0.001,) * dataset.count
        for band in range(1, dataset.count + 1):
            dataset.set_band_unit(band, "reflectance")

    return write_tiff(path, stored, edit=edit, **profile)


def test_a_stopped_run_goes_on_to_the_same_bytes(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "ROWS", (32, 32))
    monkeypatch.setattr(bands, "WHOLE", 0)
    stored = texture(160, 131)
    stored[:, 20:50, 70:90] = 0
    (source,), _ = DOMAIN.discover([reflectance(tmp_path / "lr.tif", stored, nodata=0)], Silent())
    upscale(DOMAIN, source, restorer, tmp_path / "whole" / "sr.tif", log=Silent(), residual=True)
    honest, log = CogWriter.write, Sentences()

    def stopping(self: CogWriter, window: Any, *args: Any) -> None:
        if window.row == 128:
            raise KeyboardInterrupt
        honest(self, window, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CogWriter, "write", stopping)
        upscale(DOMAIN, source, restorer, tmp_path / "again" / "sr.tif", log=Silent(), residual=True)
    assert all(path.name.startswith(".sr.tif.") for path in (tmp_path / "again").iterdir())
    upscale(DOMAIN, source, restorer, tmp_path / "again" / "sr.tif", log=log, residual=True)
    assert log.said[0] == "upscale: 64 of 160 rows of lr.tif were there already; going on"
    names = ["sr.interval.tif", "sr.residual.tif", "sr.stac.json", "sr.tif", "sr.verdict.json"]
    assert sorted(p.name for p in (tmp_path / "again").iterdir()) == names
    for name in (name for name in names if name.endswith(".tif")):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
        assert cog_validate(tmp_path / "again" / name, quiet=True)[0]
    with rasterio.open(tmp_path / "again" / "sr.tif") as sr, rasterio.open(tmp_path / "again" / "sr.residual.tif") as rest:
        np.testing.assert_array_equal(sr.read() == 0, (stored == 0).repeat(2, 1).repeat(2, 2))
        np.testing.assert_array_equal(np.isnan(rest.read()), stored == 0)
        assert sr.dtypes == ("uint16", "uint16") and np.nanpercentile(np.abs(rest.read()), 90) < 0.0005  # half a step


def test_nan_is_nodata_and_stays_so(restorer: Restorer, tmp_path: Path) -> None:
    pixels = texture(80, 90).astype(np.float32) / 1000
    pixels[0, 10:14, 20:30] = np.nan
    done = upscale_path(DOMAIN, reflectance(tmp_path / "lr.tif", pixels, nodata=float("nan")), restorer, tmp_path / "sr.tif", log=Silent())
    with rasterio.open(tmp_path / "sr.tif") as sr:
        missing = np.isnan(sr.read())
        assert sr.dtypes == ("float32", "float32")
    assert missing[0].sum() == 4 * 10 * 4 and (missing[0] == missing[1]).all()
    figures = {c.name: c for c in done.verdict.checks}
    assert figures["nodata kept"].outcome == "pass" and figures["whole image: residual rms"].unit == "reflectance"


def test_dark_16_bit_scenes_stay_16_bit(restorer: Restorer, tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(1, 257, (2, 80, 90)).astype(np.uint16)
    upscale_path(DOMAIN, reflectance(tmp_path / "lr.tif", stored, nodata=0), restorer, tmp_path / "sr.tif", log=Silent())
    with rasterio.open(tmp_path / "sr.tif") as sr:
        values = sr.read()
    assert values.dtype == np.uint16 and values.min() >= 1 and abs(values.mean() - stored.mean()) < 3


@pytest.mark.parametrize(("side", "level"), [(7, "none"), (8, "empirical")])
def test_tags_interval_and_verdict_agree_on_too_few_valid_pixels(side: int, level: str, restorer: Restorer, tmp_path: Path) -> None:
    stored = np.zeros((2, 80, 80), np.uint16)
    stored[:, 40 : 40 + side, 30 : 30 + side] = texture(side, side)
    done = upscale_path(DOMAIN, reflectance(tmp_path / "lr.tif", stored, nodata=0), restorer, tmp_path / "sr.tif", log=Silent())
    with rasterio.open(tmp_path / "sr.tif") as sr, rasterio.open(tmp_path / "sr.interval.tif") as interval:
        assert sr.tags()["SR_CLAIM"] == interval.tags()["SR_CLAIM"] == done.verdict.claim.text and done.verdict.claim.level == level
        assert np.count_nonzero(sr.read()) == 2 * 4 * side**2
        assert np.count_nonzero(interval.read_masks()) == (0 if level == "none" else 2 * 4 * side**2)
        assert sr.tags()["SR_VERDICT"].startswith(done.verdict.status) and (done.verdict.status == "abstain") == (level == "none")


@pytest.mark.parametrize("kind", ["one column", "small", "all nodata", "digital numbers", "truncated"])
def test_scenes_that_are_refused(kind: str, restorer: Restorer, tmp_path: Path) -> None:
    scene = tmp_path / "in" / "lr.tif"
    scene.parent.mkdir()
    stored = texture(160, 160)
    if kind == "one column":
        reflectance(scene, stored[:, :, :1])
    elif kind == "small":
        reflectance(scene, stored[:, :20, :20])
    elif kind == "all nodata":
        reflectance(scene, np.zeros_like(stored), nodata=0)
    elif kind == "digital numbers":
        write_tiff(scene, stored)
    else:
        data = reflectance(scene, stored).read_bytes()
        scene.write_bytes(data[: len(data) // 2])
    with pytest.raises(SRError) as caught:
        upscale_path(DOMAIN, scene, restorer, tmp_path / "out" / "sr.tif", log=Silent())
    assert caught.value.exit_code == 2 and "; expected " in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_while_the_file_is_made(
    small_disk: Path, tmp_path: Path, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(1, 60000, (3, 200, 220)).astype(np.uint16)
    (source,), _ = DOMAIN.discover([write_tiff(tmp_path / "lr.tif", noise, nodata=0)], Silent())
    free = type("Usage", (), {"free": 1 << 40})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free())  # there was room at the start
    plan = OutputPlan(small_disk / "sr.tif", 3, "m", "o", "none", {}, interval=False, key="0" * 64)
    with (
        pytest.raises(DeliveryError, match=r"cannot be written \(.*\); expected a place with enough room\. Free some space; the same"),
        GeoScene(source) as scene,
        CogWriter(source, plan) as writer,
    ):
        nearest(writer, scene, source, 3, half_width=None)
        writer.finish(verdict)
    (left,) = small_disk.iterdir()
    assert sorted(p.name for p in (left / "rows").iterdir()) == ["journal", "mask.raw", "stored.raw"] and not (left / "made").exists()
    subprocess.run(["mount", "-o", "remount,size=30m", str(small_disk)], check=True)
    with CogWriter(source, plan) as writer:
        assert writer.canvas.whole
        writer.finish(verdict)
    assert sorted(p.name for p in small_disk.iterdir()) == ["sr.stac.json", "sr.tif", "sr.verdict.json"]
    with rasterio.open(small_disk / "sr.tif") as sr:
        np.testing.assert_array_equal(sr.read(), noise.repeat(3, 1).repeat(3, 2))
