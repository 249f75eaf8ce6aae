"""What lies in the workspace, and making room."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import options

app = typer.Typer(no_args_is_help=True, help="Stage results on disk: ls, prune.")


@app.command("ls")
def ls(workspace: options.WorkspaceFolder = None, json: options.Json = False) -> None:
    """List stage results: how many, how large, last used."""
    from flows import environment
    from flows.cli.output import print_json, print_table
    from flows.storage import results, size_text

    root = environment.workspace_folder(workspace)
    found = results(root)
    if json:
        print_json([{"stage": r.stage, "key": r.path.name, "bytes": r.size, "used": r.used} for r in found])
        return
    stages = sorted({r.stage for r in found})
    rows = [(s, str(sum(r.stage == s for r in found)), size_text(sum(r.size for r in found if r.stage == s))) for s in stages]
    print_table(("stage", "results", "size"), rows)
    typer.echo(f"\n{size_text(sum(r.size for r in found))} in {root}")


@app.command("prune")
def prune(
    keep: Annotated[str, typer.Option("--max", help="Largest size that stays, for instance 50GB.")] = "50GB",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    workspace: options.WorkspaceFolder = None,
) -> None:
    """Remove the stage results that were not used for longest, until the rest fits.

    Registered models are not touched: the registry has its own copies. What is removed is made again when it is needed.
    """
    from flows import environment
    from flows.storage import prune as run_prune
    from flows.storage import read_size, size_text

    root = environment.workspace_folder(workspace)
    gone = run_prune(root, read_size(keep), dry_run)
    verb = "would go" if dry_run else "removed"
    typer.echo(f"{len(gone)} results {verb}, {size_text(sum(r.size for r in gone))}")
