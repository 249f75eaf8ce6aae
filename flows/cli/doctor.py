"""A look at this machine: what is installed, what it will run on, what is missing and how to get it."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import options

MARKS = {"ok": "ok", "note": "note", "missing": "MISSING"}


def doctor(
    workspace: options.WorkspaceFolder = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the Prefect address and the short deployment names into your Prefect profile.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --fix.")] = False,
    json: options.Json = False,
) -> None:
    """Look at this machine: versions, device and precision, decoders, disk, and what is missing.

    Exit code 1 where something that is needed is missing.
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.diagnosis import examine, write_profile

    if fix:
        from flows.environment import LOCAL_API

        if yes or typer.confirm(f"Write PREFECT_API_URL={LOCAL_API} and PREFECT_PLUGINS_ENABLED=true into your active Prefect profile?"):
            typer.echo(write_profile(LOCAL_API), err=True)
    findings = examine(environment.workspace_folder(workspace))
    if json:
        print_json([{"what": f.what, "state": f.state, "found": f.found, "remedy": f.remedy} for f in findings])
    else:
        width = max(len(f.what) for f in findings)
        for finding in findings:
            typer.echo(f"{MARKS[finding.state]:8} {finding.what:{width}}  {finding.found}")
            if finding.remedy:
                typer.echo(f"{'':8} {'':{width}}  -> {finding.remedy}")
    if any(f.state == "missing" for f in findings):
        raise typer.Exit(1)
