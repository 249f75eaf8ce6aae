"""Models: what the registry holds, approval, roll back; export and the precision gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options
from flows.cli.export import export
from flows.cli.precision import gate_precision

if TYPE_CHECKING:
    from flows.registry import Registry

app = typer.Typer(no_args_is_help=True, help="Models: list, shipped, show, promote, rollback; export, gate-precision.")
Name = Annotated[str, typer.Argument(help="Registered name, for instance sr-satellite.", show_default=False)]
Which = Annotated[str, typer.Argument(help="Version number or alias.")]


def _open(workspace: Path | None) -> Registry:
    from flows import environment
    from flows.registry import open_registry

    return open_registry(environment.workspace_folder(workspace))


@app.command("list")
def list_(workspace: options.WorkspaceFolder = None, json: options.Json = False) -> None:
    """List all versions of all models, newest first. `sr models shipped` lists those that come with the package."""
    from flows.cli.output import print_json, print_table

    registry = _open(workspace)
    versions = [version for name in registry.names() for version in registry.versions(name)]
    if json:
        print_json(versions)
        return
    if not versions:
        typer.echo("No model is registered yet. Run a flow first, for instance: sr demo")
        return
    rows = [
        (
            v.name,
            str(v.number),
            ", ".join(v.aliases),
            f"x{v.tags.get('scale', '?')}",
            *(v.tags.get(k, "") for k in ("family", "claim_level", "claim_groups", "verdict", "gate")),
        )
        for v in versions
    ]
    print_table(("model", "version", "alias", "scale", "family", "claim", "groups", "verdict", "gate"), rows)


@app.command("shipped")
def shipped(json: options.Json = False) -> None:
    """List the models that come with the package, with licence and credits."""
    from flows.cli.output import print_json, print_table
    from flows.domains import domain_names, load_domain
    from sr_core.bundle import read_card

    found = [(name, scale, folder, read_card(folder)) for name in domain_names() for scale, folder in load_domain(name).shipped().items()]
    if json:
        print_json([{"domain": name, "scale": scale, "folder": folder, "card": card} for name, scale, folder, card in found])
        return
    print_table(("domain", "scale", "unit", "folder"), [(name, f"x{scale}", card.unit, str(folder)) for name, scale, folder, card in found])
    for licence in dict.fromkeys(card.licence for *_, card in found):
        typer.echo(f"\nLicence: {licence}")
    for credit in dict.fromkeys(credit for *_, card in found for credit in card.credits):
        typer.echo(f"- {credit}")


@app.command("show")
def show(name: Name, which: Which = "champion", workspace: options.WorkspaceFolder = None, json: options.Json = False) -> None:
    """Show a version: its evidence, and where its bundle and report are."""
    from flows import environment
    from flows.cli.output import print_json
    from sr_core.bundle import read_card

    registry = _open(workspace)
    version = registry.find(name, which)
    folder = registry.folder(version, environment.workspace_folder(workspace) / "registry")
    if json:
        print_json({"version": version, "folder": folder})
        return
    typer.echo(version.says())
    for key, value in sorted(version.tags.items()):
        typer.echo(f"  {key:16} {value}")
    card = read_card(folder)
    for key, text in (("licence", card.licence), *(("credit", credit) for credit in card.credits), ("bundle folder", folder)):
        typer.echo(f"  {key:16} {text}")


@app.command("promote")
def promote(
    name: Name,
    which: Which,
    approved_by: options.ApprovedBy = None,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Make a version the champion: one that passed the gate, or that waits for nothing but a person's approval.

    Example: sr models promote sr-medical 3 --approved-by "A. Physicist"
    """
    from flows.cli.output import print_json

    registry = _open(workspace)
    version = registry.promote(registry.find(name, which), approved_by)
    if json:
        print_json(version)
        return
    typer.echo(f"Champion: {version.says()}")


@app.command("rollback")
def rollback(name: Name, workspace: options.WorkspaceFolder = None, json: options.Json = False) -> None:
    """Put the previous champion back. A schedule does not promote the rolled-back model again; a person can."""
    from flows.cli.output import print_json

    version = _open(workspace).rollback(name)
    if json:
        print_json(version)
        return
    typer.echo(f"Champion: {version.says()}")


app.command("export")(export)
app.command("gate-precision")(gate_precision)
