"""Writing a shard: the pairs of one source with the index of their patches, in one atomic step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from sr_core.errors import InputError, ShapeError, StoreError, UnitError
from sr_core.patches.atomic import hdf5_atomic
from sr_core.patches.grid import pairs_mask, valid_origins
from sr_core.patches.layout import (
    ARRAYS,
    CHUNK,
    STORED_SPLITS,
    ImageEntry,
    ShardHeader,
    StoredSplit,
    array_digest,
    array_paths,
    content_digest,
    group_name,
    opened,
    read_header,
)
from sr_core.raster import BoolArray, Encoding, Raster
from sr_core.recipe import PatchPlan
from sr_core.records import Digest, Record


@dataclass(frozen=True)
class PairImage:
    """An HR image and its LR measurement.

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


class ShardInfo(Record):
    """A finished shard: file name, hash of its content, number of patches."""

    name: str
    content: Digest
    train_pairs: int
    val_pairs: int


def write_shard(
    path: Path,
    images: Sequence[PairImage],
    plan: PatchPlan,
    scale: int,
    encoding: Encoding,
    operator: str,
    source: Digest,
) -> ShardInfo:
    """Write the pairs of one source, or keep the file where it holds exactly them already.

    Parameters
    ----------
    path : final path; what a killed writer left beside it (`.partial`) is taken over.
    images : all pairs of the source.
    plan : how patches are cut. A patch never touches an unusable pixel of either grid.
    scale : HR pixels per LR pixel, rows and columns.
    encoding : how values are stored; they should lie on its steps.
    operator : JSON of the degradation.
    source : hash of the source.

    Raises
    ------
    ShapeError
        If sides do not match the scale, or a training image is smaller than a patch.
    UnitError
        If images of the source differ in bands, unit or valid range.
    InputError
        If a pixel is not finite but marked usable, or there is no image.
    StoreError
        If the file cannot be written, or another process is writing it.
    """
    header = _header(images, plan, scale, encoding, operator, source)
    index = {split: _index(images, split, plan, scale) for split in STORED_SPLITS}
    stored = [_stored(image, encoding) for image in images]
    arrays = {f"{group_name(i)}/{name}": array for i, group in enumerate(stored) for name, array in group.items()}
    arrays |= {f"index/{split}": rows for split, rows in index.items()}
    digests = {name: array_digest(array) for name, array in arrays.items()}
    digest = content_digest(header.digest(), digests)
    info = ShardInfo(name=path.name, content=digest, train_pairs=len(index["train"]), val_pairs=len(index["val"]))
    if _holds(path, digest):
        path.with_name(path.name + ".partial").unlink(missing_ok=True)
        return info
    with hdf5_atomic(path) as file:
        for name, value in (header.attributes() | {"digest": digest}).items():
            file.attrs[name] = value
        for i, image in enumerate(images):
            group = file.create_group(group_name(i))
            group.attrs["name"], group.attrs["split"] = image.name, image.split
        for name, array in arrays.items():
            _create(file, name, array).attrs["sha256"] = digests[name]
    return info


def find_shard(path: Path, request: Digest) -> ShardInfo | None:
    """Give the finished shard at a path if it answers a request (`ShardHeader.digest()`), without reading its pixels."""
    if not path.is_file():
        return None
    try:
        with opened(path) as file:
            if read_header(file, path).digest() != request:
                return None
            return shard_info(file, path)
    except StoreError:
        return None


def shard_info(file: h5py.File, path: Path) -> ShardInfo:
    """Give the summary of an open shard."""
    counts = {split: int(file[f"index/{split}"].shape[0]) for split in STORED_SPLITS}
    return ShardInfo(name=path.name, content=file.attrs["digest"], train_pairs=counts["train"], val_pairs=counts["val"])


def measured_digest(file: h5py.File, images: int) -> Digest:
    """Hash what an open shard really holds, dataset by dataset."""
    return content_digest(file.attrs["request"], {name: array_digest(file[name]) for name in array_paths(images)})


def _holds(path: Path, digest: Digest) -> bool:
    """Say whether a whole shard with that content is at the path; a damaged one counts as none."""
    if not path.is_file():
        return False
    try:
        with opened(path) as file:
            header = read_header(file, path)
            return bool(file.attrs["digest"] == digest and measured_digest(file, len(header.images)) == digest)
    except StoreError:
        return False


