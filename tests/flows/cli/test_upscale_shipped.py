"""`sr upscale` without a word about domain or model: what the file says, and the model that comes with the package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import rasterio
from click.testing import Result
from made_bundle import make_bundle
from made_scenes import write_tiff
from PIL import Image
from rasterio.transform import from_origin
from typer.testing import CliRunner

from domains.face.domain import FaceDomain
from domains.satellite.domain import Satellite
from flows.cli.main import app
from sr_core.stages.standard import STANDARD_SCORE

Sr = Callable[..., Result]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("shipped")
    return {scale: make_bundle(folder / f"x{scale}", STANDARD_SCORE, scale=scale) for scale in (2, 4)}


@pytest.fixture
def sr(kept: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sr:
    monkeypatch.setattr(Satellite, "shipped", lambda self: kept)
    monkeypatch.setattr(FaceDomain, "shipped", lambda self: {})
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["upscale", *map(str, words)])


def scene(path: Path, seed: int = 0, top: int = 2000, placed: bool = True) -> Path:
    values = np.random.default_rng(seed).integers(top // 2, top, (2, 72, 80)).astype("uint8" if top < 256 else "uint16")
    where = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 10, 10)} if placed else {}
    return write_tiff(path, values, **where)


def picture(path: Path) -> Path:
    Image.fromarray(np.full((70, 70), 90, np.uint8)).save(path)
    return path


@pytest.mark.parametrize(("words", "scale"), [((), 2), (("--scale", "4"), 4), (("--scale", "2"), 2)])
def test_a_scene_of_any_unit_is_upscaled_at_once(words: tuple[str, ...], scale: int, sr: Sr, tmp_path: Path) -> None:
    for top in (200, 20000):
        path = scene(tmp_path / f"{top}.tif", top=top)
        result = sr(path.name, "--out", f"sr/{top}_{{model}}.tif", "--json", *words)
        assert result.exit_code == 0, result.output
        document = json.loads(result.stdout)
        assert (document["domain"], document["model"]) == ("satellite", f"sr-satellite-x{scale}-shipped")
        assert f"this is the shipped sr-satellite-x{scale}, not trained on your images" in result.stderr
        with rasterio.open(tmp_path / "sr" / f"{top}_sr-satellite-x{scale}-shipped.tif") as made, rasterio.open(path) as given:
            assert made.shape == (72 * scale, 80 * scale) and made.dtypes == given.dtypes
            assert made.read().mean() == pytest.approx(given.read().mean(), rel=0.01)


def test_a_scene_of_floating_point_numbers_with_a_hole(sr: Sr, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(-900.0, 40.0, (1, 72, 80)).astype(np.float32)
    values[:, 20:30, 30:40] = np.nan
    write_tiff(tmp_path / "a.tif", values, nodata=float("nan"), crs="EPSG:32633", transform=from_origin(5e5, 5e6, 10, 10))
    result = sr("a.tif", "--out", "sr.tif")
    assert result.exit_code == 0, result.output
    with rasterio.open(tmp_path / "sr.tif") as made:
        image = made.read(1)
    assert np.isnan(image[44:56, 64:76]).all() and np.isfinite(image[:36]).all()
    assert np.nanmean(image) == pytest.approx(-900, abs=5)


def test_the_same_command_again_finds_its_result(sr: Sr, tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    assert sr("a.tif", "--out", "sr.tif").exit_code == 0
    again = sr("a.tif", "--out", "sr.tif", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["images"][0]["there_already"] is True


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a.tif", "--scale", "3"), "--scale 3; expected 2 or 4, in which sr-satellite comes with the package"),
        (("a.tif", "--scale", "4", "--bundle", "x2"), "--scale 4; expected 2, the scale of x2"),
        (("a.tif", "--model", "sr-satellite@champion"), "no registry in"),
        (("face", "p.png"), "no registry in"),
        (("medical", "ct.dcm"), "no registry in"),
        (("p.png",), "sr upscale face p.png ... or sr upscale photo p.png"),
        (("plain.tif",), "does not say what kind of image it is"),
        (("a.tif", "p.png"), "p.png does not say what kind of image it is"),
        (("a.tif", "ct.dcm"), "images of several kinds: ct.dcm (medical), a.tif (satellite)"),
        (("mixed",), "images of several kinds"),
        (("empty",), "empty does not say"),
        (("gone.tif",), "gone.tif does not exist"),
        (("satelite", "a.tif"), "domain 'satelite'; expected one of face, medical, photo, satellite"),
        (("satellite",), "no image after satellite"),
        (("ct.dcm",), "no registry in"),  # recognised; nothing is shipped for medical images
    ],
)
def test_what_cannot_be_is_one_sentence(words: tuple[str, ...], sentence: str, sr: Sr, kept: dict[int, Path], tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    scene(tmp_path / "plain.tif", placed=False)
    picture(tmp_path / "p.png")
    (tmp_path / "x2").symlink_to(kept[2])
    (tmp_path / "empty").mkdir()
    slice_ = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
    shutil.copy(slice_, tmp_path / "ct.dcm")
    (tmp_path / "mixed").mkdir()
    shutil.copy(slice_, tmp_path / "mixed" / "noname")
    scene(tmp_path / "mixed" / "a.tif")
    result = sr(*words, "--out", "sr/")
    assert result.exit_code == 2 and sentence in result.stderr, result.output
    assert result.stderr.strip().splitlines()[-1].startswith("sr: ") and "Traceback" not in result.stderr
    assert not (tmp_path / "sr").exists()


def test_a_folder_says_it_by_its_files(sr: Sr, tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    scene(tmp_path / "scenes" / "a.tif")
    (tmp_path / "scenes" / "notes.txt").write_text("about a.tif")
    result = sr("scenes", "--out", "sr/")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sr" / "a_x2.tif").is_file()


def test_a_damaged_shipped_model_is_one_sentence(sr: Sr, kept: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Path(shutil.copytree(kept[2], tmp_path / "broken"))
    data = bytearray((broken / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (broken / "weights.safetensors").write_bytes(data)
    monkeypatch.setattr(Satellite, "shipped", lambda self: {2: broken})
    scene(tmp_path / "a.tif")
    result = sr("a.tif", "--out", "sr.tif")
    assert result.exit_code == 2 and "has hash" in result.stderr and not (tmp_path / "sr.tif").exists()


def test_only_another_scale_is_shipped(sr: Sr, kept: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Satellite, "shipped", lambda self: {4: kept[4]})
    scene(tmp_path / "a.tif")
    result = sr("satellite", "a.tif", "--out", "sr.tif", "-n", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["model"] == "sr-satellite-x4-shipped"
