"""A training process that is killed with signal 9, and the next one, which ends where the whole run ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import hashlib, os, signal, sys
from pathlib import Path

import torch
from sr_core.log import Silent
from sr_core.operators import operator_from
from sr_core.patches import MemoryReader, PatchStore, whole_pairs
from sr_core.recipe import Recipe
from sr_core.training import train_model

torch.set_num_threads(1)
store_folder, recipe_file, folder, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])


class Killing(Silent):
    steps = 0

    def progress(self, what, done, total, detail=""):
        self.steps += 1
        if self.steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


recipe = Recipe.from_json(recipe_file.read_text(), str(recipe_file))
store = PatchStore(store_folder)
reader = MemoryReader(store, "train", True)
trained = train_model(reader, whole_pairs(store, "val"), recipe, operator_from(store.operator), store.unit, folder, Killing())
whole = hashlib.sha256(repr((trained.curve, trained.notes, trained.family, trained.perceptual, sorted(trained.val_psnr.items()))).encode())
for name, tensor in sorted(trained.net.state_dict().items()):
    whole.update(name.encode() + tensor.contiguous().numpy().tobytes())
print(whole.hexdigest())
"""


FIDELITY = (9, 12, 19)  # calls of progress: in the pixel phase (3 to 15) and in the spread phase
PERCEPTUAL = (14, 16, 21, 24, 25)  # and on both seams of the adversarial phase (16 to 24), and within


@pytest.mark.long
@pytest.mark.parametrize(("purpose", "kills"), [("fidelity", FIDELITY), ("perceptual", PERCEPTUAL)])
def test_kill_minus_nine(world: Any, tmp_path: Path, purpose: str, kills: tuple[int, ...]) -> None:
    settings = {"adversarial__steps": 8, "adversarial__width": 4} if purpose == "perceptual" else {}
    recipe = world.recipe(training__precision="auto", purpose=purpose, **settings)
    store, recipe_file = world.store(recipe).folder, tmp_path / "recipe.json"
    recipe_file.write_text(recipe.to_json())

    def run(name: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", SCRIPT, str(store), str(recipe_file), str(tmp_path / name), str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    whole = run("whole")
    assert whole.returncode == 0, whole.stderr
    for kill_at in kills:
        assert run(f"killed-{kill_at}", kill_at).returncode == -9
        again = run(f"killed-{kill_at}")
        assert again.returncode == 0, again.stderr
        assert again.stdout == whole.stdout, f"killed at {kill_at}"
