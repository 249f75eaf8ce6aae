"""A whole image restored band of rows by band of rows: what upscaling writes, in memory that grows with the image's width only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import Float32Array, Raster, Scene, Window
from sr_core.stages.evidence import residual_of
from sr_core.stages.regions import enlarge_mask
from sr_core.stages.strips import Strips, together

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer

PIXELS = 1 << 20  # LR pixels of a band and a channel, at most
ROWS = (32, 256)  # fewest and most LR rows of a band
WHOLE = 512  # LR pixels: an image with no longer side is one band


@dataclass(frozen=True)
class Band:
    """Restored rows of an image, over its whole width.

    Attributes
    ----------
    window : place on the LR grid.
    lr : the measurement there; pixels that were not measured are filled.
    sr, half_width : float32 (C, s h, s W), physical unit; `half_width` is NaN where the calibration gives no interval.
    residual : float32 (C, h, W), y - A z of the image as the file stores it; None if it was not asked for.
    """

    window: Window
    lr: Raster
    sr: Float32Array
    half_width: Float32Array
    residual: Float32Array | None


def band_height(width: int) -> int:
    """Give the LR rows of a band: a multiple of 32 that depends on nothing but the image's width, so that a run can go on at a band."""
    low, high = ROWS
    return int(np.clip(PIXELS // width // low * low, low, high))


def bands_of(scene: Scene, windowed: bool = True) -> list[Window]:
    """List the bands of an image, from top to bottom, on the LR grid.

    A small image is one band, and so is every image whose degradation cannot be undone in windows (`windowed` False).
    """
    _, height, width = scene.shape
    rows = height if max(height, width) <= WHOLE or not windowed else band_height(width)
    return [Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]


def restore_bands(restorer: Restorer, scene: Scene, *, start: int = 0, residual: bool = False) -> Iterator[Band]:
    """Restore an image band by band.

    Parameters
    ----------
    start : number of the first band wanted; what comes is the same as in a run from the top.
    residual : whether each band comes with its residual.

    Raises
    ------
    InputError
        If the image cannot be read, or a measured pixel is not finite.
    """
    _, height, width = scene.shape
    ways = {"rows": _by_rows, "strips": _by_strips, "tiles": _by_windows, "whole": _by_windows}
    for window, piece in ways[restorer.predictor.executor(height, width)](restorer, scene, bands_of(scene, restorer.windowed)[start:]):
        yield _deliver(restorer, scene, window, piece, residual)


@dataclass(frozen=True)
class _Piece:
    """Rows of an image (`window`, LR grid): the measurement, holes filled, and mean and spread in parts, one below the other."""

    window: Window
    lr: Raster
    mean: tuple[Float32Array, ...]
    spread: tuple[Float32Array, ...]

    def channel(self, number: int) -> tuple[Float32Array, Float32Array]:
        """Give mean and spread of one channel, (1, s h, s W)."""
        mean, spread = (np.concatenate([part[number] for part in parts])[None] for parts in (self.mean, self.spread))
        return mean, spread


def _by_windows(restorer: Restorer, scene: Scene, bands: list[Window]) -> Iterator[tuple[Window, _Piece]]:
    """Give each band with what its projection needs around it, the network run on all of that and its halo anew."""
    _, height, width = scene.shape
    scale = restorer.scale
    for band in bands:
        window, around = (band.grown(margin, height, width) for margin in (restorer.projection_reach, restorer.margin))
        lr = _read_filled(restorer, scene, around)
        prediction = restorer.predictor.predict(lr.pixels)
        inner = window.inside(around)
        fine = (slice(None), *inner.scaled(scale).slices())
        yield band, _Piece(window, _cut(lr, inner), (prediction.mean[fine],), (restorer.spread_of(prediction)[fine],))


def _by_rows(restorer: Restorer, scene: Scene, bands: list[Window]) -> Iterator[tuple[Window, _Piece]]:
    """Give each band with what its projection needs around it, from one passage of the rows through the network; reading runs ahead."""
    if not bands:
        return
    channels, height, width = scene.shape
    slabs = _slabs(max(0, bands[0].row - restorer.margin), height, width)
    passage = _Passage(restorer, channels, slabs[0].row, height)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(_read_filled, restorer, scene, slabs[0])
        for band in bands:
            window = band.grown(restorer.projection_reach, height, width)
            while passage.done < window.row + window.height:
                lr = coming.result()
                slabs.pop(0)
                if slabs:
                    coming = reader.submit(_read_filled, restorer, scene, slabs[0])
                passage.feed(lr)
            yield band, passage.piece(window)


def _by_strips(restorer: Restorer, scene: Scene, bands: list[Window]) -> Iterator[tuple[Window, _Piece]]:
    """Give each band with what its projection needs around it, from strips of columns that passed through the network."""
    _, height, width = scene.shape
    for group in together(bands):
        whole = Window(group[0].row, 0, sum(band.height for band in group), width)
        rows = whole.grown(restorer.projection_reach, height, width)
        with Strips(restorer, rows, partial(_read_filled, restorer, scene), scene.shape) as strips:
            for band in group:
                window = band.grown(restorer.projection_reach, height, width)
                mean, spread = strips.read(window)
                yield band, _Piece(window, _read_filled(restorer, scene, window), (mean,), (spread,))


def _slabs(first: int, height: int, width: int) -> list[Window]:
    """List the windows that are read, from a row to the last one."""
    rows = band_height(width)
    return [Window(row, 0, min(rows, height - row), width) for row in range(first, height, rows)]


class _Passage:
    """An image's rows on their way through the network, and those that wait to be projected.

    Attributes
    ----------
    done : row of the image (LR) up to which mean and spread are there.
    """

    def __init__(self, restorer: Restorer, channels: int, first: int, height: int) -> None:
        self._restorer, self._height = restorer, height
        self._flow = restorer.predictor.stream(channels)
        self._fed = self.done = first
        self._lr: list[tuple[int, Raster]] = []
        self._out: list[tuple[int, Float32Array, Float32Array]] = []

    def feed(self, lr: Raster) -> None:
        """Take the next rows, holes filled."""
        from sr_core.inference import fed_rows

        self._lr.append((self._fed, lr))
        rows, width = lr.mask.shape
        for row in range(0, rows, step := fed_rows(width)):
            part = lr.pixels[:, row : row + step]
            self._fed += part.shape[1]
            prediction = self._flow.feed(part, self._fed == self._height)
            if made := prediction.mean.shape[1] // self._restorer.scale:
                self._out.append((self.done, prediction.mean, self._restorer.spread_of(prediction)))
                self.done += made

    def piece(self, window: Window) -> _Piece:
        """Give a window of rows that are done; rows above it are let go."""
        scale, end = self._restorer.scale, window.row + window.height
        self._lr = [(row, lr) for row, lr in self._lr if row + lr.mask.shape[0] > window.row]
        self._out = [part for part in self._out if part[0] + part[1].shape[1] // scale > window.row]
        first = self._lr[0][1]
        kept = [(slice(max(0, window.row - row), max(0, end - row)), lr) for row, lr in self._lr]
        pixels = np.concatenate([lr.pixels[:, rows] for rows, lr in kept], axis=1)
        mask = np.concatenate([lr.mask[rows] for rows, lr in kept])
        fine = [slice(max(0, window.row - row) * scale, max(0, end - row) * scale) for row, _, _ in self._out]
        return _Piece(
            window,
            Raster(pixels, mask, first.bands, first.unit, first.valid_range),
            tuple(mean[:, rows] for rows, (_, mean, _) in zip(fine, self._out, strict=True)),
            tuple(spread[:, rows] for rows, (_, _, spread) in zip(fine, self._out, strict=True)),
        )


def _read_filled(restorer: Restorer, scene: Scene, window: Window) -> Raster:
    """Read a window, its holes filled as they are in the whole image."""
    from sr_core.inference.predictor import FILLED

    lr = scene.read(window)
    if lr.mask.all():
        return lr
    _, height, width = scene.shape
    around = window.grown(FILLED, height, width)
    more = scene.read(around) if around != window else lr
    rows, cols = window.inside(around).slices()
    return Raster(restorer.predictor.fill(more.pixels, more.mask)[:, rows, cols], lr.mask, lr.bands, lr.unit, lr.valid_range)


def _deliver(restorer: Restorer, scene: Scene, band: Window, piece: _Piece, residual: bool) -> Band:
    """Project a band onto its measurement, one channel after the other, and cut it out."""
    restorer.check_whole(piece.lr.mask)
    channels, scale = scene.shape[0], restorer.scale
    inner = band.inside(piece.window)
    rows, cols = inner.slices()
    fine = inner.scaled(scale).slices()
    sr = np.empty((channels, band.height * scale, band.width * scale), np.float32)
    half_width = np.empty_like(sr)
    left = np.empty((channels, band.height, band.width), np.float32) if residual else None
    mask_hr = enlarge_mask(piece.lr.mask, restorer.operator.scale)
    for c, operator in enumerate(restorer.operator.for_bands(channels)):
        one = slice(c, c + 1)
        mean, spread = piece.channel(c)
        delivered = restorer.delivered(mean, piece.lr.pixels[one], operator, piece.lr.valid_range)
        sr[one] = delivered[(slice(None), *fine)]
        half_width[one] = restorer.half_width(spread[(slice(None), *fine)])
        if left is not None:
            stored = scene.encoding.decode(scene.encoding.encode(delivered))
            lr = Raster(piece.lr.pixels[one], piece.lr.mask, piece.lr.bands[one], piece.lr.unit, piece.lr.valid_range)
            left[one] = residual_of(operator, lr, stored, mask_hr)[:, rows, cols]
    return Band(band, _cut(piece.lr, inner), sr, half_width, left)


def _cut(lr: Raster, window: Window) -> Raster:
    rows, cols = window.slices()
    return Raster(lr.pixels[:, rows, cols], lr.mask[rows, cols], lr.bands, lr.unit, lr.valid_range)
