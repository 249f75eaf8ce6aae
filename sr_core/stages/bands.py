"""A whole image restored band of rows by band of rows: what upscaling writes, in memory that grows with the image's width only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import Encoding, Float32Array, Raster, Scene, Window, cache_blocks
from sr_core.stages.evidence import residual_of
from sr_core.stages.regions import enlarge_mask
from sr_core.stages.strips import Strips, together

if TYPE_CHECKING:
    from sr_core.operators import Operator
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
    wanted = bands_of(scene, restorer.windowed)[start:]
    pieces = ways[restorer.predictor.executor(height, width)](restorer, scene, wanted)
    for band in wanted:  # no name is given to a piece or a band here: it would keep it while the next one is computed
        yield _deliver(restorer, scene, band, next(pieces), residual)


def seams_of(restorer: Restorer, scene: Scene) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the first LR rows and columns of the pieces that `restore_bands` computes an image in, 0 left out."""
    from sr_core.inference.tiles import starts

    _, height, width = scene.shape
    bands, predictor = bands_of(scene, restorer.windowed), restorer.predictor
    rows, cols = {band.row for band in bands}, {0}
    way = predictor.executor(height, width)
    if way == "strips":
        cols |= set(starts(width, min(predictor.strip or width, width)))
    for around, band in ((b.grown(restorer.margin, height, width), b) for b in bands if way == "tiles"):
        side = predictor.tile_side(around.height, around.width)
        cols |= set(starts(width, min(side, width)))
        rows |= {
            row
            for start in starts(around.height, min(side, around.height))
            if band.row < (row := around.row + start) < band.row + band.height
        }
    return tuple(sorted(rows - {0})), tuple(sorted(cols - {0}))


@dataclass(frozen=True)
class _Piece:
    """Rows of an image (`window`, LR grid): the measurement, holes filled, and the network's mean and spread, (C, s h, s W).

    Mean and spread may be views of memory that the next piece overwrites.
    """

    window: Window
    lr: Raster
    mean: Float32Array
    spread: Float32Array


def _by_windows(restorer: Restorer, scene: Scene, bands: list[Window]) -> Iterator[_Piece]:
    """Give each band with what its projection needs around it, the network run on all of that and its halo anew."""
    _, height, width = scene.shape
    scale = restorer.scale
    for band in bands:
        window, around = (band.grown(margin, height, width) for margin in (restorer.projection_reach, restorer.margin))
        lr = _read_filled(restorer, scene, around)
        prediction = restorer.predictor.predict(lr.pixels)
        inner = window.inside(around)
        fine = (slice(None), *inner.scaled(scale).slices())
        made = prediction.mean[fine], restorer.spread_of(prediction)[fine]
        del prediction
        yield _Piece(window, _cut(lr, inner), *made)


def _by_rows(restorer: Restorer, scene: Scene, bands: list[Window]) -> Iterator[_Piece]:
    """Give each band with what its projection needs around it, from one passage of the rows through the network; reading runs ahead."""
    if not bands:
        return
    _, height, width = scene.shape
    slabs = _slabs(max(0, bands[0].row - restorer.margin), height, width)
    passage = _Passage(restorer, scene.shape, slabs[0].row, bands[0].height)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(_read_filled, restorer, scene, slabs.pop(0))
        for band in bands:
            window = band.grown(restorer.projection_reach, height, width)
            passage.release(window.row)
            while not passage.reached(window.row + window.height):
                passage.take(coming.result())
                if slabs:
                    coming = reader.submit(_read_filled, restorer, scene, slabs.pop(0))
            yield passage.piece(window)


def _by_strips(restorer: Restorer, scene: Scene, bands: list[Window]) -> Iterator[_Piece]:
    """Give each band with what its projection needs around it, from strips of columns that passed through the network."""
    _, height, width = scene.shape
    for group in together(bands):
        whole = Window(group[0].row, 0, sum(band.height for band in group), width)
        rows = whole.grown(restorer.projection_reach, height, width)
        with Strips(restorer, rows, partial(_read_filled, restorer, scene), scene.shape) as strips:
            for band in group:
                window = band.grown(restorer.projection_reach, height, width)
                yield _Piece(window, _read_filled(restorer, scene, window), *strips.read(window))


def _slabs(first: int, height: int, width: int) -> list[Window]:
    """List the windows that are read, from a row to the last one."""
    rows = band_height(width)
    return [Window(row, 0, min(rows, height - row), width) for row in range(first, height, rows)]


