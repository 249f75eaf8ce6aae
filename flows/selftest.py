"""`sr trust selftest` behind its options: faults planted in real upscales, and what the checks see of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.choice import choose
from flows.domains import load_domain
from flows.upscaling import Request
from sr_core.errors import InputError, RegistryError
from sr_core.log import Log
from sr_core.workspace import Workspace

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.records import Source
    from sr_core.trust.faultbench import BenchTable
    from sr_core.trust.faults import Fault

UNITS = 24
FILTER = {"network.family": "linear"}  # fitted in seconds


@dataclass(frozen=True)
class Asked:
    """What a person asked for.

    Attributes
    ----------
    domain : kind of imagery.
    paths : images whose regions are degraded and upscaled; none: the demonstration images of the domain.
    workspace : where registered models are, and where a fitted filter is kept.
    units : regions.
    model, bundle, scale : as in `flows.upscaling.Request`.
    seed : decides places and noise of the faults.
    """

    domain: str
    workspace: Path
    paths: tuple[Path, ...] = ()
    units: int = UNITS
    model: str | None = None
    bundle: Path | None = None
    scale: int | None = None
    seed: int = 0


def selftest(asked: Asked, log: Log, faults: Sequence[Fault] | None = None) -> BenchTable:
    """Plant every fault in upscales of real images and count what the checks catch.

    Where the domain has no model, neither registered nor shipped, and none is named, the linear filter is fitted to the images.

    Raises
    ------
    InputError
        If there are too few images, or too small ones.
    RegistryError
        If the model that was named does not exist.
    """
    kind = load_domain(asked.domain, upscaling_only=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = list(asked.paths) or kind.demo(Path(folder))
        name, bundle = _model(asked, kind, paths, log)
        return bench(kind, paths, bundle, name, units=asked.units, seed=asked.seed, log=log, faults=faults)


def bench(
    kind: Domain, paths: Sequence[Path], bundle: Path, name: str, *, units: int = UNITS, seed: int = 0, log: Log,
    faults: Sequence[Fault] | None = None, what: str = "",
) -> BenchTable:  # fmt: skip
    """Run the fault bench on regions of images with a bundle.

    Parameters
    ----------
    paths : files and folders of the images.
    name : of the model, for the label.
    faults : to plant; None: all.
    what : a word on the images for the label.
    """
    from sr_core.stages.delivered import CheckPanel, choose_units, deliver, tile_of
    from sr_core.stages.restore import Restorer
    from sr_core.stages.upscale import check_fits
    from sr_core.trust.faultbench import run_bench
    from sr_core.trust.faults import FAULTS

    sources = _sources(kind, paths, log)
    scale = Restorer(bundle).scale
    chosen = choose_units(kind, sources, units, scale)
    restorer = Restorer(bundle, tile=tile_of(chosen, scale))
    for source in {unit.source.sha256: unit.source for unit in chosen}.values():
        check_fits(source, restorer)
    clean, panel = deliver(kind, chosen, restorer, log), CheckPanel.of(kind)
    images = len({unit.source.sha256 for unit in chosen})
    label = (
        f"{len(clean)} regions of {images} image{'s' if images > 1 else ''}{what and f' ({what})'}, {kind.name}, degraded and upscaled "
        f"x{scale} by {name}"
    )
    rules = panel.rules(list(clean.values()))
    return run_bench(clean, panel, label=label, rules=rules, seed=seed, log=log, faults=FAULTS if faults is None else faults)


def fitted_filter(kind: Domain, paths: Sequence[Path], workspace: Path, log: Log) -> Path:
    """Fit the linear filter to images of a domain, calibrate it on some of them, and give its bundle folder."""
    from sr_core.stages.calibrate import calibrate
    from sr_core.stages.ingest import ingest
    from sr_core.stages.prepare import prepare
    from sr_core.stages.train import train

    recipe, room = kind.recipe().with_overrides(FILTER), Workspace(workspace)
    manifest = ingest(kind, list(paths), recipe=recipe, workspace=room, log=log)
    store = prepare(kind, manifest, recipe=recipe, workspace=room, log=log)
    bundle = train(store, recipe=recipe, workspace=room, log=log)
    return calibrate(kind, manifest, bundle, recipe=recipe, workspace=room, log=log).path


def _model(asked: Asked, kind: Domain, paths: Sequence[Path], log: Log) -> tuple[str, Path]:
    """Give name and folder of the model: the one named, the champion, the shipped one, or the filter fitted here."""
    request = Request(
        domain=asked.domain, paths=(), out="", workspace=asked.workspace, model=asked.model, bundle=asked.bundle, scale=asked.scale
    )
    try:
        chosen = choose(request, kind)
    except RegistryError:
        if asked.model is not None:
            raise
        log.say(f"selftest: there is no model of the {kind.name} domain; the linear filter is fitted to these images")
        return "the linear filter", fitted_filter(kind, paths, asked.workspace, log)
    if chosen.sentence:
        log.say(f"selftest: {chosen.sentence}")
    return chosen.name, chosen.folder


def _sources(kind: Domain, paths: Sequence[Path], log: Log) -> list[Source]:
    sources, refusals = kind.discover(paths, log)
    for refusal in refusals:
        log.say(f"refused {refusal.path}: {refusal.sentence}")
    if not sources:
        reason = refusals[0].sentence if refusals else "No image lies there."
        raise InputError(f"no image in {', '.join(map(str, paths))}", f"images that the {kind.name} domain reads", reason)
    return sources
