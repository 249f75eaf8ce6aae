"""Which files lie below the paths that a person gave."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from sr_core.errors import InputError


@dataclass(frozen=True)
class Candidate:
    """A file to look at; `root` is the given folder in which it was found, None where the file itself was given."""

    path: Path
    root: Path | None = None

    @property
    def shown(self) -> Path:
        """The path as records can hold it: bytes that are no UTF-8 become question marks."""
        return Path(os.fsencode(self.path).decode(errors="replace").replace("\ufffd", "?"))

    def check(self) -> None:
        """Refuse what cannot be a file of the given folder.

        Raises
        ------
        InputError
            For a link that leads out of the given folder or round in a circle, a name that is no UTF-8, or no regular file.
        """
        if self.shown != self.path:
            raise InputError(f"the name {self.shown.name} is no UTF-8", "a name of readable characters", "Rename it.")
        try:
            real = self.path.resolve()
            outside = self.root is not None and not real.is_relative_to(self.root.resolve())
        except (OSError, RuntimeError) as error:
            raise InputError(f"{self.path.name} is a link in a circle", "a file", "Leave it out.") from error
        if outside:
            raise InputError(f"{self.path.name} is a link out of {self.root}", "files inside the given folder", "Give the file itself.")
        if self.path.is_symlink() and not real.exists():
            raise InputError(f"{self.path.name} is a link to nothing", "a file", "Leave it out.")
        if not real.is_file():
            raise InputError(f"{self.path.name} is no regular file", "a file", "Leave it out.")


def candidates(paths: Iterable[Path], suffixes: Collection[str]) -> list[Candidate]:
    """List the given files, whatever their names, and those below given folders by name ending; sorted within a folder.

    Hidden files and folders are left out, and linked folders are not entered.

    Parameters
    ----------
    paths : files and folders.
    suffixes : lower-case name endings with their dot.

    Raises
    ------
    InputError
        If a given path does not exist.
    """
    found: dict[Path, Candidate] = {}
    for path in paths:
        if path.is_dir():
            for inside in sorted(path.rglob("*")):
                hidden = any(part.startswith(".") for part in inside.relative_to(path).parts)
                if inside.suffix.lower() in suffixes and not hidden and not inside.is_dir():
                    found.setdefault(inside.absolute(), Candidate(inside, path))
        elif path.exists():
            found.setdefault(path.absolute(), Candidate(path))
        else:
            raise InputError(f"{path} does not exist", "a file or a folder", "Check the path.")
    return list(found.values())
