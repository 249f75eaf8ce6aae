"""Where upscaled images go: a file, a folder, or a pattern with fields, decided for all of them before anything is computed."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sr_core.delivery import COMPANIONS, ENDINGS, companion
from sr_core.errors import InputError, OutputError
from sr_core.records import Source

FIELDS: Mapping[str, str] = {
    "stem": "the input's name without its ending, and the image's where it holds several",
    "name": "the input's whole name",
    "suffix": "the ending of the format that is written, with its dot; nothing for a series",
    "scale": "SR pixels per LR pixel",
    "model": "the model's name",
    "parent": "the folders between the given folder and the input",
    "hash": "eight digits of the input's content",
}
WRITTEN_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".dcm")  # formats that are written as they were read
READ_SUFFIXES = (
    *WRITTEN_SUFFIXES, ".jp2", ".j2k", ".safe", ".vrt", ".nc", ".nc4", ".h5", ".hdf5", ".he5", ".txt",
    ".gif", ".pgm", ".ppm", ".pnm", ".avif",
)  # fmt: skip
# What is written where the input's ending says nothing; a domain that another package brings writes what it reads.
OTHERWISE = {"satellite": ".tif", "medical": ".dcm", "face": ".png", "photo": ".png"}
COPY = "{parent}/{stem}_x{scale}{suffix}"


@dataclass(frozen=True)
class Place:
    """An input and where its result goes."""

    source: Source
    target: Path


def is_series(source: Source) -> bool:
    """Say whether an input is a folder of files that comes out as a folder."""
    return source.path.is_dir() and source.path.suffix != ".SAFE" and not source.part


def stem_and_suffix(source: Source, domain: str) -> tuple[str, str]:
    """Give the name without ending, and the ending of what is written: `a.jp2` gives "a" and ".tif", a series its name and "".

    Where an input holds several images, the name of the image follows: `a.SAFE` gives "a-10m" and "a-20m".
    """
    path = source.path
    if is_series(source):
        return path.name, ""
    if domain not in OTHERWISE:
        return path.stem, path.suffix
    stem = path.stem if path.suffix.lower() in READ_SUFFIXES else path.name
    if source.part:
        stem = f"{stem}-{re.sub(r'[^A-Za-z0-9_.]+', '-', source.part)}"
    return stem, path.suffix if path.suffix.lower() in WRITTEN_SUFFIXES else OTHERWISE[domain]


def fields_in(pattern: str) -> frozenset[str]:
    """Give the fields of a pattern.

    Raises
    ------
    InputError
        If one is unknown or is more than a name, or a brace stands alone.
    """
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    try:
        parts = [part for part in string.Formatter().parse(pattern) if part[1] is not None]
    except ValueError as error:
        raise InputError(f"--out {pattern!r} ({error})", f"fields such as {known}", "Write {{ and }} for braces.") from error
    for _, field, form, conversion in parts:
        if field not in FIELDS or form or conversion:
            raise InputError(f"field {{{field}}} in --out {pattern!r}", f"one of {known}", "See sr upscale --help.")
    return frozenset(str(part[1]) for part in parts)


def places(sources: Sequence[Source], given: Sequence[Path], out: str, *, scale: int, model: str, domain: str) -> list[Place]:
    """Give every input its place.

    Parameters
    ----------
    given : the paths that a person gave; `{parent}` counts from the folders among them.
    out : a pattern; or a folder where it is one, ends with a separator, or several images or folders were given; else a file.

    Raises
    ------
    InputError
        If the pattern is wrong, or many images would go to one file.
    OutputError
        If two images go to one place, or a result would lie on an input.
    """
    folders = [path.resolve() for path in given if path.is_dir()]
    pattern = out if fields_in(out) else _pattern(sources, folders, out.replace("{{", "{").replace("}}", "}"))
    made = [Place(source, _target(pattern, source, folders, scale, model, domain)) for source in sources]
    _refuse_collisions(made)
    _refuse_inputs(made)
    return made


def _pattern(sources: Sequence[Source], folders: Sequence[Path], out: str) -> str:
    """Turn an output without fields into a pattern."""
    plain = out.replace("{", "{{").replace("}", "}}")
    several = len(sources) > 1
    named_folder = out.endswith(os.sep) or Path(out).is_dir()
    if not several and (is_series(sources[0]) or not (named_folder or (folders and not Path(out).suffix))):
        return plain
    if not named_folder and Path(out).suffix.lower() in READ_SUFFIXES:
        remedy = f"For instance: --out '{Path(out).parent / COPY}'"
        raise InputError(f"{len(sources)} images and --out {out}", "a folder, or a pattern with fields", remedy)
    return f"{plain}/{{stem}}_x{{scale}}{{suffix}}"


def _target(pattern: str, source: Source, folders: Sequence[Path], scale: int, model: str, domain: str) -> Path:
    stem, suffix = stem_and_suffix(source, domain)
    above = source.path.parent
    root = next((folder for folder in folders if above.is_relative_to(folder)), above)
    below = above.relative_to(root)
    parent = "" if below == Path() else below.as_posix()
    values = {
        "stem": stem, "name": source.path.name, "suffix": suffix, "scale": scale, "model": model, "parent": parent,
        "hash": source.sha256[:8],
    }  # fmt: skip
    text = pattern.format(**values)
    if pattern.startswith("{parent}/") and not parent:
        text = text.lstrip("/")  # an empty parent at the beginning does not lead to the root
    return Path(os.path.normpath(Path(text).expanduser()))


def _refuse_collisions(made: Sequence[Place]) -> None:
    """Refuse two results at one place, or with companions (interval, verdict) of one name."""
    taken: dict[Path, Place] = {}
    for place in made:
        target = place.target.resolve()
        key = target if is_series(place.source) else target.with_suffix("")
        other = taken.setdefault(key, place)
        if other is not place:
            same = "" if other.target == place.target else f", and their verdicts at one place beside {other.target.name}"
            raise OutputError(
                f"{other.source.path} and {place.source.path} would both go to {place.target}{same}", "a place for each",
                "Use more fields in --out: {parent}, {name} or {hash}.",
            )  # fmt: skip


def _refuse_inputs(made: Sequence[Place]) -> None:
    """Refuse a result, or its companions, on top of any input, also where a link leads to it."""
    inputs: dict[tuple[int, int], Path] = {}
    for place in made:
        for path in (place.source.path, *place.source.members):
            status = path.stat()
            inputs[status.st_dev, status.st_ino] = path
    for place in made:
        for path in _written(place):
            try:
                status = path.stat()
            except OSError:
                continue  # nothing is there
            if (status.st_dev, status.st_ino) in inputs:
                hit = inputs[status.st_dev, status.st_ino]
                raise OutputError(f"output {path} is the input {hit}", "another path than any input's", "Give another --out.")
        if is_series(place.source) and any(path.resolve().is_relative_to(place.target.resolve()) for path in inputs.values()):
            raise OutputError(f"output {place.target} holds an input", "a folder without inputs", "Give another --out.")


def _written(place: Place) -> list[Path]:
    """Give the target and what may be written beside it."""
    target = place.target
    if is_series(place.source):
        return [target]
    return [target, *(companion(target, role, ending) for role in COMPANIONS for ending in ENDINGS)]
