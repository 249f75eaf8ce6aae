"""What trust costs: a whole scene with interval, residual and checks beside its mean alone. CPU time of one thread, in one run, in turn.

"Mean alone" is the network row by row without its spread head, projected onto the measurement, rounded to the file's integers and saved.
"All" is the upscale stage: the same, with spread head, interval, residual and every check: the image's own statistics before it, the
written result read back after it. Scene and result are uncompressed arrays, so that no file format is part of either. Weights are random;
calibration and reference are made by the real stage, from crops of the same texture, so that no check is left out.

    python bench/trust_cost.py [--side 1024] [--bands 4] [--ensemble 8] [--width 64 --blocks 16]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.records import CalibrationRef
    from sr_core.stages.restore import Restorer

CROPS, CROP = 120, 176  # images of one band that the model is calibrated on, HR px a side: 12 validate, 24 calibrate
TIMED = {"before": "look_inside", "windows": "_judge", "kernel": "kernel_check"}  # kernel is part of windows


def main() -> None:
    """Print one JSON line."""
    import torch
    from made_bundle import make_bundle
    from toy import ToyDomain

    from domains.satellite.domain import DOMAIN as SATELLITE
    from sr_core.log import Silent
    from sr_core.operators import operator_from
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
        folder, domain = Path(name), Arrays()
        bundle = make_bundle(
            folder / "bundle", "reflectance", calibrated=False, width=given.width, blocks=given.blocks, linear_taps=9, scale=2
        )
        source = made_scene(folder, domain, given.bands, given.side, operator_from(Restorer(bundle).card.operator))
        calibrated = made_calibration(folder, domain, bundle)
        one, many = Restorer(calibrated.path), Restorer(calibrated.path, ensemble=given.ensemble)
        spent: dict[str, list[float]] = {part: [] for part in TIMED}
        for part, function in TIMED.items():
            setattr(stage, function, timed(getattr(stage, function), spent[part]))
        made: list[Any] = []

        def whole() -> None:
            made.append(stage.upscale(domain, source, many, folder / "sr.npz", log=Silent(), overwrite=True))

        with domain.open(source) as scene:
            whole()  # libraries are loaded, kernels are built
            [times.clear() for times in spent.values()]
            means: list[float] = []
            alls: list[float] = []
            for _ in range(given.rounds):
                timed(mean_alone, means)(one, scene, folder / "mean.npz")
                timed(whole, alls)()
    mean_s = statistics.median(means)
    shares = {f"{part}_share": statistics.median(times) / mean_s for part, times in spent.items()}
    ratio = statistics.median(a / m for a, m in zip(alls, means, strict=True))
    checks_s = [sum(parts) for parts in zip(spent["before"], spent["windows"], strict=True)]
    without = statistics.median((a - c) / m for a, c, m in zip(alls, checks_s, means, strict=True))
    verdict = made[-1].verdict
    skipped = [check.name for check in verdict.checks if check.outcome == "skipped"]
    values = {"mean_cpu_s": mean_s, "all_cpu_s": statistics.median(alls), "precision": one.precision, "ensemble": given.ensemble}
    found = {"ratio": ratio, "ratio_without_checks": without, **shares, "interval": one.calibration is not None, "skipped": skipped}
    print(json.dumps(values | found))


def made_scene(folder: Path, domain: Domain, bands: int, side: int, operator: Any) -> Any:
    """Write a scene, and beside it the images to calibrate on: crops of what it was degraded from."""
    import torch
    from forecast import texture

    from sr_core.log import Silent

    fine = texture(bands, side * 2, side * 2) / 8
    np.save(folder / "scene.npy", operator.apply(torch.from_numpy(fine)).numpy().round().astype(np.uint16))
    (folder / "crops").mkdir()
    places = np.random.default_rng(0).integers(0, np.subtract(fine.shape, (0, CROP - 1, CROP - 1)), (CROPS, 3))
    for n, (band, row, col) in enumerate(places):
        np.save(folder / "crops" / f"{n}.npy", fine[band : band + 1, row : row + CROP, col : col + CROP].round().astype(np.uint16))
    (source,), _ = domain.discover([folder / "scene.npy"], Silent())
    return source


def made_calibration(folder: Path, domain: Domain, bundle: Path) -> CalibrationRef:
    """Calibrate a bundle on the crops."""
    from toy import ToyDomain

    from sr_core.bundle import Bundle
    from sr_core.log import Silent
    from sr_core.records import BundleRef
    from sr_core.stages.calibrate import calibrate
    from sr_core.stages.ingest import ingest
    from sr_core.workspace import Workspace, folder_sha256

    with_: dict[str, Any] = {"recipe": ToyDomain().recipe(), "workspace": Workspace(folder / "workspace"), "log": Silent()}
    manifest = ingest(domain, sorted((folder / "crops").iterdir()), **with_)
    weights = Bundle.load(bundle).weights_hash
    ref = BundleRef(path=bundle, hash=folder_sha256(bundle), made_from=(manifest.hash,), family="edsr", weights=weights)
    return calibrate(domain, manifest, ref, **with_)


def timed(work: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    """Give the same function, which notes the CPU seconds of each call."""

    def run(*values: Any) -> Any:
        start = time.process_time()
        result = work(*values)
        times.append(time.process_time() - start)
        return result

    return run


def mean_alone(restorer: Restorer, scene: Any, target: Path) -> None:
    """Read, predict, project and round a scene, band after band, and save it."""
    import torch

    from sr_core.inference.predictor import fed_rows
    from sr_core.inference.stream import NetFlow
    from sr_core.raster import Window

    bands, height, width = scene.shape
    dtype = getattr(torch, restorer.precision)
    lr = scene.read(Window(0, 0, height, width)).pixels
    stored = []
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
        stored.append(scene.encoding.encode(restorer.delivered(mean, lr[band : band + 1], restorer.operator.for_bands(bands)[band])))
    np.savez(target, sr=np.concatenate(stored))


if __name__ == "__main__":
    main()
