"""A whole upscale of a satellite scene beside its bare network: what reading, spread, projection, checks and the COGs add.

CPU time of one thread, in one process, in turn: the network's mean alone, row by row over all bands (bfloat16), and `upscale`: from
GeoTIFF to COG with interval (uint16) and verdict. `share` is the second over the first.

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
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]


def main() -> None:
    """Print one JSON line."""
    import torch
    from forecast import scene as make_scene
    from made_bundle import make_bundle

    from domains.satellite.domain import DOMAIN
    from sr_core.inference.predictor import fed_rows
    from sr_core.inference.stream import NetFlow
    from sr_core.log import Silent
    from sr_core.stages.restore import Restorer
    from sr_core.stages.upscale import upscale

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("side", 1024), ("width", 32), ("blocks", 8), ("bands", 4), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder / "scene.tif", given.bands, given.side, given.side)
        make_bundle(folder / "bundle", "reflectance", width=given.width, blocks=given.blocks, linear_taps=9)
        (source,), _ = DOMAIN.discover([folder / "scene.tif"], Silent())
        restorer = Restorer(folder / "bundle", "bfloat16")
        y = np.random.default_rng(0).normal(size=(1, given.side, given.side)).astype(np.float32)

        def bare() -> None:
            with torch.inference_mode():
                for _ in range(given.bands):
                    flow = NetFlow(restorer.predictor.net, torch.bfloat16, spread=False)
                    for row in range(0, given.side, step := fed_rows(given.side)):
                        part = torch.from_numpy(y[None, :, row : row + step])
                        flow.feed(part, row + step >= given.side)

        def whole() -> None:
            upscale(DOMAIN, source, restorer, folder / "sr.tif", log=Silent(), overwrite=True)

        whole()  # libraries are loaded, kernels are built
        times: dict[str, list[float]] = {"bare": [], "upscale": []}
        for _ in range(given.rounds):
            times["bare"].append(_timed(bare))
            times["upscale"].append(_timed(whole))
    bare_s, upscale_s = (statistics.median(each) for each in times.values())
    calibrated = restorer.calibration is not None
    print(json.dumps({"bare_cpu_s": bare_s, "upscale_cpu_s": upscale_s, "share": upscale_s / bare_s, "interval": calibrated}))


def _timed(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
