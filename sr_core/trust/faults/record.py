"""What a fault is, and the delivered image with all that stands beside it, in which it is planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError, TrustError
from sr_core.operators import Operator
from sr_core.raster import BoolArray, Encoding, Float32Array, fill_nearest
from sr_core.records import Digest, Split
from sr_core.trust.calibration import Calibration

Float64Array = npt.NDArray[np.float64]
Where = Literal["written pixels", "net", "encoding", "geometry", "nodata", "interval", "calibration", "split"]
SizeUnit = Literal["px", "levels", "steps", "%", "values", "tiles", "times", ""]
Need = Literal["an invertible operator", "two bands", "tile lines", "geometry", "nodata", "an interval", "a calibration", "a split"]
Projection = Callable[[Float32Array], Float32Array]
GREY_LEVELS = 255  # faults of brightness count in this part of the measurement's range, as if it filled a picture of 8 bit


@dataclass(frozen=True)
class Delivered:
    """One delivered image, and all that stands beside it.

    Attributes
    ----------
    z : float32 (C, H, W), the image as read back from its file, physical unit; anything where `mask` is False.
    mask : bool (H, W), True = measured.
    y, mask_lr : float32 (C, h, w) and bool (h, w), the measurement, same unit.
    operator : the degradation that is believed to have made y.
    encoding : how the file stores values: its step and valid range.
    rows, cols : first rows and columns of the tiles that it was computed in, 0 left out.
    project : what is done to the network's output before it is written (see `projection_onto`); None where nothing is.
    half_width : float32 (C, H, W) of the interval, or None.
    truth : float32 (C, H, W), the true image where it is known. No fault touches it.
    transform, transform_lr : of image and measurement, (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f, of pixel
        corners; or None.
    encoding_lr : how the measurement's file stores values; None: as `encoding`.
    spread : float32 (C, H, W), the estimate of a typical absolute error that the interval was made of, or None.
    unit, bands : physical unit, and C names, or none.
    nodata : the file's nodata value, physical unit.
    calibration, weights : the interval's calibration in the unit of this image, and the hash of the weights that made z.
    split : the split that the calibration and the test regions come from.
    """

    z: Float32Array
    mask: BoolArray
    y: Float32Array
    mask_lr: BoolArray
    operator: Operator
    encoding: Encoding
    rows: tuple[int, ...] = ()
    cols: tuple[int, ...] = ()
    project: Projection | None = None
    half_width: Float32Array | None = None
    truth: Float32Array | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    nodata: float = 0.0
    calibration: Calibration | None = None
    weights: Digest = ""
    split: Split | None = None
    spread: Float32Array | None = None
    transform_lr: tuple[float, float, float, float, float, float] | None = None
    encoding_lr: Encoding | None = None
    unit: str = ""
    bands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows, cols = self.operator.scale
        expected = (len(self.y), rows * self.y.shape[1], cols * self.y.shape[2])
        if self.z.shape != expected or self.mask.shape != expected[1:] or self.mask_lr.shape != self.y.shape[1:]:
            given = f"z {self.z.shape}, mask {self.mask.shape}, y {self.y.shape}, its mask {self.mask_lr.shape}"
            raise ShapeError(given, f"an image of {expected} and masks (H, W)", "Give one image's arrays.")
        if any(a is not None and a.shape != self.z.shape for a in (self.half_width, self.truth, self.spread)):
            raise ShapeError("a half-width, spread or truth of another shape", f"{expected}", "Give one image's arrays.")

    @property
    def level(self) -> float:
        """A grey level, in which faults of brightness count, physical unit: 1/255 of the measurement's range; at least the file's step.

        A step of a 16-bit file is too small for anybody to care about, and far below its noise.
        """
        low, high = self.measured_range
        return max(self.encoding.step, (high - low) / GREY_LEVELS)

    @property
    def measured_range(self) -> tuple[float, float]:
        """Smallest and largest measured value; (0, 1) where there is none."""
        values = self.y[:, self.mask_lr]
        return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)

    def measurement(self) -> Float64Array:
        """Give y with the nearest measured value where there is none, float64 (C, h, w)."""
        return fill_nearest(self.y, self.mask_lr).astype(np.float64)

    def missing(self, need: Need) -> bool:
        """Say whether the image lacks something."""
        lacks: dict[Need, bool] = {
            "an invertible operator": not self.operator.invertible,
            "two bands": len(self.z) < 2,
            "tile lines": not (self.rows or self.cols),
            "geometry": self.transform is None,
            "nodata": bool(self.mask.all() or not self.mask.any()),
            "an interval": self.half_width is None or not np.isfinite(self.half_width[:, self.mask]).any(),
            "a calibration": self.calibration is None or self.calibration.multiplier is None,
            "a split": self.split is None or not self.split.test,
        }
        return lacks[need]


Random = np.random.Generator
Mutation = Callable[[Delivered, float, Random], Delivered]
PixelChange = Callable[[Float64Array, Delivered, float, Random], Float64Array]


@dataclass(frozen=True)
class Fault:
    """One way to be wrong, with sizes.

    Attributes
    ----------
    number, name : the row of the table of faults, and a name of its own (a row may have variants).
    sizes, unit : what a detection curve tries, rising, and what it counts in ("" : there is only one size).
    caught_from : size from which on it must be caught; None where it need not be.
    where : what is changed: "written pixels" (behind the projection), "net" (before it), or what stands beside the pixels.
    sentence : what goes wrong, in words.
    mutate : (delivered, size, random numbers) -> the changed copy.
    needs : without these the fault has no meaning.
    """

    number: int
    name: str
    sizes: tuple[float, ...]
    unit: SizeUnit
    caught_from: float | None
    where: Where
    sentence: str
    mutate: Mutation
    needs: tuple[Need, ...] = ()

    @property
    def starred(self) -> bool:
        """Whether it must be caught at all."""
        return self.caught_from is not None

    def must_be_caught(self, size: float) -> bool:
        """Whether it must be caught at this size."""
        return self.caught_from is not None and size >= self.caught_from

    def why_not(self, delivered: Delivered) -> str:
        """Say why it cannot be planted in an image; "" where it can."""
        lacking = [need for need in self.needs if delivered.missing(need)]
        return f"it needs {' and '.join(lacking)}" if lacking else ""

    def plant(self, delivered: Delivered, size: float, seed: int = 0) -> Delivered:
        """Give a copy of an image with the fault in it; the same for the same seed, and the input stays as it is.

        Raises
        ------
        TrustError
            If the image lacks what the fault needs, or the size is not positive.
        """
        if reason := self.why_not(delivered):
            raise TrustError(f"fault {self.number} ({self.name}): {reason}", "an image that has it", "Ask `why_not` first.")
        if not size > 0:
            raise TrustError(f"fault {self.number} ({self.name}) of size {size}", "a size above 0", f"Use one of {self.sizes}.")
        return self.mutate(delivered, size, np.random.default_rng((seed, self.number)))


def written(change: PixelChange) -> Mutation:
    """Make a fault of the written pixels, behind the projection.

    Notes
    -----
    The change sees the nearest measured value where there is nodata, and leaves nodata alone. The result is cut to the file's valid
    range, since no file holds more, but not rounded again: a third of a step would be rounded away.
    """

    def mutate(delivered: Delivered, size: float, rng: Random) -> Delivered:
        image = change(_filled(delivered), delivered, size, rng)
        return replace(delivered, z=_kept(np.clip(image, *delivered.encoding.valid_range), delivered))

    return mutate


def net(change: PixelChange) -> Mutation:
    """Make a fault of the network's output: what the image's own projection leaves of it."""

    def mutate(delivered: Delivered, size: float, rng: Random) -> Delivered:
        image = change(_filled(delivered), delivered, size, rng).astype(np.float32)
        return replace(delivered, z=_kept(image if delivered.project is None else delivered.project(image), delivered))

    return mutate


def projection_onto(
    y: Float32Array, mask: BoolArray, operator: Operator, valid_range: tuple[float, float] | None = None, step: float = 0.0
) -> Projection:
    """Give the projection of an image onto a measurement.

    Parameters
    ----------
    y, mask : float32 (C, h, w) and bool (h, w), the measurement and where it is one.
    operator, valid_range, step : see `Operator.project`.
    """
    import torch

    measured = torch.from_numpy(fill_nearest(y, mask).astype(np.float64))

    def project(image: Float32Array) -> Float32Array:
        found = operator.project(torch.from_numpy(image.astype(np.float64)), measured, valid_range, step)
        return np.asarray(found.numpy().astype(np.float32))

    return project


def _filled(delivered: Delivered) -> Float64Array:
    return fill_nearest(delivered.z, delivered.mask).astype(np.float64)


def _kept(image: npt.NDArray[np.floating], delivered: Delivered) -> Float32Array:
    return np.where(delivered.mask, image, delivered.z).astype(np.float32)
