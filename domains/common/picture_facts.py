"""What a picture file declares of how it was made, from its header; no pixel is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

from PIL import Image

from domains.common.picture_files import FORMATS, READ_ONLY
from sr_core.errors import InputError
from sr_core.records import Fact, Source

# Luminance quantisation table of quality 50 (ITU-T T.81, annex K.1), in any order: only its sum is used.
SUM_AT_50 = 3688
LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")


def facts(source: Source) -> Sequence[Fact]:
    """Give the facts of a picture.

    Raises
    ------
    InputError
        If the file cannot be opened any more.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source.path, formats=(*FORMATS, *READ_ONLY)) as image:
                return tuple(_facts(image, source))
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ... on damaged files
        raise InputError(f"{source.path.name} cannot be opened ({error})", "a whole, undamaged picture", "Get the file again.") from error


def _facts(image: Image.Image, source: Source) -> Iterator[Fact]:
    yield Fact(name="stored type", value=source.dtype)
    yield Fact(name="colour", value=", ".join(source.bands))
    yield Fact(name="compression", value="lossy" if _lossy(image, source) else "lossless")
    quality = jpeg_quality(getattr(image, "quantization", None))
    if quality is not None:
        yield Fact(name="JPEG quality", value=quality)


def jpeg_quality(tables: dict[int, Sequence[int]] | None) -> float | None:
    """Estimate the quality of a JPEG file, 1 to 100, from how coarse its luminance table is beside that of the standard.

    Exact up to rounding where the table is the scaled standard one (as libjpeg makes it), a figure of the same coarseness elsewhere.
    """
    if not tables or 0 not in tables:
        return None
    percent = 100.0 * sum(tables[0]) / SUM_AT_50
    return round(100.0 - percent / 2 if percent <= 100 else 5000.0 / percent, 1)


def _lossy(image: Image.Image, source: Source) -> bool:
    if image.format in ("JPEG", "MPO", "AVIF"):
        return True
    if image.format == "WEBP":
        with source.path.open("rb") as stream:
            return b"VP8L" not in stream.read(1 << 12)
    return image.format == "TIFF" and str(image.info.get("compression", "")).lower() in LOSSY_TIFF
