"""What all readers share: how a batch is drawn, turned and shaped. Which pixels are read, and from where, the readers say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sr_core.errors import StoreError
from sr_core.operators.symmetry import RECTANGLE, SYMMETRIES, Upscale, commuting, dihedral
from sr_core.patches.readers_moments import Moments

if TYPE_CHECKING:
    from sr_core.patches.layout import StoredSplit
    from sr_core.patches.shard import PairImage
    from sr_core.patches.store import PatchStore
    from sr_core.recipe import PatchPlan

Shape = tuple[int, int, int]
Index = npt.NDArray[np.int32]
WIDE = 1 << 31  # band numbers are drawn below this and folded, so that a draw does not depend on the number of bands

ALL = slice(None)


@dataclass(frozen=True)
class Draw:
    """What one batch takes, int64 (N,) each: patch numbers, band numbers (before folding to the image's bands), symmetries."""

    patches: Tensor
    bands: Tensor
    symmetries: Tensor


def draw(generator: torch.Generator, size: int, patches: int) -> Draw:
    """Draw a batch, patches with replacement. Every call takes the same numbers from the generator, whatever is used."""

    def numbers(below: int) -> Tensor:
        return torch.randint(below, (size,), generator=generator, device=generator.device)

    return Draw(numbers(patches), numbers(WIDE), numbers(SYMMETRIES))


def reader_grids(image: PairImage, plan: PatchPlan, upscale: Upscale | None) -> tuple[Tensor, Tensor]:
    """Give (input, reference) on the grids of the plan: LR as it is, or upscaled to HR size; float32 (C, H, W).

    Raises
    ------
    StoreError
        If the plan is on the HR grid and no interpolation is given.
    """
    lr, hr = torch.from_numpy(image.lr.pixels), torch.from_numpy(image.hr.pixels)
    if plan.grid == "lr":
        return lr, hr
    return needed(upscale)(lr).to(torch.float32), hr


def needed(upscale: Upscale | None) -> Upscale:
    """Give the interpolation, or say that a store on the HR grid cannot be read without one."""
    if upscale is None:
        raise StoreError("a store on the HR grid without an interpolation", "the operator's `upscale`", "Pass upscale=operator.upscale.")
    return upscale


def patch_shape(store: PatchStore, split: StoredSplit) -> tuple[Shape, Shape]:
    """Give the shapes (C, rows, cols) of input and reference patches of a split.

    Raises
    ------
    StoreError
        If there is no patch, or images differ in bands or (origins `whole`) in size.
    """
    refuse_empty(store, split)
    plan, scale = store.plan, store.scale
    shapes = set()
    for entry in store.entries(split):
        bands, *sides = entry.lr_shape if plan.grid == "lr" else entry.hr_shape
        rows, cols = sides if plan.origins == "whole" else (plan.size, plan.size)
        shapes.add((bands, rows, cols))
    if len(shapes) > 1:
        raise StoreError(
            f"{split} pictures of {len(shapes)} shapes in {store.folder}: {', '.join(map(str, sorted(shapes)[:3]))}",
            "one number of bands, and one size where pictures are taken whole",
            "Train band-wise (network.bands=band-wise), or cut patches (patches.origins=edge).",
        )
    bands, rows, cols = shapes.pop()
    finer = scale if plan.grid == "lr" else 1
    return (bands, rows, cols), (bands, rows * finer, cols * finer)


def refuse_empty(store: PatchStore, split: StoredSplit) -> None:
    """Refuse a split without a patch."""
    if not store.count(split):
        raise StoreError(
            f"no {split} patch in {store.folder}",
            f"at least one of {store.plan.size} x {store.plan.size} px without nodata on the {store.plan.grid.upper()} grid",
            "Give larger images, or set a smaller patches.size, and prepare again: sr prepare.",
        )


class Reader(ABC):
    """Batches of pairs; the same generator state gives the same batch, bit for bit, from every kind of reader.

    Parameters
    ----------
    store : PatchStore
    split : "train" or "val"
    bandwise : bool
        Whether a sample is one band, drawn anew for each (C = 1), or all bands of its image.
    device : where batches are made.
    upscale : the operator's interpolation, LR (C, h, w) -> (C, sh, sw); needed for a store on the HR grid.

    Attributes
    ----------
    sides : rows and columns of an input patch.
    finer : pixels of the reference per pixel of the input: the scale on the LR grid, 1 on the HR grid.

    Raises
    ------
    StoreError
        If the split has no patch, or its images cannot stand in one batch.
    """

    def __init__(
        self, store: PatchStore, split: StoredSplit, bandwise: bool, device: str | torch.device = "cpu", upscale: Upscale | None = None
    ) -> None:
        refuse_empty(store, split)
        self.store, self.split, self.bandwise, self.device = store, split, bandwise, torch.device(device)
        whole = store.plan.origins == "whole"
        self.sides = patch_shape(store, split)[0][1:] if whole else (store.plan.size, store.plan.size)
        if not bandwise:
            patch_shape(store, split)
        self.finer = store.scale if store.plan.grid == "lr" else 1
        self._upscale = needed(upscale) if store.plan.grid == "hr" else None
        self._index: Index = store.index(split)

    def __len__(self) -> int:
        return len(self._index)

    def origin_of(self, patch: int) -> tuple[int, int, int]:
        """Say where a patch is: image, as in `PatchStore.entries`, and first row and column on the plan's grid."""
        image, row, col = (int(n) for n in self._index[patch])
        return image, row, col

    @cached_property
    def symmetries(self) -> tuple[int, ...]:
        """The symmetries that augmentation uses: those that commute with the store's degradation and keep a patch's shape."""
        keep = range(SYMMETRIES) if self.sides[0] == self.sides[1] else RECTANGLE
        return tuple(k for k in commuting(self.store.operator, self._upscale) if k in keep)

    def batch(self, generator: torch.Generator, size: int, augment: bool = True, part: slice = ALL) -> tuple[Tensor, Tensor]:
        """Draw `size` pairs, with replacement, and read a part of them.

        Parameters
        ----------
        generator : all randomness; the same state gives the same batch, and its state after the call is the same
            whatever the store holds. Saved (`get_state`) and set again (`set_state`), it goes on where it was.
        size : number of samples N.
        augment : turn and mirror each pair by one of the symmetries of the square. A turned pair is a true pair only where
            the degradation commutes with the turn, as symmetric taps that are equal for rows and columns do; others are
            never used (see `symmetries`), so an operator without any symmetry gives the pairs of `augment=False`.
        part : which of the pairs are read; all are drawn.

        Returns
        -------
        (N, C, p, p), (N, C, q, q)
            N those of the part; float32, physical unit, on the device; q = scale * p on the LR grid, p on the HR grid. C = 1 if band-wise.

        Raises
        ------
        OperatorError
            If pairs are to be turned and the store's operator cannot be read.
        StoreError
            If a shard cannot be read.
        """
        drawn = draw(generator, size, len(self))
        turns = [self._folded[k] for k in drawn.symmetries.tolist()] if augment else [0] * size
        return self._gather(drawn.patches[part], drawn.bands[part], turns[part])

    def next_bands(self, generator: torch.Generator, size: int) -> Tensor:
        """Say which band each sample of the next batch will hold if band-wise, without drawing it.

        Returns
        -------
        int64 (N,)
            Modulo the number of its image's bands.
        """
        ahead = torch.Generator(generator.device)
        ahead.set_state(generator.get_state())
        return draw(ahead, size, len(self)).bands

    @cached_property
    def _folded(self) -> tuple[int, ...]:
        """From each of the eight symmetries to one that may be used, each of those equally often."""
        return tuple(self.symmetries[k * len(self.symmetries) // SYMMETRIES] for k in range(SYMMETRIES))

    def _gather(self, patches: Tensor, bands: Tensor, turns: list[int]) -> tuple[Tensor, Tensor]:
        lr, hr = self._crops(patches.tolist(), bands.tolist())
        return _stacked(lr, turns).to(self.device), _stacked(hr, turns).to(self.device)

    @abstractmethod
    def _crops(self, patches: list[int], bands: list[int]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Cut pairs, not turned: inputs and references, float32 (C, rows, cols) each."""

    @property
    @abstractmethod
    def moments(self) -> tuple[Moments, Moments]:
        """Moments of the usable LR and HR values."""

    def normalisation(self) -> tuple[float, float]:
        """Give mean and standard deviation of the usable LR values (measured, not upscaled; float64, physical unit).

        Raises
        ------
        StoreError
            If all of them are equal: there is nothing to learn, and nothing to divide by.
        """
        lr, _ = self.moments
        if not lr.std > 0:
            raise StoreError(f"training pixels that are all {lr.mean:g}", "images with contrast", "Check the input files' values.")
        return lr.mean, lr.std

    def data_range(self) -> float:
        """Give the largest minus the smallest usable HR value, in the physical unit."""
        _, hr = self.moments
        return hr.high - hr.low


def _stacked(crops: Sequence[Tensor], turns: list[int]) -> Tensor:
    return torch.stack([dihedral(crop, k) if k else crop for crop, k in zip(crops, turns, strict=True)])
