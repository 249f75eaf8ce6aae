"""Calibrate: a bundle and held-out regions to an interval, and to the claim that the evidence carries."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sr_core.ancestry import check_apart
from sr_core.domain import Domain
from sr_core.errors import TrustError
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, CalibrationRef, Manifest, ManifestRef, Region
from sr_core.stages.ingest import load_manifest
from sr_core.stages.inside import calibration_inside, declared_by, domain_of
from sr_core.stages.precision import format_to_choose, measure_precision, save_gate
from sr_core.stages.reference import reference_of, seen_regions
from sr_core.trust.precision import FULL
from sr_core.workspace import RECORD, Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.heuristic import Heuristic
    from sr_core.trust.scores import Sample

VERSION = 3
CALIBRATION = "calibration.json"


def calibrate(
    domain: Domain, manifest: ManifestRef, bundle: BundleRef, *, recipe: Recipe, workspace: Workspace, log: Log
) -> CalibrationRef:
    """Choose the interval's floor on the validation regions and its multiplier on the calibration regions.

    The result is a copy of the bundle with `calibration.json`. It is calibrated in the number format in which it will be run: a shortened
    one that costs too much on the validation regions is refused first, and `precision.json` says so.

    Raises
    ------
    TrustError
        If a calibration group took part in training, that of a parent included.
        If a calibration group took part in training.
    SplitError
        If a group or a place stands on two sides of the split.
    """
    from sr_core.bundle import read_card

    content = load_manifest(manifest)
    _apart(content)
    content.split.check(content.gap)
    check_apart(read_card(bundle.path).trained_on, content.split.calibration, "calibration")
    inputs = {"manifest": manifest.hash, "bundle": bundle.hash, "plan": recipe.calibration.digest()}

    def build(folder: Path) -> CalibrationRef:
        return _build(folder, domain, content, manifest, bundle, recipe, log)

    return workspace.once("calibrate", VERSION, inputs, CalibrationRef, build, log)


def _apart(manifest: Manifest) -> None:
    """Refuse calibration data from a training group, unless it is declared as blocks of one."""
    seen = {r.group for r in (*manifest.split.train, *manifest.split.val)}
    for region in manifest.split.calibration:
        if region.group in seen and not region.one_group:
            raise TrustError(
                f"calibration region {region.name} of {region.group.kind} {region.group.id}", "a group that did not train", "Split again."
            )


def _build(
    folder: Path, domain: Domain, manifest: Manifest, ref: ManifestRef, bundle: BundleRef, recipe: Recipe, log: Log
) -> CalibrationRef:
    from sr_core.bundle import software
    from sr_core.stages.restore import HEURISTIC, Restorer
    from sr_core.trust.calibration import Promise, Settings, choose_floor
    from sr_core.trust.calibration import calibrate as calibrate_samples

    size, estimator = recipe.calibration.ensemble, recipe.calibration.estimator
    restorer = Restorer(bundle.path, ensemble=size, estimator=estimator)
    if sentence := restorer.predictor.ensemble.says():
        log.say(f"calibrate: {sentence}")
    if restorer.precision != FULL:
        gate = measure_precision(domain, manifest, "val", bundle.path, format_to_choose(restorer.device), log=log)
        save_gate(folder, gate, log, "calibrate")
        if restorer.precision in gate.refused(bundle.weights):
            restorer = Restorer(bundle.path, FULL, ensemble=size, estimator=estimator)
    card = restorer.card
    promise = Promise(alpha=recipe.calibration.alpha, delta=recipe.calibration.delta, gamma=recipe.calibration.gamma)
    split = manifest.split
    if restorer.estimator == HEURISTIC:
        if estimator == "head":
            log.say("calibrate: the model has no spread head: how large errors are is said by a heuristic, fitted on the validation images")
        restorer = restorer.with_heuristic(_fitted(domain, manifest, restorer, log))
    choice = choose_floor(
        _samples(domain, manifest, split.val, restorer, "choosing the interval's floor", log),
        step=max(card.step, card.noise), data_range=card.data_range, promise=promise, one_group=any(r.one_group for r in split.val),
    )  # fmt: skip
    fitted = domain_of(domain, manifest, restorer, log)
    calibration = calibrate_samples(
        _samples(domain, manifest, calibration_inside(split.calibration, fitted, log), restorer, "calibrating", log),
        floor=choice.floor,
        promise=promise,
        group_kind=domain.group_kind,
        one_group=any(r.one_group for r in split.calibration),
        unit=card.unit,
        weights=restorer.bundle.weights_hash,
        operator=restorer.operator.digest(),
        operator_name=f"{restorer.operator.kind} x{restorer.scale}",
        settings=Settings(
            projection=card.projection,
            precision=restorer.precision,
            estimator=restorer.estimator,
            ensemble=restorer.predictor.ensemble.size,
            normalisation=card.normalisation,
        ),
        software=software(),
        heuristic=restorer.heuristic,
    )
    shutil.copytree(bundle.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
    reference = reference_of(domain, manifest, restorer.calibrated_by(calibration), log)
    reference = reference.model_copy(update={"facts": declared_by(domain, manifest, restorer.scale), "domain": fitted.fit})
    calibration = calibration.model_copy(update={"reference": reference})
    (folder / CALIBRATION).write_text(calibration.to_json())
    claim = calibration.claim()
    log.say(f"calibrate: {claim.level}. {claim.text}")
    return CalibrationRef(
        path=folder, hash=folder_sha256(folder), made_from=(ref.hash, bundle.hash), level=claim.level, weights=bundle.weights
    )


def _fitted(domain: Domain, manifest: Manifest, restorer: Restorer, log: Log) -> Heuristic:
    """Fit the line of the heuristic on the validation regions."""
    from sr_core.trust.heuristic import HeuristicFit

    regions, card = manifest.split.val, restorer.card
    fit = HeuristicFit(card.step, card.data_range, len(regions))
    for seen in seen_regions(domain, manifest, regions, restorer, "fitting what foretells errors", log):
        error, lr = np.abs(seen.pair.hr.pixels - seen.delivered), seen.pair.lr
        fit.add(error, seen.restored.sr, restorer.predictor.fill(lr.pixels, lr.mask), restorer.operator, seen.pair.hr.mask)
    return fit.line()


def _samples(domain: Domain, manifest: Manifest, regions: tuple[Region, ...], restorer: Restorer, what: str, log: Log) -> Iterator[Sample]:
    from sr_core.trust.scores import Sample

    for seen in seen_regions(domain, manifest, regions, restorer, what, log):
        error = np.abs(seen.pair.hr.pixels - seen.delivered)
        yield Sample(seen.region.group, seen.region.name, error, seen.restored.spread, seen.pair.hr.mask)
