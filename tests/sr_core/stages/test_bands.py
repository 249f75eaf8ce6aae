from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from made_bundle import make_bundle

from sr_core.errors import InputError
from sr_core.inference.predictor import WHOLE
from sr_core.inference.tiles import strips_of
from sr_core.log import Silent
from sr_core.raster import Float32Array
from sr_core.stages import bands, strips
from sr_core.stages.bands import Band, bands_of, restore_bands
from sr_core.stages.restore import Restorer

WIDTH = WHOLE + 40


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    folder = tmp_path_factory.mktemp("bands")
    run = toy.run_stages(folder, Silent())
    return Restorer(run.calibrated.path)


@pytest.fixture(autouse=True)
def low_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several bands of an image that is low enough for a test."""
    monkeypatch.setattr(bands, "PIXELS", 32 * WIDTH)


def _scene(folder: Path, hole: bool = False, height: int = 150) -> toy.ToyScene:
    stored = toy.texture(height, WIDTH, seed=4)
    if hole:
        stored[:, 50:75, 100:300] = 0
        stored[:, :, 540:] = 0
        stored[1, 90, 90] = 0
    np.save(folder / "scene.npy", stored)
    return toy.ToyScene(folder / "scene.npy")


def _joined(made: list[Band], name: str) -> Float32Array:
    return np.concatenate([getattr(band, name) for band in made], axis=1)


def _whole(restorer: Restorer, scene: toy.ToyScene, monkeypatch: pytest.MonkeyPatch) -> Band:
    """The image at once, through the other path."""
    with monkeypatch.context() as patch:
        patch.setattr(bands, "WHOLE", WIDTH)
        patch.setattr(restorer.predictor, "tile", WIDTH)
        (band,) = restore_bands(restorer, scene, residual=True)
        return band


@pytest.mark.parametrize("hole", [False, True])
def test_bands_equal_the_whole(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole: bool) -> None:
    scene = _scene(tmp_path, hole)
    made, whole = list(restore_bands(restorer, scene, residual=True)), _whole(restorer, scene, monkeypatch)
    assert [band.window.row for band in made] == [0, 32, 64, 96, 128]
    valid = np.kron(whole.lr.mask, np.ones((2, 2), bool))
    assert np.array_equal(np.concatenate([band.lr.mask for band in made]), whole.lr.mask)
    assert np.array_equal(_joined(made, "half_width")[:, valid], whole.half_width[:, valid])  # the network's own output: bit for bit
    low, high = scene.encoding.valid_range
    sr, expected = _joined(made, "sr")[:, valid], whole.sr[:, valid]
    assert np.abs(sr - expected).max() <= 1e-5 * (high - low)
    changed = scene.encoding.encode(sr) != scene.encoding.encode(expected)
    assert changed.mean() <= 1e-4
    residual = _joined(made, "residual")[:, whole.lr.mask]
    assert np.abs(residual - whole.residual[:, whole.lr.mask]).max() <= 2 * scene.encoding.step  # type: ignore[index]
    assert np.sqrt(np.mean(residual**2)) < 0.3 * scene.encoding.step


@pytest.mark.parametrize("taps", [5, 9])
def test_bands_of_the_linear_filter_equal_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taps: int) -> None:
    own = Restorer(make_bundle(tmp_path / "linear", family="linear", linear_taps=taps), "float32")  # its rows end between two LR rows
    scene = _scene(tmp_path)
    made, whole = list(restore_bands(own, scene, residual=True)), _whole(own, scene, monkeypatch)
    assert len(made) > 2
    assert np.abs(_joined(made, "sr") - whole.sr).max() <= 1e-5 * np.abs(whole.sr).max()


def test_a_run_that_goes_on_gives_the_same(restorer: Restorer, tmp_path: Path) -> None:
    scene = _scene(tmp_path, hole=True)
    made = list(restore_bands(restorer, scene, residual=True))
    for start in (1, 3, 4, 5):
        again = list(restore_bands(restorer, scene, start=start, residual=True))
        assert [band.window for band in again] == bands_of(scene)[start:]
        for one, other in zip(made[start:], again, strict=True):
            for name in ("sr", "half_width", "residual"):
                assert np.array_equal(getattr(one, name), getattr(other, name)), (start, one.window, name)


@pytest.mark.parametrize("strip", [100, 240])
def test_strips_of_columns_equal_rows(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strip: int) -> None:
    scene = _scene(tmp_path, hole=True)
    rows = list(restore_bands(restorer, scene, residual=True))
    with monkeypatch.context() as patch:
        patch.setattr(restorer.predictor, "strip", strip)
        patch.setattr(strips, "GROUP", 64)
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        for start in (0, 3):
            made = list(restore_bands(restorer, scene, start=start, residual=True))
            for one, other in zip(rows[start:], made, strict=True):
                for name in ("sr", "half_width", "residual"):
                    assert np.array_equal(getattr(one, name), getattr(other, name)), (start, one.window, name)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.npy"]


def test_a_strip_without_its_halo_would_be_seen(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault."""
    scene = _scene(tmp_path)
    rows = _joined(list(restore_bands(restorer, scene)), "sr")
    with monkeypatch.context() as patch:
        patch.setattr(restorer.predictor, "strip", 240)
        patch.setattr(strips, "strips_of", lambda width, size, halo: strips_of(width, size, halo - 1))
        made = _joined(list(restore_bands(restorer, scene)), "sr")
    assert not np.array_equal(rows, made)


