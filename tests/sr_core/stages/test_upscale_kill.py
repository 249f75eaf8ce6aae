"""kill -9 while an image is upscaled, again and again: every run goes on where the one before was, to the same file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy import Run, texture

pytestmark = pytest.mark.long
SUPPORT = Path(__file__).resolve().parents[2] / "support"
PROGRAM = """
import os, signal, sys
from pathlib import Path
from toy import Sentences, ToyDomain
from sr_core.stages import bands
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path

bundle, image, target, what, when = sys.argv[1:]
bands.ROWS, bands.WHOLE = (32, 32), 0

class Log(Sentences):
    def say(self, sentence):
        print(sentence, flush=True)

    def progress(self, doing, done, total):
        if what and doing.startswith(what) and done >= total * float(when):
            os.kill(os.getpid(), signal.SIGKILL)

upscale_path(ToyDomain(), Path(image), Restorer(Path(bundle)), Path(target), log=Log())
"""


def start(bundle: Path, image: Path, target: Path, what: str = "", when: float = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(bundle), str(image), str(target), what, str(when)]
    settings = {"PYTHONPATH": str(SUPPORT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=settings, timeout=300, check=False)


def test_every_run_goes_on_where_the_last_was_killed(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "lr.npy", texture(220, 131, seed=3))
    image, bundle = tmp_path / "lr.npy", run.calibrated.path
    whole, target = tmp_path / "whole" / "sr.npz", tmp_path / "killed" / "sr.npz"
    assert start(bundle, image, whole).returncode == 0
    for what, when in (("upscaling", 0.4), ("upscaling", 0.8), ("checking", 0), ("checking", 1)):
        killed = start(bundle, image, target, what, when)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not target.exists() and not list(target.parent.glob("*.json"))
    done = start(bundle, image, target)
    assert done.returncode == 0 and "220 of 220 rows of lr.npy were there already" in done.stdout, done.stderr
    assert sorted(p.name for p in target.parent.iterdir()) == ["sr.json", "sr.npz"]
    assert target.read_bytes() == whole.read_bytes()
    ours, theirs = (json.loads(path.with_suffix(".json").read_text()) for path in (target, whole))
    assert ours | {"time": 0} == theirs | {"time": 0}
