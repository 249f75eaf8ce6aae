"""Output files that appear together at their final places, or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from sr_core.errors import OutputError
from sr_core.raster import OutputFile

LOCK = "lock"


@dataclass(frozen=True)
class _Place:
    role: str
    working: Path
    final: Path


class Delivery:
    """A set of files made in a hidden folder beside the target and published in one go.

    What a killed run left in such a folder is removed by the next run for the same target.

    Parameters
    ----------
    source : Path
        The file that is read; it may never be replaced.
    target : Path
        Final place of the first file. Its folder is made if it is missing.
    overwrite : bool
        Whether existing files at the final places may be replaced.
    needed_bytes : int
        Disk space that the work takes; checked before anything is written.

    Raises
    ------
    OutputError
        If the target is the source, exists without `overwrite`, cannot be written, or the disk is too full.
    """

    def __init__(self, source: Path, target: Path, overwrite: bool = False, needed_bytes: int = 0) -> None:
        self.source = source
        self.target = target
        self.overwrite = overwrite
        self._places: list[_Place] = []
        self._check(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._remove_stale()
            self.folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        except OSError as error:
            raise OutputError(
                f"output folder {target.parent} ({error.strerror})", "a folder that can be written", "Give another output path."
            ) from error
        self._lock = FileLock(str(self.folder / LOCK))
        self._lock.acquire(timeout=0)
        free = shutil.disk_usage(self.folder).free
        if free < needed_bytes:
            self.discard()
            raise OutputError(
                f"{free / 2**20:.0f} MiB free in {target.parent}",
                f"at least {needed_bytes / 2**20:.0f} MiB for the result and its working files",
                "Free some space or give another output path.",
            )

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
            known = _Place(role, self.folder / final.name, final)
            self._places.append(known)
        return known.working

    def publish(self) -> tuple[OutputFile, ...]:
        """Move every file that was made to its final place: companions first, the target last.

        Companions of an overwritten target that were not made anew are removed: they would describe another image.

        Raises
        ------
        OutputError
            If a file cannot be moved; those already moved to free places are taken back.
        """
        made = sorted((p for p in self._places if p.working.exists()), key=lambda p: p.final == self.target)
        stale = [p.final for p in self._places if not p.working.exists() and p.final.exists()]
        moved: list[Path] = []
        try:
            for place in made:
                _flush(place.working)
                fresh = not place.final.exists()
                if not fresh and not self.overwrite:
                    raise FileExistsError(17, "appeared while we worked", str(place.final))
                place.working.replace(place.final)
                if fresh:
                    moved.append(place.final)
            for path in stale:
                path.unlink()
        except OSError as error:
            for path in moved:
                path.unlink(missing_ok=True)
            raise OutputError(f"{self.target} ({error.strerror})", "a place that can be written", "Give another output path.") from error
        finally:
            self.discard()
        order = {p.final: i for i, p in enumerate(self._places)}
        return tuple(OutputFile(p.role, p.final) for p in sorted(made, key=lambda p: order[p.final]))

    def discard(self) -> None:
        """Remove the working folder and all that is in it. May be called twice."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()

    def _check(self, final: Path) -> None:
        if final.resolve() == self.source.resolve() or (final.exists() and self.source.exists() and final.samefile(self.source)):
            raise OutputError(f"output {final} is the input", "another path than the input's", "Give another output path.")
        if final.is_dir():
            raise OutputError(f"output {final} is a folder", "the path of a file", "Add a file name to the output path.")
        if final.exists() and not self.overwrite:
            raise OutputError(f"output {final} exists already", "a free path", "Give another output path, or ask for overwriting.")

    def _remove_stale(self) -> None:
        for folder in self.target.parent.glob(f".{glob.escape(self.target.name)}.*.partial"):
            if not (folder / LOCK).exists():
                continue  # another run is just making it
            lock = FileLock(str(folder / LOCK))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
