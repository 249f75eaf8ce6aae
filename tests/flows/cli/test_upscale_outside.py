"""An image of another kind than the calibrated ones: written with an empty interval; the verdict abstains, and --strict ends with 3."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import rasterio
from made_bundle import make_bundle
from made_scenes import write_tiff
from PIL import Image
from typer.testing import CliRunner

from flows.cli.main import app
from sr_core.records import Fact
from sr_core.trust.calibration import Calibration
from sr_core.trust.declared import gather_facts
from sr_core.trust.reference import Reference

UNITS = {"satellite": "reflectance", "medical": "HU", "face": "grey level", "photo": "grey level"}


def bundle_of(folder: Path, unit: str, compression: str) -> Path:
    """Make a bundle whose calibration declares one way of compression."""
    bundle = make_bundle(folder / "bundle", unit)
    place = bundle / "calibration.json"
    declared = gather_facts([(Fact(name="compression", value=compression),)], 2)
    calibration = Calibration.from_json(place.read_text(), "").model_copy(
        update={"reference": Reference(images=3, groups=3, facts=declared)}
    )
    place.write_text(calibration.to_json())
    return bundle


def image_of(domain: str, folder: Path) -> Path:
    if domain == "medical":
        return Path(shutil.copy(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm", folder / "slice.dcm"))
    rng = np.random.default_rng(0)
    if domain == "satellite":
        values = rng.integers(1000, 3000, (2, 80, 90), dtype=np.uint16)
        return write_tiff(folder / "scene.tif", values, edit=lambda dataset: setattr(dataset, "scales", (1e-4, 1e-4)))
    Image.fromarray(rng.integers(0, 255, (90, 80), np.uint8)).save(folder / "p.png")
    return folder / "p.png"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("domain", UNITS)
def test_outside_is_abstained_from(domain: str, tmp_path: Path) -> None:
    given, bundle = image_of(domain, tmp_path), bundle_of(tmp_path, UNITS[domain], "another")
    words = ["upscale", domain, str(given), "--out", f"out{given.suffix}", "--bundle", str(bundle), "--json"]
    result = CliRunner().invoke(app, [*words, "--strict"])
    assert result.exit_code == 3, result.output
    (image,) = json.loads(result.stdout)["images"]
    assert [file["role"] for file in image["files"]] == ["image", "interval", *(["stac"] if domain == "satellite" else []), "verdict"]
    verdict = image["verdict"]
    assert verdict["status"] == "abstain" and verdict["claim"]["level"] == "none" and verdict["covered_share"] == 0.0
    assert "the compression is lossless, and another was calibrated" in verdict["claim"]["text"]
    again = CliRunner().invoke(app, words)  # without --strict, and with the result there already
    assert again.exit_code == 0 and json.loads(again.stdout)["images"][0]["there_already"]


@pytest.mark.parametrize("domain", UNITS)
def test_inside_is_not(domain: str, tmp_path: Path) -> None:
    given, bundle = image_of(domain, tmp_path), bundle_of(tmp_path, UNITS[domain], "lossless")
    result = CliRunner().invoke(app, ["upscale", domain, str(given), "--out", f"out{given.suffix}", "--bundle", str(bundle), "--json"])
    (image,) = json.loads(result.stdout)["images"]
    assert image["verdict"]["status"] != "abstain" and image["verdict"]["claim"]["level"] == "empirical"


def test_intervals_are_nan_not_wide(tmp_path: Path) -> None:
    given = image_of("satellite", tmp_path)
    bundle = bundle_of(tmp_path, "reflectance", "another")
    CliRunner().invoke(app, ["upscale", "satellite", str(given), "--out", "out.tif", "--bundle", str(bundle)])
    with rasterio.open("out.interval.tif") as interval:
        assert not interval.read_masks(1).any()
        assert (interval.read() == interval.nodata).all()
    with rasterio.open("out.tif") as made:
        assert made.read().mean() > 1000 and "not calibrated for this image" in made.tags()["SR_CLAIM"]
