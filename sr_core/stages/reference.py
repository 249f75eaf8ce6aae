"""From validation regions to the reference that new images are held against: one pass, every part sees each image once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sr_core.domain import Domain
from sr_core.errors import TrustError
from sr_core.log import Log
from sr_core.raster import Float32Array, Window
from sr_core.records import Manifest, Region
from sr_core.stages.evidence import evidence_of
from sr_core.stages.hallucination import CREATED, HallucinationMeter, guess_limits
from sr_core.stages.invention import created_beyond
from sr_core.stages.kernel import shown
from sr_core.stages.regions import Pair, degrade, read_pair
from sr_core.trust.hallucination import spread_evenly
from sr_core.trust.texture import SIDE, SMALLEST_LR_SIDE

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.stages.restore import Restored, Restorer
    from sr_core.trust.limits import Values
    from sr_core.trust.reference import Reference
    from sr_core.trust.texture import OctaveFit

TEXTURE_WINDOWS = 256  # of training HR, about
TextureWindow = tuple[Float32Array, Float32Array, None]  # HR and LR, without holes
TEXTURE_SIDES = (SIDE, SIDE // 2, SIDE // 4)  # HR px


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
        pair = read_pair(domain, manifest, region, restorer.operator, restorer.card.noise)
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
    from sr_core.trust.kernel_check import fit_kernel, kernel_bank
    from sr_core.trust.reference import Reference

    regions = manifest.split.val
    figures = CleanFigures(domain, restorer)
    bank, kernels = kernel_bank(restorer.operator), []
    guesses: list[tuple[str, Values]] = []
    for seen in seen_regions(domain, manifest, regions, restorer, "learning what clean images look like", log):
        figures.add(seen)  # each part takes what it needs here
        guesses.append((seen.region.name if seen.region.one_group else seen.region.group.id, guess_values(restorer, seen)))
        if bank and (image := shown(seen.region.group.id, seen.pair, bank)) is not None:
            kernels.append(image)
    return Reference(
        images=len(regions),
        groups=len({region.group for region in regions}),
        limits=figures.limits(),
        octaves=texture_of(domain, manifest, restorer, log),
        guesses=guess_limits(guesses),
        kernel=fit_kernel(kernels),
    )


def guess_values(restorer: Restorer, seen: Seen) -> Values:
    """Give what a region's output guesses, in numbers, and how far objects that are not in the truth exceed its interval."""
    pair, shape = seen.pair, seen.delivered.shape[1:]
    meter = HallucinationMeter(restorer, (shape[0], shape[1]))
    meter.take_guess(evidence_of(restorer, pair.lr, seen.delivered, None, pair.encoding.step, spread=seen.restored.spread))
    created = created_beyond(seen.delivered, pair.hr.pixels, seen.restored.half_width, pair.hr.mask)
    return {**meter.values(), CREATED: None if created is None or created <= 0 else math.log(created)}


def texture_of(domain: Domain, manifest: Manifest, restorer: Restorer, log: Log) -> OctaveFit | None:
    """Learn from windows of training HR what texture real images have; the largest windows of which there are enough."""
    from sr_core.trust.texture import fit_octaves

    reason = ""
    for side in _sides(restorer.operator.scale):
        try:
            windows = _training_windows(domain, manifest, restorer.operator, side)
            return fit_octaves(_band_by_band(windows) if restorer.card.descriptor.bandwise else windows, side)
        except TrustError as error:
            reason = error.given
    log.say(f"calibrate: what texture real images have is not learned: {reason}")
    return None


def _band_by_band(windows: Iterator[TextureWindow]) -> Iterator[TextureWindow]:
    """Give each band by itself: a model that works band by band may have learned from images of several numbers of bands."""
    for hr, lr, mask in windows:
        for band in range(len(hr)):
            yield hr[band : band + 1], lr[band : band + 1], mask


def _sides(scale: tuple[int, int]) -> list[int]:
    """List the sides of windows that are tried, HR px: multiples of the scale that leave 16 LR px, at most about 128, the largest first."""
    step = math.lcm(*scale)
    least = -(-SMALLEST_LR_SIDE * max(scale) // step) * step
    return sorted({max(least, side // step * step) for side in TEXTURE_SIDES}, reverse=True)


def _training_windows(domain: Domain, manifest: Manifest, operator: Operator, side: int) -> Iterator[TextureWindow]:
    """Give HR windows without holes and their measurements, evenly spread over the training regions, as images of their own."""
    regions = spread_evenly(list(manifest.split.train), TEXTURE_WINDOWS)
    each = -(-TEXTURE_WINDOWS // max(1, len(regions)))
    for region in regions:
        area = region.window
        corners = [
            (area.row + r, area.col + c) for r in range(0, area.height - side + 1, side) for c in range(0, area.width - side + 1, side)
        ]
        if not corners:
            continue
        with domain.open(manifest.source(region.source)) as scene:
            for row, col in spread_evenly(corners, each):
                hr = scene.read(Window(row, col, side, side))
                if hr.mask.all():
                    pair = degrade(hr, scene.encoding, operator)
                    yield pair.hr.pixels, pair.lr.pixels, None
