"""Train: a patch store and a recipe to a bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, StoreRef
from sr_core.workspace import Workspace, folder_sha256

VERSION = 2
CHECKPOINTS = "checkpoints"


def train(store: StoreRef, *, recipe: Recipe, workspace: Workspace, log: Log) -> BundleRef:
    """Train the recipe's network on the store's pairs; an interrupted run goes on from its last checkpoint.

    Where the network does not beat the fitted linear filter on the validation images, the bundle is the filter's.
    """
    from sr_core.networks.precision import choose_precision, training_device

    device = training_device()
    precision = choose_precision(recipe.training.precision, device)
    inputs = {"store": store.hash, "recipe": recipe.digest(), "device": device, "precision": str(precision)}

    def build(folder: Path) -> BundleRef:
        return _build(folder, store, recipe, device, log)

    return workspace.once("train", VERSION, inputs, BundleRef, build, log, resumable=True)


def _build(folder: Path, store_ref: StoreRef, recipe: Recipe, device: str, log: Log) -> BundleRef:
    from sr_core.bundle import Bundle, BundleCard, software
    from sr_core.operators import interpolation, operator_from
    from sr_core.patches import MemoryReader, PatchStore, whole_pairs
    from sr_core.training import train_model

    bandwise = recipe.network.bands == "band-wise"
    with PatchStore(store_ref.path) as store:
        operator = operator_from(store.operator)
        reader = MemoryReader(store, "train", bandwise, device, upscale=interpolation(operator).upscale)
        trained = train_model(reader, whole_pairs(store, "val"), recipe, operator, store.unit, folder / CHECKPOINTS, log, device=device)
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
            data=store_ref.hash,
            data_summary=f"{store_ref.train_pairs} training pairs, {len(store.sources)} sources",
            parents=(),
            software=software(),
            licence=recipe.licence or "as the training data",
            credits=recipe.credits,
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
    return BundleRef(
        path=folder, hash=folder_sha256(folder), made_from=(store_ref.hash,), family=trained.family, weights=bundle.weights_hash
    )
