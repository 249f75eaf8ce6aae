"""Pictures (PNG, JPEG, WebP, TIFF, BMP; GIF, PNM, AVIF to read) in memory: bounded reading, writing in the same format with metadata."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from domains.common.picture_metadata import (
    SourceType,
    deliverable_exif,
    orientation_of,
    oriented,
    upright_exif,
    xmp_label,
)
from domains.common.png import SIGNATURE, XMP_KEY, encode_png16
from sr_core.errors import InputError, OutputError
from sr_core.workspace import write_atomic

Pixels = npt.NDArray[Any]  # uint8 or uint16

PIXEL_LIMIT = 64_000_000  # a picture is held whole; below Pillow's own 89 million
BYTE_LIMIT = 1 << 30
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
READ_ONLY = ("GIF", "PPM", "AVIF")  # read, and written as PNG: palettes, no metadata, or loss that cannot be told beforehand
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
READ_SUFFIXES = (*SUFFIXES, ".gif", ".pgm", ".ppm", ".pnm", ".avif")
KINDS = "PNG, JPEG, WebP, TIFF, BMP, GIF, PGM, PPM or AVIF"
JPEG_QUALITY = 95
TIFF_XMP = 700
_NO_ALPHA = ("JPEG", "BMP")
_EIGHT_BITS_ONLY = ("JPEG", "WEBP", "BMP")
_REMEDY = "Save it as an 8-bit PNG or JPEG."


@dataclass(frozen=True)
class Picture:
    """A picture in memory, upright.

    Attributes
    ----------
    pixels : uint8 or uint16 (C, H, W); C = 1 for mode "L", 3 for "RGB".
    mode : "L" (grey) or "RGB".
    format : in which it is written: that of the file, "PNG", "JPEG", "WEBP", "TIFF" or "BMP"; "PNG" for those that are only read.
    exif : EXIF block without orientation, or None.
    icc : ICC profile, or None.
    alpha : (H, W) of the pixels' type, 0 = transparent; or None.
    """

    pixels: Pixels
    mode: Literal["L", "RGB"]
    format: str
    exif: bytes | None = None
    icc: bytes | None = None
    alpha: Pixels | None = None


def read_picture(path: Path, limit: int = PIXEL_LIMIT) -> Picture:
    """Read a picture file; the format goes by its content.

    Palettes become RGB, a transparent colour becomes alpha, black-and-white becomes grey; the primary image of a JPEG with
    previews (MPO) is taken. Pixels are turned upright by the EXIF orientation, once.

    Parameters
    ----------
    path : a regular file.
    limit : largest number of pixels, checked before any is decoded.

    Raises
    ------
    InputError
        If the file is missing, too large, truncated, animated, no picture, or of a colour model that is not grey or RGB.
    """
    data = _bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # damaged metadata is left out, not announced
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=(*FORMATS, *READ_ONLY))
            _check_header(path, image, limit)
            image.load()
            exif = image.getexif()
            orientation = orientation_of(exif)
            block = _safe_exif(exif)
        pixels = _colour16(data) if _is_colour16(data) else _pixels(path, image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{path.name}: more pixels than can be safe", f"at most {limit} pixels", "Give a smaller picture.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name} is no picture", KINDS, "Leave it out or convert it.") from error
    except InputError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ... on damaged files
        raise InputError(f"{path.name} cannot be decoded ({error})", "a whole, undamaged picture", "Get the file again.") from error
    upright = oriented(pixels, orientation)
    colours = 3 if upright.shape[0] >= 3 else 1
    alpha = upright[colours] if upright.shape[0] > colours else None
    icc = image.info.get("icc_profile")
    return Picture(
        pixels=upright[:colours],
        mode="RGB" if colours == 3 else "L",
        format="JPEG" if image.format == "MPO" else "PNG" if image.format in READ_ONLY else str(image.format),
        exif=block,
        icc=icc if isinstance(icc, bytes) and icc else None,
        alpha=alpha,
    )


def encode_picture(picture: Picture, *, source_type: SourceType | None = None, text: Mapping[str, str] | None = None) -> bytes:
    """Give the bytes of a picture file in the picture's format.

    EXIF is kept without GPS, thumbnail, MakerNote and serial numbers; the ICC profile is kept. JPEG: quality 95, no chroma
    subsampling; WebP, PNG, TIFF: without loss.

    Parameters
    ----------
    source_type : how the pixels came to be, written as XMP `Iptc4xmpExt:DigitalSourceType`; None: no label.
    text : key -> text: in PNG texts of their own; in JPEG, WebP and TIFF within the XMP, if there is a source type. BMP has no room.

    Raises
    ------
    OutputError
        If the format cannot hold the picture (16 bits or alpha in JPEG, ...).
    """
    wide = picture.pixels.dtype == np.uint16
    colours, height, width = picture.pixels.shape
    if picture.format not in FORMATS:
        raise OutputError(f"picture format {picture.format}", "one of " + ", ".join(FORMATS), "Choose another file name ending.")
    if picture.alpha is not None and picture.format in _NO_ALPHA:
        raise OutputError(f"a picture with alpha as {picture.format}", "a format with alpha", "Choose a name that ends in .png.")
    if wide and (picture.format in _EIGHT_BITS_ONLY or (picture.format == "TIFF" and (colours > 1 or picture.alpha is not None))):
        raise OutputError(f"16-bit {picture.mode} samples as {picture.format}", "a format with 16 bits", "Choose a name that ends in .png.")
    exif = deliverable_exif(picture.exif, width, height)
    xmp = xmp_label(source_type, None if picture.format == "PNG" else text) if source_type else None
    chunks = {**(text or {}), **({XMP_KEY: xmp} if xmp else {})}
    samples = picture.pixels if picture.alpha is None else np.concatenate([picture.pixels, picture.alpha[None]])
    if wide and picture.format == "PNG":
        return encode_png16(samples.astype(np.uint16), text=chunks, icc=picture.icc, exif=exif)
    stacked = samples[0] if samples.shape[0] == 1 else np.moveaxis(samples, 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stacked)).save(buffer, picture.format, **_options(picture, exif, xmp, chunks))
    return buffer.getvalue()


def write_picture(path: Path, picture: Picture, *, source_type: SourceType | None = None, text: Mapping[str, str] | None = None) -> None:
    """Write a picture file in the picture's format (see `encode_picture`); at its name stands the old file or all of the new.

    Raises
    ------
    OutputError
        If the format cannot hold the picture, or the place cannot be written.
    """
    data = encode_picture(picture, source_type=source_type, text=text)
    try:
        write_atomic(path, data)
    except OSError as error:
        raise OutputError(f"{path} ({error.strerror})", "a place that can be written", "Give another output path.") from error


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > BYTE_LIMIT:
            given = f"{path.name} is no regular file" if not path.is_file() else f"{path.name} has {size} bytes"
            raise InputError(given, f"a file of at most {BYTE_LIMIT} bytes", "Leave it out.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} ({error.strerror})", "a picture file that can be read", "Check the path.") from error
    if not data:
        raise InputError(f"{path.name} is empty", KINDS, "Get the file again.")
    return data


def _check_header(path: Path, image: Image.Image, limit: int) -> None:
    width, height = image.size
    if width * height > limit:
        raise InputError(f"{path.name} has {width} x {height} pixels", f"at most {limit} pixels", "Give a smaller picture.")
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":
        raise InputError(f"{path.name} has {frames} frames", "a single picture", "Extract the frame that you want.")
    wide_grey = image.mode == "I" and image.format == "PPM"  # PGM of 16 bits
    if not wide_grey and image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I;16L"):
        raise InputError(f"{path.name} has colour model {image.mode}", "grey or RGB, 8 or 16 bits", _REMEDY)
    bits = _tiff_bits(image)
    if bits > 8 and not image.mode.startswith("I;16"):
        raise InputError(f"{path.name} is a {bits}-bit colour TIFF", "8-bit colour or 16-bit grey TIFF", "Save it as a 16-bit PNG.")


def _tiff_bits(image: Image.Image) -> int:
    tags = getattr(image, "tag_v2", None)
    bits = tags.get(258, (8,)) if tags is not None and image.format == "TIFF" else (8,)
    return max(bits) if isinstance(bits, tuple) else int(bits)


def _is_colour16(data: bytes) -> bool:
    """Say whether this is a 16-bit PNG with more than a grey sample, which Pillow would cut to 8 bits in silence."""
    return data.startswith(SIGNATURE) and len(data) > 25 and data[24] == 16 and data[25] in (2, 4, 6)


def _colour16(data: bytes) -> npt.NDArray[np.generic]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    with warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile(data, ext=".png") as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(driver="PNG") as dataset:
            pixels: npt.NDArray[np.generic] = dataset.read()
    return pixels


def _pixels(path: Path, image: Image.Image) -> npt.NDArray[np.generic]:
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)[None]
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("L", "RGB") and image.has_transparency_data:
        image = image.convert(image.mode + "A")
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def _safe_exif(exif: Image.Exif) -> bytes | None:
    try:
        return upright_exif(exif)
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        return None


def _options(picture: Picture, exif: bytes | None, xmp: str | None, chunks: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if exif and picture.format != "BMP":
        options["exif"] = exif
    if picture.icc and picture.format != "BMP":
        options["icc_profile"] = picture.icc
    if picture.format == "JPEG":
        options |= {"quality": JPEG_QUALITY, "subsampling": 0, **({"xmp": xmp.encode()} if xmp else {})}
    elif picture.format == "WEBP":
        options |= {"lossless": True, "exact": True, **({"xmp": xmp.encode()} if xmp else {})}
    elif picture.format == "TIFF":
        whole = Image.Exif()
        if exif:
            whole.load(exif)
        if xmp:
            whole[TIFF_XMP] = xmp.encode()
        # libtiff, which compresses, cannot write the EXIF directory; Pillow's own writer can.
        options |= {"exif": whole} if len(whole) else {"compression": "tiff_adobe_deflate"}
    elif picture.format == "PNG":
        info = PngImagePlugin.PngInfo()
        for key, value in chunks.items():
            info.add_itxt(key, value)
        options["pnginfo"] = info
    return options
