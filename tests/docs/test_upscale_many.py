"""The page on upscaling many images runs as it stands: every bash block, in order, on an archive with one bad file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bundle import make_bundle
from made_scenes import write_tiff

from flows.naming import FIELDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "upscale-many.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_lists_every_field() -> None:
    rows = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("| `{"))
    assert set(re.findall(r"\{(\w+)\}", rows)) == set(FIELDS)


@pytest.mark.long
def test_every_block_runs(tmp_path: Path) -> None:
    make_bundle(tmp_path / "model", "reflectance")

    def declare(dataset: Any) -> None:
        dataset.scales = (1e-4,)

    for seed, place in enumerate(("archive/2023", "archive/2024")):
        (tmp_path / place).mkdir(parents=True)
        values = np.random.default_rng(seed).integers(1000, 3000, (1, 70, 80), dtype=np.uint16)
        write_tiff(tmp_path / place / "scene.tif", values, nodata=0, edit=declare)
    (tmp_path / "archive" / "text.tif").write_text("no image")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) == 5
    for block in blocks:
        done = subprocess.run(["bash", "-euc", block], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}\n{done.stderr[-2000:]}"
    for year in ("2023", "2024"):
        assert (tmp_path / "sr" / year / "scene_x2.tif").is_file() and (tmp_path / "tiled" / year / "scene.tif").is_file()
    assert len(list((tmp_path / "listed").glob("scene_????????.tif"))) == 2
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert len(outcome["images"]) == 2 and len(outcome["refusals"]) == 1
