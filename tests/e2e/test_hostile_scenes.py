"""All hostile scenes in one folder, through the programs: they end, take less than 1 GB, and do the good one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_rasters import CASES, noise
from hostile_vrts import VRTS
from made_bundle import make_bundle
from made_scenes import write_tiff

from sr_core.stages.standard import STANDARD_SCORE

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

MOST_BYTES = 1_000_000_000
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(done.returncode)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    for case in CASES:
        (made / "in" / case.name).mkdir(parents=True)
        case.make(made / "in" / case.name / "bad.tif")
    for name, vrt in VRTS.items():
        (made / "in" / f"{name}.vrt").write_text(vrt.text)
    write_tiff(made / "in" / "good.tif", noise(300, 300))
    return made


@pytest.mark.parametrize("words", [("ingest", "satellite", "in"), ("upscale", "satellite", "in", "--out", "out/{stem}.tif")])
def test_little_memory_and_one_good_image(words: tuple[str, ...], folder: Path, program: Any) -> None:
    more = ["-w", "var", "--json"]
    if words[0] == "upscale":
        more += ["--bundle", str(make_bundle(folder / "x2", STANDARD_SCORE))]
    done = program([sys.executable, "-c", MEASURED, "sr", *words, *more], folder)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    peak = int(done.stderr.split()[-1])
    assert peak < MOST_BYTES
    document = json.loads(done.stdout)
    refusals = document["refusals"] if words[0] == "upscale" else document["manifest"]["refusals"]
    assert len(refusals) == len(CASES) + len(VRTS)
    assert not [path for path in folder.rglob("*") if path.name.endswith((".partial", ".tmp"))]
