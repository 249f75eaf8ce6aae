"""The script behind `make train-reference`: what it learns from, what it does to scenes, what it puts into the package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import rasterio
from made_scenes import write_tiff
from rasterio.transform import from_origin

from domains.satellite.domain import DOMAIN
from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.stages.standard import STANDARD_SCORE, moments_of
from sr_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "bench" / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    spec.loader.exec_module(module)
    return module


def test_what_is_shipped_learns_from_nothing_else(script: ModuleType) -> None:
    shipped = {name: reference for name, reference in script.REFERENCES.items() if reference.credits}
    assert set(shipped) == {"satellite-x2", "satellite-x4", "face-x4"}
    paths = {path for reference in shipped.values() for path in reference.paths}
    assert all(path == "face/congress" or (path.startswith("satellite/") and path.endswith(".tif")) for path in paths)
    assert not any(word in path for path in paths for word in ("T91", "BSDS", "orl", "formats"))
    for name, reference in shipped.items():
        recipe = script.recipe_of(DOMAIN, reference)
        assert recipe.credits == reference.credits and recipe.storage == "float16" and recipe.scale == int(name[-1])


def test_a_general_model_is_not_shipped_and_not_even_trained(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"general-x2 cannot be shipped.*experiments only"):
        script.make("general-x2", tmp_path / "nowhere", Workspace(tmp_path / "w"), 1.0, 10, True, Silent())


def test_scenes_become_standard_scores_by_their_headers_alone(script: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    where = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 10, 10)}
    pixels = {
        "bytes.tif": rng.integers(3, 200, (2, 80, 90)).astype(np.uint8),
        "counts.tif": rng.integers(5000, 9000, (1, 80, 90)).astype(np.int16),
    }
    given = [write_tiff(tmp_path / name, values, nodata=0, **where) for name, values in pixels.items()]
    made = script.standardised(given, tmp_path / "made", Silent())
    before = [path.read_bytes() for path in made]
    assert script.standardised(given, tmp_path / "made", Silent()) == made and before == [path.read_bytes() for path in made]
    sources, refusals = DOMAIN.discover(made, Silent())
    assert not refusals and [source.unit for source in sources] == [STANDARD_SCORE] * 2
    for source in sources:
        with DOMAIN.open(source) as scene:
            moments = moments_of(scene)
            assert abs(moments.mean) < 1e-5 and moments.std == pytest.approx(1, abs=1e-5)
        with rasterio.open(source.path) as dataset:
            assert np.array_equal(dataset.read(), pixels[source.path.name]) and dataset.nodata == 0


def test_a_scene_that_is_missing_or_damaged_is_one_sentence(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        script.standardised([tmp_path / "gone.tif"], tmp_path / "made", Silent())
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(InputError, match="SR_DATA"):
        script.standardised([tmp_path / "text.tif"], tmp_path / "made", Silent())


def test_a_shipped_bundle_takes_the_place_of_the_one_before(script: ModuleType, tmp_path: Path) -> None:
    bundle, place = tmp_path / "bundle", tmp_path / "models" / "x2"
    bundle.mkdir()
    place.mkdir(parents=True)
    (place / "old.txt").write_text("old")
    for name in (*script.SHIPPED, "report.html", "record.json"):
        (bundle / name).write_text(name)
    script.ship_into(place, bundle)
    assert sorted(path.name for path in place.iterdir()) == sorted(script.SHIPPED)
    assert [path.name for path in place.parent.iterdir()] == ["x2"]
