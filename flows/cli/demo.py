"""Whole flows: `sr demo` on images from installed packages, `sr run` on the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options

if TYPE_CHECKING:
    from flows.result import FlowResult, Request

NOT_PROMOTED = 3


def demo(
    domain: Annotated[str, typer.Argument(help="satellite, medical, face or photo.")] = "satellite",
    workspace: options.WorkspaceFolder = None,
    scale: options.Scale = None,
    steps: options.Steps = None,
    set_: options.Settings = None,
    json: options.Json = False,
    strict: options.Strict = False,
) -> None:
    """Run a whole flow on demonstration images: from files to a registered model and an upscaled image.

    The images come from installed packages; nothing is downloaded. Training goes on from the shipped model, where there is one.
    Takes up to four minutes on two cores, the second time half a minute. A model that is not promoted is no failure (see --strict).

    Example: sr demo medical
    """
    from flows.result import Request

    overrides = options.settings(set_, scale, steps)
    _run(domain, Request(workspace=str(workspace) if workspace else None, overrides=overrides), json, strict)


def run(
    domain: options.Domain,
    paths: options.Paths,
    workspace: options.WorkspaceFolder = None,
    scale: options.Scale = None,
    steps: options.Steps = None,
    set_: options.Settings = None,
    from_: options.From = None,
    general: options.General = None,
    approved_by: options.ApprovedBy = None,
    upscale: Annotated[bool, typer.Option("--upscale/--no-upscale", help="Upscale the given images at the end.")] = True,
    json: options.Json = False,
    strict: options.Strict = False,
) -> None:
    """Run a whole flow on your files: ingest, prepare, train, calibrate, evaluate, gate, register, promote, upscale.

    Only what is new is done; a run that was interrupted goes on where it stopped.

    Examples
    --------
      sr run satellite my_scenes/ --set training.steps=2000

      sr run satellite my_scenes/ --from sr-photo@champion --general photographs/
    """
    from flows.result import Request

    overrides = options.settings(set_, scale, steps)
    request = Request(
        paths=tuple(str(path) for path in paths),
        workspace=str(workspace) if workspace else None,
        approved_by=approved_by,
        overrides=overrides,
        upscale=upscale,
        parent=from_,
        general=tuple(str(path) for path in general or ()),
    )
    _run(domain, request, json, strict)


def _run(domain: str, request: Request, json: bool, strict: bool) -> None:
    from flows import environment
    from flows.beside import begin
    from flows.cli.output import print_json, print_result
    from flows.domains import load_domain

    folder = environment.workspace_folder(request.workspace)
    begin(load_domain(domain), request, folder)  # faults of the user are found before a server starts
    for path in (*(request.paths or ()), *request.general):
        _must_exist(Path(path))
    environment.prepare(folder, embedded=True)
    typer.echo("Starting the embedded Prefect server (some seconds) ...", err=True)
    result = _flow(domain, request)
    if json:
        print_json(result)
    else:
        print_result(result, environment.pages(folder))
    if strict and not result.promoted:
        raise typer.Exit(NOT_PROMOTED)


def _must_exist(path: Path) -> None:
    from sr_core.errors import InputError

    if not path.expanduser().exists():
        raise InputError(f"{path} does not exist", "a file or folder", "Check the path.")


def _flow(domain: str, request: Request) -> FlowResult:
    from flows.pipeline import flow_of

    return flow_of(domain)(
        paths=None if request.paths is None else list(request.paths),
        workspace=request.workspace,
        scale=request.scale,
        steps=request.steps,
        approved_by=request.approved_by,
        overrides=dict(request.overrides),
        upscale=request.upscale,
        parent=request.parent,
        general=list(request.general),
    )
