"""Ingest: files and folders to a manifest (what was found, what was refused, how it is split)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sr_core.domain import Domain
from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import Manifest, ManifestRef
from sr_core.stages.regions import operator_of
from sr_core.workspace import Workspace

VERSION = 1
MANIFEST = "manifest.json"
SMALLEST_GAP = 16  # HR px between blocks of one image: the support of every operator that a domain offers by default


def ingest(domain: Domain, paths: Sequence[Path], *, recipe: Recipe, workspace: Workspace, log: Log) -> ManifestRef:
    """Find, check and split the images below the given paths.

    Raises
    ------
    InputError
        If a path does not exist, or no image can be used (the first refusals are quoted).
    SplitError
        If the images are too few or too small to be split.
    """
    operator = operator_of(domain, recipe)
    gap = max(SMALLEST_GAP, operator.support)
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
    split = domain.split(sources, recipe.scale, gap, recipe.seed)
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


def load_manifest(ref: ManifestRef) -> Manifest:
    """Read the manifest of an ingest result."""
    path = ref.path / MANIFEST
    return Manifest.from_json(path.read_text(), str(path))
