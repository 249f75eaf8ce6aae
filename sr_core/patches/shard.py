"""Writing a shard: the pairs of one source with the index of their patches, strip by strip, in one atomic step."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np
import numpy.typing as npt

from sr_core.errors import InputError, ShapeError, StoreError, UnitError
from sr_core.patches.atomic import Growing, growing
from sr_core.patches.chunks import ChunkWriter, MaskWriter, create_laid_out, create_mask
from sr_core.patches.grid import OriginScan
from sr_core.patches.layout import (
    ARRAYS,
    STORED_SPLITS,
    ImageEntry,
    ShardHeader,
    StripHash,
    array_digest,
    array_paths,
    content_digest,
    group_name,
    opened,
    read_header,
)
from sr_core.patches.strips import PairImage, PairSource, Strip, entry, patch_mask
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan
from sr_core.records import Digest, Record

__all__ = ["PairImage", "PairSource", "ShardInfo", "find_shard", "header_of", "measured_digest", "shard_info", "write_shard"]


class ShardInfo(Record):
    """A finished shard: file name, hash of its content, number of patches."""

    name: str
    content: Digest
    train_pairs: int
    val_pairs: int


class _Kept(Exception):
    """The file that is there holds exactly what was asked for."""


def write_shard(
    path: Path,
    images: Sequence[PairSource],
    plan: PatchPlan,
    scale: int,
    encoding: Encoding,
    operator: str,
    source: Digest,
) -> ShardInfo:
    """Write the pairs of one source, or keep the file where it holds exactly them already.

    Two strips of 128 LR rows are held at a time, one written and one hashed, and the index of the patches.

    Parameters
    ----------
    path : final path; what a killed writer left beside it (`.partial`) is taken over.
    images : all pairs of the source, in memory (`PairImage`) or read as they are written.
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
    header = header_of(images, plan, scale, encoding, operator, source)
    for image in header.images:
        _check_size(image, plan)
    try:
        with growing(path) as made:
            content, counts = _write(made, header, images)
            if _intact(path, content):
                raise _Kept
    except _Kept:
        pass
    return ShardInfo(name=path.name, content=content, train_pairs=counts["train"], val_pairs=counts["val"])


def find_shard(path: Path, request: Digest, check: bool = False) -> ShardInfo | None:
    """Give the finished shard at a path if it answers a request (`ShardHeader.digest()`), else None.

    Its pixels are not looked at, unless `check` is set: then a damaged one counts as none.
    """
    if not path.is_file():
        return None
    try:
        with opened(path) as file:
            if read_header(file, path).digest() != request:
                return None
            info = shard_info(file, path)
    except StoreError:
        return None
    return info if not check or _intact(path, info.content) else None


def shard_info(file: h5py.File, path: Path) -> ShardInfo:
    """Give the summary of an open shard."""
    counts = {split: int(file[f"index/{split}"].shape[0]) for split in STORED_SPLITS}
    return ShardInfo(name=path.name, content=file.attrs["digest"], train_pairs=counts["train"], val_pairs=counts["val"])


def measured_digest(file: h5py.File, images: int) -> Digest:
    """Hash what an open shard really holds, dataset by dataset."""
    return content_digest(file.attrs["request"], {name: array_digest(file[name]) for name in array_paths(images)})


def _intact(path: Path, digest: Digest) -> bool:
    """Say whether a whole shard with that content is at the path; a damaged one counts as none."""
    if not path.is_file():
        return False
    try:
        with opened(path) as file:
            header = read_header(file, path)
            return bool(file.attrs["digest"] == digest and measured_digest(file, len(header.images)) == digest)
    except StoreError:
        return False


def header_of(images: Sequence[PairSource], plan: PatchPlan, scale: int, encoding: Encoding, operator: str, source: Digest) -> ShardHeader:
    """Describe the shard that `write_shard` would write; no pixel is read.

    Raises
    ------
    ShapeError, UnitError, InputError
        As `write_shard`, as far as shapes and units tell.
    """
    if not images:
        raise InputError(f"no image of source {source[:8]}", "at least one region to train or validate on", "Leave the source out.")
    first = images[0]
    for image in images:
        if (image.bands, image.unit, image.valid_range) != (first.bands, first.unit, first.valid_range):
            raise UnitError(
                f"{image.name}: bands {image.bands}, unit {image.unit!r}, range {image.valid_range}",
                f"{first.bands}, {first.unit!r}, {first.valid_range} as {first.name}",
                "One source has one set of bands and one unit.",
            )
    return ShardHeader(
        source=source, scale=(scale, scale), plan=plan, operator=operator, encoding=encoding, bands=first.bands, unit=first.unit,
        valid_range=first.valid_range, images=tuple(entry(image, scale) for image in images),
    )  # fmt: skip


def _sides(image: ImageEntry, plan: PatchPlan) -> tuple[int, int]:
    """Give height and width on the plan's grid."""
    _, height, width = image.lr_shape if plan.grid == "lr" else image.hr_shape
    return height, width


