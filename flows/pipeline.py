"""The order of the stages: one flow body under several names.

ingest -> prepare -> train -> calibrate -> evaluate -> gate -> package -> register -> promote -> upscale
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from prefect import Flow, flow
from prefect.runtime import flow_run

from flows import environment
from flows.artifacts import PrefectLog, show
from flows.beside import Beside, begin, beside
from flows.console import Notebook, RichLog
from flows.delivery import Delivered
from flows.domains import load_domain
from flows.drift import drift_of_run
from flows.evidence import CONTRACT, hold_back, model_name, pixel_name, run_tags, version_tags
from flows.pictures import save_pictures
from flows.registry import CHALLENGER, CHAMPION, Registry, Version
from flows.result import FlowResult, Request, Setting, protocol_sentence, rows
from flows.sweep import alive
from flows.system_metrics import system_metrics
from flows.tasks import (
    Work,
    calibrate_task,
    evaluate_task,
    gate_task,
    ingest_task,
    package_task,
    prepare_task,
    promote_task,
    register_task,
    train_task,
    upscale_task,
)  # fmt: skip
from flows.tracking import MlflowLog, Tracking
from sr_core.domain import Domain
from sr_core.evaluation import Evaluation
from sr_core.log import Fan, Log
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, ManifestRef
from sr_core.stages.evaluate import EVALUATION, PICTURES, load_evaluation
from sr_core.stages.gate import Decision
from sr_core.stages.ingest import load_manifest
from sr_core.stages.package import REPORT
from sr_core.workspace import Workspace, write_atomic


def run_pipeline(domain_name: str, request: Request) -> FlowResult:
    """Run a domain's files through all stages (inside a Prefect flow run).

    Raises
    ------
    SRError
        If an input is at fault; the message says what to do.
    """
    environment.silence()
    domain = load_domain(domain_name)
    folder = environment.workspace_folder(request.workspace)
    recipe, parent = begin(domain, request, folder)
    workspace = Workspace(folder)
    book = Notebook()
    with alive(folder / "runs", flow_run.id and UUID(str(flow_run.id))), RichLog() as screen:
        base: tuple[Log, ...] = (screen, book, PrefectLog())
        work = Work(domain, recipe, workspace, Fan(base))
        work.log.say(f"{domain_name}: starting, workspace {folder}")
        manifest = ingest_task(work, _paths(domain, request, folder))
        others = beside(domain, recipe, parent, [Path(path).expanduser() for path in request.general], workspace, work.log)
        chain = _Chain(work, manifest, others, request, book, base)
        result = chain.known() or chain.new()
        show(result)
    return result


def _paths(domain: Domain, request: Request, folder: Path) -> list[Path]:
    if request.paths is not None:
        return [Path(path).expanduser() for path in request.paths]
    demo = folder / "demo" / domain.name
    demo.mkdir(parents=True, exist_ok=True)
    return domain.demo(demo)


@dataclass(frozen=True)
class _Model:
    """A model folder, the hash it is known by, and where it stands in the registry."""

    folder: Path
    hash: str
    version: Version | None


class _Chain:
    """What follows ingest."""

    def __init__(
        self, work: Work, manifest: ManifestRef, others: Beside, request: Request, book: Notebook, base: tuple[Log, ...]
    ) -> None:  # fmt: skip
        self.work, self.manifest, self.others, self.request, self.book, self.base = work, manifest, others, request, book, base
        folder = work.workspace.root
        self.name = model_name(work.domain, work.recipe)
        self.key = work_key(manifest, work.recipe, others)
        self.tracking = Tracking(environment.set_tracking(os.environ, folder), folder / "mlflow")
        self.registry = Registry(self.tracking)
        self.champion = self.registry.look(self.name, CHAMPION)
        pixel = pixel_name(work.domain, work.recipe)
        self.pixel_champion = self.registry.look(pixel, CHAMPION) if pixel else None
        self.copies = folder / "registry"

    def known(self) -> FlowResult | None:
        """Give the champion's result if it was trained on these very files by this very recipe: nothing to do but upscale."""
        champion = self.champion
        if champion is None or champion.tags.get("work") != self.key:
            return None
        folder = self.registry.folder(champion, self.copies)
        self.work.log.say(f"nothing new since {champion.says()} was trained: prepare to promote reused")
        self.book.say(f"{champion.says()}: reused from the registry")
        path = folder / EVALUATION
        evaluation = Evaluation.from_json(path.read_text(), str(path))
        model = _Model(folder, champion.tags["bundle"], champion)
        sentence = f"Nothing new since {champion.says()} was trained."
        return self._result(model, evaluation, sentence, (), True, self._upscale(model), None)

    def new(self) -> FlowResult:
        """Train, measure, decide, register and upscale."""
        run_id = self.tracking.run(self.name, self.key, f"{self.name} {self.key[:8]}")
        log = MlflowLog(self.tracking, run_id)
        self.work.log = Fan((*self.base, log))
        try:
            with system_metrics(self.tracking, run_id):
                result = self._stages(log, run_id)
        except BaseException:
            log.end("FAILED")
            raise
        log.end()
        return result

    def _stages(self, log: MlflowLog, run_id: str) -> FlowResult:
        work, manifest = self.work, self.manifest
        log.parameters(run_tags(work.recipe, manifest))
        stores = prepare_task(work, manifest, self.others)
        bundle = train_task(work, manifest, stores, self.others)
        log.flush()
        calibrated = calibrate_task(work, manifest, bundle)
        evaluated = evaluate_task(
            work, manifest, calibrated, self._folder(self.champion), self._folder(self.pixel_champion), self.others.parent
        )
        evaluation = load_evaluation(evaluated)
        level = self.champion.tags.get("claim_level") if self.champion else None
        decision = hold_back(
            gate_task(work, evaluated, bundle.family, self.request.approved_by, level), self.registry, self.name, bundle.weights
        )
        packaged = package_task(work, calibrated, evaluated, decision)
        tags = version_tags(
            work.domain, evaluated, bundle.family, decision, packaged,
            work=self.key, manifest=manifest.hash, champion=self.champion, pixel_champion=self.pixel_champion,
        )  # fmt: skip
        self._log_results(log, evaluation, packaged.path, evaluated.path / PICTURES, tags)
        version = self._register(packaged, decision, tags, run_id)
        model = _Model(packaged.path, packaged.hash, version)
        return self._result(model, evaluation, decision.sentence, decision.reasons, False, self._upscale(model), run_id)

    def _folder(self, version: Version | None) -> Path | None:
        return self.registry.folder(version, self.copies) if version else None

    def _register(self, packaged: BundleRef, decision: Decision, tags: Mapping[str, str], run_id: str) -> Version | None:
        if not decision.register_it:
            return None
        from sr_core.bundle import Bundle

        descriptor = Bundle.load(packaged.path).card.descriptor
        channels = None if descriptor.bandwise else descriptor.channels
        version = register_task(self.registry, self.name, packaged.path, tags, run_id, channels)
        return promote_task(self.registry, version, self.request.approved_by) if decision.promote else version

    def _log_results(self, log: MlflowLog, evaluation: Evaluation, folder: Path, archives: Path, tags: Mapping[str, str]) -> None:
        for row in rows(evaluation):
            name = row.method.replace(" ", "_")
            log.metric(f"test/psnr_db/{name}", row.psnr_db, 0)
            log.metric(f"test/ssim/{name}", row.ssim, 0)
            if row.octave_energy is not None:
                log.metric(f"test/octave_energy/{name}", row.octave_energy, 0)
        log.tags(tags)
        for name in (REPORT, "card.md", EVALUATION, "bundle.json"):
            log.file(folder / name, None if name == REPORT else "bundle")
        with tempfile.TemporaryDirectory() as temporary:
            for path in save_pictures(archives, evaluation, Path(temporary)):
                log.file(path, "pictures")

    def _upscale(self, model: _Model) -> list[Delivered]:
        if not self.request.upscale:
            return []
        if model.version is None or CHAMPION not in model.version.aliases:
            self.work.log.say("upscale: with a model that is not promoted")
        sources = load_manifest(self.manifest).sources
        return [upscale_task(self.work, source, model.folder, model.hash) for source in sources]

    def _drift(self, model: _Model, delivered: list[Delivered]) -> str:
        """Say whether the upscaled images together have drifted from the calibrated ones."""
        from sr_core.bundle import Bundle
        from sr_core.trust.calibration import Calibration

        text = Bundle.load(model.folder).calibration_text if delivered else None
        calibration = None if text is None else Calibration.from_json(text, str(model.folder))
        drift = drift_of_run(calibration, ((one.group, one.deviations) for one in delivered))
        if drift is not None:
            self.work.log.say(f"upscale: {drift.sentence}")
        return "" if drift is None else drift.sentence

    def _result(
        self, model: _Model, evaluation: Evaluation, sentence: str, reasons: tuple[str, ...], nothing_new: bool,
        delivered: list[Delivered], run_id: str | None,
    ) -> FlowResult:  # fmt: skip
        aliases = model.version.aliases if model.version else ()
        drift = self._drift(model, delivered)
        alias = next((a for a in (CHAMPION, CHALLENGER) if a in aliases), None)
        return FlowResult(
            domain=self.work.domain.name,
            model=self.name,
            version=model.version.number if model.version else None,
            alias=alias,
            promoted=alias == CHAMPION,
            decision=sentence,
            reasons=reasons,
            report=publish_report(model.folder / REPORT, self.work.workspace.root / "reports" / f"{self.name}.html"),
            table=rows(evaluation),
            protocol=protocol_sentence(evaluation),
            claim=evaluation.claim.text,
            reused=self.book.reused,
            nothing_new=nothing_new,
            outputs=tuple(path for d in delivered for path in d.files),
            verdicts=tuple(d.verdict for d in delivered),
            drift=drift,
            notes=evaluation.notes,
            run_id=run_id,
        )


