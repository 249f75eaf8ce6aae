"""A stopped upscale goes on where it stopped, and ends as one that was not."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import Run, Sentences, ToyDomain, ToyScene, texture

from sr_core.canvas import Canvas
from sr_core.errors import BandError, DeliveryError, InputError, OutputError
from sr_core.log import Silent
from sr_core.raster import Raster, Window
from sr_core.stages import bands, plan
from sr_core.stages import upscale as stage
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path
from sr_core.trust.verdict import Verdict


@pytest.fixture(scope="module")
def restorer(run: Run) -> Restorer:
    return Restorer(run.calibrated.path)


@pytest.fixture(autouse=True)
def low_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "ROWS", (32, 32))
    monkeypatch.setattr(bands, "WHOLE", 0)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    stored = texture(150, 131, seed=3)
    stored[:, 40:60, 70:75] = 0
    np.save(tmp_path / "lr.npy", stored)
    return tmp_path / "lr.npy"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def result(folder: Path) -> tuple[bytes, Verdict]:
    """The image's bytes, and the verdict without its time."""
    assert sorted(p.name for p in folder.iterdir()) == ["sr.json", "sr.npz"]
    return (folder / "sr.npz").read_bytes(), Verdict.from_json((folder / "sr.json").read_text(), "x").model_copy(update={"time": None})


@pytest.fixture
def whole(restorer: Restorer, scene: Path, tmp_path: Path) -> tuple[bytes, Verdict]:
    (tmp_path / "whole").mkdir()
    upscale_path(ToyDomain(), scene, restorer, tmp_path / "whole" / "sr.npz", log=Silent())
    return result(tmp_path / "whole")