def _header(images: Sequence[PairImage], plan: PatchPlan, scale: int, encoding: Encoding, operator: str, source: Digest) -> ShardHeader:
    if not images:
        raise InputError(f"no image of source {source[:8]}", "at least one region to train or validate on", "Leave the source out.")
    first = images[0].hr
    for image in images:
        _check(image, scale)
        for raster in (image.lr, image.hr):
            if (raster.bands, raster.unit, raster.valid_range) != (first.bands, first.unit, first.valid_range):
                raise UnitError(
                    f"{image.name}: bands {raster.bands}, unit {raster.unit!r}, range {raster.valid_range}",
                    f"{first.bands}, {first.unit!r}, {first.valid_range} as {images[0].name}",
                    "One source has one set of bands and one unit.",
                )
    return ShardHeader(
        source=source, scale=(scale, scale), plan=plan, operator=operator, encoding=encoding,
        bands=first.bands, unit=first.unit, valid_range=first.valid_range,
        images=tuple(ImageEntry(name=i.name, split=i.split, lr_shape=_shape(i.lr), hr_shape=_shape(i.hr)) for i in images),
    )  # fmt: skip


def _shape(raster: Raster) -> tuple[int, int, int]:
    bands, height, width = raster.pixels.shape
    return bands, height, width


def _check(image: PairImage, scale: int) -> None:
    (_, h, w), (_, height, width) = _shape(image.lr), _shape(image.hr)
    if (height, width) != (h * scale, w * scale):
        raise ShapeError(
            f"{image.name}: LR {h} x {w} px with HR {height} x {width} px",
            f"HR {h * scale} x {w * scale} px at scale {scale}",
            "Cut the HR image to a multiple of the scale before degrading it.",
        )
    for grid, raster in (("LR", image.lr), ("HR", image.hr)):
        bad = int((~np.isfinite(raster.pixels) & raster.mask).sum())
        if bad:
            raise InputError(f"{image.name}: {bad} {grid} values are not finite", "finite values wherever the mask is True", "Mask them.")


def _index(images: Sequence[PairImage], split: StoredSplit, plan: PatchPlan, scale: int) -> npt.NDArray[np.int32]:
    """List (image, row, col) of every patch of a split, int32 (N, 3)."""
    rows: list[npt.NDArray[np.int32]] = [np.zeros((0, 3), np.int32)]
    for number, image in enumerate(images):
        if image.split != split:
            continue
        mask = patch_mask(image, plan, scale)
        if plan.origins != "whole" and min(mask.shape) < plan.size:
            if split == "val":
                continue  # validation images are measured whole; they need not hold a patch
            raise ShapeError(
                f"training image {image.name} of {mask.shape[0]} x {mask.shape[1]} px on the {plan.grid.upper()} grid",
                f"at least {plan.size} x {plan.size} px there, one patch",
                "Leave it out, or set a smaller patches.size.",
            )
        places = valid_origins(mask, plan.size, plan.stride, plan.origins)
        rows.append(np.column_stack([np.full(len(places), number, np.int32), places]))
    return np.concatenate(rows).astype(np.int32)


def patch_mask(image: PairImage, plan: PatchPlan, scale: int) -> BoolArray:
    """Give the pixels that a patch may touch, on the plan's grid: usable in LR and HR."""
    together = pairs_mask(image.lr.mask, image.hr.mask, scale)
    if plan.grid == "lr":
        return together
    usable_lr = np.repeat(np.repeat(image.lr.mask, scale, axis=0), scale, axis=1)
    return image.hr.mask & usable_lr


def _stored(image: PairImage, encoding: Encoding) -> dict[str, npt.NDArray[np.generic]]:
    arrays = (_encode(image.lr, encoding), _encode(image.hr, encoding), image.lr.mask, image.hr.mask)
    return dict(zip(ARRAYS, arrays, strict=True))


def _encode(raster: Raster, encoding: Encoding) -> npt.NDArray[np.generic]:
    """Store values; unusable ones that are not finite become the stored value nearest to 0, which no reader looks at."""
    finite = np.isfinite(raster.pixels)
    if finite.all():
        return encoding.encode(raster.pixels)
    neutral = encoding.decode(np.clip(np.zeros(1), encoding.low, encoding.high))[0]
    return encoding.encode(np.where(finite, raster.pixels, neutral))


def _create(file: h5py.File, name: str, array: npt.NDArray[np.generic]) -> h5py.Dataset:
    """Create a dataset: images in uncompressed chunks, masks (nearly constant) compressed, the index as it is."""
    tail = tuple(min(CHUNK, side) for side in array.shape[-2:])
    if name.startswith("index"):
        return file.create_dataset(name, data=array, track_times=False)
    if array.dtype == np.bool_:
        return file.create_dataset(name, data=array, chunks=tail, compression="gzip", compression_opts=1, track_times=False)
    return file.create_dataset(name, data=array, chunks=(1, *tail), track_times=False)
