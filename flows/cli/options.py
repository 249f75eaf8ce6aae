"""Arguments and options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sr_core.errors import InputError

Domain = Annotated[str, typer.Argument(help="Kind of imagery: satellite, medical, face or photo.", show_default=False)]
Paths = Annotated[list[Path], typer.Argument(help="Files and folders with your images.", show_default=False)]
Model = Annotated[
    str, typer.Argument(help="A bundle folder, or NAME, NAME@ALIAS or NAME/NUMBER of the registry.", metavar="MODEL", show_default=False)
]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder for all results.  \\[default: $SR_WORKSPACE or ./var]", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout (everything else goes to stderr).")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of the recipe, for instance training.steps=200. Repeatable.",
        show_default=False,
    ),
]
Scale = Annotated[
    int | None, typer.Option("--scale", "-s", help="SR pixels per pixel and axis.  \\[default: the domain's, 2]", show_default=False)
]
Steps = Annotated[int | None, typer.Option("--steps", help="Training steps.  \\[default: the domain's]", show_default=False)]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="MODEL", help="Go on from this model: a bundle folder, or a registered name such as sr-photo@champion.",
        show_default=False,
    ),
]  # fmt: skip
General = Annotated[
    list[Path] | None,
    typer.Option(
        "--general", metavar="PATH", help="Files and folders with photographs, mixed in beside --from (half of every batch). Repeatable.",
        show_default=False,
    ),
]  # fmt: skip
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Exit with 3 where the result is not promoted, an image is refused, or a verdict is not a pass or a warning."
    ),
]
ApprovedBy = Annotated[
    str | None,
    typer.Option(
        "--approved-by", metavar="NAME", help="Who approves the promotion, where the domain asks for a person.", show_default=False
    ),
]


def settings(pairs: Sequence[str] | None, scale: int | None = None, steps: int | None = None) -> dict[str, str | int]:
    """Read `name=value` pairs.

    Raises
    ------
    InputError
        If a pair has no "=".
    """
    values: dict[str, str | int] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set {pair!r}", "NAME=VALUE", "For instance: --set training.steps=200")
        values[name.strip()] = value.strip()
    if scale is not None:
        values["scale"] = scale
    if steps is not None:
        values["training.steps"] = steps
    return values


def memory_bytes(text: str | None) -> int | None:
    """Read a size such as 2GB in bytes; None stays None.

    Raises
    ------
    InputError
        If it is not one.
    """
    from flows.storage import read_size

    return None if text is None else read_size(text, "--memory 2GB")
