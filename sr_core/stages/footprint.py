"""What restoring an image band by band takes: the runs of the network, the pixels that they compute, the memory of a band.

This describes `bands.restore_bands` and `upscale`; whoever changes how they hold an image changes the bytes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from sr_core.inference import footprint as network
from sr_core.raster import Window
from sr_core.stages.bands import bands_of
from sr_core.stages.overall import CHECKED, WINDOW

if TYPE_CHECKING:
    from sr_core.raster import Scene
    from sr_core.records import Source
    from sr_core.stages.restore import Restorer

READ = 8  # bytes a LR value: the measurement and its filled copy, float32
PREDICTED = 8  # bytes a SR value: mean and spread, float32
RESTORED = 12  # bytes a SR value: image, half-width and spread, float32
SCALED = 24  # bytes a SR value: mean, image, spread and half-width, and the half-width in float64 on its way
STORED = 36  # bytes a SR value: image and half-width made contiguous, and the image in float64 on its way to the file
KEPT_BELOW = 32 << 20  # bytes: glibc keeps freed blocks up to this size for the process, and gives larger ones back
CHECKING = 64  # bytes a SR value of a window that is checked: float64 images, their residuals, the bicubic beside them


@dataclass(frozen=True)
class BandWork:
    """What restoring an image takes.

    Attributes
    ----------
    executor : how the network is run: "whole", "tiles" or "rows".
    bands : bands of rows; passes : runs of the network.
    network_pixels : LR pixels that the network computes in all runs, context included.
    checked_values : LR values (pixels times bands) of the windows that are checked in the written file.
    peak_bytes : memory of a band in work, at most, beside what reader and writer hold.
    checking_bytes : the same while the written file is checked.
    kept_bytes : what the process keeps of it when no band is in work any more.
    """

    executor: str
    bands: int
    passes: int
    network_pixels: int
    checked_values: int
    peak_bytes: int
    checking_bytes: int
    kept_bytes: int


def band_work(restorer: Restorer, source: Source) -> BandWork:
    """Give the work of an image, from its record alone."""
    channels, height, width = source.shape
    bands = bands_of(cast("Scene", source), restorer.windowed)  # a record has the scene's shape, and no more is asked of it
    grown = [band.grown(restorer.margin, height, width) for band in bands]
    works = {shape: network.work(restorer.predictor, channels, *shape) for shape in {(w.height, w.width) for w in grown}}
    each = [works[w.height, w.width] for w in grown]
    largest = max(range(len(bands)), key=lambda i: grown[i].height)
    windows = [Window(b.row, c, b.height, min(WINDOW, width - c)) for b in bands for c in range(0, width, WINDOW)]
    chosen = windows[:: max(1, -(-len(windows) // CHECKED))]
    around = [w.grown(restorer.margin, height, width) for w in chosen]
    peak = _peak(restorer, channels, grown[largest], bands[largest], len(bands) > 1, max(work.largest for work in each))
    array = 4 * channels * grown[largest].height * grown[largest].width * restorer.scale**2
    return BandWork(
        executor="tiles" if any(work.executor == "tiles" for work in each) else "whole",
        bands=len(bands),
        passes=sum(work.passes for work in each),
        network_pixels=sum(work.pixels for work in each),
        checked_values=channels * sum(w.height * w.width for w in chosen),
        peak_bytes=peak,
        checking_bytes=CHECKING * channels * max(w.height * w.width for w in around) * restorer.scale**2,
        kept_bytes=peak if array < KEPT_BELOW else 0,
    )


def _peak(restorer: Restorer, channels: int, grown: Window, band: Window, several: bool, run: int) -> int:
    """Give the most bytes in work: while the network runs, while its result is scaled, or while the band is stored."""
    read = channels * grown.height * grown.width
    made, kept = read * restorer.scale**2, channels * band.height * band.width * restorer.scale**2
    before = RESTORED * made if several else 0  # the band above, not yet let go
    on_host = torch.device(restorer.device).type == "cpu"
    running = PREDICTED * made + (network.peak_bytes(restorer.predictor, run) if on_host else 0)
    return max(before + READ * read + max(running, SCALED * made), READ * read + RESTORED * made + STORED * kept)
