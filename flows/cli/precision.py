"""What a shortened number format costs a model on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options

if TYPE_CHECKING:
    from sr_core.trust.precision import Cost, PrecisionGate


def gate_precision(
    model: options.Model,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="The test images' files or folders, where the workspace does not know them.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="An ingest result that names the test regions.", show_default=False)
    ] = None,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Measure bfloat16 (on a GPU float16, too) beside float32 on a model's test groups; say what is allowed.

    The record, precision.json, is written into a bundle folder of your own, and --precision auto obeys it from then on. Registered
    versions and results in a workspace carry the record of the run that made them and are not changed.

    Example: sr models gate-precision sr-satellite@champion
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.console import RichLog
    from flows.held_out import held_out
    from flows.lookup import bundle_folder
    from sr_core.log import Log
    from sr_core.networks.precision import training_device
    from sr_core.stages.precision import formats_of, measure_precision
    from sr_core.trust.precision import PRECISION
    from sr_core.workspace import is_result, write_atomic

    root = environment.workspace_folder(workspace)
    folder = bundle_folder(model, root)
    log: Log
    with RichLog() as log:
        test = held_out(folder, manifest=manifest, paths=paths or (), workspace=root, log=log)
        gate = measure_precision(test.domain, test.manifest, "test", folder, formats_of(training_device()), log=log)
    place = None if is_result(folder) else folder / PRECISION
    if place is not None:
        write_atomic(place, gate.to_json().encode())
    if json:
        print_json({"gate": gate, "allowed": {cost.precision: cost.allowed for cost in gate.costs}, "recorded": place})
        return
    for cost in gate.costs:
        _print_cost(gate, cost)
    typer.echo("\n".join(gate.says()) + "\n")
    typer.echo(f"Recorded in {place}" if place is not None else "Not recorded: a registered version, or a result of a run, is not changed.")


def _print_cost(gate: PrecisionGate, cost: Cost) -> None:
    from flows.cli.output import print_table

    rows = [
        (
            g.group,
            f"{g.psnr_db:.2f}",
            f"{g.loss_db:+.4f}",
            f"{g.largest:.3g}",
            "-" if (count := gate.steps(g.largest)) is None else f"{count:.1f}",
            f"{100 * g.changed_share:.3g} %",
        )
        for g in cost.groups
    ]
    print_table((cost.precision, "float32, dB", "lost, dB", f"largest, {gate.unit}", "in steps", "written values changed"), rows)
    typer.echo(f"  ({gate.protocol.describe()})\n")
