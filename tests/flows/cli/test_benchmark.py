"""`sr benchmark`: tables, JSON, a file, and one sentence for nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from made_bundle import make_bundle
from PIL import Image
from typer.testing import CliRunner

from flows.cli.main import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    rows, cols = np.mgrid[:60, :64]
    for number in range(5):
        wave = 127 + 100 * np.sin(rows / (1.5 + number)) * np.cos(cols / 2.5)
        (tmp_path / "Set5").mkdir(exist_ok=True)
        Image.fromarray(np.stack([wave, wave * 0.5, 255 - wave], -1).astype(np.uint8)).save(tmp_path / "Set5" / f"p{number}.png")
    return tmp_path


def sr(*words: Any) -> Result:
    return CliRunner().invoke(app, ["benchmark", *map(str, words)])


def test_tables(folder: Path) -> None:
    done = sr("Set5", "-m", "bicubic", "-m", "nearest", "--scale", "2,3", "--out", "t.md")
    assert done.exit_code == 0, done.output
    text = done.stdout
    assert "Set5, x2" in text and "Set5, x3" in text and "Set5, x4" not in text
    assert "Bicubic, printed in Dai et al., CVPR 2019" in text and "33.66" in text and "p4" in text
    page = (folder / "t.md").read_text()
    assert "## Set5, ×3" in page and "| SAN, printed in Dai et al., CVPR 2019 | 34.75 | 0.9300 |  |" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) <= 2 and "| p0 |" in page


def test_json_holds_what_the_table_says(folder: Path) -> None:
    done = sr("Set5", "--scale", "2", "--json")
    (place,) = json.loads(done.stdout)
    cells = [cell for cell in place["scores"][0]["table"]["cells"] if cell["column"] == "PSNR"]
    assert len(cells) == 5 and len(place["published"]) == 14 and place["scores"][0]["method"] == "bicubic"
    mean = sum(cell["value"] for cell in cells) / 5
    assert f"  {mean:.2f}" in sr("Set5", "--scale", "2").stdout


def test_a_bundle_brings_its_scale(folder: Path) -> None:
    bundle = make_bundle(folder / "bundle", "grey level")
    done = sr("Set5", "--bundle", bundle, "-m", "bicubic", "--json")
    assert done.exit_code == 0, done.output
    places = json.loads(done.stdout)
    assert [p["scale"] for p in places] == [2] and len(places[0]["scores"]) == 2


def test_a_filter_is_not_fitted_on_what_is_measured(folder: Path) -> None:
    done = sr("Set5", "-m", "linear", "--fit", "Set5", "--scale", 2)
    assert done.exit_code == 2 and "measured on, too" in done.stderr
    (folder / "other").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)).save(folder / "other" / "o.png")
    done = sr("Set5", "-m", "linear", "--fit", "other", "--scale", 2)
    assert done.exit_code == 0 and "fitted on 1 other pictures" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("Set6",), "Set6 does not exist; expected a folder with pictures"),
        (("Set5", "--scale", "2", "3"), "3 does not exist"),
        (("Set5", "--scale", "9"), "--scale 9; expected whole numbers from 2 to 8"),
        (("Set5", "-m", "cubic"), "--method cubic; expected one of nearest, bilinear"),
        (("Set5", "-m", "edsr"), "--method edsr without a model of that family"),
        (("Set5", "-m", "linear"), "without pictures to fit"),
        (("Set5", "--metrics", "lpips"), "--metrics lpips; expected psnr,ssim or all"),
        (("Set5", "--colour", "hsv"), "--colour hsv; expected luma or rgb"),
        (("Set5", "--bundle", "nothing"), "'nothing'; expected a bundle folder"),
        (("Set5", "--out", "no/t.md"), "--out no/t.md; expected a file in a folder that exists"),
        (("Set5", "--metrics", "all"), "without a picture to measure"),
    ],
)
def test_nonsense_is_one_sentence(folder: Path, words: tuple[str, ...], sentence: str) -> None:
    done = sr(*words)
    assert done.exit_code == 2 and sentence in done.stderr and "Traceback" not in done.output
    assert done.stderr.strip().splitlines()[-1].startswith("sr: ") and not done.stdout