class _Passage:
    """An image's rows on their way through the network, and those that wait to be projected.

    What waits lies in one array for mean and one for spread, as high as a band with all that may be there beyond it: pieces of a few
    rows, made and freed among the network's own, would leave holes that the process keeps.
    """

    def __init__(self, restorer: Restorer, shape: tuple[int, int, int], first: int, rows: int) -> None:
        from sr_core.inference import fed_rows

        channels, self._height, width = shape
        self._restorer, self._step = restorer, fed_rows(width)
        self._flow = restorer.predictor.stream(channels)
        self._lr: list[tuple[int, Raster]] = []
        self._taken = self._fed = self._top = first  # rows of the image: read, fed; first one that waits
        self._computed = first * restorer.scale  # SR rows: a base may end between two rows of the measurement
        rows += 2 * restorer.projection_reach + self._step + restorer.predictor.halo
        self._mean, self._spread = (np.empty((channels, rows * restorer.scale, width * restorer.scale), np.float32) for _ in range(2))

    def take(self, lr: Raster) -> None:
        """Take the next rows of the measurement, holes filled."""
        self._lr.append((self._taken, lr))
        self._taken += lr.mask.shape[0]

    def reached(self, end: int) -> bool:
        """Compute until the rows above `end` are there; False if that needs rows that were not taken yet."""
        while self._computed < end * self._restorer.scale and self._fed < self._taken:
            row, lr = self._lr[-1]
            part = lr.pixels[:, self._fed - row : self._fed - row + self._step]
            self._fed += part.shape[1]
            prediction = self._flow.feed(part, self._fed == self._height)
            self._store(prediction.mean, self._restorer.spread_of(prediction))
        return self._computed >= end * self._restorer.scale

    def release(self, row: int) -> None:
        """Let go of the rows above `row`."""
        self._lr = [(first, lr) for first, lr in self._lr if first + lr.mask.shape[0] > row]
        scale = self._restorer.scale
        old, end = (r - self._top * scale for r in (row * scale, max(row * scale, self._computed)))
        for channel in (*self._mean, *self._spread):
            channel[: end - old] = channel[old:end]
        self._top = row

    def piece(self, window: Window) -> _Piece:
        """Give a window of rows that are there."""
        end = window.row + window.height
        first = self._lr[0][1]
        kept = [(slice(max(0, window.row - row), max(0, end - row)), lr) for row, lr in self._lr]
        pixels = np.concatenate([lr.pixels[:, rows] for rows, lr in kept], axis=1)
        mask = np.concatenate([lr.mask[rows] for rows, lr in kept])
        fine = slice((window.row - self._top) * self._restorer.scale, (end - self._top) * self._restorer.scale)
        lr = Raster(pixels, mask, first.bands, first.unit, first.valid_range)
        return _Piece(window, lr, self._mean[:, fine], self._spread[:, fine])

    def _store(self, mean: Float32Array, spread: Float32Array) -> None:
        """Put computed rows below those that wait; the first ones of a run that goes on serve the network only."""
        scale = self._restorer.scale
        skipped = min(mean.shape[1], max(0, self._top * scale - self._computed))
        self._computed += mean.shape[1]
        end = self._computed - self._top * scale
        if skipped < mean.shape[1]:
            place = slice(end - mean.shape[1] + skipped, end)
            self._mean[:, place], self._spread[:, place] = mean[:, skipped:], spread[:, skipped:]


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
    fine = inner.scaled(scale).slices()
    sr = np.empty((channels, band.height * scale, band.width * scale), np.float32)
    half_width = np.empty_like(sr)
    left = np.empty((channels, band.height, band.width), np.float32) if residual else None
    for c, operator in enumerate(restorer.operator.for_bands(channels)):
        delivered = restorer.delivered(piece.mean[c : c + 1], piece.lr.pixels[c : c + 1], operator, piece.lr.valid_range)
        sr[c] = delivered[0][fine]
        for spread, out in cache_blocks(piece.spread[c][fine], half_width[c]):
            out[...] = restorer.half_width(spread)
        if left is not None:
            left[c] = _residual(operator, piece.lr, delivered, c, inner, scene.encoding)
        del delivered  # before the next channel's are made
    return Band(band, _cut(piece.lr, inner), sr, half_width, left)


def _residual(operator: Operator, lr: Raster, delivered: Float32Array, channel: int, window: Window, encoding: Encoding) -> Float32Array:
    """Give y - A z of a channel in a window, z as the file stores it: of the window and the rows that it depends on."""
    scale = operator.scale[0]
    # Twice the reach: a hole beside the window is filled from pixels as far away again.
    around = -(-2 * operator.support // scale) if operator.windowed else max(lr.mask.shape)
    near = window.grown(around, *lr.mask.shape)
    rows, cols = near.slices()
    one = slice(channel, channel + 1)
    part = Raster(lr.pixels[one, rows, cols], lr.mask[rows, cols], lr.bands[one], lr.unit, lr.valid_range)
    stored = encoding.decode(encoding.encode(delivered[(slice(None), *near.scaled(scale).slices())]))
    inside = window.inside(near).slices()
    left: Float32Array = residual_of(operator, part, stored, enlarge_mask(part.mask, operator.scale))[0][inside]
    return left


def _cut(lr: Raster, window: Window) -> Raster:
    rows, cols = window.slices()
    return Raster(lr.pixels[:, rows, cols], lr.mask[rows, cols], lr.bands, lr.unit, lr.valid_range)
