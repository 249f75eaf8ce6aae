"""The size of a workspace, and making room in it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sr_core.errors import InputError
from sr_core.workspace import RECORD

STAGES = ("ingest", "prepare", "train", "calibrate", "evaluate", "package", "upscale")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Result:
    """A stage result on disk: bytes, and the time of its last use (seconds since 1970)."""

    stage: str
    path: Path
    size: int
    used: float


def results(root: Path) -> tuple[Result, ...]:
    """Give all stage results of a workspace, least recently used first."""
    found = []
    for stage in STAGES:
        for folder in (root / stage).glob("*"):
            record = folder / RECORD
            if not record.is_file():
                continue
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            stat = record.stat()
            found.append(Result(stage, folder, size, max(stat.st_atime, stat.st_mtime)))
    return tuple(sorted(found, key=lambda r: (r.used, r.path)))


def prune(root: Path, most: int, dry_run: bool = False) -> tuple[Result, ...]:
    """Remove the least recently used results until at most `most` bytes stay; one that is being made is left alone."""
    found = results(root)
    total = sum(r.size for r in found)
    gone = []
    for result in found:
        if total <= most:
            break
        if dry_run or _remove(result):
            gone.append(result)
            total -= result.size
    return tuple(gone)


def _remove(result: Result) -> bool:
    lock = FileLock(str(result.path.with_suffix(".lock")))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        doomed = result.path.with_suffix(".partial")  # out of sight in one step, then removed: never half a result
        if doomed.exists():
            shutil.rmtree(doomed)
        result.path.rename(doomed)
        shutil.rmtree(doomed)
    finally:
        lock.release()
    return True


def read_size(text: str, example: str = "--max 50GB") -> int:
    """Read a size such as 50GB, 1.5T or 800 MB (powers of 1000) in bytes.

    Raises
    ------
    InputError
        If it is not one.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*", text, re.IGNORECASE)
    if match is None:
        raise InputError(f"size {text!r}", "a number and a unit", f"For instance: {example}")
    return int(float(match[1]) * UNITS[match[2].upper()])


def size_text(size: int) -> str:
    """Give a size in words: 12.3 MB."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
