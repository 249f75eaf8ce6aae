"""Training images that a softer device would have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from toy import ToyDomain

from sr_core.log import Silent
from sr_core.patches import PatchStore
from sr_core.raster import Encoding, Raster, Window
from sr_core.stages.ingest import load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import degrade, operator_of
from sr_core.stages.smoothing import reach_of, smoothed
from sr_core.workspace import Workspace

STORED = Encoding.of("uint16", scale=0.01)


def raster(height: int = 24, width: int = 40) -> Raster:
    pixels = STORED.decode(np.random.default_rng(3).integers(100, 9000, (2, height, width)).astype(np.uint16))
    return Raster(pixels, np.ones((height, width), bool), ("a", "b"), "K", STORED.valid_range)


def test_a_window_is_that_part_of_the_whole() -> None:
    image = raster()
    whole = smoothed(image, 0.8, Window(0, 0, 24, 40), STORED).pixels
    for window in (Window(0, 0, 7, 9), Window(8, 11, 10, 12), Window(17, 30, 7, 10)):
        around = window.grown(reach_of(0.8), 24, 40)
        rows, cols = around.slices()
        part = Raster(image.pixels[:, rows, cols], image.mask[rows, cols], image.bands, image.unit, image.valid_range)
        rows, cols = window.slices()
        assert np.array_equal(smoothed(part, 0.8, window.inside(around), STORED).pixels, whole[:, rows, cols])


def test_it_is_a_gaussian_rounded_as_the_file() -> None:
    image = raster()
    expected = gaussian_filter(image.pixels.astype(float), (0, 1.5, 1.5), mode="nearest", truncate=4)
    found = smoothed(image, 1.5, Window(0, 0, 24, 40), STORED).pixels
    assert np.abs(found - expected).max() <= STORED.step / 2 + 1e-5
    assert np.array_equal(found, STORED.decode(STORED.encode(found)))


def test_what_is_not_usable_enters_nothing() -> None:
    image = raster()
    mask = image.mask.copy()
    mask[10:14, 20:25] = False
    spoilt = np.where(mask, image.pixels, 1e30).astype(np.float32)
    results = [
        smoothed(Raster(p, mask, image.bands, "K", image.valid_range), 1, Window(0, 0, 24, 40), STORED) for p in (image.pixels, spoilt)
    ]
    assert np.array_equal(results[0].pixels, results[1].pixels)
    assert np.array_equal(results[0].mask, mask)


def test_a_store_holds_every_training_image_once_more(run: Any, tmp_path: Path) -> None:
    """Its LR image is the degraded soft image, not the softened LR image; validation images stand as they are."""
    recipe, place = ToyDomain().recipe(), Workspace(tmp_path / "workspace")
    wanted = recipe.with_overrides({"patches.smoothed": "0.7, 1.5"})
    store = prepare(ToyDomain(), run.manifest, recipe=wanted, workspace=place, log=Silent())
    assert store.train_pairs == 3 * run.store.train_pairs
    assert store.val_pairs == run.store.val_pairs
    operator, manifest = operator_of(ToyDomain(), recipe, ()), load_manifest(run.manifest)
    region = manifest.split.train[0]
    with PatchStore(store.path) as opened:
        found = {pair.name: pair for pair in opened.images("train")}
    plain, soft = found[region.name], found[f"{region.name}-smoothed-1.5"]
    with ToyDomain().open(manifest.source(region.source)) as scene:
        whole = Window(0, 0, *plain.hr.mask.shape)
        expected = smoothed(plain.hr, 1.5, whole, scene.encoding)
        assert soft.hr.pixels == pytest.approx(expected.pixels, abs=1e-6)
        assert soft.lr.pixels == pytest.approx(degrade(expected, scene.encoding, operator).lr.pixels, abs=1e-6)
    assert np.diff(soft.hr.pixels, axis=2).std() < 0.9 * np.diff(plain.hr.pixels, axis=2).std()
