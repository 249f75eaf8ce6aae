"""Batches of 16 x 33x33 streamed from a store against crops of images in memory: CPU time, one thread, alternated in one run."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from sr_core.operators import make_operator
from sr_core.patches import PairImage, PatchStore, write_shard
from sr_core.patches.readers import MemoryReader, StreamReader
from sr_core.raster import Encoding, Raster
from sr_core.recipe import PatchPlan

ROUNDS, BATCHES, SIZE, IMAGES, SIDE, BANDS = 9, 60, 16, 6, 512, 3  # LR px; pictures of 1024 x 1024 px


def main() -> None:
    """Print one JSON line; `stream_over_memory` is the larger of band-wise and joint."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store = _store(Path(folder))
        found = {name: _measure(store, bandwise) for name, bandwise in (("bandwise", True), ("joint", False))}
    ratios = {f"{name}_ratio": stream / memory for name, (stream, memory) in found.items()}
    times = {f"{name}_{what}_ms": 1e3 * t for name, both in found.items() for what, t in zip(("stream", "memory"), both, strict=True)}
    print(json.dumps({"stream_over_memory": max(ratios.values()), **ratios, **times}))


def _store(folder: Path) -> PatchStore:
    encoding, operator = Encoding("uint16", 1e-4), make_operator("bicubic", 2)
    rng = np.random.default_rng(1)
    bands = tuple(f"B{i}" for i in range(BANDS))
    for number in range(IMAGES):
        hr = encoding.decode(rng.integers(0, 10_000, (BANDS, 2 * SIDE, 2 * SIDE)).astype(np.uint16))
        lr = encoding.decode(encoding.encode(operator.apply(torch.from_numpy(hr)).numpy()))
        rasters = (Raster(x, np.ones(x.shape[1:], bool), bands, "reflectance", encoding.valid_range) for x in (lr, hr))
        pair = PairImage(f"p{number}", "train", *rasters)
        write_shard(folder / f"{number}.h5", [pair], PatchPlan(), 2, encoding, operator.to_json(), f"{number:064x}")
    return PatchStore(folder)


def _measure(store: PatchStore, bandwise: bool) -> tuple[float, float]:
    """Give the median CPU seconds a batch of the streaming and the in-memory reader."""
    readers = {"stream": StreamReader(store, "train", bandwise), "memory": MemoryReader(store, "train", bandwise)}
    times: dict[str, list[float]] = {name: [] for name in readers}
    for round_number in range(ROUNDS + 1):
        for name, reader in readers.items():
            generator = torch.Generator().manual_seed(round_number)
            start = time.process_time()
            for _ in range(BATCHES):
                reader.batch(generator, SIZE)
            if round_number:  # the first is the warm-up
                times[name].append((time.process_time() - start) / BATCHES)
    return statistics.median(times["stream"]), statistics.median(times["memory"])


if __name__ == "__main__":
    main()
