"""Train: a patch store and a recipe to a bundle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.log import Log, Silent
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, StoreRef
from sr_core.workspace import Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.patches import PatchStore, Reader
    from sr_core.training import Processes, Trained

VERSION = 2
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class _Work:
    """What the first of several processes asks the others to take part in."""

    store: StoreRef
    recipe: Recipe
    device: str
    folder: Path


def train(store: StoreRef, *, recipe: Recipe, workspace: Workspace, log: Log, processes: Processes | None = None) -> BundleRef:
    """Train the recipe's network on the store's pairs; an interrupted run goes on from its last checkpoint.

    Where the network does not beat the fitted linear filter on the validation images, the bundle is the filter's. With several
    processes the first one calls this, and the others `help_train`.
    """
    from sr_core.networks.precision import choose_precision, training_device
    from sr_core.training import Processes

    together = processes or Processes()

    device = training_device()
    precision = choose_precision(recipe.training.precision, device)
    inputs = {"store": store.hash, "recipe": recipe.digest(), "device": device, "precision": str(precision)}

    def build(folder: Path) -> BundleRef:
        return _build(together.agreed(_Work(store, recipe, device, folder)), log, together)

    made = workspace.once("train", VERSION, inputs, BundleRef, build, log, resumable=True)
    together.agreed(None)  # nothing more to take part in
    return made


def help_train(processes: Processes) -> None:
    """Take part in what the first process trains, until it has a result; write nothing, and say nothing.

    Raises
    ------
    ProcessError
        If another process is gone.
    """
    from sr_core.patches import PatchStore

    while (work := processes.agreed(_nothing())) is not None:
        with PatchStore(work.store.path) as store:
            _trained(store, work, Silent(), processes)


def _nothing() -> _Work | None:
    return None


def _trained(store: PatchStore, work: _Work, log: Log, processes: Processes) -> tuple[Trained, Reader]:
    from sr_core.operators import interpolation, operator_from
    from sr_core.patches import whole_pairs
    from sr_core.patches.choice import training_reader
    from sr_core.training import train_model

    recipe, operator = work.recipe, operator_from(store.operator)
    bandwise, upscale = recipe.network.bands == "band-wise", interpolation(operator).upscale
    reader = training_reader(store, bandwise, work.device, upscale, log, processes.beside)
    val, folder = whole_pairs(store, "val"), work.folder / CHECKPOINTS
    return train_model(reader, val, recipe, operator, store.unit, folder, log, work.device, processes), reader


def _build(work: _Work, log: Log, processes: Processes) -> BundleRef:
    from sr_core.bundle import Bundle, BundleCard, software
    from sr_core.operators import operator_from
    from sr_core.patches import PatchStore

    folder, store_ref, recipe = work.folder, work.store, work.recipe
    with PatchStore(store_ref.path) as store:
        trained, reader = _trained(store, work, log, processes)
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
            licence="as the training data",
            credits=(),
            notes=trained.notes,
            projection=operator_from(store.operator).invertible,
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
