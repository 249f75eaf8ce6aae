"""Whether the output keeps the mix of bands: the spectral angle on both grids, and the vegetation index."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from domains.satellite.band_names import words
from domains.satellite.checks.common import REFLECTANCE, bright, usable
from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.noisy import drawn_noise
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

ANGLE_LIMIT, ANGLE_FAIL = 0.3, 1.0  # degrees, mean
ANGLE_P99_LIMIT, ANGLE_P99_FAIL = 2.0, 5.0
FRINGE_LIMIT = 12.0  # degrees: true images of 24 regions of eleven scenes reach 10.5
NDVI_LIMIT, NDVI_FAIL = 0.01, 0.03  # phenology uses changes of 0.02 to 0.05
LEAST_SUM = 0.05  # of red and near infrared: an index of less light is noise
LEAST_SHARE = 0.05  # of its 99th percentile, where the values are no reflectances
# What bands are called: by colour, or by Sentinel-2's number. The numbers of Landsat mean other bands from sensor to sensor.
RED, NIR = ("red", "b04", "b4"), ("nir", "nir08", "nir1", "b08", "b8", "b8a", "near infrared", "near-infrared")


@dataclass(frozen=True)
class SpectralAngle:
    """Mean angle between the spectra y and A z."""

    name: str = "spectral angle, mean"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it over pixels that are not dark."""
        angles, bicubic = _angles(evidence)
        if isinstance(angles, str):
            return skipped(self.name, angles, required=False)
        noise = float(_angles_of_noise(evidence).mean(dtype=np.float64))
        return limit(
            self.name, float(angles.mean(dtype=np.float64)), unit="degrees", threshold=ANGLE_LIMIT + noise,
            fail_threshold=ANGLE_FAIL + noise, severity="warn", where=evidence.where,
            source=f"physical: a quarter of the best published models'{_beside(noise, ' degrees')}",
            bicubic=None if bicubic is None else float(bicubic.mean(dtype=np.float64)),
            sentence="the mix of bands stays the measured one",
        )  # fmt: skip


@dataclass(frozen=True)
class SpectralAngleTail:
    """99th percentile of the angle between the spectra y and A z."""

    name: str = "spectral angle, 99 %"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it over pixels that are not dark."""
        angles, bicubic = _angles(evidence)
        if isinstance(angles, str):
            return skipped(self.name, angles, required=False)
        noise = float(np.quantile(_angles_of_noise(evidence), 0.99))
        return limit(
            self.name, float(np.quantile(angles, 0.99)), unit="degrees", threshold=ANGLE_P99_LIMIT + noise,
            fail_threshold=ANGLE_P99_FAIL + noise, severity="warn", where=evidence.where,
            source=f"physical: the best published models' mean{_beside(noise, ' degrees')}",
            bicubic=None if bicubic is None else float(np.quantile(bicubic, 0.99)),
            sentence="99 % of the pixels keep their mix of bands",
        )  # fmt: skip


@dataclass(frozen=True)
class ColourFringes:
    """99th percentile of the angle between the output's spectrum and the nearest one measured around it, where the interval is surprised.

    Colour that the measurement does not show can hide in the null space. An edge between two materials, drawn sharper than an
    interpolation does, shows the colour of either: so each pixel may have the spectrum of plain bicubic or of any of the 3 x 3 measured
    pixels around it, and what the interval admits beside bicubic, in every band, counts as 0.
    """

    name: str = "spectral angle, fine grid"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where there is an interval and more than one band."""
        width = evidence.half_width
        if evidence.y.shape[0] < 2:
            return skipped(self.name, "one band has no spectrum", required=False)
        known = None if width is None else np.isfinite(width).all(axis=0) & evidence.mask_hr
        if width is None or known is None or not known.any():
            return skipped(self.name, "there is no interval to hold it against", required=False)
        rows, cols = evidence.scale
        light = bright(evidence).repeat(rows, 0).repeat(cols, 1) & known
        if not light.any():
            return skipped(self.name, "no valid pixel is bright enough", required=False)
        apart = np.abs(evidence.z - evidence.bicubic)
        surprising = light & ~(apart <= width).all(axis=0)
        angles = np.zeros(int(np.count_nonzero(light)), np.float32)
        angles[surprising[light]] = _from_nearest(evidence, surprising)
        z = evidence.z[:, light]
        noise = float(np.quantile(angle(z, z + drawn_noise(evidence, z.shape)), 0.99)) if evidence.noise > 0 else 0.0
        return limit(
            self.name, float(np.quantile(angles, 0.99)), unit="degrees", threshold=FRINGE_LIMIT + noise, severity="warn", bicubic=0.0,
            source=f"physical: a little more than true images have{_beside(noise, ' degrees')}", where=evidence.where,
            sentence="no colour was made that neither the measurement nor the interval shows", required=False,
        )  # fmt: skip


def _from_nearest(evidence: Evidence, chosen: BoolArray) -> Float32Array:
    """Give the angle between the spectrum of each chosen SR pixel and the nearest of bicubic's there and those measured around it."""
    z, (rows, cols) = evidence.z[:, chosen], np.nonzero(chosen)
    rows, cols = rows // evidence.scale[0], cols // evidence.scale[1]
    height, width = evidence.mask_lr.shape
    nearest = angle(z, evidence.bicubic[:, chosen])
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        near_rows, near_cols = np.clip(rows + down, 0, height - 1), np.clip(cols + right, 0, width - 1)
        found = angle(z, evidence.y[:, near_rows, near_cols])
        nearest = np.where(evidence.mask_lr[near_rows, near_cols] & ~(found >= nearest), found, nearest)
    return nearest


