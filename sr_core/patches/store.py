"""The patch store: a folder of shards, read as one.

A store holds images and the index of their patches, not the patches: at stride 14 each pixel would be kept 5.6 times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import h5py
import numpy as np
import numpy.typing as npt

from sr_core.errors import StoreError
from sr_core.patches.atomic import hdf5_atomic
from sr_core.patches.grid import PlaceScan, origins, stride_for
from sr_core.patches.layout import (
    AGAIN,
    STRIP,
    ImageEntry,
    ShardHeader,
    StoredSplit,
    array_digest,
    array_paths,
    group_name,
    opened,
    read_header,
)
from sr_core.patches.shard import PairImage, ShardInfo, measured_digest, shard_info, write_shard
from sr_core.patches.strips import patch_mask
from sr_core.raster import BoolArray, Encoding, Float32Array, Raster
from sr_core.recipe import PatchPlan
from sr_core.records import Digest

if TYPE_CHECKING:
    import torch

    Upscale = Callable[[torch.Tensor], torch.Tensor]

__all__ = ["PairCounts", "PairImage", "PatchStore", "ShardInfo", "summarise", "write_shard"]


@dataclass(frozen=True)
class _Shard:
    path: Path
    info: ShardInfo
    header: ShardHeader
    index: dict[StoredSplit, npt.NDArray[np.int32]]


class PatchStore:
    """A prepared folder of shards, in the order of their names.

    No file stays open between calls, so a store may be handed to other processes; any number of them may read.

    Parameters
    ----------
    folder : Path
        Holds one `.h5` a source; other files are not looked at.

    Attributes
    ----------
    scale : HR pixels per LR pixel.
    plan : how patches are cut.
    operator : JSON of the degradation.
    unit : physical unit of every value.
    bands : band names; where sources differ, the union in order of first appearance.
    valid_range : (low, high) over all sources, in the unit.
    encoding : the coarsest of the sources' (the largest step).
    sources : hashes of the sources; shards : their summaries. Same order.

    Raises
    ------
    StoreError
        If there is no shard, one cannot be read or is of a newer schema, or shards do not belong together.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = sorted(folder.glob("*.h5"))
        if not paths:
            raise StoreError(f"no shard (*.h5) in {folder}", "a prepared patch store", "Prepare it: sr prepare.")
        self._shards = tuple(_read_shard(path) for path in paths)
        first = self._shards[0].header
        for shard in self._shards[1:]:
            _check_alike(first, shard, paths[0])
        headers = [shard.header for shard in self._shards]
        self.scale = first.scale[0]
        self.plan: PatchPlan = first.plan
        self.operator: str = first.operator
        self.unit: str = first.unit
        self.bands: tuple[str, ...] = tuple(dict.fromkeys(band for header in headers for band in header.bands))
        self.valid_range = min(h.valid_range[0] for h in headers), max(h.valid_range[1] for h in headers)
        self.encoding: Encoding = max((h.encoding for h in headers), key=lambda e: e.step)
        self.sources: tuple[Digest, ...] = tuple(h.source for h in headers)
        self.shards: tuple[ShardInfo, ...] = tuple(shard.info for shard in self._shards)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: no file is open between calls."""

    def count(self, split: StoredSplit) -> int:
        """Count the patches of a split."""
        return sum(len(shard.index[split]) for shard in self._shards)

    def index(self, split: StoredSplit) -> npt.NDArray[np.int32]:
        """List the patches of a split: int32 (N, 3), image (its place in `images(split)`), first row, first column.

        Rows and columns are pixels of the plan's grid.
        """
        parts: list[npt.NDArray[np.int32]] = [np.zeros((0, 3), np.int32)]
        before = 0
        for shard in self._shards:
            wanted = [i for i, entry in enumerate(shard.header.images) if entry.split == split]
            place = np.full(len(shard.header.images), -1, np.int32)
            place[wanted] = np.arange(before, before + len(wanted), dtype=np.int32)
            rows = shard.index[split].copy()
            rows[:, 0] = place[rows[:, 0]]
            parts.append(rows)
            before += len(wanted)
        return np.concatenate(parts)

    def entries(self, split: StoredSplit) -> list[ImageEntry]:
        """List names and shapes of the pairs of a split, without reading pixels."""
        return [entry for shard in self._shards for entry in shard.header.images if entry.split == split]

    def images(self, split: StoredSplit) -> Iterator[PairImage]:
        """Yield the pairs of a split, whole, in physical units.

        Raises
        ------
        StoreError
            If a shard cannot be read.
        """
        for shard in self._shards:
            for number, entry in enumerate(shard.header.images):
                if entry.split == split:
                    with opened(shard.path) as file:
                        image = _read_pair(file, number, shard.header)
                    yield image

    def patch_masks(self, split: StoredSplit) -> Iterator[Iterator[BoolArray]]:
        """Yield for every pair the pixels that a patch may touch, on the plan's grid, in strips of rows: bool (n, W)."""
        for shard in self._shards:
            for number, entry in enumerate(shard.header.images):
                if entry.split == split:
                    yield self._mask_strips(shard, number, entry)

    def _mask_strips(self, shard: _Shard, number: int, entry: ImageEntry) -> Iterator[BoolArray]:
        with opened(shard.path) as file:
            lr, hr = (file[f"{group_name(number)}/mask_{grid}"] for grid in ("lr", "hr"))
            for row in range(0, entry.lr_shape[1], STRIP):
                fine = slice(row * self.scale, (row + STRIP) * self.scale)
                yield patch_mask(lr[row : row + STRIP], hr[fine], self.plan, self.scale)

    def verify(self) -> None:
        """Hash every dataset anew and compare.

        Raises
        ------
        StoreError
            With the file and the first dataset that differs from what was written.
        """
        for shard in self._shards:
            with opened(shard.path) as file:
                count = len(shard.header.images)
                for name in array_paths(count):
                    if array_digest(file[name]) != file[name].attrs["sha256"]:
                        raise StoreError(f"{shard.path}: {name} differs from what was written", "unchanged data", AGAIN)
                if measured_digest(file, count) != file.attrs["digest"]:
                    raise StoreError(f"{shard.path}: its content differs from its digest", "an unchanged shard", AGAIN)

    def export(self, path: Path, split: StoredSplit, upscale: Upscale | None = None) -> int:
        """Write the patches of a split as the classical `data` and `label` datasets, and give their number.

        Parameters
        ----------
        path : HDF5 file to write, atomically; an existing one is replaced.
        split : which patches.
        upscale : the operator's interpolation; needed for a store on the HR grid, whose `data` is LR upscaled.

        Notes
        -----
        `data` (N, C, p, p) and `label` (N, C, q, q), float32, physical unit (attribute `unit`); q = p on the HR grid and
        scale * p on the LR grid. A chunk is one patch: read them one by one, in any order, never by a sorted list.

        Raises
        ------
        StoreError
            If there is no patch, images differ in bands or (origins `whole`) in size, or the file cannot be written.
        """
        from sr_core.patches.readers import patch_shape, reader_grids

        index = self.index(split)
        data_shape, label_shape = patch_shape(self, split)
        with hdf5_atomic(path) as file:
            data, label = (
                file.create_dataset(name, (len(index), *shape), "f4", chunks=(1, *shape), track_times=False)
                for name, shape in (("data", data_shape), ("label", label_shape))
            )
            file.attrs["unit"], file.attrs["scale"], file.attrs["grid"] = self.unit, self.scale, self.plan.grid
            ratio = label_shape[1] // data_shape[1]
            for number, image in enumerate(self.images(split)):
                lr, hr = (tensor.numpy() for tensor in reader_grids(image, self.plan, upscale))
                for at in np.flatnonzero(index[:, 0] == number):
                    _, row, col = (int(n) for n in index[at])
                    data[at] = _cut(lr, row, col, data_shape)
                    label[at] = _cut(hr, row * ratio, col * ratio, label_shape)
        return len(index)


