"""Shards held open for reading: lazily, a bounded number of them, and anew in every process."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sr_core.errors import StoreError
from sr_core.patches.layout import AGAIN
from sr_core.records import Digest

CACHE = 1 << 18  # bytes of chunk cache a dataset: four chunks of 128 x 128 float32, so that HDF5 reads whole chunks
DATASETS = 256  # held open in all, so 64 MiB of cache at most
FILES = 64


@dataclass
class _Held:
    """What one process holds open, least recently used first."""

    process: int
    files: OrderedDict[Path, h5py.File] = field(default_factory=OrderedDict)
    datasets: OrderedDict[tuple[Path, str], h5py.Dataset] = field(default_factory=OrderedDict)


class ShardFiles:
    """Reads rectangles of the datasets of shards, keeping files open between reads.

    A file is opened when it is first read from; the least recently used is closed when there are too many. Copies in other
    processes, forked or pickled, open their own. One object serves one thread.

    Parameters
    ----------
    digests : path of each shard and the digest that it must have: a shard that was replaced is not read.
    most : files held open at most.
    """

    def __init__(self, digests: dict[Path, Digest], most: int = FILES) -> None:
        self._digests, self._most = digests, max(1, most)
        self._held = _Held(os.getpid())

    def __getstate__(self) -> dict[str, Any]:
        return {"_digests": self._digests, "_most": self._most}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._held = _Held(os.getpid())

    @property
    def opened(self) -> int:
        """How many files this process holds open."""
        return len(self._held.files) if self._held.process == os.getpid() else 0

    def read(self, path: Path, name: str, window: tuple[slice, ...]) -> npt.NDArray[np.generic]:
        """Read a rectangle of a dataset: slices only, so that HDF5 copies from the chunks it meets and builds no index list.

        Raises
        ------
        StoreError
            If the shard cannot be read, or is not the one that the store listed.
        """
        try:
            stored: npt.NDArray[np.generic] = self._dataset(path, name)[window]
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            if isinstance(error, StoreError):
                raise
            if not path.exists():
                raise StoreError(f"{path} is not there", "a shard of the patch store", "Prepare again: sr prepare.") from error
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StoreError(f"{path} cannot be read ({reason})", "a whole HDF5 patch store", AGAIN) from error
        return stored

    def close(self) -> None:
        """Close all files of this process; the next read opens them again."""
        held, self._held = self._held, _Held(os.getpid())
        if held.process == os.getpid():
            for file in held.files.values():
                file.close()

    def _dataset(self, path: Path, name: str) -> h5py.Dataset:
        if self._held.process != os.getpid():
            self._held = _Held(os.getpid())  # after a fork the handles are the parent's
        files, datasets = self._held.files, self._held.datasets
        if (path, name) in datasets:
            datasets.move_to_end((path, name))
            files.move_to_end(path)
            return datasets[path, name]
        dataset = self._file(path)[name]
        datasets[path, name] = dataset
        if len(datasets) > DATASETS:
            datasets.popitem(last=False)
        return dataset

    def _file(self, path: Path) -> h5py.File:
        files, datasets = self._held.files, self._held.datasets
        if path in files:
            files.move_to_end(path)
            return files[path]
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CACHE)
        if file.attrs.get("digest") != self._digests[path]:
            file.close()
            raise StoreError(f"{path} was replaced since the store was opened", "an unchanged shard", "Open the store again.")
        files[path] = file
        if len(files) > self._most:
            gone, old = files.popitem(last=False)
            for key in [key for key in datasets if key[0] == gone]:
                del datasets[key]
            old.close()
        return file
