"""The verdict that stands beside a result, read back."""

from __future__ import annotations

from pathlib import Path

from sr_core.delivery import companion
from sr_core.errors import StoreError
from sr_core.trust.verdict import Verdict


def verdict_beside(target: Path) -> Verdict | None:
    """Give the verdict that an upscale wrote for a file or folder; None where there is none.

    Raises
    ------
    StoreError
        If what stands there is no verdict, or one of a newer version.
    """
    place = companion(target, "verdict", ".json")
    return read_verdict(place) if place.is_file() else None


def read_verdict(path: Path) -> Verdict:
    """Read a verdict file.

    Raises
    ------
    StoreError
        If it does not read as one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read as text", "a verdict that an upscale wrote", "Upscale the image again.") from error
    return Verdict.from_json(text, str(path))
