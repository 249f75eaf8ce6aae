"""Upscaling files with a registered model or with a bundle folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options
from sr_core.errors import InputError, OutputError

if TYPE_CHECKING:
    from sr_core.stages.upscale import Upscaled

NOT_TRUSTED = 3


def upscale(
    domain: options.Domain,
    paths: options.Paths,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write; a folder where more than one image is given.", show_default=False)
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="NAME@ALIAS or NAME/NUMBER.  \\[default: sr-DOMAIN@champion]", show_default=False),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", "-b", help="A bundle folder instead of a registered model.", show_default=False)
    ] = None,
    interval: Annotated[bool, typer.Option("--interval/--no-interval", help="Write the interval's half-width as a second file.")] = True,
    residual: Annotated[bool, typer.Option("--residual", help="Write the residual (measurement minus degraded result) as well.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at the output.")] = False,
    precision: Annotated[str, typer.Option("--precision", help="auto, float32 or bfloat16.")] = "auto",
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
    strict: options.Strict = False,
) -> None:
    """Upscale images into their own file format, with an interval for every pixel and a verdict.

    Images are read and written in bands of rows, so they may be larger than memory. Nothing appears at the output before
    all of it is written. A run that was stopped goes on where it stopped: finished rows lie in a hidden folder beside the output.

    Examples
    --------
      sr upscale satellite scene.tif --out scene_x2.tif

      sr upscale medical ct_series/ --out ct_series_x2/ --model sr-medical@challenger
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.console import RichLog
    from flows.domains import load_domain
    from sr_core.log import Log

    kind = load_domain(domain, upscaling_only=True)
    log: Log
    with RichLog() as log:
        sources, refusals = kind.discover([path.expanduser() for path in paths], log)
        for refusal in refusals:
            log.say(f"refused {refusal.path}: {refusal.sentence}")
        if not sources:
            reason = refusals[0].sentence if refusals else "No image lies there."
            raise InputError(f"nothing to upscale in {', '.join(map(str, paths))}", f"images that the {domain} domain reads", reason)
        folder = bundle if bundle is not None else _registered(model or f"sr-{domain}@champion", environment.workspace_folder(workspace))
        from flows.delivery import output_name
        from sr_core.stages.restore import Restorer
        from sr_core.stages.upscale import upscale as run_upscale

        restorer = Restorer(folder, precision)
        many = len(sources) > 1 or (out.is_dir() and not sources[0].path.is_dir())
        _place(out if many else out.parent)
        made: list[Upscaled] = []
        for source in sources:
            target = out / output_name(source, restorer.scale) if many else out
            made.append(run_upscale(kind, source, restorer, target, log=log, interval=interval, residual=residual, overwrite=overwrite))
    if json:
        print_json(
            {
                "images": [{"files": [{"role": f.role, "path": f.path} for f in one.files], "verdict": one.verdict} for one in made],
                "refusals": refusals,
            }
        )
    else:
        for one in made:
            typer.echo(one.verdict.sentence)
            for file in one.files:
                typer.echo(f"  {file.role:9} {file.path}")
        typer.echo(made[0].verdict.claim.text)
    if strict and (refusals or any(one.verdict.status in ("abstain", "fail") for one in made)):
        raise typer.Exit(NOT_TRUSTED)


def _place(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output folder {folder} ({error.strerror})", "a folder that can be written", "Give another --out.") from error


def _registered(model: str, workspace: Path) -> Path:
    from flows.registry import open_registry

    registry = open_registry(workspace)
    return registry.folder(registry.named(model), workspace / "registry")
