"""The tutorials run as they stand: every bash and Python block, in order, in a folder like the reader's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("*.md")), ids=lambda p: p.stem)
def test_every_block_of_a_tutorial_runs(page: Path, tmp_path: Path, environment: Any) -> None:
    from domains.satellite.domain import DOMAIN

    (tmp_path / "my_scenes").mkdir()
    (scene,) = DOMAIN.demo(tmp_path / "my_scenes")
    scene.rename(tmp_path / "my_scenes" / "scene.tif")
    blocks = BLOCK.findall(page.read_text())
    assert len(blocks) >= 5
    for language, text in blocks:
        command = ["bash", "-euc", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert (tmp_path / "scene_x2.tif").is_file() and (tmp_path / "report.html").is_file()
