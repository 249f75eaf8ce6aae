"""What a calibration cannot stand for, through the command line: one sentence, exit code 2."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bundle import make_bundle
from made_scenes import write_tiff
from rasterio.transform import from_origin
from typer.testing import CliRunner

from domains.satellite.domain import Satellite
from flows.cli.main import app
from sr_core.bundle import CALIBRATION
from sr_core.records import Source, Split
from sr_core.split import split_by_group


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)


def scene(path: Path, seed: int, east: float = 5e5) -> None:
    values = np.random.default_rng(seed).integers(1000, 3000, (1, 120, 120), dtype=np.uint16)

    def declare(dataset: Any) -> None:
        dataset.scales = (1e-4,)

    write_tiff(path, values, nodata=0, edit=declare, crs="EPSG:32633", transform=from_origin(east, 5e6, 10, 10))


def refused(words: Sequence[str], *said: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("sr: ") and "; expected " in last and "Traceback" not in result.output
    assert all(part in last for part in said), last


@pytest.mark.parametrize(
    ("key", "word"),
    [("weights", "other weights"), ("operator", "another degradation operator"), ("normalisation", "another normalisation")],
)
def test_a_calibration_of_something_else(key: str, word: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    record = json.loads((bundle / CALIBRATION).read_text())
    (record["settings"] if key in record["settings"] else record)[key] = "c" * 64
    (bundle / CALIBRATION).write_text(json.dumps(record))
    scene(tmp_path / "s.tif", 0)
    refused(["upscale", "satellite", "s.tif", "--out", "o.tif", "--bundle", str(bundle)], f"calibration.json was made with {word}")
    assert not (tmp_path / "o.tif").exists()


def test_calibration_data_of_a_place_that_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for number in range(5):
        scene(tmp_path / "in" / f"s{number}.tif", number, east=4e5 + 2e4 * number)

    def leaky(self: Satellite, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        split = split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=33 * scale, group_word="place")
        return split.model_copy(update={"calibration": (*split.calibration, split.train[0])})

    monkeypatch.setattr(Satellite, "split", leaky)
    words = ["evaluate", "satellite", "in", "--set", "network.family=linear"]
    refused(words, "is in train and in calibration", "a group on one side only")
    assert not (tmp_path / "var" / "calibrate").exists()
