"""The file format of a shard: names, schema, hashes. One HDF5 file a source, complete or not there.

    /                     attrs: format, schema, source, scale, patch plan, operator, encoding, bands, unit, valid range,
                          request (hash of what was asked for), digest (hash of everything that is kept)
    /images/00000         attrs: name, split
        lr, hr            (C, H, W), stored type of the source, uncompressed chunks of 128 x 128 of one band
        mask_lr, mask_hr  bool (H, W), True = usable, compressed
    /index/train, /val    int32 (N, 3): image, row, column of a patch's first pixel on the plan's grid

Nothing in a file depends on when or where it was made. A change that an older reader would misread raises `SCHEMA`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from pydantic import ValidationError

from sr_core.errors import SRError, StoreError
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan
from sr_core.records import Digest, Record

FORMAT = "sr-patches"
SCHEMA = 1
CHUNK = 128  # px: a patch meets at most four chunks, each read without decompression
STRIP = 128  # rows hashed at a time, so that verifying a large image needs little memory
ARRAYS = ("lr", "hr", "mask_lr", "mask_hr")
AGAIN = "Delete the file and prepare again: sr prepare."

StoredSplit = Literal["train", "val"]
STORED_SPLITS: tuple[StoredSplit, ...] = ("train", "val")


class ImageEntry(Record):
    """One pair of images of a shard. Shapes are (C, H, W)."""

    name: str
    split: StoredSplit
    lr_shape: tuple[int, int, int]
    hr_shape: tuple[int, int, int]


class ShardHeader(Record):
    """What a shard was asked to hold; its hash is the `request` by which a finished shard is recognised.

    `scale` is (rows, cols). `valid_range` is in `unit`.
    """

    source: Digest
    scale: tuple[int, int]
    plan: PatchPlan
    operator: str
    encoding: Encoding
    bands: tuple[str, ...]
    unit: str
    valid_range: tuple[float, float]
    images: tuple[ImageEntry, ...]

    def attributes(self) -> dict[str, Any]:
        """Give the header as HDF5 attributes that a person can read with h5dump."""
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "source": self.source,
            "scale": np.asarray(self.scale, dtype=np.int32),
            "plan": self.plan.to_json(),
            "operator": self.operator,
            "dtype": self.encoding.dtype,
            "encoding_scale": self.encoding.scale,
            "encoding_offset": self.encoding.offset,
            "encoding_low": self.encoding.low,
            "encoding_high": self.encoding.high,
            "bands": json.dumps(self.bands, ensure_ascii=False),
            "unit": self.unit,
            "valid_range": np.asarray(self.valid_range, dtype=np.float64),
            "request": self.digest(),
        }


def group_name(number: int) -> str:
    """Give the path of an image's group."""
    return f"images/{number:05d}"


def read_header(file: h5py.File, path: Path) -> ShardHeader:
    """Read and check the header of an open shard.

    Raises
    ------
    StoreError
        If the file is not a shard, of a newer schema, or its header contradicts itself.
    """
    attrs = file.attrs
    if attrs.get("format") != FORMAT:
        raise StoreError(f"{path} is not a patch store", "an HDF5 file that `sr prepare` wrote", "Give the folder of a prepared store.")
    number = int(attrs["schema"])
    if number > SCHEMA:
        raise StoreError(f"{path} has schema {number}", f"patch store schema {SCHEMA} or older", "Install a newer version of this package.")
    images = []
    for i in range(len(file["images"])):
        group = file[group_name(i)]
        _check_image(group, path)
        images.append(
            ImageEntry(name=group.attrs["name"], split=group.attrs["split"], lr_shape=group["lr"].shape, hr_shape=group["hr"].shape)
        )
    header = ShardHeader(
        source=attrs["source"],
        scale=tuple(int(n) for n in attrs["scale"]),
        plan=PatchPlan.from_json(attrs["plan"], f"{path}, plan"),
        operator=attrs["operator"],
        encoding=Encoding(
            str(attrs["dtype"]),
            float(attrs["encoding_scale"]),
            float(attrs["encoding_offset"]),
            float(attrs["encoding_low"]),
            float(attrs["encoding_high"]),
        ),
        bands=tuple(json.loads(attrs["bands"])),
        unit=attrs["unit"],
        valid_range=tuple(float(n) for n in attrs["valid_range"]),
        images=tuple(images),
    )
    if header.digest() != attrs["request"]:
        raise StoreError(f"{path}: its header was changed after it was written", "the header that its request hash names", AGAIN)
    return header


def _check_image(group: h5py.Group, path: Path) -> None:
    missing = [name for name in ARRAYS if name not in group]
    if missing:
        raise StoreError(f"{path}: {group.name} lacks {', '.join(missing)}", f"the datasets {', '.join(ARRAYS)}", AGAIN)
    if group["mask_lr"].shape != group["lr"].shape[1:] or group["mask_hr"].shape != group["hr"].shape[1:]:
        raise StoreError(f"{path}: a mask of {group.name} has another shape than its image", "masks (H, W) of images (C, H, W)", AGAIN)


class StripHash:
    """The hash of an array (type, shape, then strips of 128 rows, each in C order), taken while it is written from top to bottom.

    The row axis is the last but one. `update` takes whole strips; only the last may be shorter.
    """

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self._sha = hashlib.sha256(f"{np.dtype(dtype).str} {tuple(shape)}".encode())

    def update(self, rows: np.ndarray[Any, Any]) -> None:
        """Take the next rows, (..., n, W), n a multiple of 128 unless they are the last."""
        for row in range(0, rows.shape[-2], STRIP):
            for band in np.ndindex(rows.shape[:-2]):  # a band's rows lie together: nothing is copied
                self._sha.update(np.ascontiguousarray(rows[band][row : row + STRIP]).data)

    def digest(self) -> Digest:
        """Give the hash of what was taken."""
        return self._sha.hexdigest()


def array_digest(array: Any) -> Digest:
    """Hash an array (NumPy or HDF5 dataset) by strips; see `StripHash`."""
    made = StripHash(array.dtype, array.shape)
    for row in range(0, array.shape[-2], STRIP):
        made.update(array[..., row : row + STRIP, :])
    return made.digest()


def content_digest(request: Digest, arrays: Mapping[str, Digest]) -> Digest:
    """Hash a shard: its request and the hash of every dataset by its path."""
    body = {"request": request, "arrays": dict(arrays)}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def array_paths(images: int) -> list[str]:
    """Give the paths of all datasets of a shard with that many pairs of images."""
    return [f"{group_name(i)}/{name}" for i in range(images) for name in ARRAYS] + [f"index/{split}" for split in STORED_SPLITS]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a shard for reading; whatever is wrong with the file becomes a `StoreError` that names it.

    A published shard never changes, so no lock is taken and any number of processes may read.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except SRError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, ValidationError) as error:
        if not path.exists():
            raise StoreError(f"{path} is not there", "a shard of the patch store", "Prepare again: sr prepare.") from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read ({reason})", "a whole HDF5 patch store", AGAIN) from error
