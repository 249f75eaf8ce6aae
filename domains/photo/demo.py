"""Demonstration photographs from an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sr_core.errors import InputError, OutputError
from sr_core.workspace import write_atomic

NAMES = ("chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "ihc.png")


def demo(folder: Path) -> list[Path]:
    """Copy five pictures that the scikit-image package holds (a cat, a cup, a rocket, an engine, a tissue slide).

    Raises
    ------
    InputError
        If scikit-image does not hold them.
    OutputError
        If the folder cannot be written.
    """
    spec = find_spec("skimage")  # by file: the package's own loader would download what it does not find
    if spec is None or spec.origin is None:
        raise InputError("scikit-image is not installed", "the package that holds the pictures", "Install it: pip install scikit-image")
    written: list[Path] = []
    for name in NAMES:
        picture = Path(spec.origin).parent / "data" / name
        if not picture.is_file():
            raise InputError(f"scikit-image without {name}", "scikit-image 0.26", "Install it again: pip install scikit-image")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / name, picture.read_bytes())
        except OSError as error:
            raise OutputError(f"{folder} ({error.strerror})", "a folder that can be written", "Give another folder.") from error
        written.append(folder / name)
    return written
