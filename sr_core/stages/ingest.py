"""Ingest: files and folders to a manifest (what was found, what was refused, how it is split)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.domain import Domain
from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.raster import Window
from sr_core.recipe import Recipe
from sr_core.records import SPLITS, Manifest, ManifestRef, Source, Split
from sr_core.stages.regions import kind_of, operator_of
from sr_core.workspace import Workspace

if TYPE_CHECKING:
    from sr_core.operators import Operator

VERSION = 1
MANIFEST = "manifest.json"
SMALLEST_GAP = 16  # HR px between blocks of one image: the support of every operator that a domain offers by default


def ingest(domain: Domain, paths: Sequence[Path], *, recipe: Recipe, workspace: Workspace, log: Log) -> ManifestRef:
    """Find, check and split the images below the given paths.

    Raises
    ------
    InputError
        If a path does not exist, or no image can be used (the first refusals are quoted).
    RecipeError
        If the domain has no degradation of the recipe's name, or none for these bands.
    SplitError
        If the images are too few or too small to be split.
    """
    kind_of(domain, recipe)  # a misspelt name is said before any file is read
    sources, refusals = domain.discover(paths, log)
    for refusal in refusals:
        log.say(f"ingest: refused. {refusal.says()}")
    if not sources:
        reasons = " ".join(r.says() for r in refusals[:3]) or "No image lies there."
        raise InputError(
            f"no usable {domain.name} image in {', '.join(map(str, paths))}",
            f"at least one image that the {domain.name} domain reads",
            reasons,
        )
    operator = operator_of(domain, recipe, sources)
    gap = max(SMALLEST_GAP, operator.support if operator.windowed else 0)
    split = _with_note(domain.split(sources, recipe.scale, gap, recipe.seed), sources, operator)
    manifest = Manifest(
        domain=domain.name,
        scale=recipe.scale,
        gap=gap,
        seed=recipe.seed,
        sources=tuple(sources),
        refusals=tuple(refusals),
        split=split,
    )
    for note in split.notes:
        log.say(f"ingest: {note}")

    def build(folder: Path) -> ManifestRef:
        (folder / MANIFEST).write_text(manifest.to_json())
        return ManifestRef(path=folder, hash=manifest.content_hash(), made_from=tuple(s.sha256 for s in sources))

    return workspace.once("ingest", VERSION, {"manifest": manifest.digest()}, ManifestRef, build, log)


def _with_note(split: Split, sources: Sequence[Source], operator: Operator) -> Split:
    """Say what blocks of one image mean to an operator that sees whole images: no block looks into another, whatever the gap."""
    whole = {s.sha256: Window(0, 0, *s.shape[1:]) for s in sources}
    blocks = sum(r.window != whole[r.source] for name in SPLITS for r in split.part(name))
    if operator.windowed or not blocks:
        return split
    note = f"{operator.kind} sees whole images: each of the {blocks} blocks is degraded as an image of its own, whose edges wrap around."
    return split.model_copy(update={"notes": (*split.notes, note)})


def load_manifest(ref: ManifestRef) -> Manifest:
    """Read the manifest of an ingest result."""
    path = ref.path / MANIFEST
    return Manifest.from_json(path.read_text(), str(path))
