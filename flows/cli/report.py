"""Where a model's report is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from sr_core.errors import InputError, OutputError


def report(
    model: Annotated[str, typer.Argument(help="NAME, NAME@ALIAS or NAME/NUMBER.")] = "sr-satellite@champion",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Copy the report to this file.", show_default=False)] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Say where the self-contained HTML report of a registered model is; copy it or open it.

    Example: sr report sr-satellite@champion --out report.html
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.registry import open_registry

    folder = environment.workspace_folder(workspace)
    registry = open_registry(folder)
    version = registry.named(model)
    path = registry.folder(version, folder / "registry") / "report.html"
    if not path.is_file():
        raise InputError(f"{version.says()} has no report", "a version that a flow made", "Run the flow again.")
    if out is not None:
        try:
            path = Path(shutil.copyfile(path, out))
        except OSError as error:
            raise OutputError(f"output {out} ({error.strerror})", "a file that can be written", "Give another --out.") from error
    if json:
        print_json({"version": version, "report": path})
    else:
        typer.echo(str(path))
    if open_:
        typer.launch(path.as_uri())
