"""Held-out regions as a model delivers them, with all that stands beside the pixels, and the panel of checks that looks at them.

What faults are planted in, so that it can be seen which check catches them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sr_core.domain import Domain
from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.raster import BoolArray, Float32Array, Raster, Scene, Window
from sr_core.records import Region, Source, Split
from sr_core.stages.evidence import plain_bicubic, residual_of
from sr_core.stages.regions import Pair, degrade, enlarge_mask, multiple

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.calibration import Calibration
    from sr_core.trust.faults import Delivered
    from sr_core.trust.limits import Values
    from sr_core.trust.verdict import Check, CheckResult, Direction, Evidence

SIDE = 96  # HR px of a region, at most
SMALLEST = 48  # HR px: smaller ones are borders only
HOLE_SHARE = 6  # a hole is a sixth of the region's side
USABLE = 0.75  # share of a region that must be measured


@dataclass(frozen=True)
class Unit:
    """A place that faults are planted in: `bands` of the source's (first, one after the last), a window of HR pixels."""

    source: Source
    bands: tuple[int, int]
    window: Window

    @property
    def name(self) -> str:
        """Short name."""
        first, last = self.bands
        part = "" if (first, last) == (0, self.source.shape[0]) else f"-b{first}"
        return f"{self.source.path.stem}{part}-r{self.window.row}-c{self.window.col}"


