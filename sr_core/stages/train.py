"""Train: a patch store and a recipe to a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, StoreRef
from sr_core.stages.pairs import Pairs, open_pairs
from sr_core.workspace import Workspace, folder_sha256

VERSION = 2
CHECKPOINTS = "checkpoints"


def train(
    store: StoreRef,
    *,
    recipe: Recipe,
    workspace: Workspace,
    log: Log,
    parent: Path | None = None,
    general: StoreRef | None = None,
    scales: Sequence[StoreRef] = (),
) -> BundleRef:
    """Train the recipe's network on the store's pairs; an interrupted run goes on from its last checkpoint.

    Where the network does not beat the fitted linear filter on the validation images, the bundle is the filter's.

    Parameters
    ----------
    store : the domain's pairs.
    parent : bundle folder of the model whose weights training goes on from.
    general : general pairs under the same degradation, mixed into the batches of a warm start.
    scales : stores of the other scales in `training.scales`.

    Raises
    ------
    StoreError
        If a store has another scale, degradation or patch plan than the recipe, or a group of its test is trained on.
    BundleError
        If the parent cannot be read, or is of another family or other sizes.
    """
    from sr_core.bundle import Bundle
    from sr_core.networks.precision import choose_precision, training_device

    device = training_device()
    precision = choose_precision(recipe.training.precision, device)
    inputs = {"store": store.hash, "recipe": recipe.digest(), "device": device, "precision": str(precision)}
    if parent is not None:
        inputs["parent"] = Bundle.load(parent).weights_hash
    if general is not None:
        inputs["general"] = general.hash
    if scales:
        inputs["scales"] = " ".join(ref.hash for ref in scales)

    def build(folder: Path) -> BundleRef:
        return _build(folder, Pairs(store, general, tuple(scales)), parent, recipe, device, log)

    return workspace.once("train", VERSION, inputs, BundleRef, build, log, resumable=True)


def _build(folder: Path, pairs: Pairs, parent_folder: Path | None, recipe: Recipe, device: str, log: Log) -> BundleRef:
    from sr_core.bundle import Bundle, BundleCard, software
    from sr_core.operators import operator_from
    from sr_core.patches import whole_pairs
    from sr_core.training import Parent, train_model

    parent = None if parent_folder is None else Parent.load(parent_folder)
    with open_pairs(pairs, recipe, device, log, mixes=parent is not None) as opened:
        store, reader = opened.store, opened.reader
        operator = operator_from(store.operator)
        trained = train_model(
            reader, whole_pairs(store, "val"), recipe, operator, store.unit, folder / CHECKPOINTS, log, device=device,
            parent=parent, mixture=opened.mixture,
        )  # fmt: skip
        card = BundleCard(
            descriptor=trained.net.descriptor,
            operator=store.operator,
            mean=trained.mean,
            std=trained.std,
            bands=store.bands,
            unit=store.unit,
            valid_range=store.valid_range,
            step=store.encoding.step,
            data_range=recipe.data_range or reader.data_range(),
            recipe=recipe,
            data=pairs.own.hash,
            data_summary="; ".join((f"{pairs.own.train_pairs} training pairs, {len(store.sources)} sources", *opened.words)),
            parents=() if parent is None else (parent.weights,),
            software=software(),
            licence="as the training data",
            credits=(),
            notes=trained.notes,
            projection=operator.invertible,
            perceptual=trained.perceptual,
        )
    made = folder / "bundle"
    if made.exists():
        shutil.rmtree(made)
    bundle = Bundle.save(made, card, trained.net, trained.curve)
    for path in made.iterdir():
        path.rename(folder / path.name)
    made.rmdir()
    shutil.rmtree(folder / CHECKPOINTS)
    return BundleRef(path=folder, hash=folder_sha256(folder), made_from=pairs.hashes(), family=trained.family, weights=bundle.weights_hash)
