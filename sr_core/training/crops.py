"""LR patches for a network that was trained on the HR grid: its spread head reads LR images like everybody else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from sr_core.errors import ShapeError


class Crops:
    """Draws LR patches with their HR patches from whole images.

    Parameters
    ----------
    pairs : LR (C, h, w), HR (C, s h, s w) and their masks (True = usable), physical units.
    scale : s.
    side : wanted side of a patch, in HR pixels; a patch has side / s LR pixels, rounded up.
    bandwise : one band a sample; else all.
    device : where the batches go.

    Raises
    ------
    ShapeError
        If no image holds a whole usable patch.
    """

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]], scale: int, side: int, bandwise: bool, device: str) -> None:
        self.scale, self.side = scale, -(-side // scale)
        self._pairs = pairs
        self._bandwise, self._device = bandwise, device
        self._places = torch.cat([_places(i, low, high, scale, self.side) for i, (_, _, low, high) in enumerate(pairs)])
        if not len(self._places):
            raise ShapeError("training images without a whole usable patch", f"{self.side} LR pixels a side", "Give larger images.")

    def batch(self, generator: torch.Generator, size: int) -> tuple[Tensor, Tensor]:
        """Draw a batch: LR (N, C, p, p) and HR (N, C, s p, s p), one of the 8 turns and flips each, C = 1 if band-wise."""
        chosen = torch.randint(len(self._places), (size,), generator=generator)
        drawn = torch.randint(1 << 16, (size, 2), generator=generator)
        lows, highs = [], []
        for (number, row, col), (band, turn) in zip(self._places[chosen].tolist(), drawn.tolist(), strict=True):
            lr, hr, _, _ = self._pairs[number]
            bands = slice(band % len(lr), band % len(lr) + 1) if self._bandwise else slice(None)
            lows.append(_turned(lr[bands, row : row + self.side, col : col + self.side], turn))
            s = self.scale
            highs.append(_turned(hr[bands, s * row : s * (row + self.side), s * col : s * (col + self.side)], turn))
        return torch.stack(lows).float().to(self._device), torch.stack(highs).float().to(self._device)


def _places(number: int, mask_lr: Tensor, mask_hr: Tensor, scale: int, side: int) -> Tensor:
    """Give (image, row, column) of every LR patch that is usable throughout."""
    usable = mask_lr.bool() & functional.pixel_unshuffle(mask_hr[None, None].float(), scale)[0].amin(dim=0).bool()
    if min(usable.shape) < side:
        return torch.zeros(0, 3, dtype=torch.int64)
    whole = -functional.max_pool2d(-usable[None].float(), side, stride=1)[0] > 0
    rows, cols = whole.nonzero(as_tuple=True)
    return torch.stack([torch.full_like(rows, number), rows, cols], dim=1)


def _turned(x: Tensor, turn: int) -> Tensor:
    x = torch.rot90(x, turn % 4, (-2, -1))
    return x.flip(-1) if turn // 4 % 2 else x
