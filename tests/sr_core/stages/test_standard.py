from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import toy
from made_bundle import make_bundle
from made_scenes import write_tiff

from sr_core.errors import UnitError
from sr_core.log import Silent
from sr_core.raster import Encoding
from sr_core.records import Source
from sr_core.stages.restore import Restorer
from sr_core.stages.standard import SIDE, STANDARD_SCORE, Moments, moments_of
from sr_core.stages.upscale import check_fits, upscale_path

AS_COUNTS = Encoding("uint16", 1.0, 0.0, 1, 65535)


class CountedScene(toy.ToyScene):
    """The same stored values, read as counts."""

    unit = "DN"
    encoding = AS_COUNTS


@dataclass
class CountedDomain(toy.ToyDomain):
    """The toy domain in counts."""

    def open(self, source: Source) -> toy.ToyScene:
        return CountedScene(source.path)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.npy"
    stored = toy.texture(120, 140, seed=3)
    stored[:, :30, :40] = 0  # nodata
    np.save(path, stored)
    return path


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return Restorer(make_bundle(tmp_path_factory.mktemp("bundle") / "b", STANDARD_SCORE, precision="float32"))


def test_moments_are_those_of_the_usable_pixels(scene: Path) -> None:
    stored = np.load(scene).astype(np.float64)
    usable = stored[:, (stored != 0).all(axis=0)]
    moments = moments_of(CountedScene(scene))
    assert moments.mean == pytest.approx(usable.mean(), rel=1e-9)
    assert moments.std == pytest.approx(usable.std(), rel=1e-9)


def test_a_large_scene_is_sampled_and_empty_windows_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = toy.texture(3 * SIDE, 4 * SIDE, bands=1, seed=5)
    stored[:, : 2 * SIDE] = 0
    np.save(tmp_path / "s.npy", stored)
    monkeypatch.setattr("sr_core.stages.standard.ENOUGH", 3)
    read = []
    opened = CountedScene(tmp_path / "s.npy")
    whole = opened.read
    monkeypatch.setattr(opened, "read", lambda window: read.append(window) or whole(window))
    below = stored[:, 2 * SIDE :]
    assert moments_of(opened).mean == pytest.approx(below.mean(), rel=0.05)
    usable = [window for window in read if window.row >= 2 * SIDE]
    assert len(usable) == 3 and len(set(read)) == len(read)


@pytest.mark.parametrize(("value", "expected"), [(7, Moments(7.0, 1.0)), (0, Moments(0.0, 1.0))])
def test_flat_and_empty_scenes_have_a_deviation(value: int, expected: Moments, tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.full((1, 70, 70), value, np.uint16))
    assert moments_of(CountedScene(tmp_path / "s.npy")) == expected


def test_the_same_image_in_two_units_gives_the_same_file(scene: Path, restorer: Restorer, tmp_path: Path) -> None:
    from domains.satellite.domain import DOMAIN

    def in_thousandths(dataset: Any) -> None:
        dataset.scales = (0.001,) * dataset.count

    made = {}
    for name, edit in (("DN", lambda dataset: None), ("scaled value", in_thousandths)):
        path = write_tiff(tmp_path / f"{name}.tif", np.load(scene), nodata=0, edit=edit)
        (source,), _ = DOMAIN.discover([path], Silent())
        assert source.unit == name
        upscale_path(DOMAIN, path, restorer, tmp_path / f"{name}_sr.tif", log=Silent())
        with rasterio.open(tmp_path / f"{name}_sr.tif") as image, rasterio.open(tmp_path / f"{name}_sr.interval.tif") as width:
            made[name] = image.read().astype(int), width.read().astype(np.float64) * width.scales[0]
    (image, width), (other_image, other_width) = made["DN"], made["scaled value"]
    difference = image - other_image
    assert np.abs(difference).max() <= 1  # float32 rounds the two units apart
    assert np.count_nonzero(difference) < 0.01 * difference.size
    usable = (image != 0) & np.isfinite(width) & np.isfinite(other_width)
    assert np.median(width[usable] / other_width[usable]) == pytest.approx(1000.0, rel=0.02)


def test_a_model_in_standard_scores_equals_one_made_for_the_scene(scene: Path, restorer: Restorer) -> None:
    opened = CountedScene(scene)
    own, moments = restorer.for_scene(opened), moments_of(opened)
    y = np.load(scene).astype(np.float32)[:, 40:90, 50:110]
    scores = ((y - moments.mean) / moments.std).astype(np.float32)
    assert own.card.unit == "DN" and own.card.step == 1.0 and own.card.valid_range == (1.0, 65535.0)
    assert restorer.card.unit == STANDARD_SCORE  # the shared model is as it was
    expected, got = restorer.predictor.predict(scores), own.predictor.predict(y)
    assert np.abs(expected.mean * moments.std + moments.mean - got.mean).max() < 1e-3 * moments.std
    assert expected.spread is not None and got.spread is not None
    width = restorer.half_width(expected.spread)
    assert own.half_width(got.spread) == pytest.approx(width * moments.std, rel=1e-3)


def test_other_models_keep_to_their_unit(scene: Path, tmp_path: Path) -> None:
    own = Restorer(make_bundle(tmp_path / "b", "reflectance"))
    assert own.for_scene(CountedScene(scene)) is own
    with pytest.raises(UnitError, match="in DN; expected reflectance"):
        check_fits(CountedScene(scene), own)


def test_credits_stand_in_what_is_made(scene: Path, restorer: Restorer, tmp_path: Path) -> None:
    from sr_core.stages.plan import make_plan

    domain = CountedDomain()
    (source,), _ = domain.discover([scene], Silent())
    with domain.open(source) as opened:
        assert "SR_CREDITS" not in make_plan(domain, source, opened, restorer, tmp_path / "a").tags
        restorer.card = restorer.card.model_copy(update={"credits": ("Data of A", "of B")})
        assert make_plan(domain, source, opened, restorer, tmp_path / "a").tags["SR_CREDITS"] == "Data of A; of B"
