"""Finding and opening photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domains.common.pictures import PictureScene, discover_pictures
from sr_core.log import Log
from sr_core.records import Group, Refusal, Source

SMALLEST_SIDE = 66  # px: one training patch of 33 LR px at the smallest scale
PICTURE = "picture"
NAME_LENGTH = 12  # hexadecimal digits of the content hash


def discover(paths: Sequence[Path], log: Log, copies: bool = False) -> tuple[list[Source], list[Refusal]]:
    """Find pictures; every picture is a group of its own, named by its content. `copies` of one are taken only if asked for.

    Raises
    ------
    InputError
        If a given path does not exist.
    """
    return discover_pictures(paths, lambda _, digest: Group(kind=PICTURE, id=digest[:NAME_LENGTH]), log, SMALLEST_SIDE, copies=copies)


def open_picture(source: Source) -> PictureScene:
    """Open a photograph."""
    return PictureScene(source)
