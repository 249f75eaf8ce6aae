"""HDF5 files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sr_core.errors import StoreError


@contextmanager
def hdf5_atomic(path: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears at `path` whole or not at all.

    It grows as `<path>.partial` under a file lock that the operating system frees if the writer is killed; the next
    writer takes the leftover over. Leaving by an exception removes it.

    Raises
    ------
    StoreError
        If the folder cannot be written (no such folder, disk full), or another process is writing this file.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        lock = _locked(partial)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            with h5py.File(partial, "w", locking=False) as file:
                yield file
            os.fsync(lock)
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            if isinstance(error, StoreError):
                raise
            raise _unwritable(path, error) from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    finally:
        os.close(lock)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(path: Path, error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return StoreError(f"{path} cannot be written ({reason})", "a writable folder with room", "Make room or choose another, and run again.")


def _locked(partial: Path) -> int:
    """Open and lock a partial file; a file that was renamed away while we waited for its lock is not ours."""
    while True:
        handle = os.open(partial, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if partial.exists() and os.path.samestat(os.fstat(handle), partial.stat()):
                return handle
        except BlockingIOError as error:
            os.close(handle)
            raise StoreError(f"{partial} is being written elsewhere", "one writer a file", "Wait for it, then run again.") from error
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
