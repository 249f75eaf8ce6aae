"""Pairs of images as a shard takes them: strip by strip, in stored values, so that no image need be held whole."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sr_core.errors import InputError, ShapeError, UnitError
from sr_core.patches.grid import pairs_mask
from sr_core.patches.layout import STRIP, ImageEntry, StoredSplit
from sr_core.raster import BoolArray, Encoding, Raster
from sr_core.recipe import PatchPlan

Shape = tuple[int, int, int]
Stored = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Strip:
    """128 rows of LR (fewer at the end) over the whole width, with the HR rows that they cover.

    Attributes
    ----------
    lr, hr : (C, rows, cols), the stored type of the encoding.
    mask_lr, mask_hr : bool (rows, cols), True = usable.
    """

    lr: Stored
    hr: Stored
    mask_lr: BoolArray
    mask_hr: BoolArray

    def arrays(self) -> dict[str, Stored]:
        """Give the four arrays by the names of their datasets."""
        return {"lr": self.lr, "hr": self.hr, "mask_lr": self.mask_lr, "mask_hr": self.mask_hr}

    def part(self, columns: slice, scale: int) -> Strip:
        """Give some LR columns of it and the HR pixels that they cover, as views."""
        fine = slice(columns.start * scale, columns.stop * scale)
        return Strip(self.lr[..., columns], self.hr[..., fine], self.mask_lr[:, columns], self.mask_hr[:, fine])


class PairSource(Protocol):
    """A pair of images that is read once, from top to bottom."""

    @property
    def name(self) -> str:
        """Name of the region, for tables and errors."""

    @property
    def split(self) -> StoredSplit:
        """Part of the split."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""

    @property
    def unit(self) -> str:
        """Physical unit."""

    @property
    def valid_range(self) -> tuple[float, float]:
        """Smallest and largest value, in the unit."""

    @property
    def lr_shape(self) -> Shape:
        """(C, H, W) of the measurement."""

    @property
    def hr_shape(self) -> Shape:
        """(C, H, W) of the HR image."""

    def strips(self, encoding: Encoding) -> Generator[Strip]:
        """Yield the strips of the pair, from the first row to the last.

        Raises
        ------
        InputError
            If a pixel is not finite but marked usable, or the file behind it cannot be read.
        """


@dataclass(frozen=True)
class PairImage:
    """An HR image and its LR measurement, in memory.

    Attributes
    ----------
    name : of the region, for tables and errors.
    split : "train" or "val".
    lr, hr : same bands, unit and valid range; the sides of `hr` are scale times those of `lr`.
    """

    name: str
    split: StoredSplit
    lr: Raster
    hr: Raster

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""
        return self.hr.bands

    @property
    def unit(self) -> str:
        """Physical unit."""
        return self.hr.unit

    @property
    def valid_range(self) -> tuple[float, float]:
        """Smallest and largest value, in the unit."""
        return self.hr.valid_range

    @property
    def lr_shape(self) -> Shape:
        """(C, H, W) of the measurement."""
        bands, height, width = self.lr.pixels.shape
        return bands, height, width

    @property
    def hr_shape(self) -> Shape:
        """(C, H, W) of the HR image."""
        bands, height, width = self.hr.pixels.shape
        return bands, height, width

    def strips(self, encoding: Encoding) -> Generator[Strip]:
        """Yield the strips of the pair.

        Raises
        ------
        InputError
            If a pixel is not finite but marked usable.
        UnitError
            If LR and HR differ in bands, unit or valid range.
        """
        of_lr, of_hr = ((r.bands, r.unit, r.valid_range) for r in (self.lr, self.hr))
        if of_lr != of_hr:
            raise UnitError(f"{self.name}: LR with {of_lr}", f"{of_hr} as HR", "Degrade in the image's own unit.")
        for grid, raster in (("LR", self.lr), ("HR", self.hr)):
            check_finite(raster, self.name, grid)
        height, scale = self.lr_shape[1], self.hr_shape[1] // self.lr_shape[1]
        for row in range(0, height, STRIP):
            coarse, fine = slice(row, row + STRIP), slice(row * scale, (row + STRIP) * scale)
            lr, hr = (stored_values(part, encoding) for part in (self.lr.pixels[:, coarse], self.hr.pixels[:, fine]))
            yield Strip(lr, hr, self.lr.mask[coarse], self.hr.mask[fine])


def entry(image: PairSource, scale: int) -> ImageEntry:
    """Describe a pair of images for the header of its shard.

    Raises
    ------
    ShapeError
        If its sides do not match the scale.
    """
    (_, h, w), (_, height, width) = image.lr_shape, image.hr_shape
    if (height, width) != (h * scale, w * scale):
        raise ShapeError(
            f"{image.name}: LR {h} x {w} px with HR {height} x {width} px",
            f"HR {h * scale} x {w * scale} px at scale {scale}",
            "Cut the HR image to a multiple of the scale before degrading it.",
        )
    return ImageEntry(name=image.name, split=image.split, lr_shape=image.lr_shape, hr_shape=image.hr_shape)


def check_finite(raster: Raster, name: str, grid: str = "HR") -> None:
    """Refuse values that are not finite where the mask says usable; `name` and `grid` say where they are.

    Raises
    ------
    InputError
        With their number.
    """
    finite = np.isfinite(raster.pixels)
    if not finite.all() and (bad := int((~finite & raster.mask).sum())):
        raise InputError(f"{name}: {bad} {grid} values are not finite", "finite values wherever the mask is True", "Mask them.")


def stored_values(pixels: npt.NDArray[np.floating], encoding: Encoding) -> Stored:
    """Store values; those that are not finite become the stored value nearest to 0, which no reader looks at."""
    return encoding.encode_known(pixels, np.isfinite(pixels))[0]


def patch_mask(mask_lr: BoolArray, mask_hr: BoolArray, plan: PatchPlan, scale: int) -> BoolArray:
    """Give the pixels that a patch may touch, on the plan's grid: usable in LR and HR. Rows of both masks begin together."""
    if mask_lr.all() and mask_hr.all():  # nearly always
        return np.ones_like(mask_lr if plan.grid == "lr" else mask_hr)
    if plan.grid == "lr":
        return pairs_mask(mask_lr, mask_hr, scale)
    return mask_hr & np.repeat(np.repeat(mask_lr, scale, axis=0), scale, axis=1)
