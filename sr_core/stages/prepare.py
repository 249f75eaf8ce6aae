"""Prepare: the train and val regions of a manifest to a patch store, one shard a source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sr_core.domain import Domain
from sr_core.errors import ShapeError
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import Manifest, ManifestRef, Region, Source, StoreRef
from sr_core.stages.ingest import load_manifest
from sr_core.stages.regions import operator_of, read_pair
from sr_core.workspace import Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.patches import PairImage

VERSION = 1
StoredSplit = Literal["train", "val"]
STORED: tuple[StoredSplit, ...] = ("train", "val")


def prepare(domain: Domain, manifest: ManifestRef, *, recipe: Recipe, workspace: Workspace, log: Log) -> StoreRef:
    """Degrade the training and validation regions and store them with the index of their patches.

    Raises
    ------
    ShapeError
        If a training image is smaller than a patch.
    """
    content = load_manifest(manifest)
    operator = operator_of(domain, recipe)
    inputs = {
        "manifest": manifest.hash,
        "operator": operator.digest(),
        "patches": recipe.patches.digest(),
    }

    def build(folder: Path) -> StoreRef:
        return _build(folder, domain, content, manifest, operator, recipe, log)

    return workspace.once("prepare", VERSION, inputs, StoreRef, build, log, resumable=True)


def _build(folder: Path, domain: Domain, manifest: Manifest, ref: ManifestRef, operator: Operator, recipe: Recipe, log: Log) -> StoreRef:
    from sr_core.patches import PatchStore, summarise, write_shard

    todo = [(source, parts) for source in manifest.sources if (parts := _parts(manifest, source))]
    train = val = 0
    for done, (source, parts) in enumerate(todo):
        log.progress("cutting pairs", done, len(todo))
        images = [_image(domain, manifest, region, split, operator) for split, region in parts]
        with domain.open(source) as scene:
            encoding = scene.encoding
        shard = write_shard(
            folder / f"{source.sha256[:16]}.h5",
            images,
            recipe.patches,
            recipe.scale,
            encoding,
            operator.to_json(),
            source.sha256,
        )
        train, val = train + shard.train_pairs, val + shard.val_pairs
    log.progress("cutting pairs", len(todo), len(todo))
    if not train:
        raise ShapeError(
            f"no training patch of {recipe.patches.size} px in {len(todo)} images",
            f"at least one training image of {recipe.patches.size} x {recipe.patches.size} px on the {recipe.patches.grid} grid",
            "Give larger images, or a smaller patch with patches.size.",
        )
    (folder / "store.json").write_text(json.dumps({"train_pairs": train, "val_pairs": val}) + "\n")
    with PatchStore(folder) as store:
        log.say(f"prepare: {summarise(store).sentence(recipe.patches)}")
    return StoreRef(path=folder, hash=folder_sha256(folder), made_from=(ref.hash,), train_pairs=train, val_pairs=val)


def _parts(manifest: Manifest, source: Source) -> list[tuple[StoredSplit, Region]]:
    return [(name, r) for name in STORED for r in manifest.split.part(name) if r.source == source.sha256]


def _image(domain: Domain, manifest: Manifest, region: Region, split: StoredSplit, operator: Operator) -> PairImage:
    from sr_core.patches import PairImage

    pair = read_pair(domain, manifest, region, operator)
    return PairImage(name=region.name, split=split, lr=pair.lr, hr=pair.hr)
