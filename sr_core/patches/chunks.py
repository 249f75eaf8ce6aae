"""Images and masks that go to an HDF5 file in whole chunks.

For images HDF5 lays the chunks' places out when the dataset is made; then a row of chunks is a few plain writes. Through HDF5 each
chunk would be a copy into its cache and a call back into Python: several times the time of the bytes themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import pairwise

import h5py
import numpy as np
import numpy.typing as npt

from sr_core.patches.layout import CHUNK

Stored = npt.NDArray[np.generic]
MASK_LEVEL = 1  # of deflate: masks are nearly constant


def chunk_sides(shape: tuple[int, ...]) -> tuple[int, int]:
    """Give the rows and columns of a chunk of an image or mask (..., H, W)."""
    return min(CHUNK, shape[-2]), min(CHUNK, shape[-1])


def create_laid_out(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> h5py.Dataset:
    """Create a dataset (C, H, W) of uncompressed chunks whose places are fixed now and never filled by HDF5."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1, *chunk_sides(shape)))
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plan.set_obj_track_times(False)
    kind, space = h5py.h5t.py_create(dtype, logical=True), h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, space, plan))


def create_mask(group: h5py.Group, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """Create a dataset bool (H, W) of compressed chunks."""
    return group.create_dataset(
        name, shape, np.bool_, chunks=chunk_sides(shape), compression="gzip", compression_opts=MASK_LEVEL, track_times=False
    )


class ChunkWriter:
    """Fills a dataset of `create_laid_out` from the first row to the last.

    Parameters
    ----------
    dataset : (C, H, W).
    write_at : writes contiguous bytes at an offset of the dataset's file.
    """

    def __init__(self, dataset: h5py.Dataset, write_at: Callable[[int, memoryview], None]) -> None:
        bands, height, width = dataset.shape
        self._rows, self._cols = chunk_sides(dataset.shape)
        self._places = np.zeros((bands, -(-height // self._rows), -(-width // self._cols)), np.int64)
        self._row, self._write_at = 0, write_at
        # One row of chunks, side by side; beyond the image it stays 0, as HDF5 would have it.
        self._buffer = np.zeros((self._places.shape[2], self._rows, self._cols), dataset.dtype)

        def take(chunk: h5py.h5d.StoreInfo) -> None:
            band, row, col = chunk.chunk_offset
            self._places[band, row // self._rows, col // self._cols] = chunk.byte_offset

        dataset.id.chunk_iter(take)

    def write(self, rows: Stored) -> None:
        """Take the next rows, (C, n, W), n a multiple of the chunk's unless they are the last."""
        for band, image in enumerate(rows):
            for first in range(0, image.shape[0], self._rows):
                self._write_row(image[first : first + self._rows], self._places[band, (self._row + first) // self._rows])
        self._row += rows.shape[1]

    def _write_row(self, image: Stored, places: npt.NDArray[np.int64]) -> None:
        """Write one row of chunks, those that lie together in the file in one step."""
        height, width = image.shape
        buffer, whole = self._buffer, width // self._cols
        if height < self._rows:
            buffer[:] = 0
        buffer[:whole, :height] = image[:, : whole * self._cols].reshape(height, whole, self._cols).swapaxes(0, 1)
        if whole * self._cols < width:
            buffer[whole, :height, : width - whole * self._cols] = image[:, whole * self._cols :]
        apart = np.flatnonzero(np.diff(places) != buffer[0].nbytes) + 1
        for start, stop in pairwise([0, *apart.tolist(), len(places)]):
            self._write_at(int(places[start]), buffer[start:stop].data)


class MaskWriter:
    """Fills a compressed dataset of a mask (H, W) from the first row to the last; a chunk of nothing but True is compressed once.

    Parameters
    ----------
    dataset : bool (H, W), compressed with deflate alone.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset, self._row = dataset, 0
        self._known: dict[tuple[int, int], bytes] = {}

    def write(self, rows: Stored) -> None:
        """Take the next rows, (n, W), n a multiple of the chunk's unless they are the last."""
        first, self._row = self._row, self._row + len(rows)
        if not rows.all():
            self._dataset[first : self._row] = rows
            return
        height, width = self._dataset.chunks
        for row in range(first, self._row, height):
            for col in range(0, rows.shape[1], width):
                whole = min(height, self._row - row), min(width, rows.shape[1] - col)
                self._dataset.id.write_direct_chunk((row, col), self._true(whole))

    def _true(self, whole: tuple[int, int]) -> bytes:
        """Give a chunk whose first rows and columns are True; beyond the image it is False, as HDF5 would have it."""
        if whole not in self._known:
            chunk = np.zeros(self._dataset.chunks, np.bool_)
            chunk[: whole[0], : whole[1]] = True
            self._known[whole] = zlib.compress(chunk.tobytes(), MASK_LEVEL)
        return self._known[whole]
