"""Upscaling files with a registered model or with a bundle folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options
from sr_core.errors import SRError

if TYPE_CHECKING:
    from flows.upscaling import Outcome, Request
    from sr_core.stages.upscale import Upscaled

NOT_TRUSTED = 3
Images = Annotated[
    list[str],
    typer.Argument(
        metavar="[DOMAIN] PATHS...", show_default=False,
        help="Files and folders with your images; - for a list on standard input. Before them satellite, medical, face or photo: "
        "needed for pictures; georeferenced rasters and DICOM say themselves what they are.",
    ),
]  # fmt: skip
Out = Annotated[
    str,
    typer.Option(
        "--out", "-o", metavar="FILE|FOLDER|PATTERN", show_default=False,
        help="Where results go: a file; a folder; or a pattern with the fields {stem}, {name}, {suffix}, {scale}, {model}, {parent} "
        "(folders below the given one) and {hash}.",
    ),
]  # fmt: skip


def upscale(
    images: Images,
    out: Out,
    null: Annotated[bool, typer.Option("--null", "-0", help="The list on standard input has NULs (find -print0).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done, in which time and with what.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="NAME@ALIAS or NAME/NUMBER.  \\[default: the champion, else the shipped one]", show_default=False
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale", "-s", help="SR pixels per pixel and axis.  \\[default: the model's; 2 where there are several]", show_default=False
        ),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", "-b", help="A bundle folder instead of a registered model.", show_default=False)
    ] = None,
    interval: Annotated[bool, typer.Option("--interval/--no-interval", help="Write the interval's half-width as a second file.")] = True,
    residual: Annotated[bool, typer.Option("--residual", help="Write the residual (measurement minus degraded result) as well.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at the output.")] = False,
    precision: Annotated[str, typer.Option("--precision", help="auto, float32, bfloat16; on a GPU float16, too.")] = "auto",
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            show_default=False,
            help="Memory that the process may take, for instance 2GB; images that need more are refused.  \\[default: what is available]",
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option("--tile", min=32, help="Side of the network's tiles, LR pixels: smaller takes less memory.", show_default=False),
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option(
            "--ensemble",
            metavar="1|4|8",
            show_default=False,
            help="Mean of so many runs on the image flipped (4), or turned, too (8): slower by as much, a little better; it has an "
            "interval only if it was calibrated so.  \[default: as calibrated, 1]",
        ),
    ] = None,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
    strict: options.Strict = False,
) -> None:
    """Upscale images into their own file format, with an interval for every pixel and a verdict.

    Time, memory and disk are said before the start, from a probe of two seconds; what does not fit is refused. Images are
    read and written in bands of rows, so they may be larger than memory. Nothing appears at an output before all of it is
    written, and one bad image never stops the others. A run that was stopped goes on where it stopped: finished rows lie in a
    hidden folder beside the output, and images that the same command finished before are kept as they are. Copies of an
    image are images like others.

    The model is the champion of the domain and scale; where there is none, for satellite scenes and faces the one that comes with the
    package, which was not trained on your images.

    Examples
    --------
      sr upscale scene.tif --out scene_x2.tif

      sr upscale scene.tif --out scene_x4.tif --scale 4

      sr upscale satellite archive/ --out 'sr/{parent}/{stem}_x{scale}{suffix}' --dry-run

      find archive -name '*.tif' -print0 | sr upscale satellite - -0 --out 'sr/{stem}_{hash}{suffix}' --memory 4GB

      sr upscale medical ct_series/ --out ct_series_x2/ --model sr-medical@challenger

      sr upscale face portraits/ --out enhanced/ --strict --json

      sr upscale photo a.jpg b.png --out 'larger/{name}_x{scale}{suffix}' --bundle my_bundle/ --ensemble 8

    Exit codes: 0 all that was asked for is done; 2 (1 where the fault is ours) nothing could be done, or an image that was given by
    name or begun could not, while the others were; files below a folder that are no usable images are said, and change
    nothing; 3 with --strict, where anything was refused, a verdict is not a pass or a warning, or the images
    together have drifted from the calibrated ones.
    """
    import sys

    from flows import environment
    from flows.cli.output import print_json
    from flows.console import RichLog
    from flows.upscaling import Outcome, Request, run

    domain, paths = _domain_and_paths(images)
    request = Request(
        domain=domain, paths=paths, out=out, workspace=environment.workspace_folder(workspace), null=null, dry_run=dry_run,
        model=model, scale=scale, bundle=bundle, interval=interval, residual=residual, overwrite=overwrite, precision=precision,
        memory=options.memory_bytes(memory), tile=tile, ensemble=ensemble,
    )  # fmt: skip
    outcome = Outcome()
    with RichLog() as log:
        try:
            run(request, outcome, log, sys.stdin.buffer)
        except SRError as error:
            if json:
                fault = {"error": type(error).__name__, "sentence": str(error)}
                print_json({**_document(request, outcome), "error": fault})
            raise
    made = [one.made for one in (*outcome.there, *outcome.done)]
    if json:
        print_json(_document(request, outcome))
    elif dry_run:
        _print_plan(outcome)
    else:
        _print_made(made)
    drifted = outcome.drift is not None and outcome.drift.outcome == "abstain"
    untrusted = outcome.refusals or drifted or any(one.verdict.status in ("abstain", "fail") for one in made)
    code = outcome.exit_code or (NOT_TRUSTED if strict and untrusted else 0)
    if code:
        raise typer.Exit(code)


def _domain_and_paths(words: list[str]) -> tuple[str | None, tuple[Path, ...]]:
    """Take the first word as the domain if it is the name of one, or of nothing that is there."""
    from flows.domains import domain_names
    from sr_core.errors import InputError

    first = words[0]
    named = first in domain_names() or (len(words) > 1 and first.isidentifier() and not Path(first).exists())
    if not named:
        return None, tuple(map(Path, words))
    if len(words) == 1:
        raise InputError(f"no image after {first}", "files or folders", f"For instance: sr upscale {first} IMAGE --out RESULT")
    return first, tuple(map(Path, words[1:]))


def _document(request: Request, outcome: Outcome) -> dict[str, object]:
    """Give the whole outcome as one document; images that were not begun have no files."""
    finished = {one.job.place.target: one for one in outcome.done}
    images: list[dict[str, object]] = [
        {"input": one.place.source.path, "output": one.place.target, "there_already": True, **_result(one.made)} for one in outcome.there
    ]
    for job in outcome.jobs:
        entry: dict[str, object] = {"input": job.place.source.path, "output": job.place.target, "forecast": job.forecast}
        one = finished.get(job.place.target)
        if one is not None:
            entry |= _result(one.made)
            entry["outcome"] = {"seconds": one.seconds, "cpu_seconds": one.cpu_seconds}
        if one is not None or request.dry_run:
            images.append(entry)
    return {
        "domain": outcome.domain, "model": outcome.model, "dry_run": request.dry_run, "images": images, "refusals": outcome.refusals,
        **({"drift": outcome.drift} if outcome.drift else {}),
    }  # fmt: skip


def _result(made: Upscaled) -> dict[str, object]:
    return {"files": [{"role": file.role, "path": file.path} for file in made.files], "verdict": made.verdict}


def _print_plan(outcome: Outcome) -> None:
    from flows.cli.output import duration_text
    from flows.storage import size_text

    for one in outcome.there:
        typer.echo(f"{one.place.source.path} -> {one.place.target}\n  is there already")
    for job in outcome.jobs:
        said = job.forecast
        lr, sr = (f"{c} x {h} x {w}" for c, h, w in (said.lr, said.sr))
        runs = "1 run" if said.passes == 1 else f"{said.passes} runs"
        typer.echo(f"{job.place.source.path} -> {job.place.target}")
        typer.echo(f"  size      {lr} to {sr} (bands x rows x columns)")
        typer.echo(f"  work      {said.bands} band{'s' if said.bands > 1 else ''} of rows, {runs} of the network ({said.executor})")
        typer.echo(f"  time      {duration_text(said.seconds)} ({said.cpu_seconds:.1f} CPU s){'' if said.probed else ', not measured'}")
        typer.echo(f"  memory    up to {size_text(said.peak_bytes)}")
        disk = f"{size_text(said.output_bytes)}, while working {size_text(said.working_bytes)} more"
        typer.echo(f"  disk      up to {disk}; {size_text(said.free_bytes)} free")


def _print_made(made: list[Upscaled]) -> None:
    for one in made:
        verdict = one.verdict
        typer.echo(verdict.sentence)
        for reason in verdict.reasons[1:]:  # the first, and every caution, are part of the sentence
            if reason not in verdict.cautions:
                typer.echo(f"  - {reason}")
        for file in one.files:
            typer.echo(f"  {file.role:9} {file.path}")
    for claim in dict.fromkeys(one.verdict.claim.text for one in made):
        typer.echo(claim)
