"""x4 at once against x2 twice: PSNR where nothing was trained or chosen, on one thread.

Both networks (EDSR 8x32 over the fitted linear filter, the domain's recipe: equal steps of equally many LR pixels) are trained on the same
regions. By default these are those of the satellite demonstration, with two trainings of each; with `--places` three Sentinel-2 scenes
(SR_DATA), of which each in its turn is measured while the others train.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from held_back import DATA, there, whole, written

from domains.satellite.domain import DOMAIN
from sr_core.log import Silent
from sr_core.metrics import psnr
from sr_core.raster import Window
from sr_core.records import Manifest, ManifestRef, Region, Split
from sr_core.stages.evaluate import _linear_filter
from sr_core.stages.evidence import plain_bicubic, protocol_of
from sr_core.stages.ingest import MANIFEST, ingest, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import read_pair
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.workspace import Workspace

STEPS = {"training.steps": 360, "spread.steps": 1}  # the spread is not looked at
SCENES = ("australia_sentinel2_20190105.tif", "bangladesh_sentinel2_20200127.tif", "italy_sentinel2_20190416.tif")
APART = 32  # HR pixels between what trains and what chooses
Task = tuple[ManifestRef, tuple[Region, ...], int]


def demonstration(folder: Path, workspace: Workspace) -> Iterator[Task]:
    """Give the demonstration's manifest, the blocks to measure and a seed; twice."""
    recipe = DOMAIN.recipe().with_overrides({"scale": 4})
    ref = ingest(DOMAIN, DOMAIN.demo(folder / "demo"), recipe=recipe, workspace=workspace, log=Silent())
    split = load_manifest(ref).split
    for seed in (1, 2):
        yield ref, (*split.calibration, *split.test), seed


def places(folder: Path, files: list[Path]) -> Iterator[Task]:
    """Give a manifest for each scene in which it is measured, and the right quarter of another one chooses."""
    sources, _ = DOMAIN.discover(files, Silent())
    for number, measured in enumerate(sources):
        first, second = (source for source in sources if source is not measured)
        width = second.shape[2] // 4
        part = Window(0, 0, second.shape[1], second.shape[2] - width - APART)
        chooses = Window(0, second.shape[2] - width, second.shape[1], width)
        split = Split(
            train=(whole(first), Region(source=second.sha256, window=part, group=second.group, one_group=True)),
            val=(Region(source=second.sha256, window=chooses, group=second.group, one_group=True),),
            calibration=(),
            test=(whole(measured),),
        )
        manifest = Manifest(domain=DOMAIN.name, sources=tuple(sources), refusals=(), split=split, scale=4, gap=APART, seed=1)
        place = folder / f"manifest-{number}"
        place.mkdir()
        (place / MANIFEST).write_text(manifest.to_json())
        yield ManifestRef(path=place, hash=manifest.content_hash()), split.test, 1


def bundle(scale: int, seed: int, manifest: ManifestRef, workspace: Workspace) -> Restorer:
    """Train a network of one scale on the manifest's training regions."""
    recipe = DOMAIN.recipe().with_overrides({**STEPS, "scale": scale, "seed": seed})
    store = prepare(DOMAIN, manifest, recipe=recipe, workspace=workspace, log=Silent())
    return Restorer(train(store, recipe=recipe, workspace=workspace, log=Silent()).path)


def measure(manifest: Manifest, regions: tuple[Region, ...], at_once: Restorer, twice: Restorer) -> dict[str, float]:
    """Give the mean PSNR over the regions, dB, of every way to x4; every image is rounded as its file rounds."""
    linear, protocol = _linear_filter(DOMAIN, manifest, at_once), protocol_of(at_once)
    found: dict[str, list[float]] = {}
    for region in regions:
        pair = read_pair(DOMAIN, manifest, region, at_once.operator)
        lr, mask = pair.lr.pixels, pair.lr.mask
        bicubic = plain_bicubic(pair.lr, 4)
        half = written(pair.encoding, twice.restore(lr, mask).sr)  # the file between the two runs
        chained = written(pair.encoding, twice.restore(half, np.kron(mask, np.ones((2, 2), np.bool_))).sr)
        images = {
            "bicubic": bicubic,
            "projected_bicubic": at_once.project(bicubic, lr, mask),
            "linear_filter": at_once.base_of(linear, lr, mask),
            "edsr_x4": at_once.restore(lr, mask).sr,
            "x2_twice": chained,
            "x2_twice_projected": at_once.project(chained, lr, mask),
        }
        for name, image in images.items():
            found.setdefault(name, []).append(psnr(written(pair.encoding, image), pair.hr.pixels, protocol, pair.hr.mask))
    return {name: float(np.mean(values)) for name, values in found.items()}


def main() -> int:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", action="store_true")
    given = parser.parse_args()
    if given.places and not there():
        return 2
    files = [DATA / "satellite" / name for name in SCENES]
    torch.set_num_threads(1)
    runs: list[dict[str, float]] = []
    families: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder, workspace = Path(name), Workspace(Path(name) / "workspace")
        for manifest, regions, seed in places(folder, files) if given.places else demonstration(folder, workspace):
            at_once, twice = (bundle(scale, seed, manifest, workspace) for scale in (4, 2))
            families.append(at_once.card.descriptor.family)
            runs.append(measure(load_manifest(manifest), regions, at_once, twice))
            print(json.dumps({"family": families[-1]} | runs[-1]), file=sys.stderr, flush=True)
    values: dict[str, object] = {f"{method}_db": float(np.mean([run[method] for run in runs])) for method in runs[0]}
    for method in ("x2_twice", "x2_twice_projected", "linear_filter", "bicubic"):
        gains = [run["edsr_x4"] - run[method] for run in runs]
        values |= {f"x4_over_{method}_db": float(np.mean(gains)), f"x4_over_{method}_least_db": min(gains)}
    print(json.dumps(values | {"networks_kept": families.count("edsr") / len(families), "runs": runs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
