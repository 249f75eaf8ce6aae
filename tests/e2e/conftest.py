"""Whole programs, started as a user starts them: from another folder, with a clean environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
# The fitted linear filter alone: trained in seconds, and better than bicubic and projected bicubic.
QUICK = {"network.family": "linear"}
DROPPED = ("PREFECT_", "MLFLOW_", "SR_", "PYTEST_", "DO_NOT_TRACK")


def clean_environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    return {**kept, "OMP_NUM_THREADS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200", **changes}


def run(command: list[str], folder: Path, timeout_s: float = 400, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=clean_environment(**changes), capture_output=True, text=True, timeout=timeout_s)


@dataclass(frozen=True)
class Demo:
    """A finished demonstration: where it ran, its workspace, its result."""

    folder: Path
    workspace: Path
    result: dict[str, Any]
    errors: str

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.workspace}/mlflow.db"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    return start_demo(folder, folder / "var")


def start_demo(folder: Path, workspace: Path, domain: str = "satellite") -> Demo:
    settings = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    done = run(["sr", "demo", domain, "--json", "--workspace", str(workspace), *settings], folder)
    assert done.returncode == 0, done.stderr
    return Demo(folder, workspace, json.loads(done.stdout), done.stderr)


@pytest.fixture(scope="session")
def again(demo: Demo) -> Demo:
    return start_demo(demo.folder, demo.workspace)


@pytest.fixture(scope="session")
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of this environment in a folder: program(command, folder, **environment)."""
    return run


@pytest.fixture(scope="session")
def start() -> Callable[..., Demo]:
    return start_demo


@pytest.fixture(scope="session")
def environment() -> Callable[..., dict[str, str]]:
    """Gives a clean environment with changes."""
    return clean_environment
