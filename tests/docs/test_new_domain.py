"""The page about a new domain is followed to the letter: its files, its line, its commands, and the contract of all domains."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "new-domain.md"
FILE = re.compile(r"^`(heights/\w+\.py|pyproject\.toml)`:\n\n```(?:python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {"__init__", "domain", "read", "write", "degrade", "checks", "split", "demo"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page, and its line as pip would install it."""
    folder = tmp_path_factory.mktemp("package")
    files = dict(FILE.findall(PAGE.read_text()))
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    assert {Path(name).stem for name in files} == FILES
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    installed = folder / f"{project['name']}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (group,) = project["entry-points"].items()
    assert group[0] == "sr.domains" and len(group[1]) == 1  # one line
    (installed / "entry_points.txt").write_text("".join([f"[{group[0]}]\n", *(f"{key} = {value}\n" for key, value in group[1].items())]))
    return folder


def start(package: Path, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SR_", "PREFECT_", "MLFLOW_", "PYTEST_"))}
    path = os.pathsep.join(map(str, (package, ROOT)))
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**kept, "PYTHONPATH": path, "PATH": programs, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.long
def test_the_commands_of_the_page(package: Path, tmp_path: Path) -> None:
    (block,) = COMMANDS.findall(PAGE.read_text())
    done = start(package, ["bash", "-euc", block], tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    fine, width, coarse = (np.load(tmp_path / name) for name in ("finer.npy", "finer.interval.npy", "maps/alps_1.npy"))
    assert fine.shape == width.shape == (264, 264) and fine.dtype == np.int16
    hole = coarse.repeat(2, 0).repeat(2, 1) == -32768
    assert hole.any() and np.array_equal(fine == -32768, hole) and np.array_equal(np.isnan(width), hole)
    cells = fine.reshape(132, 2, 132, 2).astype(float).mean((1, 3))[coarse != -32768]
    assert np.abs(cells - coarse[coarse != -32768]).max() <= 1.0  # rounding of four cells and of one
    verdict = json.loads((tmp_path / "finer.verdict.json").read_text())
    assert "cliffs" in json.dumps(verdict) and len(verdict["outputs"]) == 2
    evaluation = json.loads((tmp_path / "run.json").read_text())["evaluation"]
    assert evaluation["domain"] == "heights" and evaluation["claim"]["level"] == "empirical"


@pytest.mark.long
def test_the_contract_of_all_domains(package: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", str(ROOT / "tests" / "domains" / "test_contract.py")]
    done = start(package, [*command, "-k", "heights", "-n", "0"], ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    ran = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    assert len(ran) >= 20 and all("heights" in line for line in ran) and "SKIPPED" not in done.stdout


def test_the_code_is_as_tidy_as_our_own(package: Path) -> None:
    done = start(
        package, [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "D102,I", "heights"], package
    )
    assert done.returncode == 0, done.stdout