def choose_units(domain: Domain, sources: Sequence[Source], count: int, scale: int, *, bands: int | None = None) -> list[Unit]:
    """Choose regions that do not overlap, spread over the sources and each source's area.

    Parameters
    ----------
    count : how many are wanted.
    scale : their sides are multiples of twice the scale, so that two tiles fill them.
    bands : take so many bands of a source at a time (a series has one band a slice, and each counts as an image); None: all.

    Raises
    ------
    InputError
        If the sources are too small for so many.
    """
    for side in range(SIDE // (2 * scale) * (2 * scale), SMALLEST - 1, -2 * scale):
        found = [_units_of(domain, source, side, bands, -(-count // len(sources))) for source in sources] if sources else []
        taken = [units[n] for n in range(max(map(len, found), default=0)) for units in found if n < len(units)]
        if len(taken) >= count:
            return taken[:count]
    given = f"{len(sources)} images with fewer than {count} regions of {SMALLEST} px"
    raise InputError(given, f"room for {count} regions that do not overlap", "Give more images, or ask for fewer units.")


def _units_of(domain: Domain, source: Source, side: int, bands: int | None, most: int) -> list[Unit]:
    channels, height, width = source.shape
    rows, cols = height // side, width // side
    if not rows or not cols:
        return []
    places = [Window(side * r, side * c, side, side) for r in range(rows) for c in range(cols)]
    starts = range(0, channels, bands or channels)
    every = [Unit(source, (b, min(channels, b + (bands or channels))), place) for b in starts for place in places]
    spread = [every[n] for n in _evenly(len(every))]
    with domain.open(source) as scene:
        found = []
        for unit in spread:
            if len(found) == most:
                break
            if _worth_it(scene.read(unit.window), unit):
                found.append(unit)
    return found


def _evenly(count: int) -> list[int]:
    """Give 0 .. count - 1 so that the first of them lie far apart: multiples of the golden ratio, modulo 1, by rank."""
    return [int(n) for n in np.argsort(np.argsort((np.arange(count) * (math.sqrt(5) - 1) / 2) % 1.0))]


def _worth_it(image: Raster, unit: Unit) -> bool:
    """Whether most of a region is measured and it is not one flat area."""
    values = image.pixels[slice(*unit.bands)][:, image.mask]
    return float(image.mask.mean()) >= USABLE and bool(np.median(np.abs(values - np.median(values, axis=1, keepdims=True))) > 0)


def deliver(
    domain: Domain, units: Sequence[Unit], restorer: Restorer, log: Log, *, holes: int = 2
) -> dict[str, Delivered]:
    """Degrade regions, upscale them in tiles, and give them as they would stand in their files.

    Parameters
    ----------
    restorer : the model, made ready with tiles of half a region's LR side (`tile_of`), so that there are tile lines.
    holes : cut a hole of nodata into every so-manyth region that has none; 0: into none. It is cut before the degradation.
    """
    regions = tuple(Region(source=u.source.sha256, window=u.window, group=u.source.group) for u in units)
    split = Split(train=(), val=(), calibration=(), test=regions)
    found: dict[str, Delivered] = {}
    for n, unit in enumerate(units):
        log.progress("upscaling regions", n, len(units))
        hole = bool(holes) and n % holes == holes - 1 and restorer.operator.windowed
        with domain.open(unit.source) as scene:
            found[unit.name] = _one(scene, unit, restorer, split, hole)
    log.progress("upscaling regions", len(units), len(units))
    return found


def tile_of(units: Sequence[Unit], scale: int) -> int:
    """Give the side of tiles, LR px, that cuts the smallest region in two."""
    return max(1, min(min(u.window.height, u.window.width) for u in units) // scale // 2)


def _one(scene: Scene, unit: Unit, restorer: Restorer, split: Split, hole: bool) -> Delivered:
    restorer = restorer.for_scene(scene)
    hr = scene.read(multiple(unit.window, restorer.operator.scale))
    bands = slice(*unit.bands)
    mask = _with_hole(hr.mask) if hole and hr.mask.all() else hr.mask
    hr = Raster(hr.pixels[bands], mask, hr.bands[bands], hr.unit, hr.valid_range)
    return delivered_of(restorer, degrade(hr, scene.encoding, restorer.operator), place=unit.window, split=split)


def _with_hole(mask: BoolArray) -> BoolArray:
    """Cut a square hole below and to the right of the middle."""
    holed, side = mask.copy(), min(mask.shape) // HOLE_SHARE
    row, col = (round(0.6 * length) for length in mask.shape)
    holed[row : row + side, col : col + side] = False
    return holed


def delivered_of(restorer: Restorer, pair: Pair, *, place: Window | None = None, split: Split | None = None) -> Delivered:
    """Upscale a measurement whose truth is known, and give it as it would be read back from its file.

    Parameters
    ----------
    restorer : the model in the unit of the pair (`Restorer.for_scene`); with a tile, it gives tile lines.
    place : of the pair's HR pixels in its scene; its transform is stated in pixels of that. None: it has no position.
    split : what calibration and test regions come from.
    """
    from sr_core.trust.faults import Delivered, projection_onto

    lr, encoding, operator = pair.lr, pair.encoding, restorer.operator
    restored = restorer.restore(lr.pixels, lr.mask)
    mask = enlarge_mask(lr.mask, operator.scale)
    rows, cols = operator.scale
    at = place or Window(0, 0, *mask.shape)
    hole = np.float32(0.0)
    project = projection_onto(lr.pixels, lr.mask, operator, lr.valid_range, encoding.step) if restorer.card.projection else None
    return Delivered(
        z=np.where(mask, encoding.decode(encoding.encode(restored.sr)), hole), mask=mask, y=lr.pixels, mask_lr=lr.mask,
        operator=operator, encoding=encoding, rows=tile_lines(restorer, lr.mask.shape[0], rows),
        cols=tile_lines(restorer, lr.mask.shape[1], cols), project=project,
        half_width=None if restorer.calibration is None else restored.half_width, truth=pair.hr.pixels,
        calibration=_in_unit(restorer), weights=restorer.bundle.weights_hash, split=split, spread=restored.spread,
        transform=None if place is None else (1.0, 0.0, float(at.col), 0.0, 1.0, float(at.row)),
        transform_lr=None if place is None else (float(cols), 0.0, float(at.col), 0.0, float(rows), float(at.row)),
        encoding_lr=encoding, unit=lr.unit, bands=lr.bands,
    )  # fmt: skip


def tile_lines(restorer: Restorer, length: int, scale: int) -> tuple[int, ...]:
    """Give the SR rows (or columns) at which a new tile of the network begins, 0 left out; none where it ran at once."""
    from sr_core.inference.tiles import starts

    tile = restorer.predictor.tile
    return () if tile is None or tile >= length else tuple(scale * start for start in starts(length, tile)[1:])


def _in_unit(restorer: Restorer) -> Calibration | None:
    """Give the calibration in the unit of the image at hand."""
    own, size = restorer.calibration, restorer.unit_size
    return own if own is None or size == 1.0 else own.model_copy(update={"floor": own.floor * size, "unit": restorer.card.unit})


@dataclass
class CheckPanel:
    """All checks of a delivered image as numbers, larger = worse: those of a domain, and what is measured beside the pixels.

    It keeps what no fault changes: the interpolation of each measurement that it has seen.
    """

    checks: Sequence[Check]
    _plain: dict[int, tuple[Float32Array, Float32Array]] = field(default_factory=dict)  # by identity of y, which is kept with it

    @classmethod
    def of(cls, domain: Domain) -> CheckPanel:
        """Give the panel of a domain."""
        from sr_core.trust.checks import general_checks

        return cls((*general_checks(), *domain.checks()))

    def __call__(self, delivered: Delivered) -> Values:
        """Measure everything."""
        from sr_core.trust.delivered_measures import MEASURES

        evidence = self.evidence(delivered)
        found = {check.name: as_badness(check(evidence)) for check in self.checks}
        return found | {name: measure(delivered) for name, measure in MEASURES.items()}

    def fixed(self, clean: Sequence[Delivered]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the limits that do not come from clean images, by check: exact ones, and ceilings of reason (see `as_badness`)."""
        from sr_core.trust.delivered_measures import EXACT

        exact, ceilings = dict(EXACT), {}
        for delivered in clean:
            evidence = self.evidence(delivered)
            for result in (check(evidence) for check in self.checks):
                if result.outcome == "skipped" or result.threshold is None:
                    continue
                kind = exact if result.threshold_source == "exact" else ceilings
                kind[result.name] = limit_as_badness(result.threshold, result.direction)
        return exact, ceilings

    def evidence(self, delivered: Delivered) -> Evidence:
        """Give what the checks look at."""
        from sr_core.trust.verdict import Evidence

        lr = Raster(delivered.y, delivered.mask_lr, delivered.bands, delivered.unit, delivered.encoding.valid_range)
        return Evidence(
            y=delivered.y, z=delivered.z, bicubic=self._bicubic(delivered, lr), mask_lr=delivered.mask_lr, mask_hr=delivered.mask,
            residual=residual_of(delivered.operator, lr, delivered.z, delivered.mask), half_width=delivered.half_width,
            step=delivered.encoding.step, valid_range=delivered.encoding.valid_range, unit=delivered.unit, bands=delivered.bands,
            projected=delivered.project is not None, operator=delivered.operator, spread=delivered.spread, rows=delivered.rows,
            cols=delivered.cols, transform_lr=delivered.transform_lr, transform_hr=delivered.transform,
        )  # fmt: skip

    def _bicubic(self, delivered: Delivered, lr: Raster) -> Float32Array:
        y = delivered.y
        if id(y) not in self._plain:
            self._plain[id(y)] = (y, plain_bicubic(lr, delivered.operator.scale[0]))
        return self._plain[id(y)][1]


def as_badness(result: CheckResult) -> float | None:
    """Give a result as one number, larger = worse: in parts of its limit where that is not 0, so that images of all units compare.

    Returns
    -------
    float or None
        None where the check could not run, NaN where it found no number.
    """
    if result.outcome == "skipped":
        return None
    if result.value is None or math.isnan(result.value):
        return math.nan
    sign = 1.0 if result.direction == "at most" else -1.0
    return sign * result.value / (abs(result.threshold or 0.0) or 1.0)


def limit_as_badness(threshold: float, direction: Direction) -> float:
    """Give where the limit of a check lies among its numbers."""
    sign = 1.0 if direction == "at most" else -1.0
    return sign * threshold / (abs(threshold) or 1.0)
