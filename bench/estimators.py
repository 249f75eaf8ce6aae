"""What says best how large errors are: one row an estimator, by domain, on groups that trained nothing. x2, MATLAB's bicubic, CPU time.

EDSR 8x32 over the fitted filter; both heads on the same frozen trunk, so on the same image bit for bit (asserted). Floors are chosen and
the heuristic is fitted on validation groups (CT, MR: slices of the training patient that did not train), all figures are of test groups.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from held_back import DATA, HELD_SCENE, SCENES, Case, case_of, there, whole, written

from domains.photo.domain import DOMAIN as PHOTO
from sr_core.bundle import Bundle, BundleCard, Curve
from sr_core.log import Silent
from sr_core.metrics.ranking import rank_correlation, sparsification_area
from sr_core.networks.precision import training_device
from sr_core.operators import operator_from
from sr_core.raster import BoolArray, Float32Array, Window
from sr_core.recipe import Recipe
from sr_core.records import Manifest, ManifestRef, Region, Source, Split, StoreRef
from sr_core.stages.ingest import MANIFEST, load_manifest
from sr_core.stages.pairs import Pairs, open_pairs
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import read_pair
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.training.loop import spread_taught
from sr_core.training.phases import DescentPhase, phases
from sr_core.training.processes import Processes
from sr_core.training.seams import named
from sr_core.training.shared import SharedCheckpoints
from sr_core.training.state import Checkpoint, Progress
from sr_core.training.task import Task
from sr_core.trust import histogram
from sr_core.trust.calibration import Promise, choose_floor
from sr_core.trust.heuristic import HeuristicFit, features
from sr_core.trust.scores import Accumulator, Sample
from sr_core.workspace import Workspace

STEPS, HEAD_STEPS = 200, 250
SIDE = 128  # HR pixels: the middle of each test image
RANKED = 40_000  # values of an image that are ranked
HALVES = 20  # random halves of the test groups: one calibrates, the other is measured
ENOUGH = 20  # test groups from which halves make sense
ESTIMATORS = ("constant", "gradient", "local-sd", "guess", "detail", "heuristic", "magnitude", "laplace", "self-ensemble")
ROWS = ("photo", "face", "satellite", "ct", "mr")


@dataclass(frozen=True)
class Shown:
    """A held-back image as the heads' model delivers it, its measurement, and by estimator its error and spread; physical unit."""

    region: Region
    mask: BoolArray
    delivered: Float32Array
    measured: Float32Array
    error: dict[str, Float32Array]
    spread: dict[str, Float32Array]


def split_of(row: str, folder: Path) -> tuple[Case, ManifestRef]:
    """Write the manifest of a row: training, validation and test groups apart (CT and MR: see the top)."""
    case = Case(PHOTO, [DATA / "sr_train" / "T91"], [DATA / "sr_train" / "BSDS"]) if row == "photo" else case_of(row)
    if row == "satellite":
        scenes = [DATA / "satellite" / f"{stem}.tif" for stem in (*SCENES, HELD_SCENE, "northdakota_naip_20140720")]
        case = Case(case.domain, scenes[:5], scenes[5:])
    found = [case.domain.discover(paths, Silent())[0] for paths in (case.train, case.held_back)]
    trains, held = (list(part) for part in found)
    if row == "satellite":
        val, test = trains[:1], held
        trains = trains[1:]
    elif row in ("ct", "mr"):
        val, trains, test = trains[::4], [s for i, s in enumerate(trains) if i % 4], held[::2]
    elif row == "face":
        people = [*trains, *held]
        trains, val, test = people[:20], people[20:30], people[30:]
    else:
        val, test = held[::4], [s for i, s in enumerate(held) if i % 4]
    sources = tuple({s.sha256: s for s in (*trains, *val, *test)}.values())
    split = Split(
        train=tuple(whole(s) for s in trains), val=(), calibration=(), test=tuple(_middle(s) for s in (*val, *test)),
    )  # fmt: skip
    manifest = Manifest(domain=case.domain.name, sources=sources, refusals=(), split=split, scale=2, gap=0, seed=len(val))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(manifest.to_json())
    return case, ManifestRef(path=folder, hash=manifest.content_hash())


