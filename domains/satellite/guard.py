"""Bounds on a raster that may be damaged or hostile: what kind of file it is, what it may claim, how long it may take.

Every failure is an `InputError`. Sizes are held against what the file can hold before anything is allocated for them, and
time against its length, so that a small file never costs much.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np

from domains.common.geometry import Affine6, is_usable, spacing
from sr_core.errors import InputError, SRError
from sr_core.raster import Encoding, Window

MAX_BLOCKS = 1 << 20  # of all bands: each has a place in a table, and costs a call to read
FEW_BLOCKS = 1024  # that may be of any size
SMALLEST_BLOCK = 64  # px; TIFF asks for tiles of 16 x 16 at least, and tiles of one pixel cost 65 microseconds each
WINDOW_BYTES = 64 << 20  # of stored values that are read at once in the first pass over a scene
PASS_SIDE = 1024  # px of a window whose blocks are smaller
LEAST_STEP = 2.0**-48  # a pixel this small beside its coordinates has corners that float64 cannot tell apart once upscaled
SCALES = (1e-30, 1e30)  # beyond, float32 holds no physical value of a stored one
START_S = 60.0  # seconds that any file may take
SLOWEST = 256 << 10  # stored bytes a second; the slowest codec (JPEG 2000, one core) reads 10 times as fast
WHOLE = "a whole, undamaged file"
AGAIN = "Get the file again."


@contextmanager
def refusing(what: str, expected: str = WHOLE) -> Iterator[None]:
    """Turn every failure of a decoder into an `InputError` that says what cannot be done.

    GDAL's errors have no common class, and text in a file that is no UTF-8 fails in Python only.

    Parameters
    ----------
    what : for instance "scene.tif cannot be opened"; the reason follows in brackets.
    """
    try:
        with _without_torn_messages():
            yield
    except SRError:
        raise
    except Exception as error:  # RasterioError, CPLE_BaseError, UnicodeDecodeError, ValueError of an enumeration, MemoryError
        reason = str(error.__cause__ or error) or type(error).__name__
        raise InputError(f"{what} ({printable(reason)})", expected, AGAIN) from error


@dataclass
class _Hooks:
    """The interpreter's two hooks for what nobody catches. Threads share them: the first sets them, the last puts them back."""

    lock: Lock = field(default_factory=Lock)
    users: int = 0
    before: tuple[Callable[[Any], Any], Callable[..., Any]] = (sys.unraisablehook, sys.excepthook)

    def enter(self) -> None:
        with self.lock:
            self.users += 1
            if self.users == 1:
                self.before = sys.unraisablehook, sys.excepthook
                sys.unraisablehook, sys.excepthook = self.dropped, self.silent  # Cython tells both

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                sys.unraisablehook, sys.excepthook = self.before

    def dropped(self, said: Any) -> None:
        if not isinstance(said.exc_value, UnicodeDecodeError):
            self.before[0](said)

    def silent(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, UnicodeDecodeError):
            self.before[1](kind, error, trace)


_HOOKS = _Hooks()


@contextmanager
def _without_torn_messages() -> Iterator[None]:
    """Drop what rasterio prints, traceback and all, where a message of GDAL holds bytes of the file that are no UTF-8."""
    _HOOKS.enter()
    try:
        yield
    finally:
        _HOOKS.leave()


