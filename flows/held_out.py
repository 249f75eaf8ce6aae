"""The images that a model was tested on: found again for a measurement on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sr_core.bundle import read_card
from sr_core.domain import Domain
from sr_core.errors import InputError, SRError
from sr_core.evaluation import Evaluation
from sr_core.log import Log
from sr_core.records import Manifest, Region, Source, Split
from sr_core.stages.evaluate import EVALUATION
from sr_core.stages.ingest import MANIFEST


@dataclass(frozen=True)
class HeldOut:
    """A domain and a manifest whose test split holds the regions."""

    domain: Domain
    manifest: Manifest


def held_out(bundle: Path, *, manifest: Path | None, paths: Sequence[Path], workspace: Path, log: Log) -> HeldOut:
    """Find the test regions of a bundle and the images that they lie in.

    Parameters
    ----------
    bundle : folder; its `evaluation.json` names the regions, its card the domain.
    manifest : an ingest result (folder or file) that names regions and images instead.
    paths : where the images are; empty: where the workspace's manifests saw them.

    Raises
    ------
    InputError
        If the regions are not named anywhere, or an image is missing or has changed.
    """
    from flows.domains import load_domain

    card = read_card(bundle)
    domain = load_domain(card.recipe.domain)
    if manifest is not None:
        found = _read_manifest(manifest / MANIFEST if manifest.is_dir() else manifest)
        if (found.domain, found.scale) != (card.recipe.domain, card.descriptor.scale):
            raise InputError(
                f"a manifest of {found.domain} x{found.scale}", f"one of {card.recipe.domain} x{card.descriptor.scale}, as the model",
                "Give the manifest that the model was made from.",
            )  # fmt: skip
        regions, places = found.split.test, list(paths) or [source.path for source in found.sources]
    else:
        regions = _regions(bundle)
        places = list(paths) or _seen(workspace, {region.source for region in regions})
    sources = _sources(domain, places, regions, log)
    split = Split(train=(), val=(), calibration=(), test=regions)
    seed, scale = card.recipe.seed, card.descriptor.scale
    return HeldOut(domain, Manifest(domain=domain.name, scale=scale, gap=0, seed=seed, sources=sources, refusals=(), split=split))


def _read_manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise InputError(f"no manifest at {path}", "an ingest result", "Make one: sr ingest --help.")
    return Manifest.from_json(path.read_text(encoding="utf-8"), str(path))


def _regions(bundle: Path) -> tuple[Region, ...]:
    path = bundle / EVALUATION
    if not path.is_file():
        raise InputError(
            f"{bundle} has no {EVALUATION}, which names the test regions", "an evaluated model, or --manifest",
            "Give the folder that sr ingest made, with --manifest.",
        )  # fmt: skip
    return tuple(score.region for score in Evaluation.from_json(path.read_text(encoding="utf-8"), str(path)).regions)


def _seen(workspace: Path, wanted: set[str]) -> list[Path]:
    """Give the places, as manifests of a workspace have them, at which wanted images still are."""
    places: dict[str, Path] = {}
    for path in sorted(workspace.glob(f"ingest/*/{MANIFEST}")):
        for source in _read_manifest(path).sources:
            if source.sha256 in wanted and source.path.exists():
                places.setdefault(source.sha256, source.path)
    return list(places.values())


def _sources(domain: Domain, places: Sequence[Path], regions: Sequence[Region], log: Log) -> tuple[Source, ...]:
    """Read the images' hashes anew; give those that the regions lie in."""
    wanted = {region.source for region in regions}
    found: dict[str, Source] = {}
    if places:
        try:
            sources, _ = domain.discover([place.expanduser() for place in places], log)
        except SRError as error:
            raise InputError(error.given, error.expected, "Give the test images' present place as arguments.") from error
        found = {source.sha256: source for source in sources if source.sha256 in wanted}
    if missing := wanted - set(found):
        raise InputError(
            f"{len(wanted) - len(missing)} of the {len(wanted)} images that hold the test regions", "all of them, unchanged",
            "Give their files or folders as arguments after the model, or the workspace that the model was made in.",
        )  # fmt: skip
    return tuple(found.values())
