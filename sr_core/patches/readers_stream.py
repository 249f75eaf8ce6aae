"""The reader for stores larger than memory: crops straight from the uncompressed chunks, nothing kept but the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sr_core.errors import StoreError
from sr_core.operators.symmetry import Upscale
from sr_core.patches.layout import group_name, opened, read_header
from sr_core.patches.readers_base import Reader, Shape
from sr_core.patches.readers_files import FILES, ShardFiles
from sr_core.patches.readers_moments import Moments
from sr_core.raster import BoolArray, Encoding, Float32Array

if TYPE_CHECKING:
    from sr_core.patches.layout import StoredSplit
    from sr_core.patches.store import PatchStore

FARTHEST = 16  # LR px: an interpolation that reaches farther is not read in windows
PROBE = 2 * FARTHEST + 17  # LR px: side of the picture on which its reach is found


@dataclass(frozen=True)
class _Place:
    """Where the images of a pair are, and how their values are stored."""

    path: Path
    group: str
    encoding: Encoding
    lr_shape: Shape
    hr_shape: Shape


class StreamReader(Reader):
    """Batches read from the shards as they are drawn; memory does not depend on the size of the store.

    A crop is one rectangle of an HDF5 dataset (slices, never a list of indices) from uncompressed chunks of 128 x 128. Only
    the index of patches is in memory, with at most `files` open files and their small chunk caches. The reader can be
    pickled; every process opens its own files when it first reads, so any number may read at once. A split of pictures
    taken whole is read picture by picture.

    Parameters
    ----------
    store, split, bandwise, device, upscale : as `Reader`. On the HR grid LR windows are interpolated one batch at a time with as
        many pixels around them as the interpolation reaches, which is found by value; windows then equal the whole.
    files : shards held open at most, in each process.

    Raises
    ------
    StoreError
        If the split has no patch, its images cannot stand in one batch, or the interpolation is not local.
    """

    def __init__(
        self,
        store: PatchStore,
        split: StoredSplit,
        bandwise: bool,
        device: str | torch.device = "cpu",
        upscale: Upscale | None = None,
        files: int = FILES,
    ) -> None:
        super().__init__(store, split, bandwise, device, upscale)
        paths = {store.folder / shard.name: shard.content for shard in store.shards}
        self.files = ShardFiles(paths, files)
        self._places = [place for path in paths for place in _places(path, split)]
        whole = store.plan.origins == "whole"
        self._halo = 0 if self._upscale is None or whole else reach(self._upscale, store.scale)

    def close(self) -> None:
        """Close this process's files; the next batch opens them again."""
        self.files.close()

    def pair(self, patch: int) -> tuple[Tensor, Tensor]:
        """Read one pair by its number, all bands: input and reference, float32 (C, rows, cols), physical unit, on the CPU.

        Raises
        ------
        StoreError
            If the shard cannot be read.
        """
        number, row, col = (int(n) for n in self._index[patch])
        place = self._places[number]
        every = slice(0, place.lr_shape[0])
        (lr,) = self._inputs([(place, row, col, every)])
        return lr, self._reference(place, row, col, every)

    def _crops(self, patches: list[int], bands: list[int]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        wanted = []
        for patch, band in zip(patches, bands, strict=True):
            number, row, col = (int(n) for n in self._index[patch])
            place = self._places[number]
            first, count = (band % place.lr_shape[0], 1) if self.bandwise else (0, place.lr_shape[0])
            wanted.append((place, row, col, slice(first, first + count)))
        return self._inputs(wanted), [self._reference(*crop) for crop in wanted]

    def _reference(self, place: _Place, row: int, col: int, bands: slice) -> Tensor:
        (rows, cols), s = self.sides, self.finer
        return self._read(place, "hr", bands, (row * s, col * s), (rows * s, cols * s))

    def _inputs(self, wanted: list[tuple[_Place, int, int, slice]]) -> list[Tensor]:
        if self._upscale is None:
            return [self._read(place, "lr", bands, (row, col), self.sides) for place, row, col, bands in wanted]
        windows, corners = [], []
        for place, row, col, bands in wanted:
            (top, height), (left, width) = (
                _window(at, side, whole, self.store.scale, self._halo)
                for at, side, whole in zip((row, col), self.sides, place.lr_shape[1:], strict=True)
            )
            windows.append(self._read(place, "lr", bands, (top, left), (height, width)))
            corners.append((row - top * self.store.scale, col - left * self.store.scale))
        rows, cols = self.sides
        fine = _together(self._upscale, windows)
        return [up[:, top : top + rows, left : left + cols] for up, (top, left) in zip(fine, corners, strict=True)]

    def _read(self, place: _Place, grid: str, bands: slice, corner: tuple[int, int], sides: tuple[int, int]) -> Tensor:
        (top, left), (rows, cols) = corner, sides
        stored = self.files.read(place.path, f"{place.group}/{grid}", (bands, slice(top, top + rows), slice(left, left + cols)))
        return torch.from_numpy(decoded(stored, place.encoding))

    @cached_property
    def moments(self) -> tuple[Moments, Moments]:
        """Moments of the usable LR and HR values: one pass over the store, strip by strip, when first asked for."""
        both = Moments(), Moments()
        for place in self._places:
            for moments, grid, shape in zip(both, ("lr", "hr"), (place.lr_shape, place.hr_shape), strict=True):
                self._take(moments, place, grid, shape)
        return both

    def _take(self, moments: Moments, place: _Place, grid: str, shape: Shape) -> None:
        def strip(band: int, rows: slice) -> Float32Array:
            stored = self.files.read(place.path, f"{place.group}/{grid}", (slice(band, band + 1), rows, slice(None)))
            return place.encoding.decode(stored[0])

        def mask(rows: slice) -> BoolArray:
            return self.files.read(place.path, f"{place.group}/mask_{grid}", (rows, slice(None))).astype(np.bool_)

        moments.add_image(strip, mask, shape)


@lru_cache(maxsize=16)
def _table(encoding: Encoding) -> Float32Array:
    """Decode every stored value of an integer type of at most 16 bits, in the order of their bits."""
    bits = np.dtype(f"u{np.dtype(encoding.dtype).itemsize}")
    return encoding.decode(np.arange(np.iinfo(bits).max + 1).astype(bits).view(encoding.dtype))


def decoded(stored: npt.NDArray[np.generic], encoding: Encoding) -> Float32Array:
    """Turn stored values into physical ones as `Encoding.decode` does, to the last bit; short integers by table, which is faster."""
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize > 2:
        return encoding.decode(stored)
    return _table(encoding).take(stored.view(f"u{stored.dtype.itemsize}"))


def reach(upscale: Upscale, scale: int) -> int:
    """Give how many LR pixels beyond its own an HR pixel's interpolation looks at, plus one; found with a single bright pixel.

    Raises
    ------
    StoreError
        If it is more than 16: such an interpolation (k-space) has no windows.
    """
    flat = torch.zeros(1, PROBE, PROBE)
    spot = flat.clone()
    middle = PROBE // 2
    spot[0, middle, middle] = 1.0
    seen = (upscale(spot) != upscale(flat))[0].nonzero()
    if not len(seen):
        return 1
    low, high = int(seen.min()) // scale, int(seen.max()) // scale
    found = max(middle - low, high - middle, 0) + 1
    if found > FARTHEST:
        raise StoreError(
            f"an interpolation that reaches over {found - 1} LR px", f"at most {FARTHEST - 1} px, to be read in windows",
            "Use MemoryReader, which interpolates whole images.",
        )  # fmt: skip
    return found


def _window(at: int, side: int, whole: int, scale: int, halo: int) -> tuple[int, int]:
    """Give the first LR pixel and the number of them that an HR run [at, at + side) needs; the number is the same for all runs."""
    length = min(whole, (side - 1) // scale + 2 + 2 * halo)
    return min(max(at // scale - halo, 0), whole - length), length


def _together(upscale: Upscale, windows: list[Tensor]) -> list[Tensor]:
    """Interpolate windows, those of one shape in one call."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, window in enumerate(windows):
        groups.setdefault(tuple(window.shape), []).append(i)
    fine: dict[int, Tensor] = {}
    for members in groups.values():
        done = upscale(torch.stack([windows[i] for i in members])).to(torch.float32)
        fine |= dict(zip(members, done, strict=True))
    return [fine[i] for i in range(len(windows))]


def _places(path: Path, split: StoredSplit) -> list[_Place]:
    with opened(path) as file:
        header = read_header(file, path)
    return [
        _Place(path, group_name(number), header.encoding, entry.lr_shape, entry.hr_shape)
        for number, entry in enumerate(header.images)
        if entry.split == split
    ]
