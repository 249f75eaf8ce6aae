"""A real Prefect server, the flows served from it, and the two forms that a user types."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.deploy import healthy

pytestmark = pytest.mark.long
REPOSITORY = Path(__file__).resolve().parents[2]
PARAMETERS = ["-p", 'overrides={"network.family": "linear"}', "-p", "upscale=false"]


@dataclass(frozen=True)
class Served:
    folder: Path
    api: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, environment: Any, program: Any) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    with (folder / "serve.log").open("wb") as log:
        serving = subprocess.Popen(
            ["sr", "serve", "--port", str(port), "--workspace", str(folder / "var")],
            cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 240
        while not (healthy(api) and "sr-face/sr-face" in program(["prefect", "deployment", "ls"], folder, PREFECT_API_URL=api).stdout):
            assert serving.poll() is None and time.monotonic() < deadline, (folder / "serve.log").read_text()
            time.sleep(1)
        yield Served(folder, api)
    finally:
        serving.send_signal(signal.SIGINT)
        try:
            serving.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(serving.pid, signal.SIGKILL)
    assert not healthy(api), "the server that sr serve started outlived it"


def test_full_name_runs_the_flow_to_its_end(served: Served, program: Any) -> None:
    command = ["prefect", "deployment", "run", "sr-satellite/sr-satellite", "--watch", *PARAMETERS]
    done = program(command, served.folder, PREFECT_API_URL=served.api)
    assert done.returncode == 0, done.stdout + done.stderr + (served.folder / "serve.log").read_text()
    listed = json.loads(program(["sr", "models", "list", "--json", "-w", str(served.folder / "var")], served.folder).stdout)
    assert [(v["name"], v["aliases"]) for v in listed] == [("sr-satellite", ["champion"])]


def test_short_name_runs_with_the_plug_in_and_from_the_checkout(served: Served, program: Any) -> None:
    command = ["prefect", "deployment", "run", "sr-satellite", "--watch", *PARAMETERS]
    done = program(command, served.folder, PREFECT_API_URL=served.api, PREFECT_PLUGINS_ENABLED="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "read sr-satellite as sr-satellite/sr-satellite" in done.stderr
    done = program(["prefect", "deployment", "inspect", "sr-medical"], REPOSITORY, PREFECT_API_URL=served.api)
    assert done.returncode == 0, done.stdout + done.stderr


def test_short_name_without_the_plug_in_ends_in_prefects_own_words(served: Served, program: Any) -> None:
    command = ["prefect", "deployment", "run", "sr-satellite", "--watch"]
    done = program(command, served.folder, PREFECT_API_URL=served.api, PREFECT_PLUGINS_ENABLED="false")
    assert done.returncode == 1
    assert "format" in done.stdout + done.stderr


def test_schedules_are_there_and_inactive(served: Served, program: Any) -> None:
    done = program(["prefect", "deployment", "inspect", "sr-face/sr-face", "-o", "json"], served.folder, PREFECT_API_URL=served.api)
    deployment = json.loads(done.stdout)
    assert [(s["active"], s["schedule"]["cron"], s["schedule"]["timezone"]) for s in deployment["schedules"]] == [
        (False, "0 3 * * 1", "UTC")
    ]
    assert deployment["entrypoint"] == "flows.pipeline.sr_face"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["sr-satellite", *PARAMETERS], 0, "completed"),
        (["sr-satellite", "-p", 'paths=["/gone"]'], 1, "failed"),
        (["sr-nothing"], 2, "sr serve"),
        (["sr-satellite", "-p", "scale=abc"], 2, "scale"),
        (["sr-satellite", "-p", "scael=2"], 2, "scael"),
    ],
)
def test_own_command_tells_failures_apart(words: list[str], code: int, says: str, served: Served, program: Any) -> None:
    done = program(["sr", "deploy", "run", *words], served.folder, PREFECT_API_URL=served.api)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    assert says in done.stdout + done.stderr


def test_prefect_yaml_deploys(served: Served, program: Any) -> None:
    settings = {"PREFECT_API_URL": served.api, "SR_ROOT": str(served.folder)}
    assert program(["prefect", "work-pool", "create", "local", "--type", "process"], served.folder, **settings).returncode == 0
    command = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml"]
    done = program(command, REPOSITORY, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(
        program(["prefect", "deployment", "inspect", "sr-medical/sr-medical", "-o", "json"], served.folder, **settings).stdout
    )
    assert shown["work_pool_name"] == "local"
    assert shown["concurrency_limit"] == 1 or shown["global_concurrency_limit"]["limit"] == 1
    assert [s["active"] for s in shown["schedules"]] == [False]