def _cut(pixels: Float32Array, row: int, col: int, shape: tuple[int, int, int]) -> Float32Array:
    return pixels[:, row : row + shape[1], col : col + shape[2]]


def _read_shard(path: Path) -> _Shard:
    with opened(path) as file:
        header = read_header(file, path)
        info = shard_info(file, path)
        index: dict[StoredSplit, npt.NDArray[np.int32]] = {"train": file["index/train"][...], "val": file["index/val"][...]}
    if header.scale[0] != header.scale[1]:
        raise StoreError(f"{path} has scale {header.scale}", "one scale for rows and columns", "Use a version that reads it.")
    return _Shard(path, info, header, index)


def _check_alike(first: ShardHeader, shard: _Shard, first_path: Path) -> None:
    header = shard.header
    for what in ("scale", "plan", "operator", "unit"):
        if getattr(header, what) != getattr(first, what):
            raise StoreError(
                f"{shard.path} has {what} {getattr(header, what)}",
                f"{getattr(first, what)} as {first_path.name}",
                "A store is made by one preparation: delete the folder and prepare again.",
            )


def _read_pair(file: h5py.File, number: int, header: ShardHeader) -> PairImage:
    entry, group = header.images[number], file[group_name(number)]

    def raster(grid: str) -> Raster:
        pixels = header.encoding.decode(group[grid][...])
        return Raster(pixels, group[f"mask_{grid}"][...], header.bands, header.unit, header.valid_range)

    return PairImage(name=entry.name, split=entry.split, lr=raster("lr"), hr=raster("hr"))