def work_key(manifest: ManifestRef, recipe: Recipe, others: Beside) -> str:
    """Name a piece of work: the files, the recipe, what stands beside them, and the versions of the stages."""
    return hashlib.sha256(json.dumps([manifest.hash, recipe.digest(), CONTRACT, *others.key()]).encode()).hexdigest()


def publish_report(made: Path, place: Path) -> Path:
    """Copy a report to the place where a person finds the newest one of a model."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(place, made.read_bytes())
    return place


def _named(domain: str, what: str) -> Flow[..., FlowResult]:
    """Make the flow of a domain: a function with its own name, so that Prefect finds it again by its entry point."""

    def body(
        paths: list[str] | None = None,
        workspace: str | None = None,
        scale: int | None = None,
        steps: int | None = None,
        approved_by: str | None = None,
        overrides: dict[str, Setting] | None = None,
        upscale: bool = True,
        parent: str | None = None,
        general: list[str] | None = None,
    ) -> FlowResult:
        request = Request(
            paths=None if paths is None else tuple(paths), workspace=workspace, scale=scale, steps=steps,
            approved_by=approved_by, overrides=overrides or {}, upscale=upscale,
            parent=parent, general=tuple(general or ()),
        )  # fmt: skip
        return run_pipeline(domain, request)

    body.__name__ = body.__qualname__ = f"sr_{domain}"
    body.__doc__ = f"""Retrain the {domain} super-resolution model and upscale {what} with it.

    Args:
        paths: Files and folders with {what}; empty: the demonstration images.
        workspace: Folder for all results; empty: $SR_WORKSPACE, or ./var.
        scale: SR pixels per pixel and axis (2 to 8); empty: the domain's default.
        steps: Training steps; empty: the domain's default.
        approved_by: Who approves a promotion, where the domain asks for a person.
        overrides: Other settings of the recipe by dotted name, for instance network.blocks.
        upscale: Whether the given images are upscaled at the end.
        parent: The model to go on from: a bundle folder, or a registered name such as sr-{domain}@champion; empty: from the start.
        general: Files and folders with general pictures, mixed in beside a parent.
    """
    return flow(name=f"sr-{domain}", persist_result=False)(body)


sr_satellite = _named("satellite", "GeoTIFF scenes")
sr_medical = _named("medical", "DICOM slices and series")
sr_face = _named("face", "portraits")
sr_photo = _named("photo", "photographs")
FLOWS: Mapping[str, Flow[..., FlowResult]] = {
    "satellite": sr_satellite, "medical": sr_medical, "face": sr_face, "photo": sr_photo,
}  # fmt: skip


def flow_of(domain: str) -> Flow[..., FlowResult]:
    """Give the flow of a domain; one that another package brings has no instance with a name of its own here."""
    return FLOWS[domain] if domain in FLOWS else _named(domain, f"{domain} images")
