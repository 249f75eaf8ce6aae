"""From validation regions to the reference that new images are held against: one pass, every part sees each image once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sr_core.domain import Domain
from sr_core.log import Log
from sr_core.raster import Float32Array
from sr_core.records import Manifest, Region
from sr_core.stages.regions import Pair, read_pair

if TYPE_CHECKING:
    from sr_core.stages.restore import Restored, Restorer
    from sr_core.trust.reference import Reference


@dataclass(frozen=True)
class Seen:
    """A held-out region as the model delivers it: `delivered` is float32 (C, sH, sW), as it would stand in a file."""

    region: Region
    pair: Pair
    restored: Restored
    delivered: Float32Array


def seen_regions(
    domain: Domain, manifest: Manifest, regions: tuple[Region, ...], restorer: Restorer, what: str, log: Log
) -> Iterator[Seen]:
    """Restore regions one after the other; `what` names the work in the progress line."""
    for done, region in enumerate(regions):
        log.progress(what, done, len(regions))
        pair = read_pair(domain, manifest, region, restorer.operator)
        restored = restorer.restore(pair.lr.pixels, pair.lr.mask)
        yield Seen(region, pair, restored, pair.encoding.decode(pair.encoding.encode(restored.sr)))
    log.progress(what, len(regions), len(regions))


def reference_of(domain: Domain, manifest: Manifest, restorer: Restorer, log: Log) -> Reference:
    """Look at the validation regions once more, with floor and multiplier settled.

    Parameters
    ----------
    restorer : the bundle with its calibration.
    """
    from sr_core.stages.clean import CleanFigures
    from sr_core.trust.reference import Reference

    regions = manifest.split.val
    figures = CleanFigures(domain, restorer)
    for seen in seen_regions(domain, manifest, regions, restorer, "learning what clean images look like", log):
        figures.add(seen)  # each part takes what it needs here
    return Reference(images=len(regions), groups=len({region.group for region in regions}), limits=figures.limits())
