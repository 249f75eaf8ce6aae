"""Lines of a journal that prove themselves: a torn or changed one is told from a whole one, and so are the bytes that it speaks of."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """Finished rows of an image.

    Attributes
    ----------
    rows : their number (LR rows).
    sums : checksum (CRC-32) of their bytes in every file.
    clipped : values that the encoding cut to its range.
    claimed : whether they came with a half-width, be it NaN.
    note : what their maker wants to know of them later.
    """

    rows: int
    sums: dict[str, int]
    clipped: int
    claimed: bool
    note: str


def sealed(body: dict[str, Any]) -> bytes:
    """Give a record as a line with its own checksum."""
    text = json.dumps(body).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def opened(line: bytes) -> dict[str, Any]:
    """Read a line back.

    Raises
    ------
    ValueError
        If it is torn or changed.
    """
    text = line[9:-1]
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(text):
        raise ValueError("a torn line")
    body: dict[str, Any] = json.loads(text)
    return body


def checksum(path: Path, start: int, size: int) -> int | None:
    """Give the checksum (CRC-32) of a piece of a file, None where the file ends before."""
    total = 0
    with path.open("rb") as file:
        file.seek(start)
        while size:
            part = file.read(min(size, 8 << 20))
            if not part:
                return None
            total, size = zlib.crc32(part, total), size - len(part)
    return total
