"""Preparing is resumed at the missing shards, and one bad source does not spoil the others."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from toy import ToyDomain, ToyScene, texture

from sr_core.errors import InputError, ShapeError
from sr_core.log import Silent
from sr_core.patches import PatchStore
from sr_core.raster import Raster, Window
from sr_core.recipe import PatchPlan
from sr_core.records import Group, Manifest, ManifestRef, Region, Source, Split, StoreRef
from sr_core.stages.cutting import RegionPair
from sr_core.stages.ingest import MANIFEST
from sr_core.stages.prepare import prepare
from sr_core.workspace import Workspace

PLAN = PatchPlan()
SUPPORT = Path(__file__).resolve().parents[2] / "support"


def source_of(path: Path, shape: tuple[int, int, int], number: int = 0) -> Source:
    sha = f"{number:02x}" * 32
    bands = tuple(f"B{i}" for i in range(shape[0]))
    group = Group(kind="place", id=str(number))
    return Source(path=path, sha256=sha, size=1, group=group, shape=shape, bands=bands, dtype="uint16", unit="reflectance")


def region_of(source: Source, window: Window) -> Region:
    return Region(source=source.sha256, window=window, group=source.group)


def manifest_of(folder: Path, images: list[np.ndarray], scale: int = 2) -> ManifestRef:
    """Write scenes and a manifest in which each of them trains, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    for number, image in enumerate(images, 1):
        np.save(folder / f"scene{number}.npy", image)
        sources.append(source_of(folder / f"scene{number}.npy", image.shape, number))
    regions = tuple(region_of(s, Window(0, 0, *s.shape[1:])) for s in sources)
    split = Split(train=regions, val=(), calibration=(), test=())
    manifest = Manifest(domain="toy", scale=scale, gap=16, seed=0, sources=tuple(sources), refusals=(), split=split)
    (folder / MANIFEST).write_text(manifest.to_json())
    return ManifestRef(path=folder, hash=manifest.content_hash())


