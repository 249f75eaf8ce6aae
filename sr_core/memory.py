"""The machine's memory: what a process can still take, within its container's limits, and giving back what it freed."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

NO_LIMIT = 1 << 60  # what control groups say where nothing is limited is a number beyond this


def give_back() -> None:
    """Hand freed memory back to the system where the C library can (glibc), which keeps blocks of up to 32 MiB for later, all told."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def available_memory(root: Path = Path("/")) -> int:
    """Give the bytes of memory that processes here can still take: the machine's, or a control group's where that is less.

    Parameters
    ----------
    root : where `proc` and `sys` lie.

    Notes
    -----
    What a group uses for files that it can drop at once (`inactive_file`) is not counted as used. Both versions of control groups are
    read, and all groups around the process's own.
    """
    return min([_machine(root), *_groups(root)])


def _machine(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # no Linux: all of it


def _groups(root: Path) -> list[int]:
    """Give what is left in each control group around this process that has a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left: list[int] = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            mount, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inner = Path(path.lstrip("/"))
        left += [room for folder in (inner, *inner.parents) if (room := _left(mount / folder, *names)) is not None]
    return left


def _left(folder: Path, limit: str, usage: str, dropped: str) -> int | None:
    try:
        most = int((folder / limit).read_text())  # "max" is no number: no limit
        used = int((folder / usage).read_text())
    except (OSError, ValueError):
        return None
    if most >= NO_LIMIT:
        return None
    return max(0, most - max(0, used - _statistic(folder / "memory.stat", dropped)))


def _statistic(path: Path, name: str) -> int:
    try:
        pairs = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return int(pairs.get(name, 0))
    except (OSError, ValueError):
        return 0
