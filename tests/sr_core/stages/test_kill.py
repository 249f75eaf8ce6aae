"""kill -9 in any stage, run again: every result is what an uninterrupted run gives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
SUPPORT = Path(__file__).resolve().parents[2] / "support"
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from toy import ToyDomain, run_stages
from sr_core import workspace as room
from sr_core.log import Silent
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.package import package

folder, stage, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
honest = room.publish

def publish(partial, final):
    if when == "publish" and final.parent.name == stage:
        os.kill(os.getpid(), signal.SIGKILL)
    honest(partial, final)

class Log(Silent):
    def progress(self, what, done, total, detail=""):
        if when == what and done == 1:
            os.kill(os.getpid(), signal.SIGKILL)

room.publish = publish
run = run_stages(folder, Log())
decision = gate(ToyDomain(), run.evaluation, family=run.bundle.family, approved_by=None, champion_level=None, log=Log())
made = package(run.calibrated, run.evaluation, decision, workspace=run.workspace, log=Log())
print(json.dumps([r.hash for r in (run.manifest, run.store, run.bundle, run.calibrated, run.evaluation, made)]))
"""


def start(folder: Path, stage: str, when: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), stage, when]
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(SUPPORT), "OMP_NUM_THREADS": "1"}, timeout=300)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    done = start(tmp_path_factory.mktemp("whole"), "none", "never")
    assert done.returncode == 0, done.stderr
    hashes: list[str] = json.loads(done.stdout)
    assert len(set(hashes)) == 6
    return hashes


@pytest.mark.parametrize(
    ("stage", "when"),
    [
        ("ingest", "publish"),
        ("prepare", "publish"),
        ("train", "training"),
        ("train", "training the spread head"),
        ("train", "publish"),
        ("calibrate", "calibrating"),
        ("evaluate", "evaluating"),
        ("package", "publish"),
    ],
)
def test_a_killed_stage_ends_as_an_uninterrupted_one(stage: str, when: str, whole: list[str], tmp_path: Path) -> None:
    killed = start(tmp_path, stage, when)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = list(tmp_path.glob(f"workspace/{stage}/*/"))
    assert left and all(path.suffix == ".partial" for path in left)
    again = start(tmp_path, "none", "never")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == whole
    assert not list(tmp_path.rglob("*.partial"))
