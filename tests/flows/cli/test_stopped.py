"""A training that a signal stops, through `sr train` and through a whole flow: the sentence, the exit code, and the same command again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy import texture

pytestmark = pytest.mark.long
PROGRAM = """
import os, sys
from toy import ToyDomain
import flows.domains
flows.domains.load_domain = lambda name, upscaling_only=False: ToyDomain(name)
from flows import environment
environment.silence()
from sr_core.training.ema import Average

number, step, honest = int(sys.argv[1]), int(sys.argv[2]), Average.update

def update(self, done):
    honest(self, done)
    if done + 1 == step:
        os.kill(os.getpid(), number)

if number:
    Average.update = update
from flows.cli.main import app
app(sys.argv[3:])
"""


def sr(folder: Path, number: int, step: int, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(number), str(step), *words]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env=settings, cwd=folder)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(8):
        np.save(folder / f"{seed}.npy", texture(160, 160, seed=seed))
    return folder


def settings(images: Path, workspace: Path) -> list[str]:
    files = [str(path) for path in sorted(images.iterdir())]
    small = ["--set", "network.width=4", "--set", "network.blocks=1", "--set", "spread.steps=4", "--set", "patches.size=16"]
    return ["satellite", *files, *small, "--steps", "12", "--workspace", str(workspace)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sr_train_stops_at_a_step_and_goes_on(images: Path, tmp_path: Path, number: int, code: int) -> None:
    whole = sr(tmp_path, 0, 0, "train", *settings(images, tmp_path / "whole"), "--json")
    assert whole.returncode == 0, whole.stderr
    stopped = sr(tmp_path, number, 7, "train", *settings(images, tmp_path / "var"), "--json")
    assert stopped.returncode == code, stopped.stderr
    last = stopped.stderr.strip().splitlines()[-1]
    assert last.startswith(f"sr: training stopped by {signal.Signals(number).name} (training)") and last.endswith("go on at step 7.")
    assert "Traceback" not in stopped.stderr
    again = sr(tmp_path, 0, 0, "train", *settings(images, tmp_path / "var"), "--json")
    assert again.returncode == 0 and "goes on from a checkpoint (training, step 7)" in again.stderr, again.stderr
    assert json.loads(again.stdout)["weights"] == json.loads(whole.stdout)["weights"]
    assert json.loads(again.stdout)["hash"] == json.loads(whole.stdout)["hash"]


def test_a_flow_stops_at_a_step_and_goes_on(images: Path, tmp_path: Path) -> None:
    words = [*settings(images, tmp_path / "var"), "--no-upscale"]
    stopped = sr(tmp_path, signal.SIGTERM, 7, "run", *words)
    assert stopped.returncode == 143, stopped.stderr
    assert stopped.stderr.strip().splitlines()[-1].endswith("go on at step 7."), stopped.stderr
    again = sr(tmp_path, 0, 0, "run", *words)
    assert again.returncode == 0 and "goes on from a checkpoint (training, step 7)" in again.stderr, again.stderr
