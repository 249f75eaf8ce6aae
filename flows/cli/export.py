"""A model's network for runtimes without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options


def export(
    model: options.Model,
    onnx: Annotated[Path, typer.Option("--onnx", help="File to write, .onnx.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at the file.")] = False,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Write a model's network as ONNX: physical units in and out, any image size; no projection, no interval, no verdict.

    Where onnxruntime is installed, the file is run beside PyTorch before it is written, and refused if the results differ.

    Example: sr models export sr-satellite@champion --onnx satellite_x2.onnx
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.lookup import bundle_folder
    from sr_core.stages.export import CLAIM, export_onnx

    exported = export_onnx(bundle_folder(model, environment.workspace_folder(workspace)), onnx, overwrite=overwrite)
    if json:
        print_json({"path": exported.path, "outputs": exported.outputs, "difference": exported.difference, "claim": CLAIM})
        return
    typer.echo(f"{exported.path}: lr -> {', '.join(exported.outputs)}\n{exported.says()}\n{CLAIM}")
