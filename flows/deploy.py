"""Serving the flows on one machine, and starting a served flow."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from flows import environment
from sr_core.errors import InputError, WorkspaceError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments.runner import RunnerDeployment

DOMAINS = ("satellite", "medical", "face")
CRON = "0 3 * * 1"  # Mondays at three, once it is switched on
TIMEZONE = "UTC"
SERVER_START_S = 180.0
Outcome = Literal["completed", "failed", "started"]


def deployments(workspace: Path) -> list[RunnerDeployment]:
    """Give the three deployments: weekly schedule, inactive; one run at a time; this workspace."""
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows.pipeline import FLOWS

    made = [
        FLOWS[domain].to_deployment(
            name=f"sr-{domain}",
            schedule=Cron(CRON, timezone=TIMEZONE, active=False),
            concurrency_limit=1,
            parameters={"workspace": str(workspace)},
            tags=["sr"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for domain in DOMAINS
    ]
    return cast("list[RunnerDeployment]", made)  # Prefect types them as possibly awaitable; outside an event loop they are not


def serve_flows(workspace: Path) -> None:
    """Serve the three flows until interrupted; one run at a time on this machine."""
    from prefect import serve

    # Schedules are switched on and off by people: leaving must not switch them off.
    serve(*deployments(workspace), limit=1, pause_on_shutdown=False, print_starting_message=False)


@contextmanager
def local_server(api: str, workspace: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Have a Prefect server at a loopback address: the one that is there, or one of our own for as long as the block lasts.

    Raises
    ------
    InputError
        If nothing answers at an address that is not this machine's, or something else holds the port.
    WorkspaceError
        If our own server does not come up in three minutes.
    """
    if healthy(api):
        say(f"Using the Prefect server at {api}")
        yield
        return
    host, port = urlsplit(api).hostname, urlsplit(api).port
    if host not in ("127.0.0.1", "localhost") or port is None:
        raise InputError(f"nothing answers at {api}", "a Prefect server", "Start it, or leave --api out to have one on this machine.")
    if environment.reachable(api):
        raise InputError(
            f"port {port} is taken by another program", "a free port or a Prefect server", "Give another one, for instance --port 4201."
        )
    say(f"Starting a Prefect server on port {port} (some seconds) ...")
    variables = {**os.environ, "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}
    variables.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (workspace / "prefect" / "server.log").open("ab") as log:
        # Apart from our terminal: Ctrl-C reaches us first, and the server ends after what is served from it.
        server = subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait(server, api, Path(log.name))
        yield
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], api: str, log: Path) -> None:
    end = time.monotonic() + SERVER_START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        if healthy(api):
            return
        time.sleep(0.5)
    raise WorkspaceError(
        f"the Prefect server did not come up at {api}", f"an answer within {SERVER_START_S:.0f} s", f"Its own words: {log}"
    )


def healthy(api: str) -> bool:
    """Say whether a Prefect server answers at an API address."""
    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=2) as answer:
            return bool(answer.read().strip() == b"true")
    except (OSError, urllib.error.URLError, ValueError):
        return False


def start_run(name: str, parameters: Mapping[str, object], watch: bool) -> tuple[Outcome, str]:
    """Start a run of a deployment; with `watch` wait for its end.

    Parameters
    ----------
    name : "sr-satellite" or "flow/deployment".

    Returns
    -------
    outcome and one sentence.

    Raises
    ------
    InputError
        If there is no such deployment, or a parameter does not fit.
    """
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    full = name if "/" in name else f"{name}/{name}"
    try:
        _check_parameters(full, parameters)
        run = cast("FlowRun", run_deployment(name=full, parameters=dict(parameters), timeout=None if watch else 0, poll_interval=2))
    except ObjectNotFound as error:
        raise InputError(f"deployment {full!r}", "one that is served", "Serve the flows first: sr serve") from error
    except PrefectHTTPStatusError as error:
        detail = error.response.json().get("detail", "") if error.response.is_error else ""
        raise InputError(f"parameters {dict(parameters)}", "parameters of the flow", str(detail).strip() or str(error)) from error
    state = run.state
    named = (state.name or state.type.value).lower() if state else "waiting"
    if state is None or not state.is_final():
        return "started", f"{full}: run {run.name} is {named}"
    words = f"{full}: run {run.name} {named}" + (f": {state.message}" if state.message else "")
    return ("completed" if state.is_completed() else "failed"), words


def _check_parameters(full: str, parameters: Mapping[str, object]) -> None:
    """Refuse names that the flow does not know: Prefect starts the run, which then dies without a word."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        schema = client.read_deployment_by_name(full).parameter_openapi_schema
    known = list(schema.get("properties", {})) if isinstance(schema, dict) else []
    unknown = [name for name in parameters if name not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise InputError(f"parameter {unknown[0]!r}", "one of " + ", ".join(known), f"Did you mean {near[0]}?" if near else "Choose one.")
