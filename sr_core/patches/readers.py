"""Reading batches of pairs. What a batch holds depends on the generator's state only, not on the reader.

`MemoryReader` holds a split in memory, `DeviceReader` gathers from one tensor on the device, `StreamReader` reads crops from
the files as they are drawn. `readers_base` says how a batch is drawn; the other `readers_` modules say where pixels come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sr_core.operators.symmetry import SYMMETRIES, commuting, dihedral
from sr_core.patches.readers_base import Draw, Reader, draw, patch_shape, reader_grids
from sr_core.patches.readers_memory import DeviceReader, MemoryReader
from sr_core.patches.readers_stream import StreamReader

if TYPE_CHECKING:
    from sr_core.patches.layout import StoredSplit
    from sr_core.patches.store import PatchStore

__all__ = [
    "SYMMETRIES", "DeviceReader", "Draw", "MemoryReader", "Reader", "StreamReader", "commuting", "dihedral", "draw", "patch_shape",
    "each_pair", "reader_grids", "whole_pairs",
]  # fmt: skip


def whole_pairs(store: PatchStore, split: StoredSplit) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Give all that `each_pair` yields."""
    return list(each_pair(store, split))


def each_pair(store: PatchStore, split: StoredSplit) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield the images of a split whole, one at a time: lr (C, h, w), hr (C, H, W) float32 in the physical unit; mask_lr, mask_hr bool.

    Raises
    ------
    StoreError
        If a shard cannot be read.
    """
    take = torch.from_numpy
    for i in store.images(split):
        yield take(i.lr.pixels), take(i.hr.pixels), take(i.lr.mask), take(i.hr.mask)
