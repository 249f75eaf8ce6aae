"""A TIFF written tag by tag, so that it can say what no library would write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS, PLANAR = 256, 257, 258, 259, 262, 273, 277, 278, 279, 284
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, FORMAT = 322, 323, 324, 325, 339
PIXEL_SCALE, TIE_POINT, GDAL_METADATA, GDAL_NODATA = 33550, 33922, 42112, 42113
PLAIN, DEFLATE = 1, 8
SHORT, LONG, DOUBLE, TEXT = 3, 4, 12, 2
HEADER = 8


@dataclass(frozen=True)
class Entry:
    """A value of a directory: whole numbers, floating-point numbers, or bytes of text; `count` lies where it is given."""

    values: Sequence[int] | Sequence[float] | bytes
    count: int | None = None

    def packed(self) -> tuple[int, int, bytes]:
        """Give (type, count, bytes)."""
        if isinstance(self.values, bytes):
            return TEXT, self.count or len(self.values) + 1, self.values + b"\0"
        if any(isinstance(value, float) for value in self.values):
            return DOUBLE, self.count or len(self.values), struct.pack(f"<{len(self.values)}d", *self.values)
        return LONG, self.count or len(self.values), struct.pack(f"<{len(self.values)}I", *self.values)


def write_raw(path: Path, tags: Mapping[int, Entry], data: bytes = b"", next_directory: int = 0) -> Path:
    """Write one directory; `data` lies at byte 8, right after the header."""
    directory = HEADER + len(data) + len(data) % 2
    at = directory + 2 + 12 * len(tags) + 4
    body, outside = struct.pack("<H", len(tags)), b""
    for tag in sorted(tags):
        kind, count, packed = tags[tag].packed()
        body += struct.pack("<HHI", tag, kind, count)
        if len(packed) <= 4:
            body += packed.ljust(4, b"\0")
        else:
            body += struct.pack("<I", at + len(outside))
            outside += packed + b"\0" * (len(packed) % 2)
    body += struct.pack("<I", next_directory)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, directory) + data + b"\0" * (len(data) % 2) + body + outside)
    return path


def strips(width: int, height: int, rows: int, offsets: Sequence[int], counts: Sequence[int], **more: int) -> dict[int, Entry]:
    """Give the tags of a striped picture of one band of bytes; `more`: bands, bits, compression, planar."""
    bands = more.get("bands", 1)
    return {
        WIDTH: Entry([width]), LENGTH: Entry([height]), BITS: Entry([more.get("bits", 8)]), SAMPLES: Entry([bands]),
        PHOTOMETRIC: Entry([1]),
        COMPRESSION: Entry([more.get("compression", PLAIN)]), ROWS: Entry([rows]), PLANAR: Entry([more.get("planar", 1)]),
        OFFSETS: Entry(offsets), COUNTS: Entry(counts),
    }  # fmt: skip


def tiles(width: int, height: int, side: tuple[int, int], offsets: Sequence[int], counts: Sequence[int], **more: int) -> dict[int, Entry]:
    """Give the tags of a tiled picture; `side` is (rows, columns) of a tile."""
    made = strips(width, height, 1, offsets, counts, **more)
    for tag in (ROWS, OFFSETS, COUNTS):
        del made[tag]
    return made | {TILE_LENGTH: Entry([side[0]]), TILE_WIDTH: Entry([side[1]]), TILE_OFFSETS: Entry(offsets), TILE_COUNTS: Entry(counts)}


def patch_tag(path: Path, tag: int, value: int) -> None:
    """Overwrite a short or long value in the first directory of a little-endian TIFF."""
    data = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    for place in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, place)[0] == tag:
            struct.pack_into("<HI", data, place + 2, LONG, 1)
            struct.pack_into("<I", data, place + 8, value)
    path.write_bytes(bytes(data))