def _check_size(image: ImageEntry, plan: PatchPlan) -> None:
    height, width = _sides(image, plan)
    if image.split == "train" and plan.origins != "whole" and min(height, width) < plan.size:
        raise ShapeError(
            f"training image {image.name} of {height} x {width} px on the {plan.grid.upper()} grid",
            f"at least {plan.size} x {plan.size} px there, one patch",
            "Leave it out, or set a smaller patches.size.",
        )


def _write(made: Growing, header: ShardHeader, images: Sequence[PairSource]) -> tuple[Digest, dict[str, int]]:
    """Fill a new file, and give the hash of its content and the number of patches of each split."""
    file = made.file
    for name, value in header.attributes().items():
        file.attrs[name] = value
    digests: dict[str, Digest] = {}
    index: dict[str, list[npt.NDArray[np.int32]]] = {split: [np.zeros((0, 3), np.int32)] for split in STORED_SPLITS}
    for number, (image, known) in enumerate(zip(images, header.images, strict=True)):
        group = file.create_group(group_name(number))
        group.attrs["name"], group.attrs["split"] = image.name, image.split
        hashes, places = _write_pair(made, group, image, known, header)
        digests |= {f"{group_name(number)}/{name}": digest for name, digest in hashes.items()}
        index[image.split].append(np.column_stack([np.full(len(places), number, np.int32), places]))
    for split in STORED_SPLITS:
        rows = np.concatenate(index[split]).astype(np.int32)
        digests[f"index/{split}"] = array_digest(rows)
        file.create_dataset(f"index/{split}", data=rows, track_times=False).attrs["sha256"] = digests[f"index/{split}"]
    content = content_digest(header.digest(), digests)
    file.attrs["digest"] = content
    return content, {split: len(file[f"index/{split}"]) for split in STORED_SPLITS}


def _write_pair(
    made: Growing, group: h5py.Group, image: PairSource, known: ImageEntry, header: ShardHeader
) -> tuple[dict[str, Digest], npt.NDArray[np.int32]]:
    """Write a pair strip by strip, and give the hashes of its arrays and the origins of its patches, int32 (N, 2)."""
    stored = np.dtype(header.encoding.dtype)
    shapes = {"lr": known.lr_shape, "hr": known.hr_shape, "mask_lr": known.lr_shape[1:], "mask_hr": known.hr_shape[1:]}
    types = {name: np.dtype(bool) if name.startswith("mask") else stored for name in ARRAYS}
    datasets = {name: _create(group, name, shapes[name], types[name]) for name in ARRAYS}
    writers: dict[str, ChunkWriter | MaskWriter] = {
        name: MaskWriter(data) if types[name] == np.bool_ else ChunkWriter(data, made.write_at) for name, data in datasets.items()
    }
    hashes = _Hashes({name: StripHash(types[name], shapes[name]) for name in ARRAYS})
    done = dict.fromkeys(ARRAYS, 0)
    plan = header.plan
    height, width = _sides(known, plan)
    small = plan.origins != "whole" and min(height, width) < plan.size  # to validate on: it need not hold a patch
    scan = None if small else OriginScan(height, width, plan.size, plan.stride, plan.origins)
    with closing(image.strips(header.encoding)) as strips, hashes:
        for strip in strips:
            hashes.take(strip)
            for name, array in strip.arrays().items():
                writers[name].write(array)
                done[name] += array.shape[-2]
            if scan is not None:
                scan.feed(patch_mask(strip.mask_lr, strip.mask_hr, plan, header.scale[0]))
    short = next((name for name in ARRAYS if done[name] != shapes[name][-2]), None)
    if short:
        raise ShapeError(f"{image.name}: {done[short]} rows of {short}", f"{shapes[short][-2]} rows", "Give every strip of the pair.")
    digests = hashes.digests()
    for name in ARRAYS:
        datasets[name].attrs["sha256"] = digests[name]
    places = np.zeros((0, 2), np.int32) if scan is None else scan.origins()
    return digests, places


class _Hashes:
    """Hashes strips in a thread of its own while they are written, one behind at most. Use as a context manager."""

    def __init__(self, hashes: dict[str, StripHash]) -> None:
        self._hashes = hashes
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def take(self, strip: Strip) -> None:
        """Begin to hash a strip, when the one before it is done."""
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(self._update, strip)

    def _update(self, strip: Strip) -> None:
        for name, array in strip.arrays().items():
            self._hashes[name].update(array)

    def digests(self) -> dict[str, Digest]:
        """Give the hashes, once the context is left."""
        return {name: made.digest() for name, made in self._hashes.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown()
        if error is None and self._last is not None:
            self._last.result()


def _create(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> h5py.Dataset:
    """Create a dataset: images in uncompressed chunks, masks (nearly constant) compressed."""
    return create_mask(group, name, shape) if dtype == np.bool_ else create_laid_out(group, name, shape, dtype)
