"""The named sensors: blur by the published value of each band, and images of other bands refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_scenes import write_tiff

from domains.satellite.band_names import sentinel2_number
from domains.satellite.degrade import SENTINEL2
from domains.satellite.domain import DOMAIN
from sr_core.domain import ByBandName
from sr_core.errors import RecipeError, ShapeError
from sr_core.log import Silent
from sr_core.operators import BandwiseOperator, SeparableOperator, make_operator
from sr_core.patches import PatchStore
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.workspace import Workspace

# sigma in LR px of the bands B2, B3, B4, B8: sqrt(-2 ln M) / pi for M = 0.26, 0.28, 0.24, 0.26.
SIGMA_LR = [0.5225, 0.5079, 0.5378, 0.5225]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sentinel2_has_the_published_blur_of_each_band(scale: int) -> None:
    operator = DOMAIN.operators()["mtf-sentinel2-10m"](scale)
    assert isinstance(operator, BandwiseOperator) and operator.bands == 4
    for member, sigma in zip(operator.members, SIGMA_LR, strict=True):
        for factor in (member.rows, member.cols):
            taps = np.array(factor.taps)
            place = np.arange(len(taps)) - (len(taps) - 1) / 2
            measured = math.sqrt(float((taps * place**2).sum())) / scale  # cut off at 4 sigma: a little less
            assert measured == pytest.approx(sigma, rel=0.005)


def test_sentinel2_takes_its_four_bands_only() -> None:
    operator = DOMAIN.operators()["mtf-sentinel2-10m"](2)
    for bands in (1, 3, 6):
        with pytest.raises(ShapeError, match=f"{bands}, 8, 8.*; expected 4 bands"):
            operator.apply(torch.zeros(bands, 8, 8))
    assert "0.26, 0.28, 0.24 and 0.26 (band by band)" in operator.describe()


def test_landsat_takes_any_bands() -> None:
    operator = DOMAIN.operators()["mtf-landsat-oli"](2)
    assert isinstance(operator, SeparableOperator) and operator == make_operator("mtf", 2, value=0.3)


def test_the_default_is_what_it_was() -> None:
    assert next(iter(DOMAIN.operators())) == DOMAIN.recipe().operator == "bicubic"
    assert DOMAIN.operators()["mtf"](2).to_json() == make_operator("mtf", 2, value=0.25).to_json()


def test_the_table_is_the_published_one() -> None:
    order = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]
    assert [SENTINEL2[band] for band in order] == [0.32, 0.26, 0.28, 0.24, 0.38, 0.34, 0.34, 0.26, 0.33, 0.26, 0.22, 0.23]


def test_bands_are_known_by_name_in_any_order() -> None:
    kind = DOMAIN.operators()["mtf-sentinel-2"]
    assert isinstance(kind, ByBandName)
    made = kind.for_names(2, ["B08", "Red (B04)", "swir16", "B8A", "B02"])
    assert made == make_operator("mtf", 2, value=[0.26, 0.24, 0.22, 0.33, 0.26])
    taken = DOMAIN.operators()["mtf-sentinel2-10m"](2)
    assert kind.for_names(2, ["B2", "B3", "B4", "B8"]) == taken == kind.for_names(2, ["blue", "green", "red", "nir"])


@pytest.mark.parametrize(
    "name, number",
    [
        ("B04", "B4"), ("b8a", "B8A"), ("B08A", "B8A"), ("B12", "B12"), ("rededge1", "B5"), ("Blue (490 nm)", "B2"), ("nir08", "B8A"),
        ("red edge", None), ("band 1", None), ("pan", None), ("SR_B4", None), ("", None),
    ],
)  # fmt: skip
def test_names_of_sentinel2(name: str, number: str | None) -> None:
    assert sentinel2_number(name) == number


@pytest.mark.parametrize("bands", [("B02", "B10"), ("band 1", "band 2"), ()])
def test_bands_without_a_published_value_are_refused(bands: tuple[str, ...]) -> None:
    kind = DOMAIN.operators()["mtf-sentinel-2"]
    assert isinstance(kind, ByBandName)
    with pytest.raises(RecipeError, match="names of bands with a published value: B1, B2"):
        kind.for_names(2, bands)
    with pytest.raises(RecipeError, match="without bands"):
        kind(2)


def scene(path: Path, *names: str) -> Path:
    rows, cols = np.mgrid[0:320, 0:320]
    waves = 3000 + 900 * np.sin(rows / 3) * np.cos(cols / 5)
    pixels = np.stack([waves + 100 * band for band in range(len(names))]).astype(np.uint16)

    def declare(dataset: Any) -> None:
        dataset.descriptions, dataset.scales = names, (1e-4,) * len(names)

    return write_tiff(path, pixels, edit=declare)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pairs_have_the_blur_of_the_named_bands_and_the_known_noise(tmp_path: Path) -> None:
    recipe = DOMAIN.recipe().with_overrides({"operator": "mtf-sentinel-2", "noise": 0.004})
    place = Workspace(tmp_path / "work")
    manifest = ingest(DOMAIN, [scene(tmp_path / "a.tif", "B11", "B04")], recipe=recipe, workspace=place, log=Silent())
    store = prepare(DOMAIN, manifest, recipe=recipe, workspace=place, log=Silent())
    expected = make_operator("mtf", 2, value=[0.22, 0.24])
    assert load_manifest(manifest).gap >= expected.support
    with PatchStore(store.path) as opened:
        assert opened.operator == expected.to_json()
        pairs = list(opened.images("train"))
        assert pairs
        for pair in pairs:
            clean = expected.apply(torch.from_numpy(pair.hr.pixels).double()).numpy()
            left = (pair.lr.pixels - clean)[:, 4:-4, 4:-4]
            assert left.std() == pytest.approx(0.004, rel=0.05)  # quantisation adds 3e-5
            # Under another sensor's blur what is left would not be noise alone.
            other = make_operator("mtf", 2, value=0.5).apply(torch.from_numpy(pair.hr.pixels).double()).numpy()
            assert (pair.lr.pixels - other)[:, 4:-4, 4:-4].std() > 1.08 * left.std()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_files_with_other_bands_are_refused_in_words(tmp_path: Path) -> None:
    recipe = DOMAIN.recipe().with_overrides({"operator": "mtf-sentinel-2"})
    paths = [scene(tmp_path / "a.tif", "B04", "B08"), scene(tmp_path / "b.tif", "B08", "B04")]
    with pytest.raises(RecipeError, match=r"[ab]\.tif with B0.*same bands in all files for the operator mtf-sentinel-2.*in one order"):
        ingest(DOMAIN, paths, recipe=recipe, workspace=Workspace(tmp_path / "work"), log=Silent())
