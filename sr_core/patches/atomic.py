"""HDF5 files that appear whole or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py

from sr_core.errors import StoreError
from sr_core.locks import take_lock

FLUSHED = 32 << 20  # bytes after which the disk is set to work


class _Sink(io.RawIOBase):
    """The file that HDF5 writes to; it never fails, and keeps the first failure for us.

    HDF5 2.0 crashes the process when a write fails while a file is being closed (disk full). So after a failure writes are
    dropped, and the caller throws the file away.
    """

    def __init__(self, handle: int) -> None:
        self._file = io.FileIO(handle, "r+b", closefd=False)
        self._to_flush = 0
        self._flusher = ThreadPoolExecutor(1)
        self._flushing: Future[None] | None = None
        self.failure: OSError | None = None

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Write all bytes, or remember why not."""
        view = memoryview(data).cast("B")
        done = 0
        while self.failure is None and done < len(view):
            try:
                done += self._file.write(view[done:])
            except OSError as error:
                self.failure = error
        return len(view)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read; what was never written reads as zeros."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and (count := self._file.readinto(view[done:])):
            done += count
        view[done:] = bytes(len(view) - done)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Give the position."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the length, or remember why not."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def flush(self) -> None:
        """Do nothing: writes are not buffered here."""

    def write_at(self, offset: int, data: memoryview) -> None:
        """Write at a place of the file, past HDF5, or remember why not. The disk is set to work on it at times, not at the end only."""
        view = data.cast("B")
        done = 0
        while self.failure is None and done < len(view):
            try:
                done += os.pwrite(self._file.fileno(), view[done:], offset + done)
            except OSError as error:
                self.failure = error
        self._to_flush += done
        if self._to_flush >= FLUSHED and (self._flushing is None or self._flushing.done()):
            self._to_flush = 0
            self._flushing = self._flusher.submit(self.sync)

    def sync(self) -> None:
        """Wait until all that was written is on the disk, or remember why not."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.failure = self.failure or error

    def close_flusher(self) -> None:
        """End the thread that flushes."""
        self._flusher.shutdown()


@dataclass(frozen=True)
class Growing:
    """An HDF5 file that is being written.

    Attributes
    ----------
    file : the open file.
    write_at : takes an offset in bytes and contiguous bytes for it; for datasets whose place in the file HDF5 has fixed already.
    """

    file: h5py.File
    write_at: Callable[[int, memoryview], None]


@contextmanager
def hdf5_atomic(path: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears at `path` whole or not at all; see `growing`."""
    with growing(path) as made:
        yield made.file


@contextmanager
def growing(path: Path) -> Iterator[Growing]:
    """Write an HDF5 file that appears at `path` whole or not at all, with a way to write past HDF5.

    It grows as `<path>.partial` under a file lock that the operating system frees if the writer is killed; the next
    writer takes the leftover over. Leaving by an exception removes it.

    Raises
    ------
    StoreError
        If the folder cannot be written (no such folder, disk full), or another process is writing this file.
    """
    partial = path.with_name(path.name + ".partial")
    lock = _locked(path, partial)
    sink = _Sink(lock)
    try:
        sink.truncate(0)
        with h5py.File(sink, "w") as file:
            yield Growing(file, sink.write_at)
        sink.close_flusher()  # it is told of a failure, and only it is
        sink.sync()
        if sink.failure is None:
            try:
                partial.replace(path)
            except OSError as error:
                sink.failure = error
        if sink.failure is not None:
            raise _unwritable(path, sink.failure) from sink.failure
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if sink.failure is not None and not isinstance(error, StoreError):
            raise _unwritable(path, sink.failure) from error  # what HDF5 makes of dropped writes says less
        raise
    finally:
        sink.close_flusher()
        os.close(lock)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written ({error.strerror})", "a writable folder with room", "Make room or choose another, and run again."
    )


def _locked(path: Path, partial: Path) -> int:
    try:
        return take_lock(partial)
    except BlockingIOError as error:
        raise StoreError(f"{partial} is being written elsewhere", "one writer a file", "Wait for it, then run again.") from error
    except OSError as error:
        raise _unwritable(path, error) from error
