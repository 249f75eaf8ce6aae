"""The one place that sets environment variables: before Prefect or MLflow is imported.

Whatever the user has set stays. Addresses and homes are absolute, because both programs otherwise follow the current folder.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

from sr_core.errors import InputError

WORKSPACE_VARIABLE = "SR_WORKSPACE"
DEFAULT_WORKSPACE = "var"
LOCAL_API = "http://127.0.0.1:4200/api"
OWN_TRACKING = "SR_TRACKING_URI"  # what we set MLFLOW_TRACKING_URI to; a different value there is the user's

QUIET: Mapping[str, str] = {
    # `true`, not `1`: MLflow honours only the word.
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
# Waiting threads sleep instead of spinning: where cores are shared with others, a spinning pool is many times slower than one thread
# (docs/decisions/0009). OpenMP reads it when it is loaded, so it is set before torch is imported.
THREADS: Mapping[str, str] = {"OMP_WAIT_POLICY": "passive"}
EMBEDDED: Mapping[str, str] = {
    "PREFECT_PROFILE": "ephemeral",  # a temporary server of this process, whatever the active profile says
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # 20 s is too short on a busy machine with an empty home
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own log speaks to the person; the run's page still gets every line
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}


def workspace_folder(given: str | Path | None = None) -> Path:
    """Give the workspace: the given one, or `$SR_WORKSPACE`, or `./var`; absolute, not made."""
    return Path(given or os.environ.get(WORKSPACE_VARIABLE) or DEFAULT_WORKSPACE).expanduser().absolute()


def prepare(workspace: Path, embedded: bool) -> None:
    """Set what Prefect and MLflow read at import, and make Prefect's home.

    Parameters
    ----------
    workspace : Path
        Absolute. Prefect's home and MLflow's database lie in it, unless the user has set them elsewhere.
    embedded : bool
        Run on a temporary Prefect server in this process (True), or on the one that `PREFECT_API_URL` or a profile names.

    Raises
    ------
    InputError
        If the workspace cannot be made.
    """
    home = workspace / "prefect"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"workspace {workspace} ({error.strerror})", "a folder that can be written", "Give another one with --workspace."
        ) from error
    silence()
    os.environ.setdefault("PREFECT_HOME", str(home))
    os.environ[WORKSPACE_VARIABLE] = str(workspace)
    if embedded:
        # Unset, not empty: with an empty address Prefect's event worker fails, and says so at every state change.
        if not reachable(os.environ.get("PREFECT_API_URL", "")):
            os.environ.pop("PREFECT_API_URL", None)
        for name, value in EMBEDDED.items():
            os.environ.setdefault(name, value)
    set_tracking(os.environ, workspace)


def silence() -> None:
    """Switch all telemetry off, and let waiting threads sleep."""
    for name, value in {**QUIET, **THREADS}.items():
        os.environ.setdefault(name, value)


def set_tracking(environment: MutableMapping[str, str], workspace: Path) -> str:
    """Point MLflow at the workspace's SQLite file unless the user has pointed it elsewhere; give the address.

    An address that we set earlier (for another workspace) is not the user's.
    """
    present = environment.get("MLFLOW_TRACKING_URI")
    if present and present != environment.get(OWN_TRACKING):
        return present
    uri = f"sqlite:///{workspace / 'mlflow.db'}"
    environment["MLFLOW_TRACKING_URI"] = environment[OWN_TRACKING] = uri
    return uri


def processes(environment: Mapping[str, str] = os.environ) -> int:
    """Say how many processes `torchrun` started to work as one; 1 where it did not."""
    return int(environment["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= environment.keys() else 1


def reachable(url: str, timeout_s: float = 2.0) -> bool:
    """Say whether something listens at an address."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout_s):
            return True
    except (OSError, ValueError):
        return False


def pages(workspace: Path) -> tuple[str, str]:
    """Give the two commands that open the Prefect page and the MLflow page of a workspace."""
    home = os.environ.get("PREFECT_HOME", str(workspace / "prefect"))
    uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'mlflow.db'}")
    prefect = f"PREFECT_HOME={shlex.quote(home)} {_script('prefect')} server start   # http://127.0.0.1:4200"
    if uri.startswith(("http://", "https://")):
        return prefect, uri
    return prefect, f"{_script('mlflow')} ui --backend-store-uri {shlex.quote(uri)}   # http://127.0.0.1:5000"


def _script(name: str) -> str:
    """Give a command of this environment as it can be typed here: the plain name where that is on the path."""
    path = Path(sys.executable).parent / name
    if not path.is_file() or shutil.which(name) == str(path):
        return name
    folder = Path.cwd()
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