@dataclass(frozen=True)
class VegetationIndex:
    """95th percentile of the change of NDVI, from the measurement to the output degraded again."""

    name: str = "NDVI change, 95 %"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where red and near infrared are there by name."""
        red, nir = band_of(evidence.bands, RED), band_of(evidence.bands, NIR)
        if red is None or nir is None:
            return skipped(self.name, "no bands are named red and near infrared", required=False)
        pair = [red, nir]
        lit = _lit(evidence, pair)
        if not lit.any():
            return skipped(self.name, "no valid pixel is bright enough in red and near infrared", required=False)
        before = ndvi(evidence.y[pair][:, lit])
        change = np.abs(ndvi(evidence.degraded[pair][:, lit]) - before)
        plain = evidence.degraded_bicubic
        bicubic = None if plain is None else float(np.quantile(np.abs(ndvi(plain[pair][:, lit]) - before), 0.95))
        noise = 0.0
        if evidence.noise > 0:
            noise = float(np.quantile(np.abs(ndvi(evidence.y[pair][:, lit] + drawn_noise(evidence, (2, change.size))) - before), 0.95))
        return limit(
            self.name, float(np.quantile(change, 0.95)), unit="", threshold=NDVI_LIMIT + noise, fail_threshold=NDVI_FAIL + noise,
            severity="warn", bicubic=bicubic, where=evidence.where,
            source=f"physical: half of the smallest change that phenology uses{_beside(noise)}",
            sentence="the vegetation index stays the measured one",
        )  # fmt: skip


def band_of(bands: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    """Find a band by name, whatever else it says ("B04", "Red (B04)"); earlier names go first, and red edge is not red."""
    each = [words(band) for band in bands]
    for name in names:
        for number, said in enumerate(each):
            if name in said and "edge" not in said:
                return number
    return None


def ndvi(pair: Float32Array) -> Float32Array:
    """Give (nir - red) / (nir + red) of (2, N), red first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        index: Float32Array = (pair[1] - pair[0]) / (pair[1] + pair[0])
    return index


def angle(a: Float32Array, b: Float32Array) -> Float32Array:
    """Give the angle in degrees between spectra (C, N), 0 to 180; 0 where both vanish.

    Notes
    -----
    Computed as 2 atan2(|a/|a| - b/|b||, |a/|a| + b/|b||): the arc cosine loses half of its digits near 0, where all is decided.

    References
    ----------
    Kahan, "How futile are mindless assessments of roundoff in floating-point computation?", 2006, section 12.
    """
    tiny = np.finfo(np.float64).tiny
    one = a.astype(np.float64) / np.maximum(np.linalg.norm(a.astype(np.float64), axis=0), tiny)
    two = b.astype(np.float64) / np.maximum(np.linalg.norm(b.astype(np.float64), axis=0), tiny)
    degrees = np.degrees(2 * np.arctan2(np.linalg.norm(one - two, axis=0), np.linalg.norm(one + two, axis=0)))
    angles: Float32Array = degrees.astype(np.float32)
    return angles


def _angles(evidence: Evidence) -> tuple[Float32Array | str, Float32Array | None]:
    """Give the angles in degrees over pixels that are valid and not dark, or the reason why there are none; and plain bicubic's."""
    return evidence.once("spectral angles", lambda: _measure(evidence))


def _measure(evidence: Evidence) -> tuple[Float32Array | str, Float32Array | None]:
    if evidence.y.shape[0] < 2:
        return "one band has no spectrum", None
    light = bright(evidence)
    if not light.any():
        return "no valid pixel is bright enough", None
    y, plain = evidence.y[:, light], evidence.degraded_bicubic
    return angle(y, evidence.degraded[:, light]), None if plain is None else angle(y, plain[:, light])


def _angles_of_noise(evidence: Evidence) -> Float32Array:
    """Give the angles in degrees by which the measurement's noise alone turns its spectra, over pixels that are not dark; 0 without any."""

    def measure() -> Float32Array:
        light = bright(evidence)
        if evidence.noise <= 0:
            return np.zeros(1, np.float32)
        y = evidence.y[:, light]
        return angle(y, y + drawn_noise(evidence, y.shape))

    return evidence.once("spectral angles of noise", measure)


def _beside(noise: float, unit: str = "") -> str:
    """Say that a limit allows for noise."""
    return f", and what the measurement's noise alone does, {noise:.2g}{unit}" if noise else ""


def _lit(evidence: Evidence, pair: list[int]) -> BoolArray:
    """Mark LR pixels (h, w) with light enough in red and near infrared for an index."""
    total = np.where(evidence.mask_lr, evidence.y[pair].sum(axis=0), 0)
    inside = usable(evidence)
    if not inside.any():
        return inside
    least = LEAST_SUM if evidence.unit == REFLECTANCE else LEAST_SHARE * float(np.quantile(np.abs(total[inside]), 0.99))
    return np.asarray(inside & (total > least) & (math.inf > total), np.bool_)
