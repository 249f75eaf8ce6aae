"""The table of faults, in the order of their numbers; numbers that are missing belong to one domain (medical series, faces).

What must be caught, and from which size on, was decided before for rows 1 to 25, and after measuring (docs/results.md) from 27 on.
"""

from __future__ import annotations

from sr_core.trust.faults import around, local, whole
from sr_core.trust.faults.record import Fault, Need, PixelChange, SizeUnit, net, written

Sizes = tuple[float, ...]


def _pixels(
    number: int, name: str, sizes: Sizes, unit: SizeUnit, caught_from: float | None, change: PixelChange, sentence: str, *needs: Need
) -> Fault:
    return Fault(number, name, sizes, unit, caught_from, "written pixels", sentence, written(change), needs)


def _net(
    number: int, name: str, sizes: Sizes, unit: SizeUnit, caught_from: float | None, change: PixelChange, sentence: str, *needs: Need
) -> Fault:
    return Fault(number, name, sizes, unit, caught_from, "net", sentence, net(change), needs)


FAULTS: tuple[Fault, ...] = (
    _pixels(1, "small shift", (0.02, 0.05, 0.1), "px", 0.1, whole.shift_right, "the image lies a little beside the measurement"),
    _pixels(2, "shift", (0.3, 1), "px", 0.3, whole.shift_right, "the image lies beside the measurement"),
    _pixels(2, "diagonal shift", (0.35,), "px", 0.35, whole.shift_diagonally, "the image lies diagonally beside the measurement"),
    _pixels(3, "shifted quadrant", (0.1, 0.3, 1), "px", 0.3, local.shift_quadrant, "one quadrant lies beside the others"),
    _pixels(4, "gain", (0.2, 0.5, 1, 2), "%", 1, whole.gain, "all values are too large by a factor"),
    _pixels(5, "offset", (0.1, 0.3, 1), "levels", 0.3, whole.offset, "all values are too large by a number"),
    _pixels(6, "gamma", (1, 3, 10), "%", 3, whole.gamma, "values are bent between dark and bright"),
    _pixels(7, "smoothing", (0.3, 0.5, 1), "px", 0.5, whole.smooth, "the image is blurred"),
    _pixels(8, "interpolation", (25, 50, 100), "%", 100, whole.interpolate, "the image is plain interpolation"),
    _net(
        9, "nothing added", (50, 100), "%", 100, whole.smallest_explanation,
        "the image explains the measurement and adds nothing to it", "an invertible operator",
    ),
    _pixels(10, "sharpening", (10, 30, 100), "%", 30, whole.sharpen, "an unsharp mask was run over the image"),
    _pixels(11, "checkerboard", (0.3, 1, 3), "levels", 1, whole.checkerboard, "every second pixel is brighter"),
    _pixels(12, "object of 3 px", (4, 8, 20), "levels", 20, local.blob(3), "an object is there that nobody measured"),
    _pixels(12, "object of 6 px", (4, 8, 20), "levels", 8, local.blob(6), "a larger object is there that nobody measured"),
    _pixels(13, "object of 1.5 px", (10, 20, 40), "levels", 40, local.blob(1.5), "a point is there that nobody measured"),
    _net(
        14, "object made by the net", (1.5, 2, 3, 4, 6), "px", None, local.blob_of_width,
        "the net invents an object, and the projection leaves some of it",
    ),
    _pixels(15, "tile step", (0.2, 0.5, 2), "levels", 0.5, local.tile_step, "every second tile is brighter", "tile lines"),
    _net(
        15, "tile step before the projection", (2, 8), "levels", None, local.tile_step,
        "every second tile was brighter, and the projection leaves some of it", "tile lines",
    ),
    _pixels(16, "shifted half", (0.3, 1), "px", 1, local.shift_half, "the lower half lies beside the upper one"),
    _pixels(17, "noise", (0.5, 1, 2), "levels", 2, whole.noise, "white noise was added"),
    _pixels(18, "clipped highlights", (0.5, 2, 5), "%", 2, whole.clip_highlights, "the brightest values are cut"),
    _pixels(19, "coarse steps", (2, 4, 8), "levels", 8, whole.coarse_steps, "values are rounded to coarser steps"),
    _pixels(20, "mirrored", (1,), "", 1, whole.mirror, "left is right"),
    _pixels(21, "no number", (1,), "values", 1, local.nan_values, "one measured value is not a number"),
    _pixels(22, "empty block", (2, 4, 8), "px", 8, local.empty_block, "a block is set to zero"),
    _pixels(22, "smoothed block", (8, 16, 32), "px", 32, local.smooth_block, "a block is blurred"),
    _pixels(23, "wrong kernel", (25, 50, 100), "%", 100, whole.wrong_kernel, "the image was projected with another kernel"),
    _pixels(23, "repeated pixels", (25, 50, 100), "%", 100, whole.repeat_pixels, "the image is the measurement with its pixels repeated"),
    _net(
        24, "invented texture", (2, 6, 12), "levels", None, local.invent_texture,
        "busy areas carry texture that the measurement cannot see", "an invertible operator",
    ),
    _pixels(25, "mirrored border", (2, 4), "px", 4, local.mirror_border, "the frame shows the mirror image of what lies inside"),
    Fault(
        26, "large floor", (8, 32), "times", None, "calibration", "the interval is too narrow where errors are large",
        around.large_floor, ("an interval", "a calibration"),
    ),
    _pixels(27, "swapped bands", (1,), "", 1, whole.swap_bands, "the first band is the last", "two bands"),
    Fault(28, "wrong scale factor", (1, 10), "%", 1, "encoding", "the file declares another scale factor", around.wrong_scale_factor),
    Fault(28, "wrong offset", (10, 100, 1000), "steps", 10, "encoding", "the file declares another offset", around.wrong_offset),
    Fault(29, "moved transform", (0.5,), "px", 0.5, "geometry", "the file lies beside its place", around.move_transform, ("geometry",)),
    _pixels(
        30, "nodata in neighbours", (1, 2), "px", 1, local.bleed_nodata,
        "the nodata value was interpolated into its neighbours", "nodata",
    ),
    Fault(31, "filled nodata", (1, 8), "px", 1, "nodata", "pixels that nobody measured have a value", around.fill_nodata, ("nodata",)),
    _pixels(32, "shifted band", (0.1, 0.3, 1), "px", 0.3, whole.shift_first_band, "one band lies beside the others", "two bands"),
    _pixels(34, "wrapped highlights", (0.1, 1), "%", 1, whole.wrap_highlights, "the brightest values come back as dark ones"),
    Fault(
        38, "calibration of other weights", (1,), "", 1, "calibration", "the interval was calibrated for other weights",
        around.other_weights, ("a calibration",),
    ),
    Fault(
        39, "narrow interval", (10, 25, 50), "%", 10, "interval", "the interval is narrower than calibrated",
        around.narrow_interval, ("an interval",),
    ),
    _pixels(40, "tile of no numbers", (1,), "tiles", 1, local.nan_tile, "one tile holds no numbers", "tile lines"),
    Fault(
        41, "shifted interval", (1,), "tiles", None, "interval", "the interval is that of the tile beside",
        around.shift_interval, ("an interval", "tile lines"),
    ),
    Fault(
        42, "leaked test region", (1,), "", 1, "split", "a test region serves the calibration, too", around.leak, ("a split",),
    ),
)  # fmt: skip
