"""Train: a patch store and a recipe to a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.ancestry import of_store, together
from sr_core.log import Log, Silent
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, StoreRef
from sr_core.stages.pairs import OpenPairs, Pairs, check_operator, open_pairs
from sr_core.workspace import Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.training import Processes, Trained

VERSION = 3
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class _Work:
    """What the first of several processes asks the others to take part in."""

    pairs: Pairs
    parent: Path | None
    recipe: Recipe
    device: str
    folder: Path


def train(
    store: StoreRef,
    *,
    recipe: Recipe,
    workspace: Workspace,
    log: Log,
    parent: Path | None = None,
    general: StoreRef | None = None,
    scales: Sequence[StoreRef] = (),
    processes: Processes | None = None,
    operator: Operator | None = None,
) -> BundleRef:
    """Train the recipe's network on the store's pairs; an interrupted run goes on from its last checkpoint.

    Where the network does not beat the fitted linear filter on the validation images, the bundle is the filter's. With several
    processes the first one calls this, and the others `help_train`.

    Parameters
    ----------
    store : the domain's pairs.
    parent : bundle folder of the model whose weights training goes on from.
    general : general pairs under the same degradation, mixed into the batches of a warm start.
    scales : stores of the other scales in `training.scales`.
    processes : those that train together.
    operator : the degradation that the recipe names, as the domain makes it (`regions.operator_of`); None: whatever the store has.

    Raises
    ------
    StoreError
        If a store has another scale or patch plan than the recipe, or another degradation than `operator`; if the general pairs have
        another one than the domain's own.
    BundleError
        If the parent cannot be read, or is of another family or other sizes.
    """
    from sr_core.bundle import Bundle
    from sr_core.networks.precision import choose_precision, training_device
    from sr_core.training import Processes

    together = processes or Processes()

    device = training_device()
    precision = choose_precision(recipe.training.precision, device)
    inputs = {"store": store.hash, "recipe": recipe.digest(), "device": device, "precision": str(precision)}
    if parent is not None:
        inputs["parent"] = Bundle.load(parent).weights_hash
    if general is not None:
        inputs["general"] = general.hash
    if scales:
        inputs["scales"] = " ".join(ref.hash for ref in scales)
    if operator is not None:
        check_operator(store, operator)

    def build(folder: Path) -> BundleRef:
        work = _Work(Pairs(store, general, tuple(scales)), parent, recipe, device, folder)
        return _build(together.agreed(work), log, together)

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
    while (work := processes.agreed(_nothing())) is not None:
        with open_pairs(work.pairs, work.recipe, work.device, Silent(), work.parent is not None, processes.beside) as opened:
            _trained(opened, work, Silent(), processes)


def _nothing() -> _Work | None:
    return None


def _trained(opened: OpenPairs, work: _Work, log: Log, processes: Processes) -> Trained:
    from sr_core.operators import operator_from
    from sr_core.patches import whole_pairs
    from sr_core.training import Parent, train_model

    store = opened.store
    parent = None if work.parent is None else Parent.load(work.parent)
    return train_model(
        opened.reader, whole_pairs(store, "val"), work.recipe, operator_from(store.operator), store.unit, work.folder / CHECKPOINTS, log,
        work.device, processes, parent, opened.mixture,
    )  # fmt: skip


def _build(work: _Work, log: Log, processes: Processes) -> BundleRef:
    from sr_core.bundle import Bundle, BundleCard, read_card, software
    from sr_core.operators import operator_from

    folder, pairs, recipe = work.folder, work.pairs, work.recipe
    parent = None if work.parent is None else read_card(work.parent)
    with open_pairs(pairs, recipe, work.device, log, work.parent is not None, processes.beside) as opened:
        trained, store, reader = _trained(opened, work, log, processes), opened.store, opened.reader
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
            licence=recipe.licence or "as the training data",
            credits=tuple(dict.fromkeys((*recipe.credits, *(parent.credits if parent is not None else ())))),
            notes=trained.notes,
            projection=operator_from(store.operator).invertible,
            noise=recipe.noise,
            perceptual=trained.perceptual,
            trained_on=together((*map(of_store, pairs.folders(opened.mixes_general)), *(() if parent is None else (parent.trained_on,)))),
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
