"""kill -9 in the middle, run again: the same result."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
SETTINGS = {
    "training.steps": 40, "training.checkpoint_every": 5, "training.validate_every": 20, "spread.steps": 20,
    "network.width": 16, "network.blocks": 2,
}  # fmt: skip
WORDS = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]


def command(scene: Path, workspace: Path) -> list[str]:
    return ["sr", "train", "satellite", str(scene), "--json", "--workspace", str(workspace), *WORDS]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from flows.domains import load_domain

    return load_domain("satellite").demo(tmp_path_factory.mktemp("scene"))[0]


def kill_when(words: list[str], folder: Path, variables: dict[str, str], seen: Any) -> None:
    """Start a program and kill -9 its process group as soon as `seen()` is true."""
    running = subprocess.Popen(
        words, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 240
    while not seen():
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.parametrize("where", ["prepare/*.partial", "train/*.partial/checkpoints/*"])
def test_a_training_killed_with_9_goes_on_to_the_same_bundle(
    where: str, scene: Path, tmp_path: Path, program: Any, environment: Any
) -> None:
    whole = program(command(scene, tmp_path / "whole"), tmp_path)
    assert whole.returncode == 0, whole.stderr
    broken = tmp_path / "broken"
    kill_when(command(scene, broken), tmp_path, environment(), lambda: any(broken.glob(where)))
    assert not list(broken.glob("train/*/record.json"))
    resumed = program(command(scene, broken), tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    first, second = json.loads(whole.stdout), json.loads(resumed.stdout)
    assert (first["weights"], first["hash"]) == (second["weights"], second["hash"])
    assert not list(broken.rglob("*.partial"))


def test_a_flow_killed_with_9_goes_on_in_the_same_run_and_leaves_no_run_running(tmp_path: Path, program: Any, environment: Any) -> None:
    from mlflow import MlflowClient

    workspace = tmp_path / "var"
    words = ["sr", "demo", "satellite", "--json", "--workspace", str(workspace), *WORDS]
    kill_when(words, tmp_path, environment(), lambda: any(workspace.glob("train/*.partial/checkpoints/*")))
    resumed = program(words, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert {"ingest", "prepare"} <= set(result["reused"])

    uri = f"sqlite:///{workspace}/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("sr-satellite")
    assert [(r.info.run_id, r.info.status) for r in client.search_runs([experiment.experiment_id])] == [(result["run_id"], "FINISHED")]
    metrics = client.get_run(result["run_id"]).data.metrics
    training = [name for name in metrics if not name.startswith("test/")]
    assert training
    for name in training:
        steps = [point.step for point in client.get_metric_history(result["run_id"], name)]
        assert len(steps) == len(set(steps))

    with contextlib.closing(sqlite3.connect(workspace / "prefect" / "prefect.db")) as database:
        states = [row[0] for row in database.execute("select state_type from flow_run order by created")]
    assert states == ["CRASHED", "COMPLETED"]
    assert not list((workspace / "runs").iterdir())


def versions(database: Path) -> int:
    """Count the registered versions; 0 while the database is not there or is being made."""
    if not database.is_file():
        return 0
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as registry:
        return int(registry.execute("select count(*) from model_versions").fetchone()[0])
    return 0


AFTER_TRAINING = {
    "register": lambda var: any(path.suffix != ".partial" for path in var.glob("package/*/")),
    "promote": lambda var: versions(var / "mlflow.db") == 1,
    "upscale": lambda var: any(var.glob("upscale/*.partial")),
}


@pytest.mark.parametrize("stage", AFTER_TRAINING)
def test_a_flow_killed_after_training_ends_as_an_uninterrupted_one(
    stage: str, demo: Any, tmp_path: Path, program: Any, environment: Any
) -> None:
    import numpy as np
    import rasterio
    from mlflow import MlflowClient

    workspace = tmp_path / "var"
    words = ["sr", "demo", "satellite", "--json", "--workspace", str(workspace), "--set", "network.family=linear"]
    kill_when(words, tmp_path, environment(), lambda: AFTER_TRAINING[stage](workspace))
    resumed = program(words, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    for name in ("model", "version", "alias", "promoted", "table", "claim", "verdicts"):
        assert result[name] == demo.result[name], name
    assert versions(workspace / "mlflow.db") == 1
    uri = f"sqlite:///{workspace}/mlflow.db"
    assert MlflowClient(uri, uri).get_model_version_by_alias("sr-satellite", "champion").version in (1, "1")
    mine, whole = (
        {Path(path).name: Path(path) for path in outputs if path.endswith(".tif")}
        for outputs in (result["outputs"], demo.result["outputs"])
    )  # fmt: skip
    assert mine.keys() == whole.keys() and len(mine) == 2
    for name, path in mine.items():
        with rasterio.open(path) as a, rasterio.open(whole[name]) as b:
            np.testing.assert_array_equal(a.read(), b.read())
    assert not list(workspace.rglob("*.partial"))


def test_an_interrupted_command_says_so_and_exits_130(scene: Path, tmp_path: Path, program: Any, environment: Any) -> None:
    workspace = tmp_path / "var"
    running = subprocess.Popen(command(scene, workspace), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not any(workspace.glob("train/*.partial/checkpoints/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors and "training stopped by SIGINT" in errors.splitlines()[-1]
