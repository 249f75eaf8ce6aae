"""Single stages by hand. Each does what comes before it, too; what lies in the workspace already is reused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows import environment
from flows.cli import options

if TYPE_CHECKING:
    from flows.beside import Beside
    from sr_core.domain import Domain
    from sr_core.log import Log
    from sr_core.recipe import Recipe
    from sr_core.records import BundleRef, ManifestRef, StoreRef
    from sr_core.training import Processes
    from sr_core.workspace import Workspace


class Chain:
    """The stages up to a trained bundle, without Prefect and MLflow."""

    def __init__(self, domain: Domain, recipe: Recipe, workspace: Workspace, log: Log, paths: Sequence[Path], others: Beside) -> None:
        self.domain, self.recipe, self.workspace, self.log, self.paths = domain, recipe, workspace, log, paths
        self.others = others

    def manifest(self) -> ManifestRef:
        """Find, check and split."""
        from sr_core.stages.ingest import ingest

        return ingest(self.domain, self.paths, recipe=self.recipe, workspace=self.workspace, log=self.log)

    def store(self, manifest: ManifestRef) -> StoreRef:
        """Cut training pairs."""
        from sr_core.stages.prepare import prepare

        return prepare(self.domain, manifest, recipe=self.recipe, workspace=self.workspace, log=self.log)

    def bundle(self, manifest: ManifestRef, processes: Processes | None = None) -> BundleRef:
        """Cut training pairs, and train; with several processes, in the first of them."""
        from sr_core.stages.ingest import load_manifest
        from sr_core.stages.regions import operator_of
        from sr_core.stages.train import train

        store = self.store(manifest)
        general, scales = self.others.stores(self.domain, manifest, self.recipe, self.workspace, self.log)
        return train(
            store, recipe=self.recipe, workspace=self.workspace, log=self.log,
            parent=self.others.parent, general=general, scales=scales, processes=processes,
            operator=operator_of(self.domain, self.recipe, load_manifest(manifest).sources),
        )  # fmt: skip


@contextmanager
def _chain(
    domain: str, paths: Sequence[Path], workspace: Path | None, pairs: Sequence[str] | None, scale: int | None, steps: int | None = None,
    model: str | None = None, general: Sequence[Path] | None = None,
) -> Iterator[Chain]:  # fmt: skip
    from flows.beside import beside, inherited
    from flows.console import RichLog
    from flows.domains import load_domain
    from flows.lookup import bundle_folder
    from sr_core.workspace import Workspace

    kind, folder = load_domain(domain), environment.workspace_folder(workspace)
    parent = None if model is None else bundle_folder(model, folder)
    recipe = kind.recipe().with_overrides({**(inherited(parent) if parent else {}), **options.settings(pairs, scale, steps)})
    place = Workspace(folder)
    with RichLog() as log:
        others = beside(kind, recipe, parent, [path.expanduser() for path in general or ()], place, log)
        yield Chain(kind, recipe, place, log, [path.expanduser() for path in paths], others)


def ingest(
    domain: options.Domain,
    paths: options.Paths,
    workspace: options.WorkspaceFolder = None,
    scale: options.Scale = None,
    set_: options.Settings = None,
    json: options.Json = False,
) -> None:
    """Find and check images, and split them; say which files are refused and why.

    Example: sr ingest satellite my_scenes/
    """
    from flows.cli.output import print_json, print_table
    from sr_core.stages.ingest import load_manifest

    with _chain(domain, paths, workspace, set_, scale) as chain:
        ref = chain.manifest()
    manifest = load_manifest(ref)
    if json:
        print_json({"path": ref.path, "hash": ref.hash, "manifest": manifest})
        return
    rows = [(s.path.name, f"{s.shape[0]}", f"{s.shape[2]} x {s.shape[1]}", s.dtype, s.unit, s.group.id) for s in manifest.sources]
    print_table(("image", "bands", "size", "type", "unit", manifest.sources[0].group.kind), rows)
    typer.echo("")
    print_table(("split", "regions"), [(name, str(len(manifest.split.part(name)))) for name in ("train", "val", "calibration", "test")])
    typer.echo(f"\n{len(manifest.sources)} images, {len(manifest.refusals)} refused. Manifest: {ref.path}")


def prepare(
    domain: options.Domain,
    paths: options.Paths,
    workspace: options.WorkspaceFolder = None,
    scale: options.Scale = None,
    set_: options.Settings = None,
    json: options.Json = False,
) -> None:
    """Cut training pairs of 33 x 33 pixels at stride 14 into a patch store (HDF5).

    Example: sr prepare satellite my_scenes/ --set patches.stride=7
    """
    from flows.cli.output import print_json

    with _chain(domain, paths, workspace, set_, scale) as chain:
        ref = chain.store(chain.manifest())
    if json:
        print_json(ref)
        return
    typer.echo(f"{ref.train_pairs} training pairs, {ref.val_pairs} validation pairs. Store: {ref.path}")


def train(
    domain: options.Domain,
    paths: options.Paths,
    workspace: options.WorkspaceFolder = None,
    scale: options.Scale = None,
    steps: options.Steps = None,
    set_: options.Settings = None,
    from_: options.From = None,
    general: options.General = None,
    json: options.Json = False,
) -> None:
    """Train a model; an interrupted training goes on from its last checkpoint.

    In phases: a linear filter is fitted, and a network learns what it leaves (pixel phase).
    If asked for, the network goes on against a discriminator (adversarial phase).
    Last, a head learns how large the errors are (spread phase).
    Where the network does not beat the filter on validation images, the model is the filter.

    Training ends after training.steps, or training.epochs, or a budget: training.minutes or training.cpu_minutes; the first that is
    reached. training.target_db ends it earlier. SIGTERM and Ctrl-C write a checkpoint first.

    The result is not registered: sr run takes the same settings, and registers what passes the gate.

    With --from, training goes on from another model: its layers are taken over, and it is one more baseline that the result must beat.

    Longer: sr train satellite my_scenes/ --steps 4000

    Larger: sr train satellite my_scenes/ --steps 4000 --set network.width=64 --set network.blocks=16

    Another network: sr train photo pictures/ --scale 3 --set network.family=fsrcnn

    Under a sensor's blur: sr train satellite my_scenes/ --set operator=mtf

    From another model: sr train satellite my_scenes/ --from general_bundle/ --general photographs/ --set adaptation.head=0

    For texture: sr train face portraits/ --set purpose=perceptual

    On several GPUs (docs/how-to/several-gpus.md): torchrun --nproc-per-node=2 -m flows.cli.main train satellite my_scenes/
    """
    from flows.cli.output import print_json
    from sr_core.stages.train import help_train
    from sr_core.training import joined

    with joined(environment.processes()) as processes:
        if not processes.first:
            help_train(processes)
            return
        with _chain(domain, paths, workspace, set_, scale, steps, from_, general) as chain:
            ref = chain.bundle(chain.manifest(), processes)
    if json:
        print_json(ref)
        return
    typer.echo(f"Trained: {ref.family}, weights {ref.weights[:12]}. Bundle: {ref.path}")


def evaluate(
    domain: options.Domain,
    paths: options.Paths,
    workspace: options.WorkspaceFolder = None,
    scale: options.Scale = None,
    steps: options.Steps = None,
    set_: options.Settings = None,
    from_: options.From = None,
    general: options.General = None,
    json: options.Json = False,
) -> None:
    """Train, calibrate and measure on the test regions beside bicubic, projected bicubic and the fitted linear filter.

    Writes the report; registers nothing, and leaves the present champion out (sr run compares with it).

    Example: sr evaluate satellite my_scenes/
    """
    from flows.cli.output import print_json, print_rows
    from flows.result import protocol_sentence, rows
    from sr_core.stages.calibrate import calibrate
    from sr_core.stages.evaluate import evaluate as run_evaluate
    from sr_core.stages.evaluate import load_evaluation
    from sr_core.stages.gate import gate
    from sr_core.stages.package import REPORT, package

    with _chain(domain, paths, workspace, set_, scale, steps, from_, general) as chain:
        manifest = chain.manifest()
        bundle = chain.bundle(manifest)
        calibrated = calibrate(chain.domain, manifest, bundle, recipe=chain.recipe, workspace=chain.workspace, log=chain.log)
        evaluated = run_evaluate(
            chain.domain, manifest, calibrated, champion=None, parent=chain.others.parent, recipe=chain.recipe,
            workspace=chain.workspace, log=chain.log,
        )  # fmt: skip
        decision = gate(chain.domain, evaluated, family=bundle.family, approved_by=None, champion_level=None, log=chain.log)
        packaged = package(calibrated, evaluated, decision, workspace=chain.workspace, log=chain.log)
    content = load_evaluation(evaluated)
    report = packaged.path / REPORT
    if json:
        print_json({"bundle": packaged, "evaluation": content, "decision": decision, "report": report})
        return
    print_rows(rows(content), protocol_sentence(content))
    typer.echo(f"\n{content.claim.text}\n\nBundle  {packaged.path}\nReport  {report}")