@dataclass(frozen=True)
class PairCounts:
    """How many pairs a store yields.

    `stride_wanted` is the largest stride (at most the patch) that would give at least `wanted` training pairs; None if
    not even stride 1 does, or the origins are whole pictures.
    """

    train: int
    val: int
    wanted: int
    stride_wanted: int | None

    def sentence(self, plan: PatchPlan) -> str:
        """Say the counts, and what to change where they are low."""
        what = "whole pictures" if plan.origins == "whole" else f"{plan.size} x {plan.size} px at stride {plan.stride}"
        counts = f"{self.train:,} training and {self.val:,} validation pairs ({what}, {plan.grid.upper()} grid)."
        if self.train >= self.wanted or plan.origins == "whole":
            return counts
        if self.stride_wanted is None:
            return f"{counts} Not even stride 1 gives {self.wanted:,}: give more or larger images."
        return f"{counts} Stride {self.stride_wanted} would give {self.wanted:,}: patches.stride={self.stride_wanted}."


def summarise(store: PatchStore, wanted: int = 1000) -> PairCounts:
    """Count the pairs of a store, and find the stride that would give `wanted` training pairs if there are fewer."""
    plan, train = store.plan, store.count("train")
    stride: int | None = None
    if plan.origins != "whole" or train >= wanted:
        stride = plan.stride if train >= wanted else _largest_stride(store, wanted)
    return PairCounts(train=train, val=store.count("val"), wanted=wanted, stride_wanted=stride)


def _largest_stride(store: PatchStore, wanted: int) -> int | None:
    """Give the largest stride, at most the patch, that yields `wanted` training pairs; every mask is read once, in strips."""
    plan = store.plan
    counts = np.zeros(plan.size + 1, np.int64)
    for entry, strips in zip(store.entries("train"), store.patch_masks("train"), strict=True):
        _, height, width = entry.lr_shape if plan.grid == "lr" else entry.hr_shape
        axes = [[np.asarray(origins(n, plan.size, s, plan.origins)) for n in (height, width)] for s in range(1, plan.size + 1)]
        scan = PlaceScan(plan.size)
        for strip in strips:
            first, good = scan.feed(strip)
            for stride, (rows, cols) in enumerate(axes, 1):
                here = rows[(rows >= first) & (rows < first + len(good))] - first
                counts[stride] += np.count_nonzero(good[np.ix_(here, cols)])
    return stride_for(lambda stride: int(counts[stride]), plan.size, wanted)