def stop_at(band: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the computation of a band raise."""
    honest = bands.restore_bands

    def stopping(*args: Any, start: int = 0, **options: Any) -> Iterator[Any]:
        for number, made in enumerate(honest(*args, start=start, **options), start):
            if number == band:
                raise error
            yield made

    monkeypatch.setattr(stage, "restore_bands", stopping)
    return monkeypatch


@pytest.mark.parametrize("band", [0, 1, 3, 4])
def test_an_interrupted_run_goes_on(
    band: int, restorer: Restorer, scene: Path, out: Path, whole: tuple[bytes, Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Sentences()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(band, KeyboardInterrupt(), patch)
        upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=log)
    (folder,) = out.iterdir()
    assert folder.name.startswith(".sr.npz.") and folder.name.endswith(".resume")
    assert log.said == [f"upscale: stopped; {32 * band} of 150 rows are finished and kept in {folder}; the same command goes on there"]
    made: list[int] = []
    honest = bands.restore_bands

    def counted(*args: Any, **options: Any) -> Iterator[Any]:
        for one in honest(*args, **options):
            made.append(one.window.row)
            yield one

    monkeypatch.setattr(stage, "restore_bands", counted)
    log = Sentences()
    upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=log)
    assert result(out) == whole
    assert made == [0, 32, 64, 96, 128][band:]
    assert log.said[:-1] == ([f"upscale: {32 * band} of 150 rows of lr.npy were there already; going on"] if band else [])


def test_what_the_result_depends_on_is_in_the_key(
    run: Run, restorer: Restorer, scene: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    honest = ToyDomain.create

    def create(self: ToyDomain, like: Any, plan: Any) -> Any:
        keys.append(plan.key)
        return honest(self, like, plan)

    monkeypatch.setattr(ToyDomain, "create", create)

    def go(restorer: Restorer = restorer, path: Path = scene, **options: Any) -> None:
        (source,), _ = ToyDomain().discover([path], Silent())
        stage.upscale(ToyDomain(), source, restorer, out / "sr.npz", log=Silent(), **{"overwrite": True, **options})

    go()
    go()
    go(overwrite=True, path=Path(shutil.copy(scene, scene.with_name("copy.npy"))))
    assert len(set(keys)) == 1
    go(interval=False)
    go(residual=True)
    go(Restorer(run.bundle.path))  # without calibration
    go(Restorer(run.calibrated.path, "float32" if restorer.precision == "bfloat16" else "bfloat16"))
    go(Restorer(run.bundle.path, ensemble=4))
    go(Restorer(run.bundle.path, ensemble=4, estimator="self-ensemble"))
    go(Restorer(run.bundle.path, estimator="heuristic"))
    other = texture(150, 131, seed=4)
    np.save(scene, other)
    go()
    monkeypatch.setattr(bands, "ROWS", (64, 64))
    monkeypatch.setattr(bands, "WHOLE", 0)
    go()
    monkeypatch.setattr(plan, "VERSION", 2)
    go()
    assert len(set(keys[2:])) == len(keys[2:]) == 11 and all(len(key) == 64 for key in keys)


def test_rows_of_another_run_are_removed_and_damaged_ones_made_again(
    restorer: Restorer, scene: Path, out: Path, whole: tuple[bytes, Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in ({"residual": True}, {}):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_at(4, KeyboardInterrupt(), patch)
            (source,), _ = ToyDomain().discover([scene], Silent())
            stage.upscale(ToyDomain(), source, restorer, out / "sr.npz", log=Silent(), **options)
        (folder,) = out.iterdir()
    rows = folder / "rows" / "stored.raw"
    with rows.open("r+b") as file:
        file.seek(rows.stat().st_size // 2)
        file.write(b"\xff")
    log = Sentences()
    upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=log)
    assert log.said[0] == "upscale: 64 of 150 rows of lr.npy were there already; going on"
    assert result(out) == whole


def test_rows_with_the_interval_of_another_estimator_are_not_taken_over(
    run: Run, scene: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for estimator in ("head", "heuristic"):
        log = Sentences()
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_at(3, KeyboardInterrupt(), patch)
            upscale_path(ToyDomain(), scene, Restorer(run.bundle.path, estimator=estimator), out / "sr.npz", log=log)  # type: ignore[arg-type]
        assert "96 of 150 rows are finished" in log.said[-1] and not any("there already" in sentence for sentence in log.said)
    log = Sentences()
    upscale_path(ToyDomain(), scene, Restorer(run.bundle.path, estimator="heuristic"), out / "sr.npz", log=log)
    assert "upscale: 96 of 150 rows of lr.npy were there already; going on" in log.said


def test_all_rows_there(restorer: Restorer, scene: Path, out: Path, whole: tuple[bytes, Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(stage, "_judge", lambda *args: (_ for _ in ()).throw(MemoryError()))
        upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent())
    log = Sentences()
    upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=log)
    assert log.said[0] == "upscale: 150 of 150 rows of lr.npy were there already; going on"
    assert result(out) == whole


def test_an_error_names_rows_and_columns(restorer: Restorer, scene: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        monkeypatch.context() as patch,
        pytest.raises(BandError, match=r"lr\.npy, rows 64 to 95, columns 0 to 130: RuntimeError: no device"),
    ):
        stop_at(2, RuntimeError("no device"), patch)
        upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent())
    assert len(list(out.iterdir())) == 1  # goes on
    honest = ToyScene.read

    def with_nan(self: ToyScene, window: Window) -> Raster:
        raster = honest(self, window)
        if window.row <= 100 < window.row + window.height:
            raster.pixels[0, 100 - window.row, 5] = np.nan
        return raster

    monkeypatch.setattr(ToyScene, "read", with_nan)
    with pytest.raises(InputError, match=r"lr\.npy, rows \d+ to \d+, columns 0 to 130: .*not finite.*; expected .*\. Mark it as nodata"):
        upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent())
    assert not list(out.iterdir())  # the same command would find it again


def test_an_error_of_the_writer_comes_out(restorer: Restorer, scene: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, calls = Canvas.append, []

    def failing(self: Canvas, *args: Any, **options: Any) -> None:
        calls.append(self.rows)
        if len(calls) == 3:
            raise OSError(errno.EIO, "Input/output error")
        honest(self, *args, **options)

    monkeypatch.setattr(Canvas, "append", failing)
    with pytest.raises(OSError, match="Input/output error"):
        upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent())
    assert calls[:3] == [0, 32, 64] and all(row == 64 for row in calls[3:])


def test_a_run_at_work_is_left_alone(restorer: Restorer, scene: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, refused = bands.restore_bands, []

    def meanwhile(*args: Any, **options: Any) -> Iterator[Any]:
        if not refused:
            refused.append(True)
            with pytest.raises(OutputError, match=r"sr\.npz is being written by another run"):
                upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent(), overwrite=True)
        yield from honest(*args, **options)

    monkeypatch.setattr(stage, "restore_bands", meanwhile)
    upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent())
    result(out)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up(
    restorer: Restorer, scene: Path, small_disk: Path, whole: tuple[bytes, Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match=r"1 MiB free in .*; expected at least 2 MiB for the result and its working files"):
        upscale_path(ToyDomain(), scene, restorer, small_disk / "sr.npz", log=Silent())
    assert not list(small_disk.iterdir())
    free = type("Usage", (), {"free": 1 << 40})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free())  # there was room at the start
    log = Sentences()
    (small_disk / "ballast").write_bytes(bytes(600_000))
    for _ in range(2):
        with pytest.raises(DeliveryError, match=r"No space left on device.*Free some space; the same command then goes on"):
            upscale_path(ToyDomain(), scene, restorer, small_disk / "sr.npz", log=log)
        assert not (small_disk / "sr.npz").exists()
    assert " of 150 rows are finished and kept in " in log.said[0] and " rows of lr.npy were there already" in log.said[1]
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    upscale_path(ToyDomain(), scene, restorer, small_disk / "sr.npz", log=log)
    assert result(small_disk) == whole


def test_a_band_is_written_while_the_next_is_computed(
    restorer: Restorer, scene: Path, out: Path, whole: tuple[bytes, Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    second, computed, ahead = threading.Event(), [0], []
    append, restore = Canvas.append, bands.restore_bands

    def counted(*args: Any, **options: Any) -> Iterator[Any]:
        for band in restore(*args, **options):
            computed[0] += 1
            if computed[0] == 2:
                second.set()
            yield band

    def waiting(self: Canvas, *args: Any, **options: Any) -> None:
        assert second.wait(60)  # the first band is not on the disk before the second is there
        ahead.append(computed[0] - self.rows // 32)
        append(self, *args, **options)

    monkeypatch.setattr(stage, "restore_bands", counted)
    monkeypatch.setattr(Canvas, "append", waiting)
    upscale_path(ToyDomain(), scene, restorer, out / "sr.npz", log=Silent())
    assert result(out) == whole
    assert max(ahead) <= stage.WAITING + 1
