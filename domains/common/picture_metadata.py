"""EXIF, XMP and orientation of picture files: what is carried over, what is left out for privacy, what is added."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Literal
from xml.sax.saxutils import escape, unescape

import numpy as np
import numpy.typing as npt
from PIL import Image

SourceType = Literal["algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia"]

ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_GPS_IFD = 0x8825
_INTEROP_IFD = 0xA005
# Stale (sizes, strips, orientation) or private (GPS, serial numbers, thumbnail pointers, embedded XMP and ICC) tags of the first IFD.
_LEFT_OUT = {
    0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, ORIENTATION, 0x0115, 0x0116, 0x0117, 0x011C, 0x013D, 0x0142, 0x0143, 0x0144, 0x0145,
    0x0153, 0x0201, 0x0202, 0x02BC, _EXIF_IFD, 0x8773, _GPS_IFD, _INTEROP_IFD, 0xC62F,
}  # fmt: skip
_LEFT_OUT_INNER = {0x927C, 0x9286, 0xA002, 0xA003, 0xA420, 0xA430, 0xA431, 0xA435, _INTEROP_IFD}
# MakerNote, UserComment, stale sizes, unique id, owner, body and lens serial number, interoperability
_WIDTH, _HEIGHT = 0xA002, 0xA003

XMP_SPACE = "urn:sr-trust:provenance"  # a name, not an address
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:sr="{space}"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{source_type}">{texts}</rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_TEXT = re.compile(r"<sr:(?P<name>[a-z-]+)>(?P<text>[^<]*)</sr:(?P=name)>")


def xmp_label(source_type: SourceType, text: Mapping[str, str] | None = None) -> str:
    """Give an XMP packet that says how the picture's pixels came to be, and `text`: key (a-z and dashes) -> text.

    References
    ----------
    IPTC, "Digital Source Type NewsCodes", cv.iptc.org/newscodes/digitalsourcetype.
    """
    texts = "".join(f"\n <sr:{key}>{escape(value)}</sr:{key}>" for key, value in (text or {}).items())
    return _XMP.format(source_type=source_type, space=XMP_SPACE, texts=texts)


def xmp_texts(packet: str) -> dict[str, str]:
    """Give the texts of a packet that `xmp_label` made; empty for any other."""
    if f'xmlns:sr="{XMP_SPACE}"' not in packet:
        return {}
    return {found["name"]: unescape(found["text"]) for found in _TEXT.finditer(packet)}


def orientation_of(exif: Image.Exif) -> int:
    """Give the EXIF orientation, 1 to 8; 1 where it is absent or nonsense."""
    value = exif.get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def oriented(pixels: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """Turn and mirror an array (..., H, W) as an EXIF orientation asks, so that it stands upright."""
    rows, cols = -2, -1
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, rows, cols)
    if orientation in (2, 3, 6, 7):
        pixels = np.flip(pixels, cols)
    if orientation in (3, 4, 7, 8):
        pixels = np.flip(pixels, rows)
    return np.ascontiguousarray(pixels)


def upright_exif(exif: Image.Exif) -> bytes | None:
    """Give the EXIF block without its orientation; None where nothing is left."""
    if ORIENTATION in exif:
        del exif[ORIENTATION]
    return exif.tobytes() if len(exif) else None


def deliverable_exif(block: bytes | None, width: int, height: int) -> bytes | None:
    """Give an EXIF block for an output of width x height pixels.

    Camera, exposure, dates, author and copyright are kept. GPS, thumbnail, MakerNote, free comments, owner and serial
    numbers are left out, orientation too (the pixels stand upright).
    """
    if not block:
        return None
    old = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            old.load(block)
            inner = dict(old.get_ifd(_EXIF_IFD))
    except Exception:  # a damaged EXIF block fails in many ways and is no reason to refuse the picture
        return None
    new = Image.Exif()
    for tag, value in old.items():
        if tag not in _LEFT_OUT:
            new[tag] = value
    kept = {tag: value for tag, value in inner.items() if tag not in _LEFT_OUT_INNER}
    if kept:
        new[_EXIF_IFD] = {**kept, _WIDTH: width, _HEIGHT: height}
    try:
        return new.tobytes() if len(new) else None
    except Exception:  # a value of a type that cannot be written back
        return None
