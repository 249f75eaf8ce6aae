"""Do calibrated intervals hold? By simulation, and on real groups: train, validation, calibration and test apart. CPU time, one thread.

Simulation: 2,000 calibrations on exchangeable groups whose true share of groups held is known. Real data: networks of 150 steps, trained by
the stages on groups of their own; the floor is chosen on validation groups; what is left is parted at random into calibration and test,
20 times where there are enough groups, else each group is tested once with the others calibrated on. Patients are too few to train on:
theirs is the photographs' network. Needs SR_DATA for all but the simulation.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from held_back import DATA, Case, Offering, there, trained, whole

from domains.face.domain import DOMAIN as FACE
from domains.medical.domain import MedicalDomain
from domains.photo.domain import DOMAIN as PHOTO
from domains.satellite.domain import DOMAIN as SATELLITE
from sr_core.bundle import Bundle, Curve
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Manifest, ManifestRef, Region, Source, Split
from sr_core.stages.ingest import MANIFEST
from sr_core.stages.reference import seen_regions
from sr_core.stages.restore import Restorer
from sr_core.trust.calibration import Calibration, Promise, Settings, calibrate, choose_floor
from sr_core.trust.claim import order_statistic
from sr_core.trust.interval import largest_errors_held
from sr_core.trust.scores import Sample
from sr_core.workspace import Workspace

DRAWS = 2000
SPLITS = 20
SIDE = 192  # HR px of the middle of an image that is calibrated or tested on
BODY = {"training.steps": 150, "spread.steps": 150, "training.optimiser": "muon"}
PROMISE = Promise()


@dataclass(frozen=True)
class Plan:
    """Which files train, validate, and are parted into calibration and test; `model`: of another plan, where none can be trained."""

    domain: Offering
    train: Sequence[Path]
    val: Sequence[Path]
    pool: Sequence[Path]
    every: int = 1  # of a folder's images
    model: str = ""


def plan_of(name: str) -> Plan:
    """Give one of "photographs", "persons", "places" and "patients"."""
    if name == "photographs":
        others = sorted((DATA / "sr_train" / "T91").iterdir())
        return Plan(Offering(PHOTO), others[:61], others[61:], [DATA / "sr_train" / "BSDS"])
    if name == "persons":
        people = sorted((DATA / "face" / "congress").iterdir())
        return Plan(Offering(FACE), people[:20], people[20:26], [*people[26:], *sorted((DATA / "face" / "orl").iterdir())], every=3)
    if name == "places":
        folder = DATA / "satellite"
        stems = ("australia_sentinel2_20190105", "canberra_landsat5_19920323", "mexico_landsat7_19991118", "virginia_naip")
        val = folder / "italy_sentinel2_20190416.tif"
        train = [folder / f"{stem}.tif" for stem in stems]
        pool = [path for path in sorted(folder.glob("*.tif")) if path not in (*train, val)]
        return Plan(Offering(SATELLITE, levelled=True), train, [val], pool)
    folder = DATA / "medical"
    pool = [*sorted(folder.glob("ct_*")), *sorted(folder.glob("mr_*")), *sorted(folder.glob("single/ct_*"))]
    return Plan(Offering(MedicalDomain(training=False), levelled=True), [], [], pool, model="photographs")


def simulated() -> dict[str, float]:
    """Give the share of calibrations that break the promise, by number of groups, the worst of three laws; and the theory's."""
    from scipy import stats

    rng = np.random.default_rng(1)
    laws: tuple[tuple[Callable[[tuple[int, int]], np.ndarray], Callable[[np.ndarray], np.ndarray]], ...] = (
        (lambda shape: rng.lognormal(0.3, 0.8, shape), lambda s: stats.lognorm.cdf(s, 0.8, scale=math.exp(0.3))),
        (lambda shape: 1 + rng.pareto(0.8, shape), lambda s: stats.pareto.cdf(s, 0.8)),
        (lambda shape: np.where(rng.uniform(size=shape) < 0.88, 1, 10) * rng.uniform(1, 2, shape),
         lambda s: 0.88 * (s - 1).clip(0, 1) + 0.12 * (s / 10 - 1).clip(0, 1)),
    )  # fmt: skip
    values: dict[str, float] = {}
    for n in (22, 50, 200):
        k, _ = order_statistic(n, PROMISE.delta, PROMISE.gamma)
        assert k is not None
        broken = [below(np.sort(draw((DRAWS, n)), axis=1)[:, k - 1]) < 1 - PROMISE.delta for draw, below in laws]
        values[f"broken_{n}"] = max(float(share.mean()) for share in broken)
        values[f"theory_{n}"] = float(stats.beta.cdf(1 - PROMISE.delta, k, n + 1 - k))
    return values


