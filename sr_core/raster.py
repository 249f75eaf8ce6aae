"""Pixels with their meaning, and the windowed protocols through which images are read and written.

Axes are (C, H, W): bands, rows, columns. Pixels are float32 in the image's physical unit; how a file stores
them (integer type, scale, offset) is its `Encoding`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError, UnitError

if TYPE_CHECKING:
    from sr_core.canvas import Canvas
    from sr_core.trust.verdict import Verdict

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Transform = tuple[float, float, float, float, float, float]
BLOCK = 1 << 15  # values of a block


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of pixels: first row, first column, height, width (all in pixels, height and width >= 1)."""

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.row < 0 or self.col < 0:
            raise ShapeError(f"window {self}", "row, col >= 0 and height, width >= 1", "Give a window inside the image.")

    def scaled(self, scale: int) -> Window:
        """Give the same place on a grid `scale` times finer."""
        return Window(self.row * scale, self.col * scale, self.height * scale, self.width * scale)

    def grown(self, margin: int, height: int, width: int) -> Window:
        """Give the window with `margin` pixels more on each side, cut to an image of height x width."""
        top, left = max(0, self.row - margin), max(0, self.col - margin)
        bottom = min(height, self.row + self.height + margin)
        right = min(width, self.col + self.width + margin)
        return Window(top, left, bottom - top, right - left)

    def slices(self) -> tuple[slice, slice]:
        """Give the row slice and the column slice, for the last two axes of an array."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def inside(self, outer: Window) -> Window:
        """Give this window in the pixel coordinates of `outer`, which must contain it."""
        return Window(self.row - outer.row, self.col - outer.col, self.height, self.width)


def windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Yield windows of at most size x size pixels that cover an image once, row by row."""
    for row in range(0, height, size):
        for col in range(0, width, size):
            yield Window(row, col, min(size, height - row), min(size, width - col))


