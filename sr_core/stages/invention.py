"""What a test region's image invents and what it leaves out, told by the truth; figures, and their checks.

Whatever cannot be measured on a region (too small, no interval, no known inverse) is absent and says why; nothing is raised.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import ShapeError
from sr_core.raster import BoolArray, Float32Array, Window
from sr_core.stages.hallucination import CREATED, bounded
from sr_core.trust.created import created_objects, hidden_sentence, object_amplitudes
from sr_core.trust.hallucination_truth import Correctness, correctness, error_split
from sr_core.trust.invention import PLANTED_SIZES, CreatedObjects, Invention
from sr_core.trust.planted import RecoveryCurve, recovery_curve
from sr_core.trust.verdict import CheckResult, limit, skipped

if TYPE_CHECKING:
    from sr_core.stages.regions import Pair
    from sr_core.stages.restore import Restorer
    from sr_core.trust.hallucination import Disagreement
    from sr_core.trust.limits import Limits

ERASED, DISAGREEMENT = "planted objects erased", "disagreement with the pixel model"
PLANTED_REGIONS = 4  # at most, of all test regions
PLANTED_SIDE = 128  # LR px a side of the part of a region in which objects are planted, at most
CONTRAST = 0.1  # of the range of the middle 98 % of a region's values: the amplitude of planted objects
LEAST_STEPS = 4  # quantisation steps: no weaker object is planted
HIDDEN_SIZE = 3.0  # FWHM, HR px, of the object that the sentence speaks of


def invention_of(
    restorer: Restorer,
    pair: Pair,
    delivered: Float32Array,
    bicubic: Float32Array,
    half_width: Float32Array | None,
    *,
    plant: bool,
    disagreement: Disagreement | None = None,
) -> Invention:
    """Measure a region.

    Parameters
    ----------
    delivered, bicubic : float32 (C, H, W), as they stand in a file, physical unit.
    half_width : of the model's interval, or None.
    plant : whether objects are planted; this runs the model several times.
    disagreement : kept in the record.
    """
    hr, mask = pair.hr.pixels, pair.hr.mask
    planted, absent = _planted(restorer, pair) if plant else (None, f"objects are planted in at most {PLANTED_REGIONS} regions")
    known = half_width is not None and bool(np.isfinite(half_width[:, mask]).any())
    return Invention(
        split=error_split(delivered, hr, restorer.operator, mask),
        shares=_shares(delivered, hr, bicubic, mask),
        planted=planted,
        planted_absent=absent,
        created=_created(delivered, bicubic, hr, half_width, mask) if known and half_width is not None else (),
        hidden=_hidden(half_width, mask, pair.hr.unit) if known and half_width is not None else "",
        disagreement=disagreement,
    )


def invention_checks(invention: Invention, limits: Limits | None, alpha: float) -> tuple[CheckResult, ...]:
    """Give what the record says as checks.

    Parameters
    ----------
    limits : of clean images, or None.
    alpha : 1 - the share that the pixel champion's interval promises to hold.
    """
    times, style = invention.times, invention.disagreement
    words = "natural log of the largest object that is not in the truth over the interval's half-width there"
    checks = [bounded(CREATED, None if times is None or times <= 0 else math.log(times), limits, words)]
    if invention.planted is None:
        checks.append(skipped(ERASED, invention.planted_absent, required=False))
    else:
        checks.append(
            limit(
                ERASED, float(invention.erased), unit="objects", threshold=0.0, source="physical: half of what bicubic keeps",
                severity="warn", bicubic=0.0, required=False,
                sentence=f"of {invention.objects} small objects planted in the truth, less came through than half of what bicubic keeps",
            )
        )  # fmt: skip
    if style is not None and math.isnan(style.share):
        checks.append(skipped(DISAGREEMENT, "the pixel champion gives no interval here", required=False))
    elif style is not None:
        checks.append(
            limit(
                DISAGREEMENT, style.share, unit="", threshold=alpha, source="promise of the pixel champion's interval", severity="warn",
                sentence="share of the values outside the pixel champion's interval: there the image is style, not evidence",
                required=False,
            )
        )  # fmt: skip
    return tuple(checks)


def created_beyond(z: Float32Array, x: Float32Array, half_width: Float32Array, mask: BoolArray) -> float | None:
    """Give the largest amplitude of an object that is in z, but not in the truth x, as a multiple of the half-width at its place.

    Over objects of all sizes and places; None where there is no interval, or the image is too small. NaN where a value is not finite.
    """
    found = [times for size in PLANTED_SIZES if (times := _largest(z, x, half_width, size, mask)[0]) is not None]
    return max(found, key=lambda t: math.inf if math.isnan(t) else t) if found else None


def _planted(restorer: Restorer, pair: Pair) -> tuple[RecoveryCurve | None, str]:
    """Plant objects in the most usable part of a region."""
    window = _part(pair.hr.mask, restorer.operator.scale)
    rows, cols = window.slices()
    x, mask = np.ascontiguousarray(pair.hr.pixels[:, rows, cols]), pair.hr.mask[rows, cols]
    if not mask.any():
        return None, "no pixel is usable"
    low, high = np.percentile(x[:, mask], (1, 99))
    amplitude = max(CONTRAST * float(high - low), LEAST_STEPS * pair.encoding.step)
    if not (math.isfinite(amplitude) and amplitude > 0):
        return None, "the region has no contrast"
    least, most = pair.hr.valid_range
    if np.median(x[:, mask]) + amplitude > most - 0.5 * (most - least):  # where a brighter object might be cut to the range
        amplitude = -amplitude

    def upscale(y: Float32Array) -> Float32Array:
        return restorer.restore(y, np.ones(y.shape[1:], bool)).sr

    try:
        return recovery_curve(x, upscale, restorer.operator, amplitude, mask, PLANTED_SIZES), ""
    except ShapeError as error:
        return None, f"the region is too small: {error.given}"


def _part(mask: BoolArray, scale: tuple[int, int]) -> Window:
    """Choose the part of an image, HR px, that has the most usable pixels; the first of a grid of those that have."""
    sides = [min(PLANTED_SIDE * s, n // s * s) for n, s in zip(mask.shape, scale, strict=True)]
    parts = [
        Window(r, c, sides[0], sides[1])
        for r in range(0, mask.shape[0] - sides[0] + 1, sides[0])
        for c in range(0, mask.shape[1] - sides[1] + 1, sides[1])
    ]
    return max(parts, key=lambda part: int(mask[part.slices()].sum()))


def _shares(delivered: Float32Array, hr: Float32Array, bicubic: Float32Array, mask: BoolArray) -> Correctness:
    try:
        return correctness(delivered, hr, bicubic, mask)
    except ShapeError as error:
        return Correctness(absent=f"the region is too small: {error.given}")


def _created(
    z: Float32Array, bicubic: Float32Array, x: Float32Array, half_width: Float32Array, mask: BoolArray
) -> tuple[CreatedObjects, ...]:
    rows = []
    for size in PLANTED_SIZES:
        times, where = _largest(z, x, half_width, size, mask)
        made, plain = (len(created_objects(image, x, half_width, size, mask)) for image in (z, bicubic))
        rows.append(CreatedObjects(fwhm=size, objects=made, bicubic=plain, times=times, where=where))
    return tuple(rows)


def _largest(
    z: Float32Array, x: Float32Array, half_width: Float32Array, fwhm: float, mask: BoolArray
) -> tuple[float | None, tuple[int, int] | None]:
    """Give the largest |amplitude| over half-width of an object of a size, and its place."""
    with np.errstate(invalid="ignore", divide="ignore"):
        times = np.abs(object_amplitudes(z, x, fwhm, mask)) / half_width
    if not np.isfinite(times).any():
        return None, None
    _, row, col = (int(i) for i in np.unravel_index(int(np.nanargmax(times)), times.shape))
    return float(np.nanmax(times)), (row, col)


def _hidden(half_width: Float32Array, mask: BoolArray, unit: str) -> str:
    """Say what could hide where the interval is widest."""
    widest = np.where(mask & np.isfinite(half_width).all(axis=0), half_width.max(axis=0), -np.inf)
    row, col = (int(i) for i in np.unravel_index(int(widest.argmax()), widest.shape))
    return f"Row {row}, column {col}, where the interval is widest: {hidden_sentence(half_width, (row, col), HIDDEN_SIZE, unit)}"
