"""x4 at once against x2 twice, on the satellite demonstration's scene: PSNR of held-out blocks, on one thread.

Both networks (EDSR 8x32 over the fitted linear filter, equal steps) are trained on the same strip. The measured blocks neither trained
nor chose anything. `--seeds` many trainings of each are made; a figure is their mean, and `_spread_` their largest less their smallest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from domains.satellite.domain import DOMAIN
from sr_core.log import Silent
from sr_core.metrics import psnr
from sr_core.records import ManifestRef
from sr_core.stages.evaluate import _linear_filter
from sr_core.stages.evidence import plain_bicubic, protocol_of
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import read_pair
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.workspace import Workspace

STEPS = {"training.steps": 360, "spread.steps": 1}  # the spread is not looked at
PATCHES: dict[int, dict[str, int]] = {2: {}, 4: {"patches.size": 17, "patches.stride": 7}}  # of the same size in HR pixels, 66 and 68


def bundle(scale: int, seed: int, manifest: ManifestRef, workspace: Workspace) -> Restorer:
    """Train a network of one scale on the manifest's training regions."""
    recipe = DOMAIN.recipe().with_overrides({**STEPS, **PATCHES[scale], "scale": scale, "seed": seed})
    store = prepare(DOMAIN, manifest, recipe=recipe, workspace=workspace, log=Silent())
    return Restorer(train(store, recipe=recipe, workspace=workspace, log=Silent()).path)


def measure(manifest_ref: ManifestRef, at_once: Restorer, twice: Restorer) -> dict[str, float]:
    """Give the mean PSNR over the blocks, dB, of every way to x4."""
    manifest = load_manifest(manifest_ref)
    linear, protocol = _linear_filter(DOMAIN, manifest, at_once), protocol_of(at_once)
    found: dict[str, list[float]] = {}
    for region in (*manifest.split.calibration, *manifest.split.test):
        pair = read_pair(DOMAIN, manifest, region, at_once.operator)
        lr, mask = pair.lr.pixels, pair.lr.mask
        written = lambda image: pair.encoding.decode(pair.encoding.encode(image))  # noqa: E731, B023 - used in this round only
        bicubic = plain_bicubic(pair.lr, 4)
        half = written(twice.restore(lr, mask).sr)  # the file between the two runs
        chained = twice.restore(half, np.ones(half.shape[1:], np.bool_)).sr
        images = {
            "bicubic": bicubic,
            "projected_bicubic": at_once.project(bicubic, lr, mask),
            "linear_filter": at_once.base_of(linear, lr, mask),
            "edsr_x4": at_once.restore(lr, mask).sr,
            "x2_twice": chained,
            "x2_twice_projected": at_once.project(written(chained), lr, mask),
        }
        for name, image in images.items():
            found.setdefault(name, []).append(psnr(written(image), pair.hr.pixels, protocol, pair.hr.mask))
    return {name: float(np.mean(values)) for name, values in found.items()}


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    torch.set_num_threads(1)
    runs: list[dict[str, float]] = []
    families: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        recipe = DOMAIN.recipe().with_overrides({"scale": 4})
        manifest = ingest(DOMAIN, DOMAIN.demo(Path(folder) / "demo"), recipe=recipe, workspace=workspace, log=Silent())
        for seed in range(1, parser.parse_args().seeds + 1):
            pair = [bundle(scale, seed, manifest, workspace) for scale in (4, 2)]
            families += [restorer.card.descriptor.family for restorer in pair]
            runs.append(measure(manifest, *pair))
    values: dict[str, object] = {f"{name}_db": float(np.mean([run[name] for run in runs])) for name in runs[0]}
    values |= {f"{name}_spread_db": float(np.ptp([run[name] for run in runs])) for name in ("edsr_x4", "x2_twice", "x2_twice_projected")}
    for name in ("x2_twice", "x2_twice_projected", "linear_filter", "projected_bicubic", "bicubic"):
        values[f"edsr_x4_over_{name}_db"] = min(run["edsr_x4"] - run[name] for run in runs)
    values["networks_kept"] = families.count("edsr") / len(families)
    print(json.dumps(values | {"runs": runs}))


if __name__ == "__main__":
    main()
