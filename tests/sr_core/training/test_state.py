"""Checkpoints: what goes in comes out, and damage of any kind falls back to the one before, in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from sr_core.bundle import CurvePoint
from sr_core.errors import WorkspaceError
from sr_core.log import Silent
from sr_core.training.state import NEWEST, PREVIOUS, Checkpoint, CheckpointFolder, Progress

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
