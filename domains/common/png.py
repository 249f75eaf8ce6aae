"""A small PNG encoder for 16-bit samples, which Pillow writes for grey images only."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEY = "XML:com.adobe.xmp"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # samples a pixel -> grey, grey + alpha, RGB, RGB + alpha


def encode_png16(
    pixels: npt.NDArray[np.uint16], *, text: Mapping[str, str] | None = None, icc: bytes | None = None, exif: bytes | None = None
) -> bytes:
    """Encode samples as a 16-bit PNG.

    Parameters
    ----------
    pixels : uint16 (C, H, W), C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
    text : key -> UTF-8 text, written as iTXt chunks.
    icc : ICC profile.
    exif : EXIF block, with or without its "Exif" prefix.

    References
    ----------
    W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025.
    """
    channels, height, width = pixels.shape
    rows = np.ascontiguousarray(pixels.transpose(1, 2, 0)).astype(">u2").view(np.uint8).reshape(height, width * channels * 2)
    step = channels * 2
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 1  # filter "Sub": smooth images compress far better as differences to the pixel on the left
    filtered[:, 1 : step + 1] = rows[:, :step]
    filtered[:, step + 1 :] = rows[:, step:] - rows[:, :-step]
    parts = [SIGNATURE, _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0))]
    if icc:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if exif:
        parts.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    for key, value in (text or {}).items():
        parts.append(_chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + value.encode()))
    parts += [_chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)), _chunk(b"IEND", b"")]
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
