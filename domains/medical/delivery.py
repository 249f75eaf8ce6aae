"""A folder of files (a derived series) that appears at its final place in one step, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from sr_core.errors import OutputError
from sr_core.raster import OutputFile


class FolderDelivery:
    """A folder made beside its target and renamed when it is whole; the same interface as `domains.common.delivery.Delivery`.

    Parameters
    ----------
    source : the folder that is read; neither it nor a folder around it may be replaced.
    target : final place of the folder. The folder around it is made if it is missing.
    overwrite : whether an existing folder may be replaced.
    needed_bytes : disk space that the work takes.

    Raises
    ------
    OutputError
        If the target holds the source, exists without `overwrite` or as a file, cannot be written, or the disk is too full.
    """

    def __init__(self, source: Path, target: Path, overwrite: bool = False, needed_bytes: int = 0) -> None:
        if source.resolve().is_relative_to(target.resolve()):
            raise OutputError(f"output {target} holds the input", "another folder than the input's", "Give another output path.")
        if target.exists() and (not overwrite or not target.is_dir()):
            raise OutputError(f"output {target} exists already", "a free path for a folder", "Give another path, or ask for overwriting.")
        self.target, self.overwrite = target, overwrite
        self._places: list[tuple[str, Path]] = []
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
            (self.folder / "made").mkdir()
        except OSError as error:
            given = f"output folder {target.parent} ({error.strerror})"
            raise OutputError(given, "a folder that can be written", "Give another output path.") from error
        free = shutil.disk_usage(self.folder).free
        if free < needed_bytes:
            self.discard()
            raise OutputError(f"{free >> 20} MiB free in {target.parent}", f"at least {needed_bytes >> 20} MiB", "Free some space.")

    def place(self, role: str, final: Path) -> Path:
        """Give the path at which to make a file of the folder."""
        if (role, final) not in self._places:
            self._places.append((role, final))
        return self.folder / "made" / final.name

    def publish(self) -> tuple[OutputFile, ...]:
        """Put the folder at its place; the slices are listed once, as the folder.

        Raises
        ------
        OutputError
            If it cannot be moved; what was there before is then there again.
        """
        made, replaced = self.folder / "made", self.folder / "replaced"
        try:
            for path in [*made.iterdir(), made]:
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            if self.target.exists():
                if not self.overwrite:
                    raise FileExistsError(17, "appeared while we worked")
                self.target.rename(replaced)
            made.rename(self.target)
        except OSError as error:
            if replaced.exists():
                replaced.rename(self.target)
            raise OutputError(f"{self.target} ({error.strerror})", "a place that can be written", "Give another output path.") from error
        finally:
            self.discard()
        beside = [OutputFile(role, final) for role, final in self._places if role != "image" and final.exists()]
        return (OutputFile("image", self.target), *beside)

    def discard(self) -> None:
        """Remove the working folder. May be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
