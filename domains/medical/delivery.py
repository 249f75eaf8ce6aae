"""A folder of files (a derived series) that appears at its final place in one step, or not at all."""

from __future__ import annotations

from pathlib import Path

from sr_core.delivery import MADE, Delivery
from sr_core.errors import OutputError
from sr_core.raster import OutputFile


class FolderDelivery(Delivery):
    """A folder made in a hidden one beside its target and renamed when it is whole; see `sr_core.delivery.Delivery`.

    `source` is the folder that is read; neither it nor a folder around it may be replaced. `target` is the final place of the folder.
    """

    def __init__(self, source: Path, target: Path, overwrite: bool = False, needed_bytes: int = 0, key: str = "") -> None:
        self._files: list[tuple[str, Path]] = []
        super().__init__(source, target, overwrite, needed_bytes, key)

    def place(self, role: str, final: Path) -> Path:
        """Give the path at which to make a file of the folder."""
        if (role, final) not in self._files:
            self._files.append((role, final))
        return self.folder / MADE / final.name

    def publish(self) -> tuple[OutputFile, ...]:
        """Put the folder at its place; the slices are listed once, as the folder.

        Raises
        ------
        DeliveryError
            If it cannot be moved; what was there before is then there again.
        """
        self._move([(self.folder / MADE, self.target)], [])
        beside = [OutputFile(role, final) for role, final in self._files if role != "image" and final.exists()]
        return (OutputFile("image", self.target), *beside)

    def _refuse_input(self, final: Path) -> None:
        if self.source.resolve().is_relative_to(final.resolve()):
            raise OutputError(f"output {final} holds the input", "another folder than the input's", "Give another output path.")

    def _check(self, final: Path) -> None:
        if final.exists() and (not self.overwrite or not final.is_dir()):
            raise OutputError(f"output {final} exists already", "a free path for a folder", "Give another path, or ask for overwriting.")
