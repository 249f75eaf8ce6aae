"""A region of a scene as a pair of images that a shard takes strip by strip: read and degraded by windows, never held whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import InputError, SRError
from sr_core.patches.layout import STRIP, StoredSplit
from sr_core.patches.strips import Shape, Strip, check_finite, stored
from sr_core.raster import Encoding, Raster, Scene, Window
from sr_core.records import Region, Source
from sr_core.stages.regions import check_usable, measure, multiple, seen

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.operators import Operator

HR_COLUMNS = 512  # of a window: its float64 copies, one band at a time, stay in the cache
WORKERS = 2  # threads that read and degrade while the caller's hashes and writes
FEW = 8  # windows that are not worth another thread, which opens the scene anew
IN_FLIGHT = 16  # windows asked for and not yet written


@dataclass(frozen=True)
class RegionPair:
    """A training or validation region behind the `PairSource` protocol. Make it with `region_pair`.

    Attributes
    ----------
    name, split, bands, unit, valid_range, lr_shape, hr_shape : as `PairImage`.
    source, region : where its pixels come from.
    window : the region in whole LR pixels, on the scene's HR grid.
    step : called after every window.
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
    step: Callable[[], None] = field(repr=False)

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
        row: list[Strip] = []
        for place, part in self._parts(encoding):
            row.append(part)
            usable |= bool(part.mask_hr.any())
            self.step()
            if place.col + place.width == self.lr_shape[2]:
                yield _beside(row)
                row = []
        check_usable(usable, self.source, self.region)

    def _parts(self, encoding: Encoding) -> Iterator[tuple[Window, Strip]]:
        """Read and degrade in a few threads, each with the scene for itself, and yield in order."""
        from sr_core.operators.engine import single_thread

        places = _places(self.lr_shape[1], self.lr_shape[2], self.operator)
        workers = min(WORKERS, -(-len(places) // FEW))
        waiting: deque[tuple[Window, Future[Strip]]] = deque()
        free: SimpleQueue[Scene] = SimpleQueue()
        with ExitStack() as stack:
            for _ in range(workers):
                free.put(stack.enter_context(self.domain.open(self.source)))
            stack.enter_context(single_thread())
            pool = stack.enter_context(ThreadPoolExecutor(workers))
            stack.callback(pool.shutdown, cancel_futures=True)
            for place in places:
                waiting.append((place, pool.submit(self._cut, free, place, encoding)))
                if len(waiting) > IN_FLIGHT:
                    yield waiting[0][0], waiting.popleft()[1].result()
            while waiting:
                yield waiting[0][0], waiting.popleft()[1].result()

    def _cut(self, free: SimpleQueue[Scene], place: Window, encoding: Encoding) -> Strip:
        """Read and degrade a window of the LR grid, and give it in stored values."""
        scene = free.get()
        try:
            hr, usable, inside = seen(lambda window: self._read(scene, window), place, self.hr_shape[1:], self.operator)
        finally:
            free.put(scene)
        pair = measure(hr, usable, inside, encoding, self.operator)
        return Strip(stored(pair.lr.pixels, encoding), stored(pair.hr.pixels, encoding), pair.lr.mask, pair.hr.mask)

    def _read(self, scene: Scene, window: Window) -> Raster:
        """Read a window of the region; whatever is wrong there names the file."""
        there = Window(self.window.row + window.row, self.window.col + window.col, window.height, window.width)
        try:
            raster = scene.read(there)
        except SRError:
            raise
        except (OSError, ValueError) as error:
            given = f"{self.source.path.name} cannot be read at {there} ({error})"
            raise InputError(given, "the file as it was when it was ingested", "Get the file again.") from error
        check_finite(raster, f"{self.source.path.name}, {there}")
        return raster


def region_pair(
    domain: Domain, source: Source, region: Region, split: StoredSplit, operator: Operator, scene: Scene, step: Callable[[], None]
) -> RegionPair:
    """Describe a region as a pair of images; of its pixels only the first few are read.

    Parameters
    ----------
    scene : the open source.
    step : called after every window that is degraded.

    Raises
    ------
    ShapeError
        If the region holds no whole LR pixel.
    """
    rows, cols = operator.scale
    window = multiple(region.window, operator.scale)
    first = scene.read(Window(window.row, window.col, rows, cols))
    bands = len(first.bands)
    return RegionPair(
        name=region.name, split=split, bands=first.bands, unit=first.unit, valid_range=first.valid_range,
        lr_shape=(bands, window.height // rows, window.width // cols), hr_shape=(bands, window.height, window.width),
        source=source, region=region, window=window, domain=domain, operator=operator, step=step,
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


def _beside(parts: list[Strip]) -> Strip:
    """Join the windows of one strip."""
    if len(parts) == 1:
        return parts[0]
    lr, hr, mask_lr, mask_hr = (np.concatenate([part.arrays()[name] for part in parts], axis=-1) for name in parts[0].arrays())
    return Strip(lr, hr, mask_lr.astype(np.bool_, copy=False), mask_hr.astype(np.bool_, copy=False))