def test_a_reach_too_short_would_be_seen(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: bands projected with too few rows around them."""
    scene = _scene(tmp_path)
    right = _joined(list(restore_bands(restorer, scene)), "sr")
    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "projection_reach", 1)
        wrong = _joined(list(restore_bands(restorer, scene)), "sr")
    assert np.abs(right - wrong).max() > 1e-5 * (scene.encoding.valid_range[1] - scene.encoding.valid_range[0])


def test_rows_are_computed_once(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, fed = _scene(tmp_path), []
    stream = restorer.predictor.stream

    def watched(channels: int) -> Any:
        flow = stream(channels)
        feed = flow.feed
        flow.feed = lambda y, last: (fed.append(y.shape[1]), feed(y, last))[1]  # type: ignore[method-assign,assignment,return-value]
        return flow

    monkeypatch.setattr(restorer.predictor, "stream", watched)
    list(restore_bands(restorer, scene))
    assert sum(fed) == scene.shape[1]


def test_a_small_image_is_one_band(restorer: Restorer, tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", toy.texture(70, 90))
    scene = toy.ToyScene(tmp_path / "small.npy")
    (band,) = restore_bands(restorer, scene)
    raster = scene.read(band.window)
    assert np.array_equal(band.sr, restorer.restore(raster.pixels, raster.mask).sr)


def test_a_value_that_is_not_finite_is_refused(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = _scene(tmp_path)
    read = toy.ToyScene.read

    def broken(self: toy.ToyScene, window: Any) -> Any:
        raster = read(self, window)
        if window.row <= 100 < window.row + window.height:
            raster.pixels[0, 100 - window.row, 7] = np.nan
        return raster

    monkeypatch.setattr(toy.ToyScene, "read", broken)
    made = []
    with pytest.raises(InputError, match="not finite"):
        for band in restore_bands(restorer, scene):
            made.append(band)
    assert [band.window.row for band in made] == [0, 32]


def test_a_file_that_holds_less_than_the_model_is_not_cut(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sensor's rail is below the model's range, the projection stays below it, and the rest explains the measurement."""
    scene = _scene(tmp_path)
    rail = 3000 * 0.001
    scene.stored = np.minimum(scene.stored, 3000)
    scene.encoding = dataclasses.replace(toy.ENCODING, high=3000)
    made = list(restore_bands(restorer, scene, residual=True))
    sr = _joined(made, "sr")
    assert float(sr.max()) <= np.float32(rail)
    y = np.concatenate([band.lr.pixels for band in made], axis=1)
    below = y < rail - 2 * scene.encoding.step
    assert np.sqrt(np.mean(_joined(made, "residual")[below] ** 2)) < scene.encoding.step
