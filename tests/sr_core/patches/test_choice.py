"""The reader of a training is the device's, or the streaming one where the images are too large; then that is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy import Sentences

from sr_core.operators import make_operator
from sr_core.patches import DeviceReader, MemoryReader, PatchStore, StreamReader, choice, write_shard
from sr_core.patches.choice import SHARE, held_bytes, training_reader
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan

BICUBIC = make_operator("bicubic", 2)


@pytest.fixture
def store(tmp_path: Path, make_pair, encoding: Encoding) -> PatchStore:
    images = [make_pair("a"), make_pair("b", seed=1, height=40, width=44), make_pair("c", split="val", seed=2)]
    write_shard(tmp_path / "one.h5", images, PatchPlan(size=12, stride=7), 2, encoding, BICUBIC.to_json(), "0" * 64)
    return PatchStore(tmp_path)


def chosen(store: PatchStore, device: str = "cpu", beside: int = 1) -> tuple[type, list[str]]:
    log = Sentences()
    return type(training_reader(store, True, device, BICUBIC.upscale, log, beside)), log.said


def test_what_is_held_is_counted(store: PatchStore) -> None:
    """Three bands of float32, LR and HR of twice the sides; the validation image is not held."""
    assert held_bytes(store) == 3 * 4 * (60 * 75 + 40 * 44) * (1 + 4)


def test_on_the_hr_grid_both_are_of_hr_size(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    plan = PatchPlan(grid="hr", size=24, stride=14)
    write_shard(tmp_path / "one.h5", [make_pair("a")], plan, 2, encoding, BICUBIC.to_json(), "0" * 64)
    assert held_bytes(PatchStore(tmp_path)) == 3 * 4 * 60 * 75 * (4 + 4)


@pytest.mark.parametrize(("room", "reader"), [(1.0, MemoryReader), (0.99, StreamReader)])
def test_images_that_take_more_than_half_of_what_is_free_are_streamed(
    store: PatchStore, monkeypatch: pytest.MonkeyPatch, room: float, reader: type
) -> None:
    monkeypatch.setattr(choice, "available_memory", lambda: int(room * held_bytes(store) / SHARE) + 1)
    found, said = chosen(store)
    assert found is reader
    assert len(said) == (reader is StreamReader) and all("more than 50%" in line and "read from the files" in line for line in said)


def test_processes_beside_each_hold_the_images(store: PatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "available_memory", lambda: int(3 * held_bytes(store) / SHARE))
    assert chosen(store, beside=3)[0] is MemoryReader
    assert chosen(store, beside=4)[0] is StreamReader


@pytest.mark.parametrize(
    ("on_device", "on_machine", "reader"), [(1.0, 2.0, DeviceReader), (0.99, 9.0, StreamReader), (9.0, 1.9, StreamReader)]
)
def test_on_cuda_the_device_holds_them_if_it_can(
    store: PatchStore, monkeypatch: pytest.MonkeyPatch, on_device: float, on_machine: float, reader: type
) -> None:
    """Without a GPU the readers are watched as they are asked for; laying the images end to end takes the machine's memory twice."""
    asked: list[tuple[type, str]] = []
    for kind in (DeviceReader, MemoryReader, StreamReader):
        monkeypatch.setattr(choice, kind.__name__, lambda *given, kind=kind: asked.append((kind, given[3])))
    free = held_bytes(store) / SHARE
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(on_device * free) + 1, 1 << 40))
    monkeypatch.setattr(choice, "available_memory", lambda: int(on_machine * free) + 2)
    training_reader(store, True, "cuda", BICUBIC.upscale, Sentences())
    assert asked == [(reader, "cuda")]
