"""What trust costs: a whole scene with interval, residual and checks beside its mean alone. CPU time of one thread, in one run, in turn.

"Mean alone" is the network row by row without its spread head, projected onto the measurement and rounded to the file's integers, all in
memory. "All" is the upscale stage: the same, with spread head, interval, residual and the checks of the written result. Scene and result
are uncompressed arrays, so that no file format is part of either.

    python bench/trust_cost.py [--side 1024] [--bands 4] [--ensemble 8]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer


def main() -> None:
    """Print one JSON line."""
    import torch
    from forecast import texture
    from made_bundle import make_bundle
    from toy import ToyDomain

    from domains.satellite.domain import DOMAIN as SATELLITE
    from sr_core.log import Silent
    from sr_core.stages import upscale as stage
    from sr_core.stages.restore import Restorer
    from sr_core.trust.verdict import Check

    class Arrays(ToyDomain):
        """Scenes and results as arrays, with the satellite checks."""

        def checks(self) -> Sequence[Check]:
            return SATELLITE.checks()

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("side", 1024), ("width", 32), ("blocks", 8), ("bands", 4), ("rounds", 3), ("ensemble", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "scene.npy", (texture(given.bands, given.side, given.side) / 8).astype(np.uint16))
        make_bundle(folder / "bundle", "reflectance", width=given.width, blocks=given.blocks, linear_taps=9)
        domain = Arrays()
        (source,), _ = domain.discover([folder / "scene.npy"], Silent())
        one, many = Restorer(folder / "bundle"), Restorer(folder / "bundle", ensemble=given.ensemble)
        checks: list[float] = []
        judge = stage._judge

        def judged(*values: Any) -> Any:
            start = time.process_time()
            verdict = judge(*values)
            checks.append(time.process_time() - start)
            return verdict

        stage._judge = judged

        def whole() -> None:
            stage.upscale(domain, source, many, folder / "sr.npz", log=Silent(), overwrite=True)

        with domain.open(source) as scene:
            whole()  # libraries are loaded, kernels are built
            checks.clear()
            means, alls = [], []
            for _ in range(given.rounds):
                start = time.process_time()
                mean_alone(one, scene)
                means.append(time.process_time() - start)
                start = time.process_time()
                whole()
                alls.append(time.process_time() - start)
    mean_s, all_s, checks_s = (statistics.median(each) for each in (means, alls, checks))
    ratios = [a / m for a, m in zip(alls, means, strict=True)]
    values = {"mean_cpu_s": mean_s, "all_cpu_s": all_s, "checks_cpu_s": checks_s, "precision": one.precision, "ensemble": given.ensemble}
    parts = {"ratio": statistics.median(ratios), "ratio_without_checks": (all_s - checks_s) / mean_s, "checks_share": checks_s / mean_s}
    print(json.dumps(values | parts))


def mean_alone(restorer: Restorer, scene: Any) -> None:
    """Read, predict, project and round a scene, band after band."""
    import torch

    from sr_core.inference.predictor import fed_rows
    from sr_core.inference.stream import NetFlow
    from sr_core.raster import Window

    bands, height, width = scene.shape
    dtype = getattr(torch, restorer.precision)
    lr = scene.read(Window(0, 0, height, width)).pixels
    for band in range(bands):
        flow = NetFlow(restorer.predictor.net, dtype, False)
        normalised = restorer.predictor.normalised(lr[band : band + 1])
        mean = np.empty((1, height * restorer.scale, width * restorer.scale), np.float32)
        done = 0
        with torch.inference_mode():
            for row in range(0, height, step := fed_rows(width)):
                made = flow.feed(normalised[:, :, row : row + step], row + step >= height)[0]
                rows = made.shape[-2]
                mean[:, done : done + rows] = made[0].float().numpy()
                done += rows
        mean = mean * np.float32(restorer.card.std) + np.float32(restorer.card.mean)
        scene.encoding.encode(restorer.delivered(mean, lr[band : band + 1], restorer.operator.for_bands(bands)[band]))


if __name__ == "__main__":
    main()
