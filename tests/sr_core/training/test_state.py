"""Checkpoints: what goes in comes out, and damage of any kind falls back to the one before, in words."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sr_core.bundle import CurvePoint
from sr_core.errors import StoreError, WorkspaceError
from sr_core.log import Silent
from sr_core.training import state
from sr_core.training.state import NEWEST, PREVIOUS, Checkpoint, CheckpointFolder, Progress, UnusableCheckpoint, restoring

POINT = CurvePoint(name="train/loss", step=3, value=0.1 + 0.2)


class Told(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def checkpoint(step: int, fingerprint: str = "f") -> Checkpoint:
    tensors = {
        "net/weight": torch.arange(24.0).reshape(2, 3, 2, 2).contiguous(memory_format=torch.channels_last) + step,
        "optimiser/weight/step": torch.tensor(float(step)),
        "generator": torch.Generator().manual_seed(step).get_state(),
    }
    progress = Progress(fingerprint=fingerprint, phase=1, step=step, family="edsr", points=(POINT,), scores={"linear": 1 / 3})
    return Checkpoint(progress, tensors)


def test_round_trip_is_exact(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "new", Silent())
    folder.save(checkpoint(3))
    found = folder.load("f")
    assert found is not None and found.progress == checkpoint(3).progress
    assert found.tensors.keys() == checkpoint(3).tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in checkpoint(3).tensors.items())
    assert set(found.part("net")) == {"weight"} and set(found.part("optimiser")) == {"weight/step"}


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path, Silent()).load("f") is None


@pytest.mark.parametrize("damage", ["flip in tensors", "flip in header", "cut", "empty", "text"])
def test_a_damaged_checkpoint_falls_back_in_words(tmp_path: Path, damage: str) -> None:
    log = Told()
    folder = CheckpointFolder(tmp_path, log)
    folder.save(checkpoint(1))
    folder.save(checkpoint(2))
    path = tmp_path / NEWEST
    data = bytearray(path.read_bytes())
    if damage == "flip in tensors":
        data[-1] ^= 1
    elif damage == "flip in header":
        place = data.index(b"0.30000000000000004")
        data[place] = ord("1")
    path.write_bytes({"cut": bytes(data[: len(data) // 2]), "empty": b"", "text": b"not a checkpoint"}.get(damage, bytes(data)))
    found = folder.load("f")
    assert found is not None and found.progress.step == 1
    assert len(log.sentences) == 1 and NEWEST in log.sentences[0]


def test_all_damaged_starts_anew(tmp_path: Path) -> None:
    log = Told()
    folder = CheckpointFolder(tmp_path, log)
    folder.save(checkpoint(1))
    folder.save(checkpoint(2))
    (tmp_path / NEWEST).write_bytes(b"x")
    (tmp_path / PREVIOUS).write_bytes(b"y")
    assert folder.load("f") is None and len(log.sentences) == 2


def test_another_trainings_checkpoint_is_left_out(tmp_path: Path) -> None:
    log = Told()
    folder = CheckpointFolder(tmp_path, log)
    folder.save(checkpoint(1, "other"))
    assert folder.load("f") is None and "another training" in log.sentences[0]


def test_killed_between_the_two_renames(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, Silent())
    folder.save(checkpoint(1))
    (tmp_path / NEWEST).replace(tmp_path / PREVIOUS)
    found = folder.load("f")
    assert found is not None and found.progress.step == 1


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CheckpointFolder(tmp_path, Silent())
    folder.save(checkpoint(1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        folder.save(checkpoint(2))
    found = folder.load("f")
    assert found is not None and found.progress.step == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [NEWEST]


def rewritten(path: Path, change: dict[str, str | None]) -> None:
    """Change entries of a checkpoint's header; None takes one away."""
    with safe_open(str(path), framework="pt") as file:
        header = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    header.update({name: value for name, value in change.items() if value is not None})
    save_file(tensors, path, metadata={name: value for name, value in header.items() if name not in change or change[name] is not None})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "3"}, r"format 3, of a newer version of this package; expected format 2"),
        ({"format": None}, r"format 1, of an older version"),
        ({"format": None, "progress": None}, r"format none, of another version"),
        ({"format": "x"}, r"format x, of another version"),
    ],
)
def test_a_checkpoint_of_another_version_is_left_out_in_words(tmp_path: Path, change: dict[str, str | None], words: str) -> None:
    log = Told()
    folder = CheckpointFolder(tmp_path, log)
    folder.save(checkpoint(1))
    folder.save(checkpoint(2))
    rewritten(tmp_path / NEWEST, change)
    found = folder.load("f")
    assert found is not None and found.progress.step == 1
    assert len(log.sentences) == 1 and re.search(words, log.sentences[0])


def test_a_record_of_a_newer_schema_is_left_out_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Told()
    folder = CheckpointFolder(tmp_path, log)
    folder.save(checkpoint(1))
    with monkeypatch.context() as newer:
        newer.setattr(Progress, "schema_number", 2)
        folder.save(checkpoint(2))
    found = folder.load("f")
    assert found is not None and found.progress.step == 1
    assert len(log.sentences) == 1 and "schema 2" in log.sentences[0]


def test_a_record_with_a_field_that_is_unknown_is_left_out_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Told()
    folder = CheckpointFolder(tmp_path, log)
    text = checkpoint(1).progress.to_json().replace('"step": 1', '"stride": 1')
    with monkeypatch.context() as other:
        other.setattr(Progress, "to_json", lambda self: text)
        folder.save(checkpoint(1))
    assert folder.load("f") is None and "does not read as Progress" in log.sentences[0]


def test_a_damaged_newest_never_takes_the_place_of_the_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the next checkpoint is put into place: the good one is still there."""
    first = CheckpointFolder(tmp_path, Silent())
    first.save(checkpoint(1))
    first.save(checkpoint(2))
    (tmp_path / NEWEST).write_bytes(b"damaged")
    second = CheckpointFolder(tmp_path, Silent())
    assert second.load("f") is not None
    second.save(checkpoint(3))
    assert state._unpack(tmp_path / NEWEST).progress.step == 3 and state._unpack(tmp_path / PREVIOUS).progress.step == 1
    second.save(checkpoint(4))
    assert state._unpack(tmp_path / NEWEST).progress.step == 4 and state._unpack(tmp_path / PREVIOUS).progress.step == 3


def test_a_checkpoint_that_is_dropped_leaves_the_one_before(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, Silent())
    folder.save(checkpoint(1))
    folder.save(checkpoint(2))
    for step in (2, 1):
        found = folder.load("f")
        assert found is not None and found.progress.step == step
        folder.drop()
    assert folder.load("f") is None


@pytest.mark.parametrize("error", [KeyError("generator"), RuntimeError("size mismatch\n\tfor a"), StoreError("a", "b", "C.")])
def test_what_does_not_fit_ends_in_words(error: Exception) -> None:
    with (
        pytest.raises(UnusableCheckpoint, match=r"phase 1, step 3.*(generator|size mismatch for a|a; expected b)"),
        restoring(checkpoint(3)),
    ):
        raise error


def test_memory_that_runs_out_is_no_fault_of_a_checkpoint() -> None:
    with pytest.raises(torch.OutOfMemoryError), restoring(checkpoint(3)):
        raise torch.OutOfMemoryError
