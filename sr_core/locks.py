"""A lock between processes: a file that exists while somebody holds it, and that the operating system frees if its holder is killed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def take_lock(path: Path) -> int:
    """Make (or take over) and lock a file, without waiting.

    Returns
    -------
    int
        Its handle, for reading and writing; closing it frees the lock.

    Raises
    ------
    BlockingIOError
        If another process, or another handle of this one, holds it.
    OSError
        If the file cannot be made.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its holder may have renamed or removed the file before we had the lock: then it is no longer at this name.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def free_lock(path: Path, handle: int) -> None:
    """Remove the file of a lock and free it."""
    path.unlink(missing_ok=True)
    os.close(handle)