class Windows(Silent):
    """Keeps progress; may stop the run after a number of windows."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[tuple[int, int]] = []
        self.stop_after = stop_after

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.seen.append((done, total))
        if self.stop_after is not None and done >= self.stop_after:
            raise KeyboardInterrupt


def run(folder: Path, manifest: ManifestRef, log: Silent, domain: ToyDomain | None = None) -> StoreRef:
    domain = domain or ToyDomain()
    return prepare(domain, manifest, recipe=domain.recipe(), workspace=Workspace(folder), log=log)


def test_progress_is_told_in_windows(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "in", [texture(300, 600), texture(200, 200, seed=1)])
    log = Windows()
    run(tmp_path / "w", manifest, log)
    assert log.seen == [(n, 5) for n in range(6)]  # 300 x 600: LR 150 x 300 in 2 x 2 windows


def test_finished_shards_are_not_degraded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = manifest_of(tmp_path / "in", [texture(300, 600), texture(300, 300, seed=1)])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "w", manifest, Windows(stop_after=5))
    (first,) = (tmp_path / "w").rglob("*.h5*")
    assert first.suffix == ".h5"  # no half-written second one
    before = first.stat()
    degraded: list[str] = []
    honest = RegionPair._cut

    def counted(self: RegionPair, *given: object) -> object:
        degraded.append(self.source.path.name)
        return honest(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(RegionPair, "_cut", counted)
    log = Windows()
    store = run(tmp_path / "w", manifest, log)
    assert degraded == ["scene2.npy"] * 2
    kept = (store.path / first.name).stat()
    assert (kept.st_ino, kept.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert log.seen == [(0, 6), (4, 6), (5, 6), (6, 6)]
    assert store.hash == run(tmp_path / "other", manifest, Silent()).hash


def test_a_shard_damaged_in_between_is_made_again(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "in", [texture(300, 600), texture(300, 300, seed=1)])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "w", manifest, Windows(stop_after=5))
    (first,) = (tmp_path / "w").rglob("*.h5")
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    store = run(tmp_path / "w", manifest, Silent())
    PatchStore(store.path).verify()
    assert store.hash == run(tmp_path / "other", manifest, Silent()).hash


@dataclass
class Faulty(ToyDomain):
    """Its second scene is not finite in one usable pixel, or cannot be read any more."""

    fault: str = "nan"

    def open(self, source: Source) -> ToyScene:
        domain = self

        class Scene(ToyScene):
            def read(self, window: Window) -> Raster:
                raster = super().read(window)
                if source.path.name == "scene2.npy" and window.row + window.height > 200:
                    if domain.fault == "gone":
                        raise OSError("Input/output error")
                    raster.pixels[0, -1, -1] = np.nan
                return raster

        return Scene(source.path)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("nan", r"scene2\.npy, .*: 1 HR values are not finite.*Mask them"), ("gone", r"scene2\.npy cannot be read at .*Get the file again")],
)
def test_a_bad_source_is_named_and_the_others_are_finished(tmp_path: Path, fault: str, sentence: str) -> None:
    manifest = manifest_of(tmp_path / "in", [texture(210, 220, seed=n) for n in range(3)])
    with pytest.raises(InputError, match=sentence):
        run(tmp_path / "w", manifest, Silent(), Faulty(fault=fault))
    left = sorted(path.name for path in (tmp_path / "w").rglob("*.h5*"))
    assert left == ["01" * 8 + ".h5", "03" * 8 + ".h5"]
    log = Windows()
    run(tmp_path / "w", manifest, log)
    assert log.seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_an_empty_index_is_refused(tmp_path: Path) -> None:
    stored = texture(200, 200)
    stored[:, ::16, ::16] = 0
    with pytest.raises(ShapeError, match=r"no training patch of 33 px in 1 images.*patches\.size"):
        run(tmp_path / "w", manifest_of(tmp_path / "in", [stored]), Silent())


def test_a_region_without_a_valid_pixel_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scene1\.npy, 01010101-r0-c0-200x200: no valid pixel"):
        run(tmp_path / "w", manifest_of(tmp_path / "in", [np.zeros((2, 200, 200), np.uint16)]), Silent())
    assert not list((tmp_path / "w").rglob("*.h5*"))


PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from toy import ToyDomain
from sr_core.log import Silent
from sr_core.records import ManifestRef
from sr_core.stages.prepare import prepare
from sr_core.workspace import Workspace

class Log(Silent):
    def progress(self, what, done, total, detail=""):
        if done == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)

domain = ToyDomain()
ref = ManifestRef(path=Path(sys.argv[1]), hash=sys.argv[2])
store = prepare(domain, ref, recipe=domain.recipe(), workspace=Workspace(Path(sys.argv[3])), log=Log())
print(json.dumps([store.hash, store.train_pairs]))
"""


@pytest.mark.long
def test_killed_in_the_middle_of_the_second_source_then_run_again(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "in", [texture(600, 300), texture(600, 600, seed=1), texture(300, 300, seed=2)])

    def start(folder: str, kill_at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, str(manifest.path), manifest.hash, str(tmp_path / folder), str(kill_at)]
        env = {"PYTHONPATH": ":".join([str(SUPPORT), *sys.path]), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)

    calm = start("calm", -1)
    assert calm.returncode == 0, calm.stderr
    killed = start("killed", 3 + 4)  # windows: 3 of the first scene, 6 of the second; four are two thirds of it
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = {path.name: path.stat().st_ino for path in (tmp_path / "killed").rglob("*.h5*")}
    assert sorted(left) == ["01" * 8 + ".h5", "02" * 8 + ".h5.partial"]
    again = start("killed", -1)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == json.loads(calm.stdout)
    (folder,) = {path.parent for path in (tmp_path / "killed").rglob("*.h5")}
    assert (folder / ("01" * 8 + ".h5")).stat().st_ino == left["01" * 8 + ".h5"]
    assert not list((tmp_path / "killed").rglob("*.partial"))
    PatchStore(folder).verify()
