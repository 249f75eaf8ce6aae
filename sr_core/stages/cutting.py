"""A region of a scene as a pair of images that a shard takes strip by strip: read and degraded by windows, never held whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import InputError, SRError
from sr_core.patches.layout import STRIP, StoredSplit
from sr_core.patches.strips import Shape, Strip, check_finite, stored_values
from sr_core.raster import Encoding, Raster, Scene, StoredRaster, StoredScene, Window
from sr_core.records import Region, Source
from sr_core.stages.grain import Grain
from sr_core.stages.regions import check_usable, fine_slices, measure, measured_codes, multiple, seen, under
from sr_core.stages.smoothing import reach_of, smoothed

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.operators import Operator

HR_COLUMNS = 512  # of a window: its float64 copies, one band at a time, stay in the cache
WORKERS = 2  # threads that read and degrade while the caller's writes
FEW = 8  # windows that are not worth another thread
IN_FLIGHT = 16  # windows asked for and not yet written


@dataclass(frozen=True)
class RegionPair:
    """A training or validation region behind the `PairSource` protocol. Make it with `region_pair`.

    Attributes
    ----------
    name, split, bands, unit, valid_range, lr_shape, hr_shape : as `PairImage`.
    source, region : where its pixels come from.
    window : the region in whole LR pixels, on the scene's HR grid.
    grain : the noise of its measurement, or None.
    step : called after every window.
    smoothing : standard deviation of a Gaussian that the pixels pass through before anything else, HR pixels; 0: none.
    """

    name: str
    split: StoredSplit
    bands: tuple[str, ...]
    unit: str
    valid_range: tuple[float, float]
    lr_shape: Shape
    hr_shape: Shape
    source: Source
    region: Region
    window: Window
    domain: Domain = field(repr=False)
    operator: Operator = field(repr=False)
    grain: Grain | None = field(repr=False)
    step: Callable[[], None] = field(repr=False)
    smoothing: float = 0.0

    @property
    def steps(self) -> int:
        """Number of windows."""
        return len(_places(self.lr_shape[1], self.lr_shape[2], self.operator))

    def strips(self, encoding: Encoding) -> Generator[Strip]:
        """Yield the strips of the pair.

        Raises
        ------
        InputError
            If the scene cannot be read, a usable pixel is not finite, or no pixel is usable.
        """
        usable = False
        for strip, last, done in self._parts(encoding):
            done()
            self.step()
            if last:
                usable |= bool(strip.mask_hr.any())
                yield strip
        check_usable(usable, self.source, self.region)

    def _parts(self, encoding: Encoding) -> Iterator[tuple[Strip, bool, Callable[[], None]]]:
        """Fill the strips' windows in a few threads; yield for each, in order, its strip, whether it is the last, and how to wait for it.

        One scene serves them all, one thread at a time: reading is the smaller part, and no block of the file is decoded twice.
        """
        from sr_core.operators.engine import single_thread

        places = _places(self.lr_shape[1], self.lr_shape[2], self.operator)
        waiting: deque[tuple[Strip, bool, Callable[[], None]]] = deque()
        strip = _empty(0, self, encoding)
        with ExitStack() as stack:
            scene = _Shared(stack.enter_context(self.domain.open(self.source)))
            stack.enter_context(single_thread())
            pool = stack.enter_context(ThreadPoolExecutor(min(WORKERS, -(-len(places) // FEW))))
            stack.callback(pool.shutdown, cancel_futures=True)
            for place in places:
                if place.col == 0:
                    strip = _empty(place.height, self, encoding)
                future = pool.submit(self._cut, scene, place, strip.part(place.slices()[1], self.operator.scale[1]), encoding)
                waiting.append((strip, place.col + place.width == self.lr_shape[2], future.result))
                if len(waiting) > IN_FLIGHT:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()

    def _cut(self, scene: _Shared, place: Window, out: Strip, encoding: Encoding) -> None:
        """Read and degrade a window of the LR grid, and put its stored values where they belong."""
        there, inside = under(place, self.hr_shape[1:], self.operator)
        noise = None if self.grain is None else self.grain.drawn(len(self.bands), place)
        with scene.lock:
            stored = self._read_stored(scene.scene, there)
            kept = stored is not None and encoding.exact and bool(stored.mask.all()) and encoding.holds(stored.stored)
            if stored is None or not kept:

                def read(window: Window) -> Raster:
                    return stored.raster() if stored is not None and window == there else self._read(scene.scene, window)

                hr, usable, _ = seen(read, place, self.hr_shape[1:], self.operator)
        if stored is not None and kept:  # what is stored again need not be decoded, and there is no hole: the masks stay True
            out.hr[...] = stored.stored[(slice(None), *fine_slices(inside, self.operator.scale))]
            pixels = encoding.integers(stored.stored) if encoding.whole else encoding.decode(stored.stored)
            out.lr[...] = measured_codes(pixels, inside, encoding, self.operator, noise)
            return
        pair = measure(hr, usable, inside, encoding, self.operator, noise)
        out.lr[...], out.hr[...] = stored_values(pair.lr.pixels, encoding), stored_values(pair.hr.pixels, encoding)
        out.mask_lr[...], out.mask_hr[...] = pair.lr.mask, pair.hr.mask

    def _read(self, scene: Scene, window: Window) -> Raster:
        """Read a window of the region, smoothed if it is to be; whatever is wrong there names the file."""
        around = window.grown(reach_of(self.smoothing), *self.hr_shape[1:])
        there = self._there(around)
        with self._named(there):
            raster = scene.read(there)
        check_finite(raster, f"{self.source.path.name}, {there}")
        return smoothed(raster, self.smoothing, window.inside(around), scene.encoding) if self.smoothing else raster

    def _read_stored(self, scene: Scene, window: Window) -> StoredRaster | None:
        """Read a window as it is stored, where the scene can and every stored value is finite."""
        if self.smoothing or not isinstance(scene, StoredScene) or not scene.encoding.is_integer:
            return None
        there = self._there(window)
        with self._named(there):
            return scene.read_stored(there)

    def _there(self, window: Window) -> Window:
        """Give the place of a window of the region in its scene."""
        return Window(self.window.row + window.row, self.window.col + window.col, window.height, window.width)

    @contextmanager
    def _named(self, there: Window) -> Iterator[None]:
        try:
            yield
        except SRError:
            raise
        except (OSError, ValueError) as error:
            given = f"{self.source.path.name} cannot be read at {there} ({error})"
            raise InputError(given, "the file as it was when it was ingested", "Get the file again.") from error


@dataclass(frozen=True)
class _Shared:
    """A scene that several threads read in turn."""

    scene: Scene
    lock: Lock = field(default_factory=Lock)


def _empty(height: int, pair: RegionPair, encoding: Encoding) -> Strip:
    """Give a strip of `height` LR rows to be filled: no pixel yet, all usable."""
    (bands, _, width), (rows, cols) = pair.lr_shape, pair.operator.scale
    fine = height * rows, width * cols
    return Strip(
        np.empty((bands, height, width), encoding.dtype), np.empty((bands, *fine), encoding.dtype),
        np.ones((height, width), np.bool_), np.ones(fine, np.bool_),
    )  # fmt: skip


def region_pair(
    domain: Domain, source: Source, region: Region, split: StoredSplit, operator: Operator, scene: Scene, step: Callable[[], None],
    smoothing: float = 0.0, noise: float = 0.0,
) -> RegionPair:  # fmt: skip
    """Describe a region as a pair of images; of its pixels only the first few are read.

    Parameters
    ----------
    scene : the open source.
    step : called after every window that is degraded.
    smoothing : see `RegionPair`.
    noise : standard deviation of the measurement's white noise, physical unit.

    Raises
    ------
    ShapeError
        If the region holds no whole LR pixel.
    """
    rows, cols = operator.scale
    window = multiple(region.window, operator.scale)
    first = scene.read(Window(window.row, window.col, rows, cols))
    bands, name = len(first.bands), f"{region.name}-smoothed-{smoothing:g}" if smoothing else region.name
    return RegionPair(
        name=name, split=split, bands=first.bands, unit=first.unit, valid_range=first.valid_range,
        lr_shape=(bands, window.height // rows, window.width // cols), hr_shape=(bands, window.height, window.width),
        source=source, region=region, window=window, domain=domain, operator=operator, grain=Grain.of(region, noise), step=step,
        smoothing=smoothing,
    )  # fmt: skip


def window_count(window: Window, operator: Operator) -> int:
    """Count the windows in which an HR region is degraded."""
    rows, cols = operator.scale
    return len(_places(window.height // rows, window.width // cols, operator))


def _places(height: int, width: int, operator: Operator) -> list[Window]:
    """List the windows of an LR grid, row by row; an operator that cannot be windowed takes the whole."""
    if not height or not width or not operator.windowed:
        return [Window(0, 0, max(1, height), max(1, width))]
    wide = max(1, HR_COLUMNS // operator.scale[1])
    return [
        Window(row, col, min(STRIP, height - row), min(wide, width - col))
        for row in range(0, height, STRIP)
        for col in range(0, width, wide)
    ]
