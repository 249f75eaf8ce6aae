"""kill -9 at every step of writing an upscaled image, run again: the files of every domain are those of an uninterrupted run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
PROGRAM = """
import importlib, os, signal, sys
from pathlib import Path
import numpy as np
from sr_core import canvas, delivery
from sr_core.domain import OutputPlan
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.trust.claim import no_claim
from sr_core.trust.verdict import judge

name, image, target, when, model = sys.argv[1:]
target = Path(target)
domain = importlib.import_module(f"domains.{name}.domain").DOMAIN.for_upscaling()
(source,), _ = domain.discover([Path(image)], Silent())

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def at_call(number, honest):
    calls = []
    def call(*args):
        calls.append(args)
        if len(calls) == number:
            die()
        return honest(*args)
    return call

honest_append, honest_place, honest_replace = canvas.Canvas.append, delivery.Delivery.place, Path.replace

def torn(self, *args, **options):
    honest_append(self, *args, **options)
    journal = self.folder / "journal"
    os.truncate(journal, journal.stat().st_size - 9)
    die()

def place(self, role, final):
    if role == "verdict" and any(p.stat().st_size for p in self.folder.glob("made/*")):
        die()
    return honest_place(self, role, final)

def replace(self, other):
    if Path(other) == target:
        die()
    return honest_replace(self, other)

if when == "rows":
    canvas.os.fsync = at_call(9, os.fsync)
elif when == "journal":
    canvas.sealed = at_call(4, canvas.sealed)
elif when == "torn":
    canvas.Canvas.append = torn
elif when == "build":
    delivery.Delivery.place = place
    if name == "medical":
        importlib.import_module("domains.medical.delivery").FolderDelivery.place = (
            lambda self, role, final: die() if role == "verdict" else self.folder / "made" / final.name
        )
elif when == "publish":
    Path.replace = replace

tags = {"SR_CALIBRATION": "none"}
plan = OutputPlan(target, 2, model, "bicubic x2", "none", tags, residual=True, overwrite=True, key=model)
with domain.open(source) as scene, domain.create(source, plan) as writer:
    print(writer.canvas.rows, "rows were there", flush=True)
    _, height, width = source.shape
    for row in range(writer.canvas.rows, height, 32):
        raster = scene.read(Window(row, 0, min(32, height - row), width))
        mean = raster.pixels.repeat(2, 1).repeat(2, 2)
        if model == "0" * 16:
            mean = mean[:, ::-1, ::-1].copy()
        mask = np.isfinite(mean).all(axis=0) & raster.mask.repeat(2, 0).repeat(2, 1)
        half = np.abs(mean) * np.float32(0.01)
        writer.write(Window(2 * row, 0, len(mask), 2 * width), mean, mask, half, np.full_like(raster.pixels, row))
    writer.finish(judge(no_claim("There is no calibration.", group_kind=domain.group_kind, operator="0" * 64), []))
"""
OLD, NEW = "0" * 16, "1" * 16


def run(name: str, image: Path, target: Path, when: str = "never", model: str = NEW) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, name, str(image), str(target), when, model]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def contents(folder: Path) -> dict[str, Any]:
    """All files, without the times in them (DICOM and STAC write the moment of their making)."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: _timeless(name, data) for name, data in files.items()}


def _timeless(name: str, data: bytes) -> Any:
    if name.endswith(".stac.json"):
        item = json.loads(data)
        for moment in ("created", "datetime", "start_datetime", "end_datetime"):
            item["properties"].pop(moment, None)
        return item
    if name.endswith(".json"):
        return {key: value for key, value in json.loads(data).items() if key != "outputs"}
    if not name.endswith(".dcm"):
        return data
    import io

    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.walk(lambda part, element: part.__delitem__(element.tag) if element.VR in ("DA", "TM", "DT") else None)
    return dataset


@pytest.fixture
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An image of a domain's demonstration, high enough for several pieces; for "series" three slices made from one."""
    from importlib import import_module

    from sr_core.errors import InputError
    from sr_core.log import Silent

    domain = import_module(f"domains.{request.param.removesuffix(' series')}.domain").DOMAIN
    try:
        found, _ = domain.discover(domain.demo(tmp_path / "demo"), Silent())
    except InputError as error:
        pytest.skip(str(error))
    path = min((s for s in found if s.shape[1] >= 128), key=lambda s: (len(s.members), s.size, s.sha256)).path
    return _series(path, tmp_path / "series") if request.param.endswith("series") else path


def _series(path: Path, folder: Path) -> Path:
    import numpy as np
    import pydicom

    folder.mkdir()
    for number in range(3):
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.ImagePositionPatient = [0, 0, 5 * number]
        dataset.PixelData = np.roll(dataset.pixel_array, number).tobytes()
        dataset.save_as(folder / f"{number}.dcm")
    return folder


@pytest.mark.parametrize("image", ["satellite", "medical", "medical series", "face", "photo"], indirect=True)
def test_a_killed_writer_goes_on_to_the_same_files(image: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name = request.node.callspec.params["image"].removesuffix(" series")
    whole, folder = tmp_path / "whole", tmp_path / "out"
    for place, model in ((whole, NEW), (folder, OLD)):
        done = run(name, image, place / image.name, model=model)
        assert done.returncode == 0, done.stderr
    old = contents(folder)
    assert len(old) >= 3 and old.keys() == contents(whole).keys()
    there = []
    for when in ("rows", "journal", "torn", "build", "publish"):
        killed = run(name, image, folder / image.name, when)
        assert killed.returncode == -signal.SIGKILL, (when, killed.stderr)
        there.append(int(killed.stdout.split()[0]))
        if when != "publish":
            assert {path: data for path, data in contents(folder).items() if path[0] != "."} == old, when
    assert there[0] == 0 and 0 < there[1] < there[2] == there[3] and there[4] == max(there) > there[3]
    done = run(name, image, folder / image.name)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) == there[4]  # every row
    assert contents(folder) == contents(whole)
