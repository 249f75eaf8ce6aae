"""What stands beside a domain's own images: the parent's settings, general pictures under the domain's degradation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_bundle import make_bundle
from PIL import Image
from toy import ToyDomain, texture

from flows.beside import Beside, begin, beside, inherited
from flows.domains import load_domain
from flows.result import Request
from sr_core.errors import BundleError, InputError
from sr_core.log import Silent
from sr_core.patches import PatchStore
from sr_core.recipe import Recipe
from sr_core.stages.ingest import ingest
from sr_core.workspace import Workspace


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(5):
        pixels = texture(90, 100, 3, seed).astype(float)
        Image.fromarray((255 * pixels / pixels.max()).astype(np.uint8).transpose(1, 2, 0)).save(folder / f"{seed}.png")
    return folder


def test_a_recipe_takes_the_parents_network(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle", width=12, blocks=3, linear_taps=7)
    recipe = Recipe(domain="toy").with_overrides(inherited(folder))
    assert (recipe.network.family, recipe.network.width, recipe.network.blocks, recipe.network.linear_taps) == ("edsr", 12, 3, 7)
    upscaled = make_bundle(tmp_path / "vdsr", family="vdsr", width=8, blocks=3, base="operator", scale=3)
    recipe = Recipe(domain="toy").with_overrides(inherited(upscaled))
    assert (recipe.network.family, recipe.patches.grid, recipe.scale) == ("vdsr", "hr", 2)
    with pytest.raises(BundleError):
        inherited(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="a fitted linear filter"):
        inherited(make_bundle(tmp_path / "linear", family="linear"))


def test_general_pictures_are_degraded_as_the_domain_is(tmp_path: Path, pictures: Path) -> None:
    domain, place = ToyDomain(), Workspace(tmp_path / "workspace")
    parent = make_bundle(tmp_path / "bundle")
    recipe = domain.recipe()
    manifest = ingest(domain, domain.demo(tmp_path), recipe=recipe, workspace=place, log=Silent())
    found = beside(domain, recipe, parent, [pictures], place, Silent())
    general, scales = found.stores(domain, manifest, recipe, place, Silent())
    assert general is not None and scales == () and general.train_pairs > 0
    with PatchStore(general.path) as store:
        assert store.operator == domain.operators()["bicubic"](2).to_json()
    assert len(found.key()) == 2 and found.key() != Beside(parent, found.weights).key()
    none, _ = found.stores(domain, manifest, recipe.with_overrides({"adaptation.general_share": 0}), place, Silent())
    assert none is None


def test_the_other_scales_are_prepared_from_the_same_split(tmp_path: Path) -> None:
    domain, place = ToyDomain(), Workspace(tmp_path / "workspace")
    recipe = domain.recipe().with_overrides({"network.family": "vdsr", "network.blocks": 2, "patches.grid": "hr", "training.scales": "2,3"})
    manifest = ingest(domain, domain.demo(tmp_path), recipe=recipe, workspace=place, log=Silent())
    _, (three,) = Beside().stores(domain, manifest, recipe, place, Silent())
    with PatchStore(three.path) as store:
        assert store.scale == 3 and store.plan == recipe.patches


def test_general_pictures_need_a_parent(tmp_path: Path, pictures: Path) -> None:
    domain, place = ToyDomain(), Workspace(tmp_path / "workspace")
    assert beside(domain, domain.recipe(), None, [], place, Silent()) == Beside()
    with pytest.raises(InputError, match="without a parent"):
        beside(domain, domain.recipe(), None, [pictures], place, Silent())


def test_the_demonstration_goes_on_from_the_shipped_model(tmp_path: Path) -> None:
    satellite = load_domain("satellite")
    recipe, parent = begin(satellite, Request(), tmp_path)
    assert parent == satellite.shipped()[recipe.scale]
    assert begin(satellite, Request(paths=("scene.tif",)), tmp_path)[1] is None
    assert begin(satellite, Request(overrides={"network.width": 8}), tmp_path)[1] is None
    assert begin(ToyDomain(), Request(), tmp_path) == (ToyDomain().recipe(), None)
