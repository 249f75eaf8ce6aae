"""Products of many files (Sentinel-2 SAFE, Landsat scenes) and single files, opened in one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from domains.common.files import Candidate
from domains.satellite import landsat, sentinel2
from domains.satellite.opening import files_of, open_file, parts_of
from domains.satellite.stack import Stack, open_stack
from sr_core.errors import InputError
from sr_core.records import Source

METADATA_SUFFIXES = (".xml", ".txt")
DEPTH = 5  # folders between a Sentinel-2 product and its deepest band


def is_product(path: Path) -> bool:
    """Say whether a path is a product of many files: a Sentinel-2 folder, or a Landsat scene's metadata."""
    return landsat.is_metadata(path) or (path.is_dir() and sentinel2.metadata_of(path) is not None)


def image_parts(path: Path) -> tuple[str, ...]:
    """Name the images of a product or file; ("",) where there is one without a name.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if landsat.is_metadata(path):
        return landsat.parts(path)
    return sentinel2.parts(path) if path.is_dir() else parts_of(path)


def product_stack(path: Path, part: str) -> Stack | None:
    """Describe an image of a product; None for an image of a single file.

    Raises
    ------
    InputError
        If a file of it is missing, or the radiometry is not stated.
    """
    if landsat.is_metadata(path):
        return landsat.stack(path, part)
    return sentinel2.stack(path, part) if path.is_dir() else None


def open_image(path: Path, part: str) -> Any:
    """Open an image of a product or file as one data set. Close the result.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    stack = product_stack(path, part)
    return open_file(path, part) if stack is None else open_stack(stack)


def open_source(source: Source) -> Any:
    """Open an ingested image (see `open_image`)."""
    return open_image(source.path, source.part)


def image_files(path: Path, part: str) -> tuple[Path, ...]:
    """Give the files that an image is made of."""
    stack = product_stack(path, part)
    return tuple(files_of(path)) if stack is None else stack.files


@dataclass(frozen=True)
class Job:
    """Something to read: a candidate file, the path of the image (a product's folder or metadata), and why it cannot be, if so."""

    candidate: Candidate
    path: Path
    fault: InputError | None = None


def jobs(found: Sequence[Candidate]) -> list[Job]:
    """Put the files of a product together as one job; files of formats that no product has stay jobs of their own.

    A file of a product that was given without its metadata is refused: its radiometry is written there.
    """
    roots: dict[Path, None] = {}
    for candidate in found:
        if (root := _root(candidate.path)) is not None:
            roots[root.resolve()] = None
    scenes = cache(_scenes)  # one look at a folder, however many files lie in it
    made: list[Job] = []
    for candidate in found:
        path = candidate.path
        if (root := _root(path)) is not None:
            made.append(Job(candidate, root))
        elif path.suffix.lower() in METADATA_SUFFIXES:
            if candidate.root is None:
                given = f"{path.name} is no metadata of a product that is read"
                wanted = f"{' or '.join(sentinel2.METADATA)} or *{landsat.ENDING}"
                made.append(Job(candidate, path, InputError(given, wanted, "Give the product's folder.")))
        elif (owner := _owner(path.absolute(), scenes)) is None:
            made.append(Job(candidate, path))
        elif owner.resolve() not in roots:
            given = f"{path.name} is a part of {owner.name}, which says how its numbers are to be read"
            made.append(Job(candidate, path, InputError(given, "the whole product", f"Give {owner}.")))
    return made


def _root(path: Path) -> Path | None:
    """Give the product whose metadata a file is."""
    if path.name in sentinel2.METADATA:
        return path.parent
    return path if landsat.is_metadata(path) else None


def _owner(path: Path, scenes: Callable[[Path], list[Path]]) -> Path | None:
    """Give the product that a file is a part of."""
    for scene in scenes(path.parent):
        if path.name.startswith(scene.name[: -len(landsat.ENDING)] + "_"):
            return scene
    for folder in list(path.parents)[:DEPTH]:
        if sentinel2.metadata_of(folder) is not None:
            return folder
    return None


def _scenes(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if landsat.is_metadata(path)]
    except OSError:
        return []
