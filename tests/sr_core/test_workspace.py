"""The workspace: made once, published whole, swept after a kill, waited for by a second run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from sr_core import workspace as module
from sr_core.errors import InputError, StoreError, WorkspaceError
from sr_core.log import Silent
from sr_core.records import StageRef
from sr_core.workspace import RECORD, Workspace, file_sha256, folder_sha256, is_result, publish, write_atomic

Build = Callable[[Path], StageRef]


class Sentences(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def builder(text: str = "result", calls: list[Path] | None = None) -> Build:
    def build(folder: Path) -> StageRef:
        if calls is not None:
            calls.append(folder)
        (folder / "deep").mkdir(exist_ok=True)
        (folder / "deep" / "out.txt").write_text(text)
        return StageRef(path=folder, hash=folder_sha256(folder))

    return build


def once(root: Path, build: Build, *, inputs: dict[str, str] | None = None, log: Silent | None = None, resumable: bool = False) -> StageRef:
    return Workspace(root).once("cut", 1, inputs or {"a": "1"}, StageRef, build, log or Silent(), resumable)


def test_a_result_is_made_once(tmp_path: Path) -> None:
    calls: list[Path] = []
    log = Sentences()
    first, second = once(tmp_path, builder(calls=calls)), once(tmp_path, builder(calls=calls), log=log)
    assert first == second and len(calls) == 1
    assert (first.path / "deep" / "out.txt").read_text() == "result"
    assert first.path.parent == tmp_path / "cut" and first.path.name == Workspace(tmp_path).key("cut", 1, {"a": "1"})
    assert log.said == [f"cut: reused {first.path.name[:12]}"]
    assert first.hash == folder_sha256(first.path)
    assert not list(tmp_path.rglob("*.partial"))


def test_another_input_is_another_result(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    keys = {
        work.key("cut", 1, {"a": 1, "b": 2}), work.key("cut", 1, {"a": 1, "b": 3}), work.key("cut", 2, {"a": 1, "b": 2}),
        work.key("sew", 1, {"a": 1, "b": 2}), work.key("cut", 1, {"a": "1", "b": 2}), work.key("cut", 1, {"a": None, "b": 2}),
    }  # fmt: skip
    assert len(keys) == 6 and all(len(key) == 32 for key in keys)
    assert work.key("cut", 1, {"a": 1, "b": 2}) == work.key("cut", 1, {"b": 2, "a": 1})


def test_a_workspace_may_move(tmp_path: Path) -> None:
    first = once(tmp_path / "old", builder())
    (tmp_path / "old").rename(tmp_path / "new")
    second = once(tmp_path / "new", builder("never"))
    assert second.hash == first.hash and second.path == tmp_path / "new" / "cut" / first.path.name


def test_a_failed_build_leaves_only_a_partial_that_is_swept(tmp_path: Path) -> None:
    def failing(folder: Path) -> StageRef:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        once(tmp_path, failing)
    (partial,) = (tmp_path / "cut").glob("*.partial")
    assert (partial / "half.txt").exists()
    made = once(tmp_path, builder())
    assert sorted(p.name for p in made.path.iterdir()) == ["deep", "record.json"]
    assert not partial.exists()


def test_a_resumable_build_finds_what_was_finished_but_nothing_half_written(tmp_path: Path) -> None:
    def failing(folder: Path) -> StageRef:
        (folder / "shard1").write_text("whole")
        (folder / "shard2.partial").write_text("half")
        (folder / "more").mkdir()
        (folder / "more" / ".x.1.partial").write_text("half")
        (folder / "bundle.partial").mkdir()
        (folder / "bundle.partial" / "y").write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        once(tmp_path, failing, resumable=True)
    found: list[str] = []

    def resuming(folder: Path) -> StageRef:
        found.extend(str(p.relative_to(folder)) for p in sorted(folder.rglob("*")))
        return builder()(folder)

    made = once(tmp_path, resuming, resumable=True)
    assert found == ["more", "shard1"]
    assert (made.path / "shard1").read_text() == "whole" and made.hash == folder_sha256(made.path)


def test_a_newer_or_damaged_record_is_refused_in_words(tmp_path: Path) -> None:
    made = once(tmp_path, builder())
    record = made.path / "record.json"
    record.write_text(record.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(StoreError, match=r"record\.json has schema 9; .*Install a newer version"):
        once(tmp_path, builder())
    record.write_text("{")
    with pytest.raises(StoreError, match=r"record\.json is not JSON"):
        once(tmp_path, builder())
    record.unlink()
    with pytest.raises(WorkspaceError, match=r"exists; expected a free place for a result\. Remove it"):
        once(tmp_path, builder())


def test_publish_is_one_step_and_never_over_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial, final = tmp_path / "x.partial", tmp_path / "x"
    (partial / "deep").mkdir(parents=True)
    (partial / "deep" / "a").write_text("1")
    synced: list[Path] = []
    monkeypatch.setattr(module, "_fsync", lambda path: synced.append(path) or None if not final.exists() else synced.append(final.parent))
    publish(partial, final)
    assert not partial.exists() and (final / "deep" / "a").read_text() == "1"
    assert synced == [partial / "deep", partial / "deep" / "a", partial, tmp_path]
    partial.mkdir()
    with pytest.raises(WorkspaceError, match="exists"):
        publish(partial, final)
    assert (final / "deep" / "a").read_text() == "1"


def test_write_atomic_replaces_or_leaves_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"newer")
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_threads_may_write_one_file_and_open_one_workspace(tmp_path: Path) -> None:
    path, faults = tmp_path / "a", []

    def write(number: int) -> None:
        try:
            for _ in range(20):
                Workspace(tmp_path)
                write_atomic(path, bytes([number]) * 1000)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and len(set(path.read_bytes())) == 1 and len(path.read_bytes()) == 1000


def test_file_hashes_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, file = Workspace(tmp_path / "work"), tmp_path / "data.bin"
    file.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, example "abc"
    read: list[Path] = []
    monkeypatch.setattr(module, "file_sha256", lambda path: read.append(path) or file_sha256(path))
    assert [work.file_sha256(file) for _ in range(3)] == [digest] * 3 and len(read) == 1
    assert Workspace(tmp_path / "work").file_sha256(file) == digest and len(read) == 1
    file.write_bytes(b"abd")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert work.file_sha256(file) != digest and len(read) == 2
    for memo in (tmp_path / "work" / "hashes").rglob("*"):
        if memo.is_file():
            memo.write_text("torn")
    assert work.file_sha256(file) == file_sha256(file)


def test_folder_hash_sees_names_and_bytes_but_no_clock(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = folder_sha256(tmp_path)
    (tmp_path / "record.json").write_text("x")
    (tmp_path / "clock.json").write_text("now")
    assert folder_sha256(tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = folder_sha256(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, renamed, folder_sha256(tmp_path)}) == 3


def test_a_workspace_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"workspace .*file/inside .*--workspace"):
        Workspace(tmp_path / "file" / "inside")


def test_a_second_thread_waits_and_takes_the_first_ones_result(tmp_path: Path) -> None:
    started, go = threading.Event(), threading.Event()
    calls: list[Path] = []

    def slow(folder: Path) -> StageRef:
        started.set()
        go.wait(30)
        return builder(calls=calls)(folder)

    class Waiting(Sentences):
        def say(self, sentence: str) -> None:
            super().say(sentence)
            if "waiting" in sentence:
                go.set()

    results: list[StageRef] = []
    first = threading.Thread(target=lambda: results.append(once(tmp_path, slow)))
    first.start()
    assert started.wait(30)
    log = Waiting()
    second = once(tmp_path, builder("never", calls), log=log)
    first.join()
    assert results == [second] and len(calls) == 1
    assert ["waiting" in s or "made by another run" in s for s in log.said] == [True, True]


def worker(root: str, barrier: Event, marker: str, die: bool) -> None:
    def build(folder: Path) -> StageRef:
        with (Path(root) / "builds").open("a") as stream:
            stream.write(marker + "\n")
        (folder / "half").write_text(marker)
        if die:
            os.kill(os.getpid(), signal.SIGKILL)
        return builder()(folder)

    barrier.wait(60)
    once(Path(root), build)


@pytest.mark.long
def test_of_two_processes_one_builds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Event()
    processes = [context.Process(target=worker, args=(str(tmp_path), barrier, str(n), False)) for n in range(3)]
    for process in processes:
        process.start()
    barrier.set()
    for process in processes:
        process.join(120)
    assert [p.exitcode for p in processes] == [0, 0, 0]
    assert len((tmp_path / "builds").read_text().splitlines()) == 1
    assert (once(tmp_path, builder("never")).path / "deep" / "out.txt").read_text() == "result"


@pytest.mark.long
def test_after_a_killed_builder_the_next_run_works(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Event()
    barrier.set()
    process = context.Process(target=worker, args=(str(tmp_path), barrier, "dead", True))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert len(list((tmp_path / "cut").glob("*.partial"))) == 1
    made = once(tmp_path, builder())
    assert sorted(p.name for p in made.path.iterdir()) == ["deep", "record.json"]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_result_is_told_from_a_folder_of_ones_own(tmp_path: Path) -> None:
    result, copy = tmp_path / ("0123456789abcdef" * 2), tmp_path / "my model"
    for folder in (result, copy):
        folder.mkdir()
        assert not is_result(folder)
        (folder / RECORD).write_text("{}")
    assert is_result(result)
    assert not is_result(copy)
