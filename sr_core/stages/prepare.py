"""Prepare: the train and val regions of a manifest to a patch store, one shard a source, window by window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sr_core.ancestry import STORE, groups_in
from sr_core.domain import Domain
from sr_core.errors import ShapeError, SRError, StoreError
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import Manifest, ManifestRef, Region, Source, StoreRef
from sr_core.stages.ingest import load_manifest
from sr_core.stages.regions import operator_of
from sr_core.workspace import Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.patches import ShardInfo

VERSION = 4  # 2: holes are filled over 64 px only; 3: another order of the chunks in the file; 4: noise, softer kernels
StoredSplit = Literal["train", "val"]
STORED: tuple[StoredSplit, ...] = ("train", "val")


def prepare(domain: Domain, manifest: ManifestRef, *, recipe: Recipe, workspace: Workspace, log: Log) -> StoreRef:
    """Degrade the training and validation regions and store them with the index of their patches.

    Memory does not grow with the height of a scene, and with its width only by a few strips of 128 LR rows. After an interruption
    finished shards are kept (their content is hashed, not made again). A source that cannot be prepared does not keep the others
    from being finished; its error is raised after them.

    Raises
    ------
    SplitError
        If a group stands on two sides of the split.
    ShapeError
        If a training image is smaller than a patch, or there is no training patch.
    InputError
        If a scene cannot be read, or has values that are not finite but marked usable.
    StoreError
        If the store cannot be written (disk full, another writer).
    """
    content = load_manifest(manifest)
    content.split.check(content.gap)
    operator = operator_of(domain, recipe, content.sources)
    inputs = {
        "manifest": manifest.hash,
        "operator": operator.digest(),
        "patches": recipe.patches.digest(),
        **({"noise": str(recipe.noise)} if recipe.noise else {}),
    }

    def build(folder: Path) -> StoreRef:
        return _build(folder, domain, content, manifest, operator, recipe, log)

    return workspace.once("prepare", VERSION, inputs, StoreRef, build, log, resumable=True)


def _build(folder: Path, domain: Domain, manifest: Manifest, ref: ManifestRef, operator: Operator, recipe: Recipe, log: Log) -> StoreRef:
    from sr_core.patches import PatchStore, summarise

    todo = [(source, parts) for source in manifest.sources if (parts := _parts(manifest, source))]
    steps = _Steps(log, operator, [region for _, parts in todo for split, region in parts for _ in _smoothings(split, recipe)])
    refused: list[SRError] = []
    train = val = 0
    for source, parts in todo:
        try:
            shard = _shard(folder / f"{source.sha256[:16]}.h5", domain, source, parts, operator, recipe, steps)
        except StoreError:
            raise  # the disk's fault, not the source's
        except SRError as error:
            refused.append(error)
            log.say(f"prepare: {source.path.name} is not prepared: {error}")
            continue
        train, val = train + shard.train_pairs, val + shard.val_pairs
    if refused:
        raise refused[0]
    steps.end()
    if not train:
        raise ShapeError(
            f"no training patch of {recipe.patches.size} px in {len(todo)} images",
            f"at least one training image of {recipe.patches.size} x {recipe.patches.size} px on the {recipe.patches.grid} grid",
            "Give larger images, or a smaller patch with patches.size.",
        )
    _write_record(folder / STORE, train, val, groups_in((*manifest.split.train, *manifest.split.val)))
    with PatchStore(folder) as store:
        log.say(f"prepare: {summarise(store).sentence(recipe.patches)}")
    return StoreRef(path=folder, hash=folder_sha256(folder), made_from=(ref.hash,), train_pairs=train, val_pairs=val)


def _write_record(path: Path, train: int, val: int, groups: tuple[str, ...]) -> None:
    try:
        path.write_text(json.dumps({"train_pairs": train, "val_pairs": val, "groups": groups}) + "\n")
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written ({error.strerror})", "a writable folder with room", "Make room, and run again."
        ) from error


def _parts(manifest: Manifest, source: Source) -> list[tuple[StoredSplit, Region]]:
    return [(name, r) for name in STORED for r in manifest.split.part(name) if r.source == source.sha256]


def _smoothings(split: StoredSplit, recipe: Recipe) -> tuple[float, ...]:
    """Give the smoothings under which a region is stored, 0 (none) first: validation images stand as they are."""
    return (0.0, *recipe.patches.smoothed) if split == "train" else (0.0,)


def _shard(
    path: Path,
    domain: Domain,
    source: Source,
    parts: list[tuple[StoredSplit, Region]],
    operator: Operator,
    recipe: Recipe,
    steps: _Steps,
) -> ShardInfo:
    """Write the shard of one source, or find it finished by an earlier run."""
    from sr_core.patches import find_shard, write_shard
    from sr_core.patches.shard import header_of
    from sr_core.stages.cutting import region_pair

    with domain.open(source) as scene:
        encoding = scene.encoding
        pairs = [
            region_pair(domain, source, region, split, operator, scene, steps.one, smoothing, recipe.noise)
            for split, region in parts
            for smoothing in _smoothings(split, recipe)
        ]
    what = (pairs, recipe.patches, recipe.scale, encoding, operator.to_json(), source.sha256)
    if found := find_shard(path, header_of(*what).digest(), check=True):
        path.with_name(path.name + ".partial").unlink(missing_ok=True)
        steps.more(sum(pair.steps for pair in pairs))
        return found
    return write_shard(path, *what)


class _Steps:
    """Counts windows over all regions for the log."""

    def __init__(self, log: Log, operator: Operator, regions: list[Region]) -> None:
        from sr_core.stages.cutting import window_count

        self._log = log
        self._done = 0
        self._total = sum(window_count(region.window, operator) for region in regions)
        log.progress("cutting pairs", 0, self._total)

    def one(self) -> None:
        """Take one window."""
        self.more(1)

    def more(self, count: int) -> None:
        """Take some windows; the last is told by `end`."""
        self._done += count
        if self._done < self._total:
            self._log.progress("cutting pairs", self._done, self._total)

    def end(self) -> None:
        """End the count."""
        self._log.progress("cutting pairs", self._total, self._total)
