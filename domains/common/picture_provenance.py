"""What an upscaled picture says of itself: the texts of `domains.common.pictures`, read back.

Only PNG has room for them; of the other formats the verdict beside the picture is all there is.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

PREFIX = "sr-"
NEEDED = {"SR_MODEL", "SR_CLAIM"}


def provenance(path: Path) -> dict[str, str]:
    """Give the `sr-` texts of a PNG that an upscale wrote, named as output tags; empty where none did."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            found = {key: str(text) for key, text in image.info.items() if isinstance(key, str) and key.startswith(PREFIX)}
    except Exception:  # no picture, or a damaged one, which fails in many ways
        return {}
    tags = {"SR_" + key.removeprefix(PREFIX).upper(): text for key, text in found.items()}
    return tags if tags.keys() >= NEEDED else {}
