"""Single stages by hand. Each does what comes before it, too; what lies in the workspace already is reused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows.cli import options

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.log import Log
    from sr_core.recipe import Recipe
    from sr_core.records import BundleRef, ManifestRef, StoreRef
    from sr_core.workspace import Workspace


class Chain:
    """The stages up to a trained bundle, without Prefect and MLflow."""

    def __init__(self, domain: Domain, recipe: Recipe, workspace: Workspace, log: Log, paths: Sequence[Path]) -> None:
        self.domain, self.recipe, self.workspace, self.log, self.paths = domain, recipe, workspace, log, paths

    def manifest(self) -> ManifestRef:
        """Find, check and split."""
        from sr_core.stages.ingest import ingest

        return ingest(self.domain, self.paths, recipe=self.recipe, workspace=self.workspace, log=self.log)

    def store(self, manifest: ManifestRef) -> StoreRef:
        """Cut training pairs."""
        from sr_core.stages.prepare import prepare

        return prepare(self.domain, manifest, recipe=self.recipe, workspace=self.workspace, log=self.log)

    def bundle(self, store: StoreRef) -> BundleRef:
        """Train."""
        from sr_core.stages.train import train

        return train(store, recipe=self.recipe, workspace=self.workspace, log=self.log)


@contextmanager
def _chain(
    domain: str, paths: Sequence[Path], workspace: Path | None, pairs: Sequence[str] | None, scale: int | None, steps: int | None = None
) -> Iterator[Chain]:
    from flows import environment
    from flows.console import RichLog
    from flows.domains import load_domain
    from sr_core.workspace import Workspace

    kind = load_domain(domain)
    recipe = kind.recipe().with_overrides(options.settings(pairs, scale, steps))
    with RichLog() as log:
        yield Chain(kind, recipe, Workspace(environment.workspace_folder(workspace)), log, [path.expanduser() for path in paths])


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
    json: options.Json = False,
) -> None:
    """Train a model; an interrupted training goes on from its last checkpoint.

    Training ends after training.steps, or training.epochs, or a budget: training.minutes or training.cpu_minutes; the first that is
    reached. training.target_db ends it earlier. SIGTERM and Ctrl-C write a checkpoint first.

    The result is not registered: sr run does that, once the gate has passed it.

    Settings, with --set: scale, operator, seed, data_range, patches.size, patches.stride, network.family (edsr, srcnn,
    fsrcnn, vdsr, srresnet, rrdb, linear), network.width, network.blocks, network.bands, training.steps, training.batch,
    training.rate, spread.steps, calibration.alpha and others; a misspelt name lists them all.

    Example: sr train satellite my_scenes/ --steps 2000
    """
    from flows.cli.output import print_json

    with _chain(domain, paths, workspace, set_, scale, steps) as chain:
        ref = chain.bundle(chain.store(chain.manifest()))
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

    with _chain(domain, paths, workspace, set_, scale, steps) as chain:
        manifest = chain.manifest()
        bundle = chain.bundle(chain.store(manifest))
        calibrated = calibrate(chain.domain, manifest, bundle, recipe=chain.recipe, workspace=chain.workspace, log=chain.log)
        evaluated = run_evaluate(
            chain.domain, manifest, calibrated, champion=None, recipe=chain.recipe, workspace=chain.workspace, log=chain.log
        )
        decision = gate(chain.domain, evaluated, family=bundle.family, approved_by=None, champion_level=None, log=chain.log)
        packaged = package(calibrated, evaluated, decision, workspace=chain.workspace, log=chain.log)
    content = load_evaluation(evaluated)
    report = packaged.path / REPORT
    if json:
        print_json({"bundle": packaged, "evaluation": content, "decision": decision, "report": report})
        return
    print_rows(rows(content), protocol_sentence(content))
    typer.echo(f"\n{content.claim.text}\n\nBundle  {packaged.path}\nReport  {report}")