def printable(text: str, longest: int = 200) -> str:
    """Give text from a file as one short line of characters that a terminal shows and does not obey."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 4] + " ..."


def check_regular(path: Path) -> None:
    """Refuse what is no regular file before it is opened, since opening a pipe waits for its writer.

    Raises
    ------
    InputError
        For pipes, devices, sockets and folders, and for what is not there.
    """
    try:
        regular = path.is_file()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} ({error})", "a file that can be read", "Check the path.") from error
    if not regular:
        raise InputError(f"{path} is no regular file", "a file", "Leave it out.")


def check_blocks(name: str, dataset: Any, may_lack: bool) -> None:
    """Refuse tables that cost more than the pixels, and pictures of which the file lacks a part.

    GDAL reads a block that the table does not hold as zeros. Where no nodata value says so, zeros that nobody measured
    would be taken for pixels.

    Parameters
    ----------
    may_lack : a nodata value, a mask or an alpha band says which pixels were measured.

    Raises
    ------
    InputError
        If there are too many blocks, they are too small, or some are missing.
    """
    rows, cols = dataset.block_shapes[0]
    down, across = math.ceil(dataset.height / rows), math.ceil(dataset.width / cols)
    planes = 1 if dataset.profile.get("interleave") == "pixel" else dataset.count
    count = down * across * planes
    if count > MAX_BLOCKS or (count > FEW_BLOCKS and rows * cols < SMALLEST_BLOCK):
        given = f"{name} is cut into {count} blocks of {cols} x {rows} pixels"
        expected = f"at most {MAX_BLOCKS} blocks, none smaller than {SMALLEST_BLOCK} pixels"
        raise InputError(given, expected, "Write it in larger tiles: rio convert --co TILED=YES in.tif out.tif")
    if dataset.driver != "GTiff" or may_lack:
        return
    for band in range(1, planes + 1):
        for row in range(down):
            for col in range(across):
                if dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band) is None:
                    where = f"row {row * rows}, column {col * cols} of band {band}"
                    given = f"{name} does not hold the block at {where}, and names no nodata value"
                    remedy = "Get the file again; or, if the block is empty on purpose: rio edit-info --nodata 0 file.tif"
                    raise InputError(given, "all blocks, or a nodata value for those left out", remedy)


def check_codec(name: str, dataset: Any) -> None:
    """Refuse colours that a JPEG stream does not share with its TIFF: libtiff writes them beyond its buffer, and the process dies.

    Raises
    ------
    InputError
        If a JPEG picture says YCbCr and is not of three bands side by side.
    """
    profile = dataset.profile
    if profile.get("photometric") == "ycbcr" and (dataset.count != 3 or profile.get("interleave") != "pixel"):
        given = f"{name} says YCbCr with {dataset.count} bands, by {profile.get('interleave')}"
        raise InputError(given, "three bands, by pixel", AGAIN)


def check_place(name: str, transform: Affine6, height: int, width: int) -> None:
    """Refuse a transform under which the pixels of this scene have no size, or no place that numbers can tell apart.

    Raises
    ------
    InputError
        If it is not finite, cannot be inverted, or overflows or vanishes over the scene.
    """
    a, b, c, d, e, f = transform
    if not is_usable(transform):
        raise InputError(f"{name} has the transform {transform}", "six finite numbers that can be inverted", "Mend its georeference.")
    corners = ((row, col) for row in (0, height) for col in (0, width))
    farthest = max(abs(v) for row, col in corners for v in (a * col + b * row + c, d * col + e * row + f))
    if not (math.isfinite(farthest) and min(spacing(transform)) > LEAST_STEP * farthest and math.isfinite(a * e - b * d)):
        given = f"{name} has pixels of {' x '.join(f'{v:.3g}' for v in spacing(transform))} at coordinates up to {farthest:.3g}"
        raise InputError(given, "pixels that differ in their coordinates, all of them finite", "Mend its georeference.")


def check_values(name: str, encoding: Encoding, nodata: float | None) -> None:
    """Refuse a scale under which no physical value is a number, and a nodata value that no pixel can hold.

    Raises
    ------
    InputError
        If scale, offset and stored type, or nodata and stored type, contradict each other.
    """
    low, high = SCALES
    if not low <= abs(encoding.scale) <= high or abs(encoding.offset) > high:
        given = f"{name} has scale {encoding.scale:g} and offset {encoding.offset:g}"
        raise InputError(given, f"a scale of {low:g} to {high:g}, and an offset within it", "Mend the file's header.")
    if nodata is None or not encoding.is_integer:
        return
    info = np.iinfo(encoding.dtype)
    if not (math.isfinite(nodata) and info.min <= nodata <= info.max and float(nodata).is_integer()):
        given = f"{name} has the nodata value {nodata:g}, which {encoding.dtype} cannot hold"
        remedy = "Say which value marks missing pixels: rio edit-info --nodata 0 file.tif; or that none does: --unset-nodata."
        raise InputError(given, f"a whole number from {info.min} to {info.max}", remedy)


def pass_windows(height: int, width: int, block: tuple[int, int], pixel_bytes: int) -> Iterator[Window]:
    """Yield windows that cover a scene once, row by row: whole blocks where those fit, and never more than `WINDOW_BYTES`.

    Parameters
    ----------
    block : (rows, columns) of a stored block, as the file says.
    pixel_bytes : stored bytes of one pixel, all bands together.
    """
    most = max(1, WINDOW_BYTES // pixel_bytes)
    cols = _side(block[1], width, most)
    rows = _side(block[0], height, max(1, most // cols))
    for row in range(0, height, rows):
        for col in range(0, width, cols):
            yield Window(row, col, min(rows, height - row), min(cols, width - col))


def _side(block: int, length: int, most: int) -> int:
    """Give the side of a window: whole blocks up to about `PASS_SIDE`, one block where that is longer, at most `most`."""
    block = max(1, min(block, length))
    return min(length, block * max(1, min(PASS_SIDE, most) // block), most)


@dataclass
class Allowance:
    """How long the first pass over a file may take, by its length: a bomb is small and slow, a scene large and fast.

    Attributes
    ----------
    name : the file's, for the sentence.
    size : its length in bytes.
    clock : seconds, rising.
    """

    name: str
    size: int
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def seconds(self) -> float:
        """What is allowed."""
        return START_S + self.size / SLOWEST

    def check(self) -> None:
        """Stop a pass that takes too long; asked between windows.

        Raises
        ------
        InputError
            If the time is used up.
        """
        if (taken := self.clock() - self.began) > self.seconds:
            given = f"{self.name} was read for {taken:.0f} s and is not through"
            expected = f"at most {self.seconds:.0f} s for {self.size} bytes"
            raise InputError(given, expected, "Write it anew with another compression: rio convert --co COMPRESS=ZSTD in.tif out.tif")
