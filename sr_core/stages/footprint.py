"""What restoring an image band by band takes: the runs of the network, the pixels that they compute, the memory of a band.

This describes `bands.restore_bands` and `upscale`; whoever changes how they hold an image changes the bytes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from sr_core.inference import fed_rows
from sr_core.inference import footprint as network
from sr_core.raster import Window
from sr_core.stages.bands import band_height, bands_of
from sr_core.stages.evidence import context_of
from sr_core.stages.overall import BEYOND, cells, checked
from sr_core.stages.strips import GROUP
from sr_core.trust.hallucination import spread_evenly

if TYPE_CHECKING:
    from sr_core.raster import Scene
    from sr_core.records import Source
    from sr_core.stages.restore import Restorer

READ = 5  # bytes a LR value: the measurement in float32, its share of the mask
PREDICTED = 8  # bytes a SR value: mean and spread, float32
DELIVERED = 8  # bytes a SR value of a finished band: image and half-width, float32
FEATURED = 40  # bytes a SR value of the one channel whose spread the heuristic gives: float64 of a deviation, and the features
PROJECTED = 34  # bytes a SR value of the one channel that is projected: float32 on the way, then its residual in float64
ENCODED = 5  # bytes a SR value that the writer adds to a band: stored image and half-width, the mask
CHECKING = 76  # bytes a SR value of a window that is checked: float64 images, their residuals; bicubic, guess and spread beside them
HOLES = 1.15  # what the process holds over what is in use: freed blocks between others; measured


@dataclass(frozen=True)
class BandWork:
    """What restoring an image takes.

    Attributes
    ----------
    executor : how the network is run: "whole", "rows", "strips" or "tiles".
    bands : bands of rows; passes : runs of the network.
    network_pixels : LR pixels that the network computes in all runs, context included.
    checked_values : LR values (pixels times bands) of the windows that are checked in the written file, with the context that is read.
    peak_bytes : memory of a band in work, at most, beside what reader and writer hold.
    checking_bytes : the same while the written file is checked.
    scratch_bytes : temporary files, at most.
    """

    executor: str
    bands: int
    passes: int
    network_pixels: int
    checked_values: int
    peak_bytes: int
    checking_bytes: int
    scratch_bytes: int


def band_work(restorer: Restorer, source: Source | Scene) -> BandWork:
    """Give the work of an image, from its shape alone."""
    channels, height, width = source.shape
    bands = bands_of(cast("Scene", source), restorer.windowed)  # a record has the scene's shape, and no more is asked of it
    executor = restorer.predictor.executor(height, width)
    works = [network.work(restorer.predictor, channels, height, width)]
    if executor not in ("rows", "strips"):
        grown = [band.grown(restorer.margin, height, width) for band in bands]
        once = {shape: network.work(restorer.predictor, channels, *shape) for shape in {(w.height, w.width) for w in grown}}
        works = [once[w.height, w.width] for w in grown]
        executor = "tiles" if any(work.executor == "tiles" for work in works) else "whole"
    windows = [window for band in bands for window in cells(band)]
    around = [w.grown(BEYOND + context_of(restorer.operator), height, width) for w in spread_evenly(windows, checked(len(windows)))]
    in_work, scratch = _by_windows(restorer, source.shape, bands, works), 0
    if executor == "rows":
        in_work = _by_rows(restorer, source.shape)
    elif executor == "strips":
        in_work, scratch = _by_strips(restorer, source.shape), PREDICTED * channels * width * min(height, 2 * GROUP) * restorer.scale**2
    return BandWork(
        executor=executor,
        bands=len(bands),
        passes=sum(work.passes for work in works),
        network_pixels=sum(work.pixels for work in works),
        checked_values=channels * sum(w.height * w.width for w in around),
        peak_bytes=int(HOLES * in_work),
        scratch_bytes=scratch,
        checking_bytes=CHECKING * channels * max(w.height * w.width for w in around) * restorer.scale**2,
    )


def _by_rows(restorer: Restorer, shape: tuple[int, int, int]) -> float:
    """Give the most bytes in use where rows pass through the network: what passes, what waits, and a band in the making."""
    channels, height, width = shape
    row = channels * width  # LR values
    band = min(height, band_height(width))
    window = min(height, band + 2 * restorer.delivery_reach)
    waiting = PREDICTED * row * min(height, window + fed_rows(width)) * restorer.scale**2
    slabs = 2 * READ * row * min(height, window + band)  # those that wait; one that is read ahead, with what the file holds
    passing = network.passage_bytes(restorer.predictor, channels, width) if _on_host(restorer) else network.PassageBytes(0, 0)
    making = passing.kept + READ * row * window + _making(restorer, shape, band, window)
    return waiting + slabs + max(passing.peak, making) + _writing(restorer, shape, band)


def _by_strips(restorer: Restorer, shape: tuple[int, int, int]) -> float:
    """Give the most bytes in use where strips pass through the network: one of them, or a band in the making from the files."""
    channels, height, width = shape
    band = min(height, band_height(width))
    window = min(height, band + 2 * restorer.delivery_reach)
    predictor = restorer.predictor
    seen = min(width, (predictor.strip or width) + 2 * predictor.halo)
    passing = network.passage_bytes(predictor, channels, seen).peak if _on_host(restorer) else 0
    read = (2 * PREDICTED * restorer.scale**2 + READ) * channels * width * window  # from the files, and put side by side
    return max(passing, read + _making(restorer, shape, band, window)) + _writing(restorer, shape, band)


def _by_windows(restorer: Restorer, shape: tuple[int, int, int], bands: list[Window], works: list[network.Work]) -> float:
    """Give the most bytes in use where each band is computed with all that it depends on."""
    channels, height, width = shape
    band = max(b.height for b in bands)
    around, window = (min(height, band + 2 * margin) for margin in (restorer.margin, restorer.delivery_reach))
    read = READ * channels * width * around
    predicted = PREDICTED * channels * width * around * restorer.scale**2
    running = network.peak_bytes(restorer.predictor, max(work.largest for work in works)) if _on_host(restorer) else 0
    before = _writing(restorer, shape, band) if len(bands) > 1 else 0.0
    return max(read + predicted + max(running, _making(restorer, shape, band, window)) + before, _writing(restorer, shape, band))


def _making(restorer: Restorer, shape: tuple[int, int, int], band: int, window: int) -> float:
    """Give the bytes of a band in the making, of that height, projected in a window of that height."""
    channels, _, width = shape
    one = PROJECTED if restorer.heuristic is None else max(PROJECTED, FEATURED)
    return width * restorer.scale**2 * (DELIVERED * channels * band + one * window)


def _writing(restorer: Restorer, shape: tuple[int, int, int], band: int) -> float:
    """Give the bytes of a finished band with the writer: image, half-width, measurement, residual, and their rows as stored."""
    channels, _, width = shape
    return channels * width * band * ((DELIVERED + ENCODED) * restorer.scale**2 + READ)


def _on_host(restorer: Restorer) -> bool:
    return torch.device(restorer.device).type == "cpu"
