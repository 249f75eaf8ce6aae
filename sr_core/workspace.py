"""The workspace: stage results by content, published in one step, each made once.

`<root>/<stage>/<key>/` holds a result and its `record.json`; the key is a hash of the stage, the version of its
contract, its inputs' hashes and its parameters. Work happens in `<key>.partial`, which is fsynced and renamed. A file
lock per key makes a second run wait for the first; the operating system frees the lock of a killed one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from sr_core.errors import InputError, WorkspaceError
from sr_core.log import Log
from sr_core.records import Digest, StageRef

R = TypeVar("R", bound=StageRef)
Value = str | int | float | bool | None
RECORD = "record.json"
KEY_LENGTH = 32  # hexadecimal digits
CLOCK = "clock.json"  # times and ids of a run: never part of a hash


class Workspace:
    """A folder of stage results.

    Parameters
    ----------
    root : Path
        Made if it does not exist.

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass  # a folder may exist and still not be writable
        except OSError as error:
            raise InputError(
                f"workspace {root} ({error.strerror})", "a folder that can be written", "Give another one with --workspace."
            ) from error

    def once(
        self,
        stage: str,
        version: int,
        inputs: Mapping[str, Value],
        record: type[R],
        build: Callable[[Path], R],
        log: Log,
        resumable: bool = False,
    ) -> R:
        """Give the stage's result, making it only if it is not there.

        Parameters
        ----------
        stage, version : name of the stage and version of what its code promises.
        inputs : hashes of what goes in, and parameters.
        record : the class of the result's record.
        build : makes the result in the folder it is given and returns its record (`path` is that folder).
        resumable : leave what an interrupted run left in the folder, for `build` to go on from.
        """
        key = self.key(stage, version, inputs)
        final = self.root / stage / key
        final.parent.mkdir(parents=True, exist_ok=True)
        if found := _load(final, record):
            log.say(f"{stage}: reused {key[:12]}")
            return found
        lock = FileLock(str(final.with_suffix(".lock")))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.say(f"{stage}: another run is working on {key[:12]}; waiting for it")
            lock.acquire()
        try:
            if found := _load(final, record):
                log.say(f"{stage}: reused {key[:12]}, made by another run")
                return found
            partial = final.with_suffix(".partial")
            _sweep(partial, keep=resumable)
            partial.mkdir(exist_ok=True)
            made = build(partial)
            (partial / RECORD).write_text(made.model_copy(update={"path": Path()}).to_json())
            publish(partial, final)
        finally:
            lock.release()
        return made.model_copy(update={"path": final})

    def key(self, stage: str, version: int, inputs: Mapping[str, Value]) -> str:
        """Give the name of a result's folder: 32 hexadecimal digits."""
        body = json.dumps([stage, version, dict(inputs)], sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:KEY_LENGTH]

    def file_sha256(self, path: Path) -> Digest:
        """Hash a file, remembering the result by (path, size, mtime)."""
        stat = path.stat()
        name = hashlib.sha256(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()
        memo = self.root / "hashes" / name[:2] / name
        if memo.is_file() and len(text := memo.read_text()) == 64:
            return text
        digest = file_sha256(path)
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(memo, digest.encode())
        return digest


def _sweep(partial: Path, keep: bool) -> None:
    """Clear what a killed run left: all of it, or with `keep` only files and folders that are half-written themselves."""
    if partial.exists() and not keep:
        shutil.rmtree(partial)
    for path in sorted(partial.rglob("*.partial"), reverse=True):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _load(folder: Path, record: type[R]) -> R | None:
    path = folder / RECORD
    if not path.is_file():
        return None
    return record.from_json(path.read_text(), str(path)).model_copy(update={"path": folder})


def publish(partial: Path, final: Path) -> None:
    """Make a finished folder visible in one step, with its contents on disk before its name.

    Raises
    ------
    WorkspaceError
        If the final path exists already.
    """
    for path in sorted(partial.rglob("*")):
        if path.is_file() or path.is_dir():
            _fsync(path)
    _fsync(partial)
    if final.exists():
        raise WorkspaceError(f"{final} exists", "a free place for a result", "Remove it and run again.")
    partial.rename(final)
    _fsync(final.parent)


def is_result(folder: Path) -> bool:
    """Say whether a folder is a stage's result, or a copy under its name: what its content is named by is never changed."""
    name = folder.resolve().name
    return len(name) == KEY_LENGTH and set(name) <= set("0123456789abcdef") and (folder / RECORD).is_file()


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that at its name there is either the old content or all of the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        temporary.write_bytes(data)
        _fsync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _fsync(path.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> Digest:
    """Hash a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_sha256(folder: Path) -> Digest:
    """Hash a folder: names and bytes of its files; `record.json` and `clock.json` are left out."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {file_sha256(path)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (RECORD, CLOCK)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
