"""LR patches for a network that was trained on the HR grid: its spread head reads LR images like everybody else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.operators.symmetry import dihedral


class Crops:
    """Draws LR patches with their HR patches from whole images.

    Parameters
    ----------
    pairs : LR (C, h, w), HR (C, s h, s w) and their masks (True = usable), physical units.
    scale : s.
    side : wanted side of a patch, in HR pixels; a patch has side / s LR pixels, rounded up.
    bandwise : one band a sample; else all.
    device : where the batches go.
    symmetries : those of the square under which a pair stays one, as numbers for `dihedral`.

    Raises
    ------
    ShapeError
        If no image holds a whole usable patch.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]],
        scale: int,
        side: int,
        bandwise: bool,
        device: str,
        symmetries: Sequence[int] = range(8),
    ) -> None:
        self.scale, self.side = scale, -(-side // scale)
        self._pairs = pairs
        self._bandwise, self._device, self._symmetries = bandwise, device, symmetries
        self._places = torch.cat([_places(i, low, high, scale, self.side) for i, (_, _, low, high) in enumerate(pairs)])
        if not len(self._places):
            raise ShapeError("training images without a whole usable patch", f"{self.side} LR pixels a side", "Give larger images.")

    def batch(self, generator: torch.Generator, size: int, part: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Draw a batch and cut a part of it.

        Gives LR (N, C, p, p) and HR (N, C, s p, s p), turned or mirrored; C = 1 if band-wise, and then int64 (N,) bands.
        """
        chosen = torch.randint(len(self._places), (size,), generator=generator)
        drawn = torch.randint(1 << 16, (size, 2), generator=generator)
        lows, highs, which = [], [], []
        for (number, row, col), (band, turn) in zip(self._places[chosen[part]].tolist(), drawn[part].tolist(), strict=True):
            lr, hr, _, _ = self._pairs[number]
            bands = slice(band % len(lr), band % len(lr) + 1) if self._bandwise else slice(None)
            s, symmetry = self.scale, self._symmetries[turn % len(self._symmetries)]
            lows.append(dihedral(lr[bands, row : row + self.side, col : col + self.side], symmetry))
            highs.append(dihedral(hr[bands, s * row : s * (row + self.side), s * col : s * (col + self.side)], symmetry))
            which.append(band % len(lr))
        return torch.stack(lows).to(self._device), torch.stack(highs).to(self._device), torch.tensor(which)


def _places(number: int, mask_lr: Tensor, mask_hr: Tensor, scale: int, side: int) -> Tensor:
    """Give (image, row, column) of every LR patch that is usable throughout."""
    usable = mask_lr.bool() & functional.pixel_unshuffle(mask_hr[None, None].float(), scale)[0].amin(dim=0).bool()
    if min(usable.shape) < side:
        return torch.zeros(0, 3, dtype=torch.int64)
    whole = -functional.max_pool2d(-usable[None].float(), side, stride=1)[0] > 0
    rows, cols = whole.nonzero(as_tuple=True)
    return torch.stack([torch.full_like(rows, number), rows, cols], dim=1)
