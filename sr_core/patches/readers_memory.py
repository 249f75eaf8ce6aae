"""Readers that hold a split in memory: pair by pair on any device, or gathered in one step on the device."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sr_core.operators.symmetry import Upscale
from sr_core.patches.readers_base import Reader, reader_grids
from sr_core.patches.readers_moments import Moments

if TYPE_CHECKING:
    from sr_core.patches.layout import StoredSplit
    from sr_core.patches.store import PatchStore
    from sr_core.raster import Raster


class _Held(Reader):
    """A reader of images that are read once, here, and held as float32 in the physical unit."""

    def __init__(
        self, store: PatchStore, split: StoredSplit, bandwise: bool, device: str | torch.device = "cpu", upscale: Upscale | None = None
    ) -> None:
        super().__init__(store, split, bandwise, device, upscale)
        self._moments = Moments(), Moments()
        self._images: list[tuple[Tensor, Tensor]] = []
        for image in store.images(split):
            lr, hr = reader_grids(image, store.plan, upscale)
            self._images.append((self._kept(lr), self._kept(hr)))
            for moments, raster in zip(self._moments, (image.lr, image.hr), strict=True):
                _take(moments, raster)

    def _kept(self, image: Tensor) -> Tensor:
        return image.to(self.device)

    @property
    def moments(self) -> tuple[Moments, Moments]:
        """Moments of the usable LR and HR values."""
        return self._moments


def _take(moments: Moments, raster: Raster) -> None:
    bands, height, width = raster.pixels.shape
    moments.add_image(lambda band, rows: raster.pixels[band, rows], lambda rows: raster.mask[rows], (bands, height, width))


class MemoryReader(_Held):
    """Batches from images that are held in memory, on the device, as float32 in the physical unit; parameters as `Reader`.

    Raises
    ------
    StoreError
        If the split has no patch, or its images cannot stand in one batch.
    """

    def pair(self, patch: int) -> tuple[Tensor, Tensor]:
        """Give one pair by its number, all bands: input and reference, float32 (C, rows, cols), on the device."""
        return self._cut(patch, None)

    def _crops(self, patches: list[int], bands: list[int]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        pairs = [self._cut(patch, band if self.bandwise else None) for patch, band in zip(patches, bands, strict=True)]
        return [lr for lr, _ in pairs], [hr for _, hr in pairs]

    def _cut(self, patch: int, band: int | None) -> tuple[Tensor, Tensor]:
        number, row, col = (int(n) for n in self._index[patch])
        lr, hr = self._images[number]
        (rows, cols), s = self.sides, self.finer
        kept = slice(None) if band is None else slice(band % lr.shape[0], band % lr.shape[0] + 1)
        return lr[kept, row : row + rows, col : col + cols], hr[kept, row * s : (row + rows) * s, col * s : (col + cols) * s]


class DeviceReader(_Held):
    """Batches gathered on the device in one step, whatever their size; parameters as `Reader`.

    All images lie in one flat tensor, the index beside it; where a pixel of a turned patch comes from is computed there.
    A batch needs a fixed number of device operations and, with a generator of the device, one short wait for its numbers.

    Raises
    ------
    StoreError
        If the split has no patch, or its images cannot stand in one batch.
    """

    def __init__(
        self, store: PatchStore, split: StoredSplit, bandwise: bool, device: str | torch.device = "cpu", upscale: Upscale | None = None
    ) -> None:
        super().__init__(store, split, bandwise, device, upscale)
        self._rows = torch.from_numpy(self._index.astype(np.int64)).to(device)  # (N, 3): image, row, column
        self._joint = int(self._images[0][0].shape[0])  # bands of every image, where they are drawn together
        lr, hr = (tuple(part.to(device) for part in _flat([pair[grid] for pair in self._images])) for grid in (0, 1))
        self._lr, self._hr = (lr[0], lr[1]), (hr[0], hr[1])
        self._images = []  # they live in the flat tensors now

    def _kept(self, image: Tensor) -> Tensor:
        return image  # moved when all are laid end to end

    def _gather(self, patches: Tensor, bands: Tensor, turns: list[int]) -> tuple[Tensor, Tensor]:
        place = self._rows[patches.to(self.device)]
        turned = torch.tensor(turns, dtype=torch.int64).to(self.device)
        wanted = bands.to(self.device)
        return self._cut(*self._lr, place, wanted, turned, 1), self._cut(*self._hr, place, wanted, turned, self.finer)

    def _cut(self, pixels: Tensor, table: Tensor, place: Tensor, bands: Tensor, turns: Tensor, finer: int) -> Tensor:
        """Gather (N, C, rows, cols); `table` (images, 4) is start, bands, height, width of each image in `pixels`."""
        start, count, height, width = table[place[:, 0]].T
        rows, cols = self.sides[0] * finer, self.sides[1] * finer
        down, across = _sources(turns, rows, cols)  # (N, rows, cols) each
        down, across = down + place[:, 1, None, None] * finer, across + place[:, 2, None, None] * finer
        inside = down * width[:, None, None] + across
        band = (bands % count)[:, None] if self.bandwise else torch.arange(self._joint, device=self.device)[None]
        base = start[:, None] + band * (height * width)[:, None]  # (N, C)
        return pixels[base[:, :, None, None] + inside[:, None]]

    def _crops(self, patches: list[int], bands: list[int]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        lr, hr = self._gather(torch.tensor(patches), torch.tensor(bands), [0] * len(patches))
        return list(lr), list(hr)


def _flat(images: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Lay images (C, H, W) end to end; also give start, bands, height and width of each, int64 (images, 4)."""
    sizes = [image.numel() for image in images]
    starts = itertools.accumulate(sizes[:-1], initial=0)
    table = torch.tensor([[start, *image.shape] for start, image in zip(starts, images, strict=True)], dtype=torch.int64)
    return torch.cat([image.reshape(-1) for image in images]), table


def _sources(turns: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor]:
    """Give the row and column of the patch from which `dihedral` takes each pixel, int64 (N, rows, cols).

    A mirror comes last, so it is undone first; then quarter turns. Odd turns occur for square patches only.
    """
    down = torch.arange(rows, device=turns.device)[None, :, None].expand(len(turns), rows, cols)
    across = torch.arange(cols, device=turns.device)[None, None, :].expand(len(turns), rows, cols)
    quarter, mirrored = (turns % 4)[:, None, None], (turns >= 4)[:, None, None]
    across = torch.where(mirrored, cols - 1 - across, across)
    odd = quarter % 2 == 1
    down, across = torch.where(odd, across, down), torch.where(odd, rows - 1 - down, across)
    # one quarter turn takes (r, c) from (c, rows - 1 - r); two more turns take both from the other end
    half = quarter >= 2
    return torch.where(half, rows - 1 - down, down), torch.where(half, cols - 1 - across, across)
