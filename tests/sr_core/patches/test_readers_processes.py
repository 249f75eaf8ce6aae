"""The streaming reader in several processes, in little memory, and on all of T91. Long."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.operators import make_operator
from sr_core.patches import PairImage, PatchStore, write_shard
from sr_core.patches.readers import DeviceReader, MemoryReader, StreamReader, commuting
from sr_core.raster import Encoding, Raster
from sr_core.recipe import PatchPlan

pytestmark = pytest.mark.long


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _digest(batch: tuple[Tensor, Tensor]) -> str:
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in batch)).hexdigest()


def _work(reader: StreamReader, seed: int, batches: int, out: multiprocessing.Queue[tuple[int, list[str]]]) -> None:
    torch.set_num_threads(1)
    generator = seeded(seed)
    out.put((seed, [_digest(reader.batch(generator, 16)) for _ in range(batches)]))


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_several_processes_read_at_once(tmp_path: Path, encoding: Encoding, make_pair, start: str) -> None:
    text = make_operator("box", 2).to_json()
    for number in range(5):
        pair = make_pair(str(number), height=150 + number, width=140, seed=number)
        write_shard(tmp_path / f"s{number}.h5", [pair], PatchPlan(), 2, encoding, text, f"{number:064x}")
    reader = StreamReader(PatchStore(tmp_path), "train", True, files=2)
    expected = {seed: [] for seed in range(4)}
    for seed, found in expected.items():  # the files are open here when the others start
        generator = seeded(seed)
        found.extend(_digest(reader.batch(generator, 16)) for _ in range(20))
    context = multiprocessing.get_context(start)
    out = context.Queue()
    workers = [context.Process(target=_work, args=(reader, seed, 20, out)) for seed in expected]
    for worker in workers:
        worker.start()
    mine = [_digest(reader.batch(generator, 16)) for generator in [seeded(0)] for _ in range(20)]  # and goes on reading
    answers = dict(out.get(timeout=300) for _ in workers)
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert answers == expected and mine == expected[0]


def test_reading_needs_little_memory(tmp_path: Path) -> None:
    """What the process takes while it streams batches and moments stays below a quarter of the images as float32."""
    encoding = Encoding("uint8")
    side = 2560
    hr = np.random.default_rng(0).integers(0, 255, (3, 2 * side, 2 * side)).astype(np.float32)
    images = (Raster(x, np.ones(x.shape[1:], bool), ("R", "G", "B"), "grey level", (0.0, 255.0)) for x in (hr[:, ::2, ::2], hr))
    write_shard(
        tmp_path / "s.h5", [PairImage("a", "train", *images)], PatchPlan(), 2, encoding, make_operator("box", 2).to_json(), "ab" * 32
    )
    del hr, images
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    worker = context.Process(target=_grown, args=(tmp_path, out))
    worker.start()
    grown = out.get(timeout=300)
    worker.join()
    assert grown < 96e6  # the images take 98 MB as stored, 393 MB as float32


def _grown(folder: Path, out: multiprocessing.Queue[int]) -> None:
    import resource

    torch.set_num_threads(1)
    store = PatchStore(folder)
    commuting(store.operator)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader, generator = StreamReader(store, "train", False), seeded()
    for _ in range(60):
        reader.batch(generator, 16)
    reader.normalisation()
    out.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


@pytest.mark.parametrize(("grid", "scale", "wanted"), [("hr", 3, 21_884), ("lr", 2, 4_380)])
def test_all_of_t91_through_a_real_store(tmp_path: Path, shared_data: Path, grid: str, scale: int, wanted: int) -> None:
    """The published counts, from files: all 91 pictures, degraded by MATLAB's bicubic, written, read by every reader, exported."""
    from PIL import Image

    encoding, plan, operator = Encoding("uint8"), PatchPlan(grid=grid, origins="classic"), make_operator("bicubic", scale)
    paths = sorted(p for p in (shared_data / "sr_train" / "T91").iterdir() if p.suffix.lower() in {".png", ".bmp", ".jpg"})
    assert len(paths) == 91
    for number, path in enumerate(paths):
        with Image.open(path) as picture:
            rgb = np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1)
        height, width = (n // scale * scale for n in rgb.shape[1:])
        hr = np.ascontiguousarray(rgb[:, :height, :width])
        lr = encoding.decode(encoding.encode(operator.apply(torch.from_numpy(hr)).numpy()))
        small = min(lr.shape[1:] if grid == "lr" else hr.shape[1:]) < plan.size  # validation pictures need not hold a patch
        rasters = (Raster(x, np.ones(x.shape[1:], bool), ("R", "G", "B"), "grey level", (0.0, 255.0)) for x in (lr, hr))
        pair = PairImage(path.stem, "val" if small else "train", *rasters)
        write_shard(tmp_path / f"{number:03d}.h5", [pair], plan, scale, encoding, operator.to_json(), f"{number:064x}")
    store = PatchStore(tmp_path)
    assert store.count("train") == wanted and store.count("val") == 0
    store.verify()
    readers = [kind(store, "train", True, upscale=operator.upscale) for kind in (MemoryReader, DeviceReader, StreamReader)]
    generators = [seeded() for _ in readers]
    for _ in range(5):
        first, *others = [reader.batch(generator, 16) for reader, generator in zip(readers, generators, strict=True)]
        assert len({_digest(batch) for batch in (first, *others)}) == 1
    assert store.export(tmp_path / "classical.hdf5", "train", operator.upscale) == wanted
    with h5py.File(tmp_path / "classical.hdf5") as file:
        q = 33 * (scale if grid == "lr" else 1)
        assert file["data"].shape == (wanted, 3, 33, 33) and file["label"].shape == (wanted, 3, q, q)
        lr, hr = StreamReader(store, "train", True, upscale=operator.upscale).pair(wanted // 2)
        np.testing.assert_array_equal(file["data"][wanted // 2], lr.numpy())
        np.testing.assert_array_equal(file["label"][wanted // 2], hr.numpy())