def manifest_of(plan: Plan, folder: Path) -> tuple[Manifest, ManifestRef]:
    """Write the manifest; no group trains, validates and is tested."""
    found = [plan.domain.discover(list(paths), Silent())[0] if paths else [] for paths in (plan.train, plan.val, plan.pool)]
    train, val, pool = found[0], found[1], [s for _, some in _by_group(found[2]).items() for s in some[:: plan.every]]
    seen = {source.group for source in (*train, *val)}
    apart = tuple(_middle(source) for source in pool if source.group not in seen)
    split = Split(train=tuple(map(whole, train)), val=tuple(map(_middle, val)), calibration=apart, test=())
    split.check(0)
    sources = (*train, *val, *pool)
    made = Manifest(domain=plan.domain.name, sources=sources, refusals=(), split=split, scale=2, gap=0, seed=1)
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(made.to_json())
    return made, ManifestRef(path=folder, hash=made.content_hash())


def _by_group(sources: Sequence[Source]) -> dict[str, list[Source]]:
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(source.group.id, []).append(source)
    return groups


def _middle(source: Source) -> Region:
    height, width = (min(SIDE, side // 2 * 2) for side in source.shape[1:])
    window = Window((source.shape[1] - height) // 4 * 2, (source.shape[2] - width) // 4 * 2, height, width)
    return Region(source=source.sha256, window=window, group=source.group)


def samples_of(plan: Plan, manifest: Manifest, regions: Sequence[Region], restorer: Restorer) -> Iterator[Sample]:
    """Give errors beside spread of the images as they would stand in a file."""
    for seen in seen_regions(plan.domain, manifest, tuple(regions), restorer, "", Silent()):
        if seen.pair.hr.mask.any():
            error = np.abs(seen.pair.hr.pixels - seen.delivered)
            yield Sample(seen.region.group, seen.region.name, error, seen.restored.spread, seen.pair.hr.mask)


def in_deviations(restorer: Restorer, folder: Path) -> Restorer:
    """Give the same network for images in standard deviations from their own mean."""
    own = {"mean": 0.0, "std": 1.0, "unit": "standard deviation", "valid_range": (-1e6, 1e6), "step": 0.0, "data_range": 6.0}
    card = restorer.card.model_copy(update={**own, "weights": "", "halo": 0})
    return Restorer(Bundle.save(folder, card, restorer.bundle.net, Curve()).folder)


def calibrated(samples: Sequence[Sample], floor: float, restorer: Restorer) -> Calibration:
    """Calibrate on some samples."""
    return calibrate(
        samples, floor=floor, promise=PROMISE, group_kind="group", one_group=False, unit=restorer.card.unit,
        weights=restorer.bundle.weights_hash, operator=restorer.operator.digest(), operator_name="bicubic x2",
        settings=Settings(projection=True, precision=restorer.precision), software="",
    )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One calibration and its test: shares of pixels, of groups that reach 90 % (in all of their images), of the 1 % largest errors."""

    level: str
    pixels: float
    groups: float
    worst: float
    largest: float


def tested(made: Calibration, samples: Sequence[Sample]) -> Outcome:
    """Test a calibration on groups that it never saw."""
    worst: dict[str, float] = {}
    flat: list[tuple[np.ndarray, np.ndarray]] = []
    for sample in samples:
        error, half = sample.abs_error[:, sample.mask], made.half_width(sample.spread)[:, sample.mask]
        worst[sample.group.id] = min(worst.get(sample.group.id, 1.0), float((error <= half).mean()))
        flat.append((error.ravel(), half.ravel()))
    errors, halves = (np.concatenate(parts)[None, None] for parts in zip(*flat, strict=True))
    largest = largest_errors_held(errors, np.zeros_like(errors), halves, np.ones(errors.shape[1:], bool))
    reached = np.array(list(worst.values())) >= 1 - PROMISE.alpha
    return Outcome(made.claim().level, float((errors <= halves).mean()), float(reached.mean()), min(worst.values()), largest)


def partings(groups: Sequence[str]) -> Iterator[set[str]]:
    """Give the groups that are tested: a random half, 20 times, where a half can be certified; else each group once."""
    if len(groups) < 2 * 21:
        yield from ({group} for group in groups)
        return
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(groups))
        yield {groups[i] for i in order[(len(groups) + 1) // 2 :]}


def chance_broken(n: int, tests: int) -> float:
    """Give the chance that more than 10 % of the tested groups lie above the calibration's score, if all are exchangeable."""
    k, rule = order_statistic(n, PROMISE.delta, PROMISE.gamma)
    assert k is not None and rule == "tolerance limit"
    allowed = math.floor(PROMISE.delta * tests + 1e-9)
    # Of the `n - k + allowed + 1` largest scores of all, at most n - k are of the calibration.
    from scipy import stats

    return float(stats.hypergeom.cdf(n - k, n + tests, n, n - k + allowed + 1))


def measured(name: str, folder: Path, workspace: Workspace) -> dict[str, float | str]:
    """Train, calibrate and test one kind of groups."""
    plan = plan_of(name)
    start = time.process_time()
    source = plan_of(plan.model) if plan.model else plan
    learned, ref = manifest_of(source, folder / f"{name}-train")
    restorer, _ = trained(Case(source.domain, source.train, ()), ref, BODY, workspace)
    seconds = time.process_time() - start
    card = restorer.card
    val = samples_of(source, learned, learned.split.val, restorer)
    floor = choose_floor(val, step=card.step, data_range=card.data_range, promise=PROMISE).floor
    manifest, _ = manifest_of(plan, folder / name)
    if plan.model:  # the network and its filter work in normalised units
        floor /= card.std
        restorer = in_deviations(restorer, folder / f"{name}-model")
    pool = list(samples_of(plan, manifest, manifest.split.calibration, restorer))
    groups = sorted({sample.group.id for sample in pool})
    outcomes = []
    for tests in partings(groups):
        made = calibrated([s for s in pool if s.group.id not in tests], floor, restorer)
        outcomes.append(tested(made, [s for s in pool if s.group.id in tests]))
    many = len(tests) > 1
    values: dict[str, float | str] = {
        "groups": len(groups), "images": len(pool), "n": made.n, "tested": len(tests), "calibrations": len(outcomes),
        "level": "/".join(sorted({o.level for o in outcomes})), "pixels": float(np.mean([o.pixels for o in outcomes])),
        "groups_reached": float(np.mean([o.groups for o in outcomes])), "worst_image": min(o.worst for o in outcomes),
        "largest": float(np.mean([o.largest for o in outcomes])), "training_cpu_s": seconds,
    }  # fmt: skip
    if many:
        broken = [o.groups < 1 - PROMISE.delta - 1e-9 for o in outcomes]
        values |= {"broken": float(np.mean(broken)), "chance": chance_broken(made.n, len(tests))}
    return values


def main() -> int:
    """Print one JSON line; one a kind of groups on standard error."""
    kinds = ("photographs", "persons", "places", "patients")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=("simulation", *kinds), default=("simulation", *kinds))
    what = parser.parse_args().only
    torch.set_num_threads(1)
    values: dict[str, float | str] = simulated() if "simulation" in what else {}
    if set(what) - {"simulation"} and not there():
        return 2
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name) / "workspace")
        for kind in kinds:
            if kind in what:
                found = measured(kind, Path(name), workspace)
                print(json.dumps({kind: found}), file=sys.stderr, flush=True)
                values |= {f"{kind}_{key}": value for key, value in found.items()}
    print(json.dumps(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
