"""An upscaled image that grows from top to bottom in flat files, and goes on where a killed run stopped.

A row of a file holds that row of every band, one after the other, so that a file only ever grows at its end. Rows count once their bytes
are on the disk and a line of the journal, with a checksum of them, is there, too: a kill at any moment costs the rows in the making.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sr_core.delivery import flush
from sr_core.errors import DeliveryError, OutputError, ShapeError
from sr_core.journal import Line, checksum, opened, sealed
from sr_core.raster import BoolArray, Encoding, Float32Array, Window, cache_blocks

Stored = npt.NDArray[Any]
JOURNAL, VERSION = "journal", 1
STORED, MASK, HALF_WIDTH, RESIDUAL = "stored", "mask", "half_width", "residual"


@dataclass(frozen=True)
class Layout:
    """What the flat files hold.

    Attributes
    ----------
    shape : (C, h, w) of the measurement.
    scale : SR pixels per LR pixel, per axis.
    dtype : stored type of the image.
    extra : stored bands beside the C ones (alpha).
    half_width : stored type of half-widths, or None where none are kept.
    residual : whether residuals (float32) are kept.
    """

    shape: tuple[int, int, int]
    scale: int
    dtype: str
    extra: int = 0
    half_width: str | None = None
    residual: bool = False

    def files(self) -> dict[str, tuple[tuple[int, int, int], str]]:
        """Give the files: name -> ((rows, bands, columns), type)."""
        channels, height, width = self.shape
        fine = height * self.scale, channels, width * self.scale
        files = {STORED: ((fine[0], channels + self.extra, fine[2]), self.dtype), MASK: ((height, 1, width), "uint8")}
        if self.half_width is not None:
            files[HALF_WIDTH] = fine, self.half_width
        if self.residual:
            files[RESIDUAL] = (height, channels, width), "float32"
        return files

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in self.files().values())


class Canvas:
    """The flat files of one upscaled image.

    Parameters
    ----------
    folder : where they lie; made if it is missing. What is there is taken over up to the first row that is damaged or of another layout.
    layout : what they hold.

    Attributes
    ----------
    rows : finished LR rows.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.layout = folder, layout
        self._lines: list[Line] = []
        try:
            folder.mkdir(exist_ok=True)
            self._take_over()
        except OSError as error:
            raise _full(folder, error) from error

    @property
    def rows(self) -> int:
        """Finished LR rows."""
        return sum(line.rows for line in self._lines)

    @property
    def whole(self) -> bool:
        """Whether every row is finished."""
        return self.rows == self.layout.shape[1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noted with each piece of rows, from top to bottom."""
        return tuple(line.note for line in self._lines)

    @property
    def clipped(self) -> int:
        """Values that the encoding cut to its range."""
        return sum(line.clipped for line in self._lines)

    @property
    def claimed(self) -> bool:
        """Whether any pixel came with a half-width."""
        return any(line.claimed for line in self._lines)

    def check(self, window: Window, mean: Float32Array, mask: BoolArray) -> None:
        """Refuse what is not the next rows of the image.

        Raises
        ------
        ShapeError
            If window or arrays do not fit, or the mask cuts LR pixels.
        OutputError
            If a value is not finite where the mask is True.
        """
        channels, height, width = self.layout.shape
        scale = self.layout.scale
        shape = (channels, window.height, width * scale)
        fits = (window.row, window.col, window.width) == (self.rows * scale, 0, width * scale) and not window.height % scale
        if not fits or window.row + window.height > height * scale or mean.shape != shape or mask.shape != shape[1:]:
            raise ShapeError(
                f"mean {mean.shape}, mask {mask.shape} at {window}",
                f"whole rows of {width * scale} px from row {self.rows * scale} on, a multiple of {scale}, at most {height * scale} in all",
                "Write the image from top to bottom.",
            )
        if not mask.all() and (mask != mask[::scale, ::scale].repeat(scale, 0).repeat(scale, 1)).any():
            raise ShapeError(f"a mask that cuts LR pixels at {window}", f"blocks of {scale} x {scale} equal pixels", "Enlarge the LR mask.")
        for part, usable in cache_blocks(mean, np.broadcast_to(mask, mean.shape)):
            if not np.isfinite(part).all() and not np.isfinite(part[usable]).all():
                raise OutputError(f"values that are not finite at {window}", "a finite value at every usable pixel", "Use another model.")

    def append(self, arrays: Mapping[str, Stored], mask: BoolArray, *, clipped: int = 0, claimed: bool = False, note: str = "") -> None:
        """Add rows at the bottom; they are on the disk when this returns.

        Parameters
        ----------
        arrays : stored values by file, (rows, bands, columns), of the types of the layout.
        mask : bool (SR rows, SR columns).
        clipped : values that the encoding cut to its range.
        claimed : whether they come with a half-width, be it NaN.
        note : text to be given back by `notes`.

        Raises
        ------
        DeliveryError
            If the disk is full.
        """
        scale, first = self.layout.scale, self.rows
        pieces = {**arrays, MASK: mask[::scale, ::scale].astype(np.uint8)[:, None]}
        sums: dict[str, int] = {}
        try:
            for name, (shape, kind) in self.layout.files().items():
                data = np.ascontiguousarray(pieces[name], kind)
                if data.shape[1:] != shape[1:]:
                    raise ShapeError(f"{name} {data.shape}", f"(rows, {shape[1]}, {shape[2]})", "Give whole rows.")
                sums[name] = zlib.crc32(data.data)
                with self._file(name).open("r+b") as file:
                    file.seek(first * self._row_bytes(name))
                    file.write(data.data)
                    file.flush()
                    os.fsync(file.fileno())
            line = Line(mask.shape[0] // scale, sums, clipped, claimed, note)
            with (self.folder / JOURNAL).open("ab") as journal:
                journal.write(sealed(asdict(line)))
                journal.flush()
                os.fsync(journal.fileno())
        except OSError as error:
            raise _full(self.folder, error) from error
        self._lines.append(line)

    def read(self, name: str) -> Stored:
        """Give the finished rows of a file, (bands, rows, columns), read-only and not yet in memory."""
        shape, kind = self.layout.files()[name]
        rows = self.rows * (shape[0] // self.layout.shape[1])
        if not rows:
            return np.empty((shape[1], 0, shape[2]), kind)
        array: Stored = np.memmap(self._file(name), kind, "r", shape=(rows, *shape[1:]))
        return array.transpose(1, 0, 2)

    def half_width(self, window: Window) -> Stored | None:
        """Give the stored half-widths of a window of the SR grid, (bands, h, w); None where none are kept."""
        if self.layout.half_width is None:
            return None
        return np.ascontiguousarray(self.read(HALF_WIDTH)[(slice(None), *window.slices())])

    def mask(self, window: Window) -> BoolArray:
        """Give the usable pixels of a window of the SR grid."""
        rows, cols = window.slices()
        scale = self.layout.scale
        coarse = self.read(MASK)[0, rows.start // scale : -(-rows.stop // scale), cols.start // scale : -(-cols.stop // scale)]
        fine = coarse.astype(bool).repeat(scale, 0).repeat(scale, 1)
        top, left = rows.start % scale, cols.start % scale
        return fine[top : top + window.height, left : left + window.width]

    def path(self, name: str) -> Path:
        """Give the place of a file."""
        return self._file(name)

    def require_whole(self) -> None:
        """Refuse to go on without all rows.

        Raises
        ------
        ShapeError
            With the number of rows that are there.
        """
        if not self.whole:
            raise ShapeError(f"{self.rows} of {self.layout.shape[1]} LR rows written", "all of them", "Write the image to its end.")

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.raw"

    def _row_bytes(self, name: str) -> int:
        """Bytes of what an LR row covers."""
        shape, kind = self.layout.files()[name]
        return shape[0] // self.layout.shape[1] * shape[1] * shape[2] * np.dtype(kind).itemsize

    def _take_over(self) -> None:
        head = sealed({"version": VERSION, "layout": asdict(self.layout)})
        journal = self.folder / JOURNAL
        kept = head
        if journal.is_file():
            lines = journal.read_bytes().splitlines(keepends=True)
            for text in lines[1:] if lines and lines[0] == head else []:
                line = self._proven(text)
                if line is None:
                    break
                self._lines.append(line)
                kept += text
        for name in self.layout.files():
            self._file(name).touch()
            os.truncate(self._file(name), self.rows * self._row_bytes(name))
        with journal.open("wb" if not self._lines else "r+b") as file:
            file.write(kept)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        flush(self.folder)

    def _proven(self, text: bytes) -> Line | None:
        """Give a line of the journal if it is whole, and the bytes that it speaks of are."""
        try:
            line = Line(**opened(text))
        except (ValueError, TypeError):
            return None
        first = self.rows
        for name in self.layout.files():
            size = self._row_bytes(name)
            if not self._file(name).is_file() or checksum(self._file(name), first * size, line.rows * size) != line.sums.get(name):
                return None
        return line


def encoded_rows(encoding: Encoding, mean: Float32Array, mask: BoolArray, filler: float, extra: int = 0) -> tuple[Stored, int]:
    """Encode an image as its rows lie in a flat file.

    Parameters
    ----------
    mean : float32 (C, h, w), physical unit, finite wherever `mask` is True.
    mask : bool (h, w).
    filler : stored value of the other pixels.
    extra : bands to leave room for.

    Returns
    -------
    (h, C + extra, w) of the stored type, and how many values were cut to the encoding's range.
    """
    channels, height, width = mean.shape
    rows = np.empty((height, channels + extra, width), encoding.dtype)
    clipped, full = 0, bool(mask.all())
    for band in range(channels):
        clipped += encoding.encode_known(mean[band], mask, rows[:, band])[1]
        if not full:
            rows[:, band][~mask] = np.asarray(filler).astype(encoding.dtype)
    return rows, clipped


def by_rows(array: Stored) -> Stored:
    """Turn (C, h, w) into the rows of a flat file, (h, C, w)."""
    return np.ascontiguousarray(array.transpose(1, 0, 2))


def row_blocks(height: int, row_bytes: int, budget: int = 64 << 20) -> Iterator[slice]:
    """Cut the rows of an image into pieces of at most `budget` bytes (one row at least)."""
    step = max(1, budget // max(1, row_bytes))
    for row in range(0, height, step):
        yield slice(row, min(height, row + step))


def _full(folder: Path, error: OSError) -> DeliveryError:
    return DeliveryError(
        f"{folder} cannot be written ({error.strerror})", "a place with enough room", "Free some space; the same command then goes on."
    )
