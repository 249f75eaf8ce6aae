"""`sr upscale` said once more: what is done already is kept, what is missing is made, what is somebody else's is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from click.testing import Result
from made_bundle import make_bundle
from made_scenes import write_tiff
from PIL import Image
from typer.testing import CliRunner

from flows.cli.main import app

UNITS = {"satellite": "reflectance", "medical": "HU", "medical series": "HU", "face": "grey level", "photo": "grey level"}
CT = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
PROGRAM = """
import os, signal, sys
from sr_core.stages import upscale as stage

honest, calls = stage.upscale, []

def upscale(*given, **options):
    calls.append(given)
    if len(calls) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return honest(*given, **options)

stage.upscale = upscale
from flows.cli.main import app
app(sys.argv[2:])
"""
Sr = Callable[..., Result]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    made = {unit: make_bundle(folder / unit.replace(" ", "-"), unit) for unit in set(UNITS.values())}
    return {domain: made[unit] for domain, unit in UNITS.items()}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)


def make(domain: str, path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    if domain == "satellite":

        def declare(dataset: Any) -> None:
            dataset.scales = (1e-4,)

        write_tiff(path.with_suffix(".tif"), rng.integers(1000, 3000, (1, 80, 90), dtype=np.uint16), nodata=0, edit=declare)
    elif domain.startswith("medical"):
        dataset = pydicom.dcmread(CT)
        dataset.PixelData = np.roll(dataset.pixel_array, seed).tobytes()
        dataset.SeriesInstanceUID = f"1.2.{seed}"
        names = [path / "0.dcm", path / "1.dcm"] if domain.endswith("series") else [path.with_suffix(".dcm")]
        for number, name in enumerate(names):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{seed}.{number}"
            dataset.ImagePositionPatient = [0, 0, 5 * number]
            name.parent.mkdir(exist_ok=True)
            dataset.save_as(name)
    else:
        Image.fromarray(rng.integers(40, 200, (96, 100), dtype=np.uint8)).save(path.with_suffix(".png"))


def words(domain: str, bundle: Path, *more: str) -> list[str]:
    return ["upscale", domain.split()[0], "in", "--out", "sr/", "--bundle", str(bundle), *more]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.long
@pytest.mark.parametrize("domain", UNITS)
def test_a_batch_killed_between_two_images_goes_on_with_the_second(domain: str, bundles: dict[str, Path], tmp_path: Path) -> None:
    for seed, name in enumerate("abc"):
        make(domain, tmp_path / "in" / name, seed)
    command = words(domain, bundles[domain])
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}

    def run(kill_at: int) -> subprocess.CompletedProcess[str]:
        given = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(kill_at), *command]
        return subprocess.run(given, capture_output=True, text=True, timeout=300, check=False, env=settings)

    for calls in (3, 2):  # the second run skips two, and is killed before it does anything
        killed = run(calls if calls == 3 else 1)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        there = {path: kept for path, kept in contents(tmp_path / "sr").items() if not path.startswith(".")}
        assert len([path for path in there if path.endswith("verdict.json")]) == 2
    done = run(0)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was there already") == 2
    final = contents(tmp_path / "sr")
    assert {path: final[path] for path in there} == there  # not made again
    assert len([path for path in final if path.endswith("verdict.json")]) == 3
    assert not [path for path in final if path.startswith(".")]
    again = CliRunner().invoke(app, [*command, "--json"])
    assert again.exit_code == 0 and contents(tmp_path / "sr") == final
    images = json.loads(again.stdout)["images"]
    assert [image["there_already"] for image in images] == [True] * 3
    beside = {"stac"} if domain == "satellite" else set()
    assert {role["role"] for image in images for role in image["files"]} == {"image", "interval", "verdict"} | beside


@pytest.fixture
def sr(bundles: dict[str, Path], tmp_path: Path) -> Sr:
    for seed, name in enumerate("ab"):
        make("photo", tmp_path / "in" / name, seed)

    def run(*more: object) -> Result:
        return CliRunner().invoke(app, words("photo", bundles["photo"], *map(str, more)))

    assert run().exit_code == 0
    return run


def refused(result: Result, name: str) -> bool:
    return result.exit_code == 2 and f"sr/{name}_x2.png exists, and is not what this command makes" in result.stderr


def test_the_same_command_does_nothing_and_ends_well(sr: Sr, tmp_path: Path) -> None:
    before = contents(tmp_path / "sr")
    again = sr()
    assert again.exit_code == 0 and again.stderr.count("was there already") == 2 and "forecast" not in again.stderr
    assert contents(tmp_path / "sr") == before
    assert again.stdout.count("verdict   ") == 2
    planned = sr("--dry-run")
    assert planned.exit_code == 0 and planned.stdout.count("is there already") == 2
    assert sr("--overwrite").exit_code == 0
    made = contents(tmp_path / "sr")
    assert made["a_x2.png"][0] == before["a_x2.png"][0] and made["a_x2.png"][1] > before["a_x2.png"][1]  # asked for anew


@pytest.mark.parametrize("name", ["a_x2.png", "a_x2.interval.png"])
def test_a_result_that_was_changed_since_is_somebody_elses(name: str, sr: Sr, tmp_path: Path) -> None:
    changed = tmp_path / "sr" / name
    changed.write_bytes(changed.read_bytes() + b"\0")
    before = contents(tmp_path / "sr")
    assert refused(sr(), "a") and contents(tmp_path / "sr") == before
    if name != "a_x2.png":
        changed.unlink()
        assert refused(sr(), "a")  # and so is one of which a part is missing


@pytest.mark.parametrize("more", [("--no-interval",), ("--precision", "float32"), ("--ensemble", 4), ("--tile", 32)])
def test_a_result_of_other_settings_is_not_taken_for_this_one(more: tuple[object, ...], sr: Sr) -> None:
    from sr_core.networks.precision import choose_precision

    if "--precision" in more and str(choose_precision("auto", "cpu")) == "torch.float32":
        pytest.skip("float32 is what this machine takes by itself")
    assert refused(sr(*more), "b")


def test_a_result_of_another_input_or_model_is_not_taken_for_this_one(sr: Sr, tmp_path: Path, bundles: dict[str, Path]) -> None:
    make("photo", tmp_path / "in" / "a", seed=9)
    assert refused(sr(), "a")
    other = make_bundle(tmp_path / "other", "grey level", seed=5)
    assert refused(CliRunner().invoke(app, words("photo", other)), "b")


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1}', '{"schema": 99}'])
def test_a_verdict_that_cannot_be_read_is_somebody_elses(text: str, sr: Sr, tmp_path: Path) -> None:
    (tmp_path / "sr" / "a_x2.verdict.json").write_text(text)
    assert refused(sr(), "a")


def test_what_a_run_left_that_was_killed_at_the_very_end_is_removed(sr: Sr, tmp_path: Path) -> None:
    folder = tmp_path / "sr" / f".a_x2.png.{'0' * 16}.resume"
    (folder / "replaced").mkdir(parents=True)
    inode = (tmp_path / "sr" / "a_x2.png").stat().st_ino
    (folder / "publishing.json").write_text(json.dumps([["made/a_x2.png", "a_x2.png", inode]]))
    shutil.copy(tmp_path / "in" / "a.png", folder / "rows")
    assert sr().exit_code == 0 and not folder.exists()
    assert not list((tmp_path / "sr").glob(".*"))
