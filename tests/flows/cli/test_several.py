"""`sr train` under torchrun: real processes train one bundle, and a failure of one ends all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import texture
from typer.testing import CliRunner

from flows import environment
from flows.cli.main import app

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "several-gpus.md"
SMALL = ["--steps", "6", "--set", "spread.steps=4", "--set", "network.width=8", "--set", "network.blocks=1"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "my_pictures"
    folder.mkdir()
    for seed in range(6):
        pixels = texture(200, 220, bands=3, seed=seed)
        Image.fromarray((pixels // 20).astype(np.uint8).transpose(1, 2, 0)).save(folder / f"{seed}.png")
    return folder


def torchrun(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the page's command, with other arguments."""
    command = re.search(r"^    torchrun (--nproc-per-node=2 -m flows.cli.main) train ", PAGE.read_text(), re.MULTILINE)
    assert command is not None
    whole = [sys.executable, "-m", "torch.distributed.run", *command[1].split(), *arguments]
    variables = {**os.environ, "SR_WORKSPACE": str(folder / "var"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(whole, capture_output=True, text=True, env=variables, timeout=300, check=False)


@pytest.mark.long
def test_two_processes_make_one_bundle(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = torchrun(tmp_path, "train", "photo", str(pictures), *SMALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained: ") == 1 and done.stderr.count("The filter leaves") == 1
    assert [path.suffix for path in sorted((tmp_path / "var" / "train").iterdir())] == ["", ".lock"]

    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    again = CliRunner().invoke(app, ["train", "photo", str(pictures), *SMALL])
    assert again.exit_code == 0 and "train: reused" in again.output
    assert again.output.splitlines()[-1] == done.stdout.splitlines()[-1]


@pytest.mark.long
def test_a_failure_of_one_ends_all_with_its_sentence(pictures: Path, tmp_path: Path) -> None:
    """The first fails before the training, while the other waits to take part."""
    done = torchrun(tmp_path, "train", "photo", str(pictures / "nowhere"))
    assert done.returncode != 0
    assert "nowhere does not exist; expected a file or a folder" in done.stderr


def test_other_commands_are_refused_in_several_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "SR_WORKSPACE": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["run", "photo", "x"])
    assert result.exit_code == 2 and "sr run in 2 processes of torchrun; expected one" in result.output


@pytest.mark.parametrize(
    ("variables", "count"),
    [({}, 1), ({"WORLD_SIZE": "4"}, 1), ({"WORLD_SIZE": "4", "RANK": "0", "MASTER_ADDR": "a"}, 4),
     ({"WORLD_SIZE": "1", "RANK": "0", "MASTER_ADDR": "a"}, 1)],
)  # fmt: skip
def test_processes_are_counted_where_torchrun_started_them(variables: dict[str, str], count: int) -> None:
    assert environment.processes(variables) == count
