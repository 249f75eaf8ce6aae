"""Held-out regions as a model delivers them, with all that stands beside the pixels, and the panel of checks that looks at them.

What faults are planted in, so that it can be seen which check catches them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sr_core.domain import Domain
from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.raster import BoolArray, Float32Array, Placed, Raster, Scene, Transform, Window
from sr_core.records import Region, Source, Split
from sr_core.stages.evidence import plain_bicubic, residual_of
from sr_core.stages.regions import Pair, degrade, enlarge_mask, multiple

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.calibration import Calibration
    from sr_core.trust.faultbench import Rules
    from sr_core.trust.faults import Delivered
    from sr_core.trust.limits import Values
    from sr_core.trust.verdict import Check, CheckResult, Evidence

SIDE = 96  # HR px of a region, at most
SMALLEST = 64  # HR px: below it a quadrant is too small to see a shift by
OVERLAP = 1 / 3  # of a region's side, at most
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
        """Short name; files in other folders may be called the same."""
        first, last = self.bands
        part = "" if (first, last) == (0, self.source.shape[0]) else f"-b{first}"
        return f"{self.source.path.stem}-{self.source.sha256[:6]}{part}-r{self.window.row}-c{self.window.col}"


def choose_units(domain: Domain, sources: Sequence[Source], count: int, scale: int) -> list[Unit]:
    """Choose regions, spread over the sources and each source's area; they overlap, by a third at most, only where there is little room.

    Of a series of slices each slice counts as an image.

    Parameters
    ----------
    count : how many are wanted.
    scale : their sides are multiples of twice the scale, so that two tiles fill them.

    Raises
    ------
    InputError
        If the sources are too small for so many.
    """
    unit = 2 * scale
    for side, overlap in itertools.product(range(SIDE // unit * unit, SMALLEST - 1, -unit), (0.0, OVERLAP)):
        found = [_units_of(domain, source, side, overlap, count, scale) for source in sources]
        taken = [units[n] for n in range(max(map(len, found), default=0)) for units in found if n < len(units)]
        if len(taken) >= count:
            return taken[:count]
    given = f"{len(sources)} images with room for fewer than {count} regions of {SMALLEST} px"
    raise InputError(given, f"{count} regions", "Give more or larger images, or ask for fewer units.")


def _units_of(domain: Domain, source: Source, side: int, overlap: float, most: int, scale: int) -> list[Unit]:
    channels, height, width = source.shape
    rows, cols = (_starts(length, side, overlap, scale) for length in (height, width))
    slices = len(source.members) == channels > 1
    bands = [(n, n + 1) for n in range(channels)] if slices else [(0, channels)]
    every = [Unit(source, taken, Window(row, col, side, side)) for taken in bands for row in rows for col in cols]
    found: list[Unit] = []
    with domain.open(source) as scene:
        for n in _evenly(len(every)):
            if len(found) == most:
                break
            if _worth_it(scene.read(every[n].window), every[n]):
                found.append(every[n])
    return found


def _starts(length: int, side: int, overlap: float, scale: int) -> list[int]:
    """Give where segments of one side begin that cover a length as evenly as they can; none where it is shorter."""
    count = int((length - side) / (side * (1 - overlap))) + 1 if length >= side else 0
    return [round(n * (length - side) / max(1, count - 1)) // scale * scale for n in range(count)]


def _evenly(count: int) -> list[int]:
    """Give 0 .. count - 1, the middle first, so that the first of them lie far apart: multiples of the golden ratio, modulo 1, by rank."""
    return [int(n) for n in np.argsort(np.argsort((0.5 + np.arange(count) * (math.sqrt(5) - 1) / 2) % 1.0))]


def _worth_it(image: Raster, unit: Unit) -> bool:
    """Whether most of a region is measured and it is not one flat area."""
    values = image.pixels[slice(*unit.bands)][:, image.mask]
    return float(image.mask.mean()) >= USABLE and bool(np.median(np.abs(values - np.median(values, axis=1, keepdims=True))) > 0)


def deliver(domain: Domain, units: Sequence[Unit], restorer: Restorer, log: Log, *, holes: int = 2) -> dict[str, Delivered]:
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
    made = delivered_of(restorer, degrade(hr, scene.encoding, restorer.operator), split=split)
    if not isinstance(scene, Placed):
        return made
    fine, coarse = _places(scene.transform, unit.window, restorer.operator.scale)
    return replace(made, transform=fine, transform_lr=coarse)


def _places(scene: Transform | None, window: Window, scale: tuple[int, int]) -> tuple[Transform, Transform]:
    """Give where image and measurement lie; in pixels of the scene, where that states no place itself."""
    a, b, c, d, e, f = scene or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    corner = a * window.col + b * window.row + c, d * window.col + e * window.row + f
    rows, cols = scale
    return (a, b, corner[0], d, e, corner[1]), (a * cols, b * rows, corner[0], d * cols, e * rows, corner[1])


def _with_hole(mask: BoolArray) -> BoolArray:
    """Cut a square hole below and to the right of the middle."""
    holed, side = mask.copy(), min(mask.shape) // HOLE_SHARE
    row, col = (round(0.6 * length) for length in mask.shape)
    holed[row : row + side, col : col + side] = False
    return holed


def delivered_of(restorer: Restorer, pair: Pair, *, split: Split | None = None) -> Delivered:
    """Upscale a measurement whose truth is known, and give it as it would be read back from its file.

    Parameters
    ----------
    restorer : the model in the unit of the pair (`Restorer.for_scene`); with a tile, it gives tile lines.
    split : what calibration and test regions come from.
    """
    from sr_core.trust.faults import Delivered, projection_onto

    lr, encoding, operator = pair.lr, pair.encoding, restorer.operator
    restored = restorer.restore(lr.pixels, lr.mask)
    mask = enlarge_mask(lr.mask, operator.scale)
    rows, cols = operator.scale
    hole = np.float32(0.0)
    project = projection_onto(lr.pixels, lr.mask, operator, lr.valid_range, encoding.step) if restorer.card.projection else None
    return Delivered(
        z=np.where(mask, encoding.decode(encoding.encode(restored.sr)), hole), mask=mask, y=lr.pixels, mask_lr=lr.mask,
        operator=operator, encoding=encoding, rows=tile_lines(restorer, lr.mask.shape[0], rows),
        cols=tile_lines(restorer, lr.mask.shape[1], cols), project=project,
        half_width=None if restorer.calibration is None else restored.half_width, truth=pair.hr.pixels,
        calibration=_in_unit(restorer), weights=restorer.bundle.weights_hash, split=split, spread=restored.spread,
        encoding_lr=encoding, unit=lr.unit, bands=lr.bands, nodata=encoding.offset,
    )  # fmt: skip


def tile_lines(restorer: Restorer, length: int, scale: int) -> tuple[int, ...]:
    """Give the SR rows (or columns) at which a new tile of the network begins, 0 left out; none where it ran at once."""
    from sr_core.inference.tiles import starts

    tile = restorer.predictor.tile
    return () if tile is None else tuple(scale * start for start in starts(length, min(tile, length))[1:])


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

    def rules(self, clean: Sequence[Delivered]) -> Rules:
        """Give what does not come from clean images: limits that a check itself calls exact, ceilings, and floors.

        A ceiling is where a check fails an image; of a check that never fails one, where it warns.
        """
        from sr_core.trust.delivered_measures import EXACT
        from sr_core.trust.learned import FLOOR, learnable

        exact: dict[str, float] = dict(EXACT)
        ceilings: dict[str, float] = {}
        for delivered in clean:
            evidence = self.evidence(delivered)
            for result in (check(evidence) for check in self.checks):
                if result.outcome == "skipped" or result.threshold is None:
                    continue
                sign = 1.0 if result.direction == "at most" else -1.0
                if learnable(result):
                    edge = sign * (result.fail_threshold or result.threshold) / result.threshold
                    ceilings[result.name] = max(edge, ceilings.get(result.name, -math.inf))
                elif says_something(result):
                    exact[result.name] = sign * result.threshold
        return {"exact": exact, "ceilings": ceilings, "floors": dict.fromkeys(ceilings, FLOOR)}

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
    """Give a result as one number, larger = worse: in multiples of its ceiling where it has one, so that images of all units compare.

    Returns
    -------
    float or None
        None where the check could not run or looks at the measurement alone, NaN where it found no number.
    """
    from sr_core.trust.learned import learnable, multiple

    if result.outcome == "skipped" or not (learnable(result) or says_something(result)):
        return None
    if result.value is None or math.isnan(result.value):
        return math.nan
    return multiple(result) if learnable(result) else result.value * (1 if result.direction == "at most" else -1)


def says_something(result: CheckResult) -> bool:
    """Whether a limit that is not learned is a statement on the image, and not one on the measurement that it was made of."""
    return result.threshold_source.startswith("exact")
