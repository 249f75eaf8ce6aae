"""Reading batches of pairs. What a batch holds depends on the generator's state only, not on the reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sr_core.errors import StoreError

if TYPE_CHECKING:
    from sr_core.patches.layout import StoredSplit
    from sr_core.patches.shard import PairImage
    from sr_core.patches.store import PatchStore
    from sr_core.recipe import PatchPlan

Shape = tuple[int, int, int]
SYMMETRIES = 8  # of the square: four turns, each with and without a mirror
WIDE = 1 << 31  # band numbers are drawn below this and folded, so that a draw does not depend on the number of bands


@dataclass(frozen=True)
class Draw:
    """What one batch takes: patch numbers, band numbers (before folding to the image's bands), symmetries."""

    patches: list[int]
    bands: list[int]
    symmetries: list[int]


def draw(generator: torch.Generator, size: int, patches: int) -> Draw:
    """Draw a batch, patches with replacement. Every call takes the same numbers from the generator, whatever is used."""

    def numbers(below: int) -> list[int]:
        values: list[int] = torch.randint(below, (size,), generator=generator, device=generator.device).tolist()
        return values

    return Draw(numbers(patches), numbers(WIDE), numbers(SYMMETRIES))


def dihedral(pixels: Tensor, symmetry: int) -> Tensor:
    """Give one of the eight symmetries of the square: `symmetry % 4` quarter turns, then a mirror if >= 4.

    The last two axes are rows and columns; 0 is the identity. An image that is not square changes its shape at odd turns.
    """
    turned = torch.rot90(pixels, symmetry % 4, dims=(-2, -1))
    return turned.flip(-1) if symmetry >= 4 else turned


def reader_grids(image: PairImage, plan: PatchPlan, upscale: Callable[[Tensor], Tensor] | None) -> tuple[Tensor, Tensor]:
    """Give (input, reference) on the grids of the plan: LR as it is, or upscaled to HR size; float32 (C, H, W).

    Raises
    ------
    StoreError
        If the plan is on the HR grid and no interpolation is given.
    """
    lr, hr = torch.from_numpy(image.lr.pixels), torch.from_numpy(image.hr.pixels)
    if plan.grid == "lr":
        return lr, hr
    if upscale is None:
        raise StoreError("a store on the HR grid without an interpolation", "the operator's `upscale`", "Pass upscale=operator.upscale.")
    return upscale(lr).to(torch.float32), hr


def patch_shape(store: PatchStore, split: StoredSplit) -> tuple[Shape, Shape]:
    """Give the shapes (C, rows, cols) of input and reference patches of a split.

    Raises
    ------
    StoreError
        If there is no patch, or images differ in bands or (origins `whole`) in size.
    """
    _refuse_empty(store, split)
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


def _refuse_empty(store: PatchStore, split: StoredSplit) -> None:
    if not store.count(split):
        raise StoreError(
            f"no {split} patch in {store.folder}",
            f"at least one of {store.plan.size} x {store.plan.size} px without nodata on the {store.plan.grid.upper()} grid",
            "Give larger images, or set a smaller patches.size, and prepare again: sr prepare.",
        )


class MemoryReader:
    """Batches from images that are held in memory, on the device, as float32 in the physical unit.

    Parameters
    ----------
    store : PatchStore
        Read once, here.
    split : "train" or "val"
    bandwise : bool
        Whether a sample is one band, drawn anew for each (C = 1), or all bands of its image.
    device : where images are held and batches are made.
    upscale : the operator's interpolation, LR (C, h, w) -> (C, sh, sw); needed for a store on the HR grid.

    Raises
    ------
    StoreError
        If the split has no patch, or its images cannot stand in one batch.
    """

    def __init__(
        self,
        store: PatchStore,
        split: StoredSplit,
        bandwise: bool,
        device: str | torch.device = "cpu",
        upscale: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        _refuse_empty(store, split)
        self.store, self.split, self.bandwise = store, split, bandwise
        self._side, self._whole = store.plan.size, store.plan.origins == "whole"
        self._finer = store.scale if store.plan.grid == "lr" else 1
        self._index: list[list[int]] = store.index(split).tolist()
        if not bandwise or self._whole:
            patch_shape(store, split)
        self._images: list[tuple[Tensor, Tensor]] = []
        lr_sums, hr_ends = _Moments(), _Moments()
        for image in store.images(split):
            lr, hr = reader_grids(image, store.plan, upscale)
            self._images.append((lr.to(device), hr.to(device)))
            lr_sums.add(image.lr.pixels[:, image.lr.mask])
            hr_ends.add(image.hr.pixels[:, image.hr.mask])
        self._lr, self._hr = lr_sums, hr_ends

    def __len__(self) -> int:
        return len(self._index)

    def batch(self, generator: torch.Generator, size: int, augment: bool = True) -> tuple[Tensor, Tensor]:
        """Draw `size` pairs, with replacement.

        Parameters
        ----------
        generator : all randomness; the same state gives the same batch, and its state after the call is the same
            whatever the store holds.
        size : number of samples N.
        augment : turn and mirror each pair by one of the eight symmetries of the square. The degradation must commute
            with them, as symmetric taps that are equal for rows and columns do.

        Returns
        -------
        (N, C, p, p), (N, C, q, q)
            float32, physical unit, on the device; q = scale * p on the LR grid, p on the HR grid. C = 1 if band-wise.
        """
        drawn = draw(generator, size, len(self._index))
        pairs = [
            self._sample(patch, band, symmetry if augment else 0)
            for patch, band, symmetry in zip(drawn.patches, drawn.bands, drawn.symmetries, strict=True)
        ]
        return torch.stack([lr for lr, _ in pairs]), torch.stack([hr for _, hr in pairs])

    def _sample(self, patch: int, band: int, symmetry: int) -> tuple[Tensor, Tensor]:
        number, row, col = self._index[patch]
        lr, hr = self._images[number]
        rows, cols = (lr.shape[-2], lr.shape[-1]) if self._whole else (self._side, self._side)
        if rows != cols and symmetry % 2:
            symmetry -= 1  # a picture that is not square keeps its shape: half turns and mirrors only
        s = self._finer
        bands = slice(band % lr.shape[0], band % lr.shape[0] + 1) if self.bandwise else slice(None)
        small = lr[bands, row : row + rows, col : col + cols]
        large = hr[bands, row * s : (row + rows) * s, col * s : (col + cols) * s]
        return dihedral(small, symmetry), dihedral(large, symmetry)

    def normalisation(self) -> tuple[float, float]:
        """Give mean and standard deviation of the usable LR values (measured, not upscaled; float64, physical unit).

        Raises
        ------
        StoreError
            If all of them are equal: there is nothing to learn, and nothing to divide by.
        """
        std = self._lr.std
        if not std > 0:
            raise StoreError(f"training pixels that are all {self._lr.mean:g}", "images with contrast", "Check the input files' values.")
        return self._lr.mean, std

    def data_range(self) -> float:
        """Give the largest minus the smallest usable HR value, in the physical unit."""
        return self._hr.high - self._hr.low


class _Moments:
    """Count, mean, squared deviations and ends of values that come image by image, in float64.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque (1983), Algorithms for computing the sample variance, doi:10.1080/00031305.1983.10483115
    """

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0
        self.low, self.high = float("inf"), -float("inf")

    def add(self, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        """Take more values."""
        if not values.size:
            return
        mean = float(values.mean(dtype=np.float64))
        squares = float(np.square(values.astype(np.float64) - mean).sum())
        total = self.count + values.size
        shift = mean - self.mean
        self._squares += squares + shift * shift * self.count * values.size / total
        self.mean += shift * values.size / total
        self.count = total
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    @property
    def std(self) -> float:
        """Population standard deviation."""
        return float(np.sqrt(self._squares / self.count)) if self.count else 0.0


def whole_pairs(store: PatchStore, split: StoredSplit) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Give the images of a split whole: lr (C, h, w), hr (C, H, W) float32 in the physical unit; mask_lr, mask_hr bool.

    Raises
    ------
    StoreError
        If a shard cannot be read.
    """
    take = torch.from_numpy
    return [(take(i.lr.pixels), take(i.hr.pixels), take(i.lr.mask), take(i.hr.mask)) for i in store.images(split)]