def _middle(source: Source) -> Region:
    _, height, width = source.shape
    rows, cols = min(SIDE, height) // 2 * 2, min(SIDE, width) // 2 * 2
    window = Window((height - rows) // 4 * 2, (width - cols) // 4 * 2, rows, cols)
    return whole(source).model_copy(update={"window": window})


def with_head(trunk: Restorer, store: StoreRef, recipe: Recipe, folder: Path) -> Restorer:
    """Give a bundle of the same trunk with a head that the recipe's spread phase taught."""
    bundle = trunk.bundle
    with open_pairs(Pairs(store), recipe, training_device(), Silent(), False) as opened:
        task = Task(opened.reader, (), recipe, operator_from(opened.store.operator), training_device(), Silent())
        net = copy.deepcopy(bundle.net)
        net.drop_spread_head()
        assert net.filter is not None
        phase = next(p for p in phases(recipe, len(opened.reader)) if isinstance(p, DescentPhase) and p.kind == "spread")
        progress = Progress(fingerprint=task.fingerprint, phase=2, step=0, family=recipe.network.family)
        start = Checkpoint(progress, named(net, next(net.filter.buffers())))
        done = spread_taught(task, phase, start, SharedCheckpoints(folder.with_suffix(".checkpoints"), Silent(), Processes()))
        made = task.network(recipe.network.family, spread=True)
        made.load_state_dict(done.part("net"))
    made.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    card = BundleCard.model_validate({**bundle.card.model_dump(), "descriptor": made.descriptor.model_dump(), "weights": "", "halo": 0})
    return Restorer(Bundle.save(folder, card, made.eval(), Curve()).folder)


def shown(case: Case, manifest: Manifest, ready: dict[str, Restorer]) -> list[Shown]:
    """Restore the held-back images and say their errors with every estimator but the heuristic."""
    images = []
    for region in manifest.split.test:
        some = ready["magnitude"]
        pair = read_pair(case.domain, manifest, region, some.operator)
        made = {name: restorer.restore(pair.lr.pixels, pair.lr.mask) for name, restorer in ready.items()}
        assert np.array_equal(made["magnitude"].sr, made["laplace"].sr), "a head changed the image"
        errors = {name: np.abs(pair.hr.pixels - written(pair.encoding, restored.sr)) for name, restored in made.items()}
        filled = some.predictor.fill(pair.lr.pixels, pair.lr.mask)
        gradient, detail, deviation, guess = features(made["magnitude"].sr, filled, some.operator)
        spread = {name: restored.spread for name, restored in made.items()}
        spread |= {"constant": np.zeros_like(gradient), "gradient": gradient, "local-sd": deviation, "guess": guess, "detail": detail}
        error = {name: errors.get(name, errors["magnitude"]) for name in ESTIMATORS}
        images.append(Shown(region, pair.hr.mask, made["magnitude"].sr, filled, error, spread))
    return images


def add_heuristic(val: list[Shown], test: list[Shown], restorer: Restorer) -> None:
    """Fit the line on the validation images and put its spread beside the others."""
    card = restorer.card
    fit = HeuristicFit(card.step, card.data_range, len(val))
    for image in val:
        fit.add(image.error["heuristic"], image.delivered, image.measured, restorer.operator, image.mask)
    line = fit.line()
    for image in (*val, *test):
        image.spread["heuristic"] = line.spread(image.delivered, image.measured, restorer.operator)


def samples(images: list[Shown], name: str) -> list[Sample]:
    """Give what calibration takes."""
    return [Sample(image.region.group, image.region.name, image.error[name], image.spread[name], image.mask) for image in images]


def judged(val: list[Shown], test: list[Shown], name: str, step: float, data_range: float) -> dict[str, float]:
    """Give the figures of one estimator."""
    promise = Promise()
    floor = choose_floor(samples(val, name), step=step, data_range=data_range, promise=promise).floor
    taken = Accumulator(floor)
    areas, correlations = [], []
    for sample in samples(test, name):
        taken.add(sample)
        error, spread = (part[:, sample.mask].ravel() for part in (sample.abs_error, sample.spread))
        every = max(1, error.size // RANKED)
        areas.append(sparsification_area(error[::every], spread[::every]))
        correlations.append(rank_correlation(error[::every], spread[::every]))
    scores, groups = taken.score_cells(promise.alpha), sorted(taken.reach)
    reach = np.array([taken.reach[g] / taken.counts(g).sum() for g in groups])
    cells = np.array([scores[g] for g in groups])
    pooled = histogram.upper_edge(histogram.quantile_cell(taken.counts(), 1 - promise.alpha))
    pixels = np.array([taken.counts(g).sum() for g in groups])
    cell = int(np.sort(cells)[math.ceil(0.9 * len(groups)) - 1])
    bins = [b.coverage for b in taken.coverage_by_bin(cell)]
    found = {
        "ause": float(np.mean(areas)), "rho": float(np.nanmean(correlations)) if name != "constant" else float("nan"),
        "w1": float(2 * pooled * np.average(reach, weights=pixels)), "w2": _width_for_groups(cells, reach),
        "largest": taken.largest_errors_held(cell), "floor_steps": floor / (step or data_range / 255), "groups": len(groups),
    }  # fmt: skip
    return found | {f"bin{i}": coverage for i, coverage in enumerate(bins, 1)} | {"uneven": max(bins) - min(bins)}


def _width_for_groups(cells: np.ndarray, reach: np.ndarray) -> float:
    """Give the full width at which 90 % of groups hold 90 % of their pixels: mean over random halves; with few groups, of all of them."""
    if len(cells) < ENOUGH:
        return float(2 * histogram.upper_edge(int(np.sort(cells)[math.ceil(0.9 * len(cells)) - 1])) * reach.mean())
    rng, widths = np.random.default_rng(0), []
    for _ in range(HALVES):
        order = rng.permutation(len(cells))
        first, second = order[: len(cells) // 2], order[len(cells) // 2 :]
        cell = np.sort(cells[first])[math.ceil(0.9 * len(first)) - 1]
        widths.append(2 * histogram.upper_edge(int(cell)) * reach[second].mean())
    return float(np.mean(widths))


def one(case: Case, ref: ManifestRef, seed: int, steps: int, head_steps: int, folder: Path) -> dict[str, dict[str, float]]:
    """Train a trunk and two heads; give the figures by estimator."""
    settings = {
        "operator": "bicubic", "seed": seed, "training.steps": steps, "spread.steps": 1, "training.log_every": 100,
        "training.checkpoint_every": 2000,
    }  # fmt: skip
    recipe = case.domain.recipe().with_overrides(settings)
    manifest, workspace = load_manifest(ref), Workspace(folder / "workspace")
    store = prepare(case.domain, ref, recipe=recipe, workspace=workspace, log=Silent())
    trunk = Restorer(train(store, recipe=recipe, workspace=workspace, log=Silent()).path)
    ready = {
        name: with_head(trunk, store, recipe.with_overrides({"spread.steps": head_steps, "spread.tail": tail}), folder / f"{name}-{seed}")
        for name, tail in (("magnitude", "light"), ("laplace", "heavy"))
    }
    ready["self-ensemble"] = Restorer(ready["magnitude"].bundle.folder, ensemble=8, estimator="self-ensemble")
    images = shown(case, manifest, ready)
    val, test = images[: manifest.seed], images[manifest.seed :]
    add_heuristic(val, test, ready["magnitude"])
    card = ready["magnitude"].card
    return {name: judged(val, test, name, card.step, card.data_range) for name in ESTIMATORS}


def main() -> int:
    """Print one JSON line; one a training on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--head-steps", type=int, default=HEAD_STEPS)
    given = parser.parse_args()
    if not there():
        return 2
    torch.set_num_threads(1)
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        cases = {row: split_of(row, Path(name) / row) for row in given.rows}
        runs_of: dict[str, list[dict[str, dict[str, float]]]] = {row: [] for row in given.rows}
        for seed in given.seeds:
            for row, (case, ref) in cases.items():
                start = time.process_time()
                runs_of[row].append(one(case, ref, seed, given.steps, given.head_steps, Path(name) / row))
                seconds = time.process_time() - start
                print(json.dumps({"row": row, "seed": seed, "cpu_s": seconds, **runs_of[row][-1]}), file=sys.stderr, flush=True)
        for row, runs in runs_of.items():
            for estimator in ESTIMATORS:
                for figure in runs[0][estimator]:
                    found = [run[estimator][figure] for run in runs]
                    values[f"{row}_{estimator}_{figure}"] = float(np.mean(found))
                    if figure in ("ause", "w2"):
                        values[f"{row}_{estimator}_{figure}_spread"] = float(np.ptp(found))
            for figure in ("ause", "w2", "largest"):
                for other in ESTIMATORS:
                    ratios = [run[other][figure] / (run["magnitude"][figure] or math.nan) for run in runs]
                    values[f"{row}_{other}_{figure}_ratio"] = float(np.mean(ratios))
    print(json.dumps({"seeds": given.seeds, **values}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
