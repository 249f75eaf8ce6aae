"""Self-ensemble of 4 and 8 beside one run, on the satellite demonstration: PSNR of held-out blocks, CPU time, runs. One thread."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from domains.satellite.domain import DOMAIN
from sr_core.inference.footprint import work
from sr_core.log import Silent
from sr_core.metrics import psnr
from sr_core.records import Manifest
from sr_core.stages.evidence import protocol_of
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import read_pair
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.workspace import Workspace

ROUNDS = 5
SIDE = 256  # LR pixels of the image that is timed


def quality(manifest: Manifest, restorer: Restorer) -> float:
    """Give the mean PSNR over the blocks that neither trained nor chose anything, dB, as written."""
    protocol = protocol_of(restorer)
    found = []
    for region in (*manifest.split.calibration, *manifest.split.test):
        pair = read_pair(DOMAIN, manifest, region, restorer.operator)
        image = pair.encoding.decode(pair.encoding.encode(restorer.restore(pair.lr.pixels, pair.lr.mask).sr))
        found.append(psnr(image, pair.hr.pixels, protocol, pair.hr.mask))
    return float(np.mean(found))


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    recipe, log = DOMAIN.recipe(), Silent()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        manifest = ingest(DOMAIN, DOMAIN.demo(Path(folder) / "demo"), recipe=recipe, workspace=workspace, log=log)
        bundle = train(prepare(DOMAIN, manifest, recipe=recipe, workspace=workspace, log=log), recipe=recipe, workspace=workspace, log=log)
        ready = {size: Restorer(bundle.path, ensemble=size) for size in (1, 4, 8)}
        db = {size: quality(load_manifest(manifest), restorer) for size, restorer in ready.items()}
    image = np.random.default_rng(0).normal(0.2, 0.05, (1, SIDE, SIDE)).astype(np.float32)
    seconds: dict[int, list[float]] = {size: [] for size in ready}
    for _ in range(ROUNDS):
        for size, restorer in ready.items():
            start = time.process_time()
            restorer.predictor.predict(image)
            seconds[size].append(time.process_time() - start)
    cost = {size: statistics.median(values) for size, values in seconds.items()}
    values = {f"x{size}_db": value for size, value in db.items()}
    for size in (4, 8):
        values[f"x{size}_gain_db"] = db[size] - db[1]
        values[f"x{size}_runs"] = work(ready[size].predictor, 1, SIDE, SIDE).passes / work(ready[1].predictor, 1, SIDE, SIDE).passes
        values[f"x{size}_cpu_ratio"] = cost[size] / cost[1]
    print(json.dumps(values))


if __name__ == "__main__":
    main()
