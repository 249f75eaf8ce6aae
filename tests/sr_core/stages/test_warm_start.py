"""A warm start through the stages: what is trained on, what the bundle remembers, and the parent as a rival."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy import Run, Sentences, ToyDomain

from sr_core.bundle import Bundle
from sr_core.errors import BundleError, SplitError, StoreError
from sr_core.log import Silent
from sr_core.recipe import Recipe
from sr_core.records import Manifest, ManifestRef, Split, StoreRef
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.ingest import MANIFEST, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import operator_of
from sr_core.stages.train import train
from sr_core.workspace import Workspace


@pytest.fixture
def recipe() -> Recipe:
    return ToyDomain().recipe()


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_the_parent_is_on_record_and_one_more_baseline(run: Run, recipe: Recipe, place: Workspace) -> None:
    with_: dict[str, Any] = {"recipe": recipe, "workspace": place, "log": Silent()}
    log = Sentences()
    bundle = train(run.store, recipe=recipe, workspace=place, log=log, parent=run.bundle.path, general=run.store)
    card = Bundle.load(bundle.path).card
    assert card.parents == (run.bundle.weights,)
    assert card.credits == Bundle.load(run.bundle.path).card.credits
    assert any("50% of every batch are general patches" in sentence for sentence in log.said)
    assert "general patches" in card.data_summary
    assert bundle.path != train(run.store, parent=run.bundle.path, **with_).path, "general pairs are part of what a result is named by"

    calibrated = calibrate(ToyDomain(), run.manifest, bundle, **with_)
    measured = evaluate(ToyDomain(), run.manifest, calibrated, champion=run.calibrated.path, parent=run.bundle.path, **with_)
    content = load_evaluation(measured)
    assert content.methods()[-2:] == ("champion", "parent")
    # The filter that counts is that of this domain's pairs, also where the model stands on its parent's.
    before = load_evaluation(run.evaluation)
    assert content.mean_psnr_db("linear filter") == pytest.approx(before.mean_psnr_db("linear filter"), abs=1e-6)
    # The champion here is the parent itself, so both give the same picture.
    assert content.mean_psnr_db("parent") == pytest.approx(content.mean_psnr_db("champion"), abs=1e-6)


def test_a_parent_of_another_scale_is_no_rival_but_lends_its_layers(run: Run, recipe: Recipe, place: Workspace) -> None:
    recipe = recipe.with_overrides({"scale": 3})
    with_: dict[str, Any] = {"recipe": recipe, "workspace": place, "log": Silent()}
    store = prepare(ToyDomain(), run.manifest, **with_)
    log = Sentences()
    bundle = train(store, recipe=recipe, workspace=place, log=log, parent=run.bundle.path)
    assert any("goes on from a model" in sentence and "new" in sentence for sentence in log.said)
    calibrated = calibrate(ToyDomain(), run.manifest, bundle, **with_)
    measured = evaluate(
        ToyDomain(), run.manifest, calibrated, champion=None, parent=run.bundle.path, recipe=recipe, workspace=place, log=log
    )  # fmt: skip
    assert "parent" not in load_evaluation(measured).methods()
    assert any("upscales x2" in sentence for sentence in log.said)


def test_several_scales_stand_in_one_batch(run: Run, recipe: Recipe, place: Workspace) -> None:
    recipe = recipe.with_overrides(
        {"network.family": "vdsr", "network.blocks": 3, "network.width": 8, "patches.grid": "hr", "training.scales": "2,3,4"}
    )

    def at(scale: int) -> StoreRef:
        plan = recipe.training.model_copy(update={"scales": ()})
        here = recipe.model_copy(update={"scale": scale, "training": plan})
        return prepare(ToyDomain(), run.manifest, recipe=here, workspace=place, log=Silent())

    stores = {scale: at(scale) for scale in (2, 3, 4)}
    log = Sentences()
    bundle = train(stores[2], recipe=recipe, workspace=place, log=log, scales=[stores[4], stores[3]])
    assert Bundle.load(bundle.path).card.descriptor.scale == 2
    assert sum("the same images at x" in sentence for sentence in log.said) == 2
    with pytest.raises(StoreError, match="no patch store of scale x4"):
        train(stores[2], recipe=recipe.with_overrides({"seed": 9}), workspace=place, log=log, scales=[stores[3]])


def test_a_store_that_was_made_for_another_recipe_is_refused(run: Run, recipe: Recipe, place: Workspace) -> None:
    with pytest.raises(StoreError, match="of scale x2; expected x3"):
        train(run.store, recipe=recipe.with_overrides({"scale": 3}), workspace=place, log=Silent())
    with pytest.raises(StoreError, match=r"stride 14.*stride 7"):
        train(run.store, recipe=recipe.with_overrides({"patches.stride": 7}), workspace=place, log=Silent())
    other = recipe.with_overrides({"operator": "mtf-two-bands"})
    store = prepare(ToyDomain(), run.manifest, recipe=other, workspace=place, log=Silent())
    with pytest.raises(StoreError, match="another degradation"):
        train(run.store, recipe=recipe, workspace=place, log=Silent(), parent=run.bundle.path, general=store)
    soft = recipe.with_overrides({"patches.smoothed": "0.8"})
    with pytest.raises(StoreError, match=r"origins edge; expected .* also smoothed by 0\.8 px"):
        train(run.store, recipe=soft, workspace=place, log=Silent())
    softened = prepare(ToyDomain(), run.manifest, recipe=soft, workspace=place, log=Silent())
    train(run.store, recipe=recipe, workspace=place, log=Silent(), parent=run.bundle.path, general=softened)  # their own business
    with pytest.raises(StoreError, match=r"a store of pairs under Bicubic.*Gaussian sensor blur.*as the recipe says"):
        train(run.store, recipe=other, workspace=place, log=Silent(), operator=operator_of(ToyDomain(), other, ()))


def test_a_parent_that_does_not_fit_is_refused(run: Run, recipe: Recipe, place: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"blocks 1.*blocks 2"):
        train(run.store, recipe=recipe.with_overrides({"network.blocks": 2}), workspace=place, log=Silent(), parent=run.bundle.path)
    with pytest.raises(BundleError, match="no folder"):
        train(run.store, recipe=recipe, workspace=place, log=Silent(), parent=tmp_path / "nowhere")


def test_a_group_on_two_sides_is_refused_at_the_door(run: Run, recipe: Recipe, place: Workspace, tmp_path: Path) -> None:
    manifest = load_manifest(run.manifest)
    region = manifest.split.train[0].model_copy(update={"one_group": False})
    test = (region.model_copy(update={"window": manifest.split.test[0].window}),)
    split = Split(train=(region,), val=manifest.split.val, calibration=manifest.split.calibration, test=test)
    changed: Manifest = manifest.model_copy(update={"split": split})
    (tmp_path / MANIFEST).write_text(changed.to_json())
    with pytest.raises(SplitError, match="is in train and in"):
        prepare(ToyDomain(), ManifestRef(path=tmp_path, hash="1" * 64), recipe=recipe, workspace=place, log=Silent())


def test_the_filter_beside_a_child_is_that_of_its_own_pairs(run: Run, recipe: Recipe, place: Workspace, tmp_path: Path) -> None:
    """Planted: a parent whose filter is another one's."""
    folder = tmp_path / "parent"
    parent = Bundle.load(run.bundle.path)
    assert parent.net.filter is not None
    parent.net.set_filter(parent.net.filter.steps()[0].weight * 0.5)  # type: ignore[arg-type, operator]
    Bundle.save(folder, parent.card.model_copy(update={"weights": ""}), parent.net, parent.curve())
    with_: dict[str, Any] = {"recipe": recipe, "workspace": place, "log": Silent()}
    bundle = train(run.store, parent=folder, **with_)
    calibrated = calibrate(ToyDomain(), run.manifest, bundle, **with_)
    content = load_evaluation(evaluate(ToyDomain(), run.manifest, calibrated, champion=None, parent=folder, **with_))
    before = load_evaluation(run.evaluation)
    assert content.mean_psnr_db("linear filter") == pytest.approx(before.mean_psnr_db("linear filter"), abs=1e-3)
