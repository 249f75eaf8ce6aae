"""A whole upscale of a satellite scene beside its network: what reading, projection, residual, interval and the COGs add.

CPU time of one thread, in one process, in turn: the network row by row over all bands (bfloat16), for its mean alone and with its
spread head, and `upscale`: from GeoTIFF to COG with interval (uint16) and verdict. The checks of 16 windows of the written file, which
cost the same for a scene of any size, are timed apart: `share` is upscale without them over the network with its head.

    python bench/upscale.py [--side 1024] [--width 32 --blocks 8]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]


def main() -> None:
    """Print one JSON line."""
    import torch
    from forecast import satellite
    from made_bundle import make_bundle

    from domains.satellite.domain import DOMAIN
    from sr_core.inference.predictor import fed_rows
    from sr_core.inference.stream import NetFlow
    from sr_core.log import Silent
    from sr_core.stages import upscale as stage
    from sr_core.stages.restore import Restorer

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("side", 1024), ("width", 32), ("blocks", 8), ("bands", 4), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        satellite(folder, given.bands, given.side, given.side)
        make_bundle(folder / "bundle", "reflectance", width=given.width, blocks=given.blocks, linear_taps=9)
        (source,), _ = DOMAIN.discover([folder / "scene.tif"], Silent())
        restorer = Restorer(folder / "bundle", "bfloat16")
        y = np.random.default_rng(0).normal(size=(1, given.side, given.side)).astype(np.float32)

        def network(spread: bool) -> None:
            with torch.inference_mode():
                for _ in range(given.bands):
                    flow = NetFlow(restorer.predictor.net, torch.bfloat16, spread)
                    for row in range(0, given.side, step := fed_rows(given.side)):
                        flow.feed(torch.from_numpy(y[None, :, row : row + step]), row + step >= given.side)

        checks: list[float] = []

        def judged(*values: Any) -> Any:
            start = time.thread_time()
            verdict = judge(*values)
            checks.append(time.thread_time() - start)
            return verdict

        def whole() -> None:
            stage.upscale(DOMAIN, source, restorer, folder / "sr.tif", log=Silent(), overwrite=True)

        judge, stage._judge = stage._judge, judged
        whole()  # libraries are loaded, kernels are built
        checks.clear()
        mean, both, all_of_it = [], [], []
        for _ in range(given.rounds):
            mean.append(_timed(partial(network, False)))
            both.append(_timed(partial(network, True)))
            all_of_it.append(_timed(whole))
    mean_s, both_s, upscale_s, checks_s = (statistics.median(each) for each in (mean, both, all_of_it, checks))
    values = {"mean_cpu_s": mean_s, "network_cpu_s": both_s, "upscale_cpu_s": upscale_s, "checks_cpu_s": checks_s}
    work = upscale_s - checks_s
    print(json.dumps({**values, "share": work / both_s, "share_of_mean": work / mean_s, "interval": restorer.calibration is not None}))


def _timed(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
