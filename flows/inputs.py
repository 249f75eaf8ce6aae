"""The images that a person gave: files, folders, or a list on standard input. What is missing or unusable is refused one by one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sr_core.errors import InputError
from sr_core.records import Refusal, Source

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.log import Log

STANDARD_INPUT = Path("-")
FILES_LOOKED_AT = 1000  # of a folder whose kind is not said


@dataclass(frozen=True)
class Inputs:
    """What was found: images, refusals, and the paths that are there; `asked` are the refusals of paths given by name."""

    sources: tuple[Source, ...]
    refusals: tuple[Refusal, ...]
    asked: tuple[Refusal, ...]
    given: tuple[Path, ...]


def expand(paths: Sequence[Path], stream: BinaryIO, null: bool) -> list[Path]:
    """Put the list on standard input in the place of `-`: a path a line, or with a NUL after each where `null`.

    Raises
    ------
    InputError
        If `-` is given twice, or the list is empty.
    """
    if paths.count(STANDARD_INPUT) > 1:
        raise InputError("- twice", "standard input once", "Give - once.")
    made: list[Path] = []
    for path in paths:
        made += _listed(stream, null) if path == STANDARD_INPUT else [path.expanduser()]
    return made


def _listed(stream: BinaryIO, null: bool) -> list[Path]:
    entries = stream.read().split(b"\0" if null else b"\n")
    paths = [Path(os.fsdecode(entry)) for entry in (e if null else e.removesuffix(b"\r") for e in entries) if entry]
    if not paths:
        raise InputError("an empty list on standard input", "a path a line", "For instance: find scenes -name '*.tif' | sr upscale ... -")
    return paths


def domain_of(paths: Sequence[Path]) -> str:
    """Say which domain the given files are of, by what they say of themselves.

    Raises
    ------
    InputError
        If nothing is there, a given file does not say it (no picture does), or they are of several domains.
    """
    from flows.domains import domain_names, load_domain

    kinds = [load_domain(name) for name in domain_names()]
    first: dict[str, Path] = {}
    silent: Path | None = None
    for path in paths:
        if _fault(path) is not None:
            continue  # `gather` refuses it in its turn
        names = {kind.name for file in _looked_at(path) for kind in kinds if kind.recognises(file)}
        silent = silent if names else silent or path
        for name in names:
            first.setdefault(name, path)
    if not first and silent is None:
        raise _fault(paths[0]) or InputError("no path", "a file or a folder", "Give one.")
    if len(first) > 1:
        given = ", ".join(f"{path} ({name})" for name, path in sorted(first.items()))
        raise InputError(f"images of several kinds: {given}", "one kind at a time", "Give each kind in a command of its own.")
    if silent is not None:
        raise InputError(
            f"{_shown(silent)} does not say what kind of image it is", "a georeferenced raster or DICOM, which do, or the kind in words",
            f"For a picture: sr upscale face {_shown(silent)} ... or sr upscale photo {_shown(silent)} ...; "
            f"any kind: sr upscale {'|'.join(domain_names())} ...",
        )  # fmt: skip
    return next(iter(first))


def _looked_at(path: Path) -> Iterator[Path]:
    """Give a file, or the first files of a folder, hidden ones left out."""
    if not path.is_dir() or path.suffix.lower() == ".safe":
        yield path
        return
    files = (p for p in path.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.relative_to(path).parts))
    yield from itertools.islice(files, FILES_LOOKED_AT)


def gather(domain: Domain, paths: Sequence[Path], log: Log) -> Inputs:
    """Find the images among the given paths; a path that is not there is one refusal among others."""
    present: list[Path] = []
    refusals: list[Refusal] = []
    for path in paths:
        fault = _fault(path)
        if fault is None:
            present.append(path)
        else:
            refusals.append(Refusal(path=_shown(path), error=type(fault).__name__, sentence=str(fault)))
    sources, unusable = domain.discover(present, log) if present else ([], [])
    named = {_real(path) for path in present if not path.is_dir()}
    asked = [*refusals, *(r for r in unusable if _real(r.path) in named)]
    return Inputs(tuple(sources), (*refusals, *unusable), tuple(asked), tuple(present))


def _fault(path: Path) -> InputError | None:
    try:
        path.stat()
    except ValueError:
        return InputError(f"{_shown(path)} is no path", "a file or a folder", "Check the list: is it separated by NUL (--null)?")
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"({error.strerror})"
        return InputError(f"{_shown(path)} {reason}", "a file or a folder", "Check the path.")
    if not (path.is_file() or path.is_dir()):  # opening a pipe would wait for its writer
        return InputError(f"{_shown(path)} is no regular file", "a file or a folder", "Save it as a file first.")
    return None


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link in a circle, which was found in a folder
        return path.absolute()


def _shown(path: Path) -> Path:
    """Give a path as records can hold it: bytes that are no UTF-8 become question marks."""
    return Path(os.fsencode(path).decode(errors="replace").replace("\ufffd", "?"))
