"""One Prefect task a stage. Prefect's caching is off: the workspace is the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.beside import Beside
from flows.delivery import Delivered, deliver
from flows.registry import Registry, Version
from sr_core.domain import Domain
from sr_core.errors import SRError
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, CalibrationRef, EvaluationRef, ManifestRef, Source, StoreRef
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate
from sr_core.stages.gate import Decision, gate
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.stages.package import package
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import operator_of
from sr_core.stages.train import train
from sr_core.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task


class Work:
    """What every stage of one run shares; a plain class, because Prefect looks through dataclasses for futures."""

    def __init__(self, domain: Domain, recipe: Recipe, workspace: Workspace, log: Log) -> None:
        self.domain = domain
        self.recipe = recipe
        self.workspace = workspace
        self.log = log


def _worth_repeating(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Repeat what a busy disk or network may have caused; never what the input is at fault for."""
    del task, run
    try:
        state.result()
    except SRError:
        return False
    except OSError:
        return True
    except Exception:
        return False
    return False


@task(name="ingest", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5, retry_condition_fn=_worth_repeating)
def ingest_task(work: Work, paths: Sequence[Path]) -> ManifestRef:
    """Turn files into a manifest."""
    return ingest(work.domain, paths, recipe=work.recipe, workspace=work.workspace, log=work.log)


class Prepared:
    """The stores that a training draws from; a plain class, as `Work`."""

    def __init__(self, own: StoreRef, general: StoreRef | None, scales: tuple[StoreRef, ...]) -> None:
        self.own = own
        self.general = general
        self.scales = scales


@task(name="prepare", cache_policy=NO_CACHE, retries=1, retry_delay_seconds=5, retry_condition_fn=_worth_repeating)
def prepare_task(work: Work, manifest: ManifestRef, beside: Beside) -> Prepared:
    """Turn a manifest into a patch store, and what stands beside it into others."""
    own = prepare(work.domain, manifest, recipe=work.recipe, workspace=work.workspace, log=work.log)
    return Prepared(own, *beside.stores(work.domain, manifest, work.recipe, work.workspace, work.log))


@task(name="train", cache_policy=NO_CACHE)
def train_task(work: Work, manifest: ManifestRef, stores: Prepared, beside: Beside) -> BundleRef:
    """Turn patch stores into a bundle."""
    operator = operator_of(work.domain, work.recipe, load_manifest(manifest).sources)
    return train(
        stores.own, recipe=work.recipe, workspace=work.workspace, log=work.log,
        parent=beside.parent, general=stores.general, scales=stores.scales, operator=operator,
    )  # fmt: skip


@task(name="calibrate", cache_policy=NO_CACHE)
def calibrate_task(work: Work, manifest: ManifestRef, bundle: BundleRef) -> CalibrationRef:
    """Calibrate a bundle."""
    return calibrate(work.domain, manifest, bundle, recipe=work.recipe, workspace=work.workspace, log=work.log)


@task(name="evaluate", cache_policy=NO_CACHE)
def evaluate_task(
    work: Work,
    manifest: ManifestRef,
    calibrated: CalibrationRef,
    champion: Path | None,
    pixel_champion: Path | None,
    parent: Path | None,
) -> EvaluationRef:
    """Measure a calibrated bundle."""
    return evaluate(
        work.domain, manifest, calibrated, champion=champion, pixel_champion=pixel_champion, parent=parent,
        recipe=work.recipe, workspace=work.workspace, log=work.log,
    )  # fmt: skip


@task(name="gate", cache_policy=NO_CACHE)
def gate_task(work: Work, evaluation: EvaluationRef, family: str, approved_by: str | None, champion_level: str | None) -> Decision:
    """Decide from an evaluation."""
    return gate(work.domain, evaluation, family=family, approved_by=approved_by, champion_level=champion_level, log=work.log)


@task(name="package", cache_policy=NO_CACHE)
def package_task(work: Work, calibrated: CalibrationRef, evaluation: EvaluationRef, decision: Decision) -> BundleRef:
    """Put everything known of a model into one folder."""
    return package(calibrated, evaluation, decision, workspace=work.workspace, log=work.log)


@task(name="register", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5, retry_condition_fn=_worth_repeating)
def register_task(registry: Registry, name: str, bundle: Path, tags: Mapping[str, str], run_id: str, channels: int | None) -> Version:
    """Register a folder."""
    return registry.register(name, bundle, tags, run_id, channels)


@task(name="promote", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5, retry_condition_fn=_worth_repeating)
def promote_task(registry: Registry, version: Version, approved_by: str | None) -> Version:
    """Make a version the champion."""
    return registry.promote(version, approved_by)


@task(name="upscale", cache_policy=NO_CACHE, retries=1, retry_delay_seconds=5, retry_condition_fn=_worth_repeating)
def upscale_task(work: Work, source: Source, bundle: Path, bundle_hash: str) -> Delivered:
    """Upscale one image."""
    return deliver(work.domain, source, bundle, bundle_hash, workspace=work.workspace, log=work.log)
