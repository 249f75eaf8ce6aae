"""What an upscaled picture says of itself: the texts of `domains.common.pictures`, read back.

PNG has texts of its own; JPEG, WebP and TIFF carry the same within their XMP. BMP has no room: there the verdict beside it is all.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

from domains.common.picture_files import FORMATS, TIFF_XMP
from domains.common.picture_metadata import xmp_texts

PREFIX = "sr-"
NEEDED = {"SR_MODEL", "SR_CLAIM"}


def provenance(path: Path) -> dict[str, str]:
    """Give the `sr-` texts of a picture that an upscale wrote, named as output tags; empty where none did."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files of other kinds, and of damaged ones
            with Image.open(path, formats=FORMATS) as image:
                found = {key: str(text) for key, text in image.info.items() if isinstance(key, str) and key.startswith(PREFIX)}
                if not found:
                    found = xmp_texts(_packet(image))
    except Exception:  # no picture, or a damaged one, which fails in many ways
        return {}
    tags = {"SR_" + key.removeprefix(PREFIX).upper(): text for key, text in found.items() if key.startswith(PREFIX)}
    return tags if tags.keys() >= NEEDED else {}


def _packet(image: Image.Image) -> str:
    packet = image.info.get("xmp") or getattr(image, "tag_v2", {}).get(TIFF_XMP, b"")
    return packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
