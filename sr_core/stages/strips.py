"""An image too wide for its rows to be kept: strips of columns pass through the network one after the other, and wait on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from sr_core.errors import OutputError
from sr_core.inference import fed_rows
from sr_core.inference.tiles import Strip, strips_of
from sr_core.raster import Float32Array, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from sr_core.raster import Raster
    from sr_core.stages.restore import Restorer

GROUP = 2048  # LR rows of a strip, about: above and below them the network's halo is computed twice


def together(bands: list[Window]) -> Iterator[list[Window]]:
    """Put bands together to the height of a strip."""
    group: list[Window] = []
    for band in bands:
        group.append(band)
        if sum(b.height for b in group) >= GROUP:
            yield group
            group = []
    if group:
        yield group


class Strips:
    """Mean and spread, if any, of some rows of an image, in files that are gone when this is left. Use as a context manager.

    Parameters
    ----------
    rows : the rows, on the LR grid.
    read : gives a window of the measurement, holes filled.
    shape : (C, H, W) of the measurement.

    Raises
    ------
    OutputError
        If there is no room for temporary files.
    """

    def __init__(self, restorer: Restorer, rows: Window, read: Callable[[Window], Raster], shape: tuple[int, int, int]) -> None:
        self._restorer, self._rows, self._read, self._shape = restorer, rows, read, shape
        self._strips = strips_of(shape[2], restorer.predictor.strip or shape[2], restorer.predictor.halo)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sr-strips-")))
            try:
                for number, strip in enumerate(self._strips):
                    self._compute(number, strip)
            except OSError as error:
                raise OutputError(
                    f"temporary files in {self._folder.parent} ({error.strerror})", "room for mean and spread of some rows", "Set TMPDIR."
                ) from error
            self._kept = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kept.close()

    def read(self, window: Window) -> tuple[Float32Array, Float32Array | None]:
        """Give mean and spread, if any, (C, s h, s W), of some of the rows."""
        scale, channels = self._restorer.scale, self._shape[0]
        parts = self._parts
        both = np.empty((parts, channels, window.height * scale, self._shape[2] * scale), np.float32)
        for number, strip in enumerate(self._strips):
            width = (strip.core.stop - strip.core.start) * scale
            first = (window.row - self._rows.row) * scale * parts * channels * width
            part = np.fromfile(self._file(number), np.float32, window.height * scale * parts * channels * width, offset=4 * first)
            fine = slice(strip.core.start * scale, strip.core.stop * scale)
            both[..., fine] = part.reshape(-1, parts, channels, width).transpose(1, 2, 0, 3)
        return both[0], both[1] if parts == 2 else None

    @property
    def _parts(self) -> int:
        return 2 if self._restorer.predictor.with_head else 1

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.raw"

    def _compute(self, number: int, strip: Strip) -> None:
        """Pass a strip's rows through the network and keep what is wanted, row after row."""
        restorer, (channels, height, _) = self._restorer, self._shape
        halo, scale = restorer.predictor.halo, restorer.scale
        width = strip.seen.stop - strip.seen.start
        fed, end = max(0, self._rows.row - halo), min(height, self._rows.row + self._rows.height + halo)
        done = fed * scale
        wanted = slice(self._rows.row * scale, (self._rows.row + self._rows.height) * scale)
        cols = slice((strip.core.start - strip.seen.start) * scale, (strip.core.stop - strip.seen.start) * scale)
        flow = restorer.predictor.stream(channels)
        with self._file(number).open("wb") as file:
            while fed < end:
                rows = min(fed_rows(width), end - fed)
                lr = self._read(Window(fed, strip.seen.start, rows, width))
                fed += rows
                made = flow.feed(lr.pixels, fed == height)
                kept = slice(max(0, wanted.start - done), max(0, wanted.stop - done))
                parts = (made.mean,) if made.spread is None else (made.mean, made.spread)
                np.stack([part[:, kept, cols] for part in parts]).transpose(2, 0, 1, 3).tofile(file)
                done += made.mean.shape[1]