def even_windows(area: Window, rows: int, cols: int) -> Iterator[Window]:
    """Cut an area into windows of nearly one size, of at most rows x cols pixels, row by row."""
    down, across = (
        np.linspace(first, first + length, -(-length // most) + 1).round().astype(int).tolist()
        for first, length, most in ((area.row, area.height, rows), (area.col, area.width, cols))
    )
    for top, bottom in itertools.pairwise(down):
        for left, right in itertools.pairwise(across):
            yield Window(top, left, bottom - top, right - left)


def fill_nearest(pixels: Float32Array, mask: BoolArray, otherwise: float = 0.0, reach: float = float("inf")) -> Float32Array:
    """Give every unusable pixel the value of the nearest usable one, so that nothing is interpolated over a hole.

    Parameters
    ----------
    pixels : float32 (C, H, W).
    mask : bool (H, W), True = usable.
    otherwise : value of pixels that are further than `reach` (pixels) from the nearest usable one.
    """
    if mask.all():
        return pixels
    if not mask.any():
        return np.full_like(pixels, otherwise)
    from scipy import ndimage

    far, (rows, cols) = ndimage.distance_transform_edt(~mask, return_indices=True)
    filled: Float32Array = np.ascontiguousarray(pixels[:, rows, cols])
    if np.isfinite(reach):
        filled[:, far > reach] = otherwise
    return filled


def cache_blocks(*arrays: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Cut arrays of one shape into blocks of at most 32,768 values, as views: temporary copies of a block stay in the cache."""
    first = arrays[0]
    if first.size <= BLOCK:
        yield arrays
        return
    step = BLOCK // max(1, first.size // len(first))
    for start in range(0, len(first), max(1, step)):
        part = tuple(array[start : start + max(1, step)] for array in arrays)
        yield from [part] if step else cache_blocks(*(array[0] for array in part))


@dataclass(frozen=True)
class Encoding:
    """How a file stores a physical value: `physical = stored * scale + offset`.

    Attributes
    ----------
    dtype : str
        NumPy name of the stored type: uint8, uint16, int16, float32, ...
    scale, offset : float
        In the physical unit; scale is not 0.
    low, high : float
        Smallest and largest *stored* value that means a measurement (nodata and padding codes excluded); cut to what an
        integer type can hold, so that the default is the whole type.
    """

    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    low: float = -float("inf")
    high: float = float("inf")

    def __post_init__(self) -> None:
        if not np.isfinite(self.scale) or self.scale == 0 or not np.isfinite(self.offset):
            raise UnitError(f"scale {self.scale}, offset {self.offset}", "finite values, scale not 0", "Mend the file's header.")
        if self.is_integer:
            info = np.iinfo(self.dtype)
            object.__setattr__(self, "low", max(self.low, float(info.min)))
            object.__setattr__(self, "high", min(self.high, float(info.max)))
        if not self.low < self.high:
            raise UnitError(f"stored values {self.low:g} to {self.high:g}", f"low < high within {self.dtype}", "Mend the file's header.")

    @classmethod
    def of(cls, dtype: str, scale: float = 1.0, offset: float = 0.0) -> Encoding:
        """Make the encoding that uses the whole range of a stored type (float types: unbounded)."""
        return cls(dtype, scale, offset)

    @property
    def is_integer(self) -> bool:
        """Whether stored values are whole numbers."""
        return np.dtype(self.dtype).kind in "iu"

    @property
    def step(self) -> float:
        """Quantisation step in the physical unit; 0 for floating-point storage."""
        return abs(self.scale) if self.is_integer else 0.0

    @property
    def valid_range(self) -> tuple[float, float]:
        """Smallest and largest physical value that can be stored."""
        ends = sorted((self.low * self.scale + self.offset, self.high * self.scale + self.offset))
        return ends[0], ends[1]

    @property
    def whole(self) -> bool:
        """Whether physical values are whole numbers that float32 holds exactly: at most 16 bits, scale 1, a whole offset."""
        return (
            self.is_integer and np.dtype(self.dtype).itemsize <= 2 and self.scale == 1 and self.offset % 1 == 0 and abs(self.offset) < 2**23
        )

    def integers(self, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.integer]:
        """Give the physical values of a `whole` encoding as integers."""
        return stored if self.offset == 0 else stored.astype(np.int32) + np.int32(self.offset)  # type: ignore[return-value]

    @property
    def exact(self) -> bool:
        """Whether `encode` gives back every stored value in [low, high] from what `decode` makes of it (tried; at most 16 bits)."""
        return self.is_integer and np.dtype(self.dtype).itemsize <= 2 and _comes_back(self)

    def holds(self, stored: npt.NDArray[np.generic]) -> bool:
        """Say whether all stored values lie in [low, high]."""
        return stored.size == 0 or bool(self.low <= stored.min() and stored.max() <= self.high)

    def decode(self, stored: npt.NDArray[np.generic]) -> Float32Array:
        """Turn stored values into float32 physical values (computed in float64)."""
        if self.is_integer and self.scale == 1 and self.offset == 0:
            return stored.astype(np.float32)  # the same: one rounding
        physical = np.empty(stored.shape, np.float32)
        for values, room in cache_blocks(stored, physical):
            room[...] = values.astype(np.float64) * self.scale + self.offset
        return physical

    def encode(self, physical: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Turn physical values into stored ones: rounded half to even, cut to [low, high]. NaN is the caller's business."""
        stored = np.empty(physical.shape, self.dtype)
        for values, room in cache_blocks(physical, stored):
            self._encode_block(values, room)
        return stored

    def encode_known(
        self, physical: npt.NDArray[np.generic], known: BoolArray, out: npt.NDArray[np.generic] | None = None
    ) -> tuple[npt.NDArray[np.generic], int]:
        """Turn the known ones of some values into stored ones.

        Parameters
        ----------
        physical : any real type, any shape.
        known : bool of the same shape. Elsewhere the value may be anything; there the stored value nearest to 0 is written.
        out : array of the stored type to fill, or None.

        Returns
        -------
        stored array of the encoding's type
            Like `encode`.
        clipped : int
            Known values that lie more than half a step outside [low, high], and so were changed by more than rounding.
        """
        stored = np.empty(physical.shape, self.dtype) if out is None else out
        neutral = np.float64(np.clip(0.0, self.low, self.high)) * self.scale + self.offset
        clipped = 0
        for values, usable, room in cache_blocks(physical, known, stored):
            clipped += self._encode_block(values if usable.all() else np.where(usable, values, neutral), room)
        return stored, clipped

    def _encode_block(self, physical: npt.NDArray[np.generic], out: npt.NDArray[np.generic]) -> int:
        """Fill `out`, and count the values that do not fit."""
        stored = np.array(physical, np.float64)
        if self.offset != 0 or self.scale != 1:
            stored -= self.offset
            stored /= self.scale
        clipped = 0
        if self.is_integer:
            np.rint(stored, out=stored)
            inside = (stored >= self.low) & (stored <= self.high)
            clipped = stored.size - int(np.count_nonzero(inside))
            np.clip(stored, self.low, self.high, out=stored)
        out[...] = stored.astype(self.dtype)
        return clipped


@lru_cache(maxsize=64)
def _comes_back(encoding: Encoding) -> bool:
    codes = np.arange(int(np.ceil(encoding.low)), int(np.floor(encoding.high)) + 1).astype(encoding.dtype)
    return bool(np.array_equal(encoding.encode(encoding.decode(codes)), codes))


@dataclass(frozen=True)
class Raster:
    """A piece of an image in memory.

    Attributes
    ----------
    pixels : float32 array (C, H, W), physical unit; finite wherever `mask` is True.
    mask : bool array (H, W), True = usable.
    bands : C names.
    unit : physical unit of the values ("reflectance", "HU", "grey level", "DN").
    valid_range : (low, high) that a value can take, in the unit.
    """

    pixels: Float32Array
    mask: BoolArray
    bands: tuple[str, ...]
    unit: str
    valid_range: tuple[float, float]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.mask.shape != self.pixels.shape[1:] or len(self.bands) != self.pixels.shape[0]:
            raise ShapeError(
                f"pixels {self.pixels.shape}, mask {self.mask.shape}, {len(self.bands)} bands",
                "pixels (C, H, W), mask (H, W), C band names",
                "Give arrays of one image.",
            )


@dataclass(frozen=True)
class StoredRaster:
    """A piece of an image as its file stores it: as `Raster`, with `stored` (C, H, W) of the encoding's type for its pixels."""

    stored: npt.NDArray[np.generic]
    mask: BoolArray
    bands: tuple[str, ...]
    unit: str
    encoding: Encoding

    def raster(self) -> Raster:
        """Decode it."""
        return Raster(self.encoding.decode(self.stored), self.mask, self.bands, self.unit, self.encoding.valid_range)


class Scene(Protocol):
    """An image that is read window by window and never held whole. Use as a context manager."""

    shape: tuple[int, int, int]  # (C, H, W)
    bands: tuple[str, ...]
    unit: str
    encoding: Encoding

    def read(self, window: Window) -> Raster:
        """Read a window that lies inside the image.

        Raises
        ------
        ShapeError
            If the window leaves the image.
        InputError
            If the file cannot be decoded there.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


@runtime_checkable
class StoredScene(Protocol):
    """A scene that also gives its values as they are stored, so that who stores them again need not decode them."""

    def read_stored(self, window: Window) -> StoredRaster:
        """Read a window; `raster()` of it is what `Scene.read` gives. Raises as that does."""


@runtime_checkable
class Placed(Protocol):
    """A scene or a writer whose file states where its grid lies.

    `transform` is (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f, of pixel corners; None where the file states nothing.
    """

    @property
    def transform(self) -> Transform | None:
        """Where the grid lies."""


@dataclass(frozen=True)
class OutputFile:
    """One file or folder that a writer made: what it is ("image", "interval", "residual", "verdict") and where."""

    role: str
    path: Path


class SceneWriter(Protocol):
    """Writes an upscaled image from top to bottom; leaving it by an exception leaves nothing at the final path.

    Attributes
    ----------
    lossless : whether the format keeps every value that it is given (JPEG does not), and so whether the written file can give the
        measurement back.
    canvas : the rows that are finished, those of an earlier run of the same plan among them.
    """

    lossless: bool
    canvas: Canvas

    def write(
        self,
        window: Window,
        mean: Float32Array,
        mask: BoolArray,
        half_width: Float32Array | None,
        residual: Float32Array | None,
        note: str = "",
    ) -> None:
        """Encode the next rows and bring them to the disk. Any thread may call it, one at a time.

        Parameters
        ----------
        window : Window
            Place on the SR grid: whole rows, whole LR pixels, where the canvas ends.
        mean : float32 (C, h, w)
            Physical unit. May be NaN where `mask` is False.
        mask : bool (h, w)
            True = measured; the rest is written as the file's nodata. The same for all SR pixels of an LR pixel.
        half_width : float32 (C, h, w) or None
            Half-width of the interval, same unit; NaN where there is no claim. None: no interval file.
        residual : float32 (C, h / s, w / s) or None
            y - A z on the LR grid, same unit.
        note : str
            Kept with the rows: `canvas.notes` gives it back, also to a later run.

        Raises
        ------
        ShapeError
            If arrays and window do not fit each other or the image.
        OutputError
            If a usable pixel is not finite, or the disk is full (DeliveryError).
        """

    def reread(self, window: Window) -> Raster:
        """Give back, through the file's own rounding, what was written at a window of the SR grid."""

    def reread_half_width(self, window: Window) -> Float32Array | None:
        """Give back the half-widths at a window of the SR grid, as stored: float32 (C, h, w), NaN: no claim; None: they are not kept."""

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Make the files from the canvas, attach the verdict and publish everything at its final path."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
