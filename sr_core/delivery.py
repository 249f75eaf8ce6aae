"""Output files that appear together at their final places, or not at all, and the hidden folder beside them in which they are made."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sr_core.errors import DeliveryError, OutputError, can_go_on
from sr_core.locks import free_lock, take_lock
from sr_core.raster import OutputFile

MADE, REPLACED, PUBLISHING = "made", "replaced", "publishing.json"
KEY_DIGITS = 16
COMPANIONS = (
    "interval",
    "residual",
    "stac",
    "verdict",
)  # files beside a result: `a.tif` has `a.verdict.json`, a folder `verdict.json` in it
ENDINGS = (".tif", ".png", ".dcm", ".json")


@dataclass(frozen=True)
class _Place:
    role: str
    working: Path
    final: Path


class Delivery:
    """A set of files made in a hidden folder beside the target, `.<target name>.<key>.resume`, and published in one go.

    One run works on a target at a time. What a killed run of the same key left in the folder is there for the next one; folders of
    other keys are removed. A run that was killed while it published is undone first: no mixture of old and new files stays.

    Parameters
    ----------
    source : Path
        The file that is read; it may never be replaced.
    target : Path
        Final place of the first file. Its folder is made if it is missing.
    overwrite : bool
        Whether existing files at the final places may be replaced.
    needed_bytes : int
        Disk space that the whole work takes; checked before anything is written.
    key : str
        Hash of all that the result depends on; "": nothing is kept for another run.

    Attributes
    ----------
    folder : Path
        The hidden folder, in which the owner may keep what the next run goes on from.

    Raises
    ------
    OutputError
        If the target is the source, exists without `overwrite`, is being written by another run, cannot be written, or the disk is
        too full.
    """

    def __init__(self, source: Path, target: Path, overwrite: bool = False, needed_bytes: int = 0, key: str = "") -> None:
        self.source = source
        self.target = target
        self.overwrite = overwrite
        self.key = key
        self._places: list[_Place] = []
        self._refuse_input(target)
        self._lock_path = _lock_path(target)
        self._lock: int | None = None
        self.folder = target.parent / f".{target.name}.{(key or uuid.uuid4().hex)[:KEY_DIGITS]}.resume"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(self._lock_path)
        except BlockingIOError as error:
            remedy = "Wait for it, or give another output path."
            raise OutputError(f"output {target} is being written by another run", "one run an output", remedy) from error
        except OSError as error:
            raise _unwritable(target.parent, error) from error
        try:
            _tidy(target, self.folder)
            self._check(target)
            self._open(needed_bytes)
        except OSError as error:
            self._free()
            if isinstance(error, OutputError):
                raise
            raise _unwritable(target.parent, error) from error

    def place(self, role: str, final: Path) -> Path:
        """Reserve a final place and give the path at which to make the file.

        Raises
        ------
        OutputError
            If the final place is the source, or exists without `overwrite`.
        """
        self._check(final)
        known = next((p for p in self._places if p.final == final), None)
        if known is None:
            known = _Place(role, self.folder / MADE / final.name, final)
            self._places.append(known)
        return known.working

    def publish(self) -> tuple[OutputFile, ...]:
        """Move every file that was made to its final place: companions first, the target last.

        Companions of an overwritten target that were not made anew are removed: they would describe another image.

        Raises
        ------
        DeliveryError
            If a file cannot be moved; what was there before is then there again.
        """
        made = sorted((p for p in self._places if p.working.exists()), key=lambda p: p.final == self.target)
        stale = [p.final for p in self._places if not p.working.exists() and p.final.exists()]
        self._move([(p.working, p.final) for p in made], stale)
        order = {p.final: i for i, p in enumerate(self._places)}
        return tuple(OutputFile(p.role, p.final) for p in sorted(made, key=lambda p: order[p.final]))

    def discard(self) -> None:
        """Remove the hidden folder and free the target. May be called twice."""
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._free()

    def leave(self, error: BaseException | None) -> None:
        """Free the target; the hidden folder stays if the work was stopped by something that the same command can get past."""
        if not (self.key and can_go_on(error)):
            self.discard()
        elif self._lock is not None:
            shutil.rmtree(self.folder / MADE, ignore_errors=True)
            self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.leave(error)

    def _refuse_input(self, final: Path) -> None:
        if final.resolve() == self.source.resolve() or (final.exists() and self.source.exists() and final.samefile(self.source)):
            raise OutputError(f"output {final} is the input", "another path than the input's", "Give another output path.")

    def _check(self, final: Path) -> None:
        self._refuse_input(final)
        if final.is_dir():
            raise OutputError(f"output {final} is a folder", "the path of a file", "Add a file name to the output path.")
        if final.exists() and not self.overwrite:
            raise OutputError(f"output {final} exists already", "a free path", "Give another output path, or ask for overwriting.")

    def _open(self, needed_bytes: int) -> None:
        self.folder.mkdir(exist_ok=True)
        shutil.rmtree(self.folder / MADE, ignore_errors=True)
        there = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        free = shutil.disk_usage(self.folder).free
        if free + there < needed_bytes:
            if not there:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise OutputError(
                f"{free / 2**20:.0f} MiB free in {self.target.parent}",
                f"at least {(needed_bytes - there) / 2**20:.0f} MiB for the result and its working files",
                "Free some space or give another output path.",
            )
        (self.folder / MADE).mkdir()
        flush(self.folder.parent)

    def _move(self, moves: list[tuple[Path, Path]], stale: list[Path]) -> None:
        """Move files or folders to their final places, the last of them last of all; on failure everything is put back."""
        try:
            for working, _ in moves:
                for path in [*working.rglob("*"), working] if working.is_dir() else [working]:
                    flush(path)
            plan = [[str(w.relative_to(self.folder)), final.name, w.stat().st_ino] for w, final in moves]
            (self.folder / REPLACED).mkdir(exist_ok=True)
            (self.folder / PUBLISHING).write_text(json.dumps(plan))
            flush(self.folder / PUBLISHING)
            flush(self.folder)
            for path in stale:
                path.rename(self.folder / REPLACED / path.name)
            for working, final in moves:
                if final.exists() and not self.overwrite:
                    raise FileExistsError(17, "appeared while we worked", str(final))
                if final.exists() and (working.is_dir() or (working, final) != moves[-1]):
                    final.rename(self.folder / REPLACED / final.name)
                working.replace(final)
            flush(self.target.parent)
        except OSError as error:
            _undo(self.folder)
            remedy = "Make the place usable, and run the same command again."
            raise DeliveryError(f"{self.target} ({error.strerror})", "a place that can be written", remedy) from error
        self.discard()

    def _free(self) -> None:
        if self._lock is not None:
            free_lock(self._lock_path, self._lock)
            self._lock = None


def companion(target: Path, role: str, ending: str) -> Path:
    """Give the place of a file that goes with a result, which is a file or a folder that is there."""
    return target / f"{role}{ending}" if target.is_dir() else target.with_name(f"{target.with_suffix('').name}.{role}{ending}")


def sweep(target: Path) -> None:
    """Remove what a run left that was killed when all was published already; one that is at work on the target is let be."""
    try:
        lock = take_lock(_lock_path(target))
    except OSError:  # held by another run, or a place that can only be read
        return
    try:
        _tidy(target, None)
    finally:
        free_lock(_lock_path(target), lock)


def _lock_path(target: Path) -> Path:
    return target.parent / f".{target.name}.lock"


def _tidy(target: Path, keep: Path | None) -> None:
    """Undo what a killed run had half published, and remove what no run will go on from. The lock is ours: nobody is at work."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{{KEY_DIGITS}}}\.resume")
    for folder in [path for path in target.parent.iterdir() if name.fullmatch(path.name)]:
        complete = _undo(folder)
        if complete or folder != keep:
            shutil.rmtree(folder, ignore_errors=True)


def _undo(folder: Path) -> bool:
    """Take back what a stopped run had moved out of a hidden folder; give True, and do nothing, if it had moved everything."""
    try:
        plan = json.loads((folder / PUBLISHING).read_text())
    except (OSError, ValueError):  # not begun, or killed in this very line: nothing was moved
        return False
    moved = [(folder / working, folder.parent / name) for working, name, inode in plan if _is(folder.parent / name, inode)]
    if len(moved) == len(plan):
        return True
    for working, final in moved:
        working.parent.mkdir(exist_ok=True)
        final.rename(working)
    for path in (folder / REPLACED).iterdir():
        path.rename(folder.parent / path.name)
    (folder / PUBLISHING).unlink()
    return False


def _is(path: Path, inode: int) -> bool:
    return path.exists() and path.stat().st_ino == inode


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"output folder {folder} ({error.strerror})", "a folder that can be written", "Give another output path.")


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
