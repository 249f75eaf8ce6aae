"""Serving the flows, and starting a served one."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from flows.cli import options
from flows.environment import LOCAL_API
from sr_core.errors import InputError

deploy = typer.Typer(no_args_is_help=True, help="Served flows: run.")
OUR_FAULT = 1


def serve(
    workspace: options.WorkspaceFolder = None,
    port: Annotated[int, typer.Option("--port", help="Port of the Prefect server that is started if none runs.")] = 4200,
    api: Annotated[
        str | None,
        typer.Option("--api", help="API address of a server that runs already.  \\[default: $PREFECT_API_URL]", show_default=False),
    ] = None,
) -> None:
    """Serve sr-satellite, sr-medical and sr-face on this machine until Ctrl-C; start a Prefect server if none runs.

    The schedules (weekly) are inactive until you switch them on, on the page or with `prefect deployment schedule resume`.
    """
    from flows import environment

    folder = environment.workspace_folder(workspace)
    address = api or os.environ.get("PREFECT_API_URL") or f"http://127.0.0.1:{port}/api"
    environment.prepare(folder, embedded=False)
    os.environ["PREFECT_API_URL"] = address
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # the run's own log speaks; the page has every line
    from flows.deploy import DOMAINS, local_server, serve_flows

    def say(sentence: str) -> None:
        typer.echo(sentence, err=True)

    with local_server(address, folder, say):
        names = ", ".join(f"sr-{d}/sr-{d}" for d in DOMAINS)
        say(f"Serving {names}. Page: {address.removesuffix('/api')}. In another terminal:")
        say(f"  export PREFECT_API_URL={address}")
        say("  prefect deployment run sr-satellite/sr-satellite --watch")
        say("(the short name, `prefect deployment run sr-satellite`, works in this folder, and everywhere after: sr doctor --fix)")
        say("Ctrl-C stops.")
        serve_flows(folder)


@deploy.command("run")
def run(
    name: Annotated[str, typer.Argument(help="sr-satellite, sr-medical, sr-face, or FLOW/DEPLOYMENT.", show_default=False)],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="A parameter; read as JSON where it is JSON. Repeatable.", show_default=False
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Wait for the end of the run.")] = True,
    api: Annotated[
        str | None, typer.Option("--api", help=f"API address.  \\[default: $PREFECT_API_URL, else {LOCAL_API}]", show_default=False)
    ] = None,
) -> None:
    """Start a served flow. Exit codes: 0 completed, 1 the run failed, 2 no such deployment, parameter or server.

    Example: sr deploy run sr-satellite -p 'paths=["/data/scenes"]'
    """
    from flows import environment
    from flows.deploy import healthy, start_run

    address = api or os.environ.get("PREFECT_API_URL") or LOCAL_API
    if not healthy(address):
        raise InputError(f"nothing answers at {address}", "a Prefect server", "Start one with the flows on it: sr serve")
    environment.silence()
    os.environ["PREFECT_API_URL"] = address
    outcome, sentence = start_run(name, _parameters(param or []), watch)
    typer.echo(sentence)
    if outcome == "failed":
        raise typer.Exit(OUR_FAULT)


def _parameters(pairs: list[str]) -> dict[str, object]:
    import json

    values: dict[str, object] = {}
    for name, value in options.settings(pairs).items():
        try:
            values[name] = json.loads(str(value))
        except json.JSONDecodeError:
            values[name] = value
    return values
