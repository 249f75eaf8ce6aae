"""The `sr` command: its groups, and what a failure looks like to a person.

Exit codes: 0 done, 1 our fault, 2 yours (input, argument, place), 3 abstained, refused or not promoted where asked to be strict,
130 interrupted (Ctrl-C), 143 terminated (SIGTERM, while training). 1 and 2 also where some of many images could not be done while
the others were.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from flows import environment
from flows.cli import benchmark, data, demo, doctor, explain, images, models, patches, report, serve, trust, workspace
from flows.cli.recipe_help import RecipeHelp
from sr_core.errors import InputError, Interrupted, SRError

INTERRUPTED = 130


class Commands(TyperGroup):
    """Turns errors into one sentence on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SRError as error:
            typer.echo(f"sr: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except Interrupted as stop:
            typer.echo(f"sr: {stop}", err=True)
            raise typer.Exit(stop.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("sr: interrupted; nothing half-written is left, and the same command goes on where it stopped.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            typer.echo(f"sr: {error.filename}: {error.strerror}; expected a place that can be used. Give another one.", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    name="sr",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Super-resolution that says how far it can be trusted.\n\n"
        "First steps:  [bold]sr doctor[/]  looks at this machine;  [bold]sr demo[/]  runs everything on a real Sentinel-2 cut;  "
        "[bold]sr run satellite my_scenes/[/]  does the same with your files;  "
        "[bold]sr upscale scene.tif --out scene_x2.tif[/]  applies the champion, or else the model that comes with this package.\n\n"
        "Results lie in the workspace: --workspace, or $SR_WORKSPACE, or ./var. What was done before is not done again."
    ),
    epilog="Exit codes: 0 done, 1 our fault, 2 yours, 3 abstained, refused or not promoted with --strict, 130 interrupted, 143 terminated. "
    "With many images, sr upscale gives 1 or 2 also where some could not be done while the others were.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from sr_core import __version__

        typer.echo(f"sr {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and leave."),
) -> None:
    """Super-resolution that says how far it can be trusted."""
    started = environment.processes()
    if started > 1 and context.invoked_subcommand != "train":
        raise InputError(
            f"sr {context.invoked_subcommand} in {started} processes of torchrun", "one; only sr train can use several",
            "Train with torchrun, then give this command by itself: it finds the trained model.",
        )  # fmt: skip


FLOW_PANEL, STAGE_PANEL, KEEP_PANEL = "Whole flows", "Single stages", "Models, results, this machine"
app.command("demo", rich_help_panel=FLOW_PANEL)(demo.demo)
app.command("run", rich_help_panel=FLOW_PANEL)(demo.run)
app.command("serve", rich_help_panel=FLOW_PANEL)(serve.serve)
app.add_typer(serve.deploy, name="deploy", rich_help_panel=FLOW_PANEL)
app.command("ingest", rich_help_panel=STAGE_PANEL)(data.ingest)
app.command("prepare", rich_help_panel=STAGE_PANEL)(data.prepare)
app.command("train", cls=RecipeHelp, rich_help_panel=STAGE_PANEL)(data.train)
app.command("evaluate", rich_help_panel=STAGE_PANEL)(data.evaluate)
app.command("upscale", rich_help_panel=STAGE_PANEL)(images.upscale)
app.command("benchmark", rich_help_panel=STAGE_PANEL)(benchmark.benchmark)
app.add_typer(patches.app, name="patches", rich_help_panel=STAGE_PANEL)
app.add_typer(models.app, name="models", rich_help_panel=KEEP_PANEL)
app.command("explain", rich_help_panel=KEEP_PANEL)(explain.explain)
app.add_typer(trust.app, name="trust", rich_help_panel=KEEP_PANEL)
app.command("report", rich_help_panel=KEEP_PANEL)(report.report)
app.add_typer(workspace.app, name="workspace", rich_help_panel=KEEP_PANEL)
app.command("doctor", rich_help_panel=KEEP_PANEL)(doctor.doctor)


def run() -> None:
    """Start the command line; the entry point of the `sr` script."""
    environment.silence()  # before anything imports torch, Prefect or MLflow
    try:
        app(prog_name="sr")
    except BrokenPipeError:  # `sr models list | head`
        sys.stderr.close()
        raise SystemExit(1) from None


if __name__ == "__main__":
    run()
