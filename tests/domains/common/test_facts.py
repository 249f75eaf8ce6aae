"""What pictures declare: compression, quality, stored type, colour; from the header alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domains.common.picture_facts import facts, jpeg_quality
from domains.face.domain import DOMAIN as FACE
from domains.photo.domain import DOMAIN as PHOTO
from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.records import Source

PIXELS = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)


def source_of(path: Path, **options: object) -> Source:
    Image.fromarray(PIXELS).save(path, **options)
    return PHOTO.discover([path], Silent())[0][0]


def said(source: Source) -> dict[str, str | float]:
    return {fact.name: fact.value for fact in facts(source)}


@pytest.mark.parametrize("quality", [30, 75, 80, 95])
def test_quality_of_a_jpeg(tmp_path: Path, quality: int) -> None:
    found = said(source_of(tmp_path / "a.jpg", quality=quality))
    assert found["compression"] == "lossy" and found["JPEG quality"] == pytest.approx(quality, abs=1)


@pytest.mark.parametrize(
    ("name", "options", "compression"),
    [
        ("a.png", {}, "lossless"), ("a.bmp", {}, "lossless"), ("a.tif", {"compression": "tiff_lzw"}, "lossless"),
        ("a.tif", {"compression": "jpeg", "quality": 50}, "lossy"), ("a.webp", {"lossless": True}, "lossless"),
        ("a.webp", {"quality": 80}, "lossy"),
    ],
)  # fmt: skip
def test_compression(tmp_path: Path, name: str, options: dict[str, object], compression: str) -> None:
    found = said(source_of(tmp_path / name, **options))
    assert found == {"stored type": "uint8", "colour": "red, green, blue", "compression": compression}


def test_both_picture_domains_give_them(tmp_path: Path) -> None:
    source = source_of(tmp_path / "a.png")
    assert PHOTO.facts(source) == FACE.facts(source) == facts(source)


def test_no_pixel_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    source = source_of(path, quality=80)
    path.write_bytes(path.read_bytes()[:900])
    assert said(source)["compression"] == "lossy"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be opened"):
        facts(source)


def test_no_tables_no_quality() -> None:
    assert jpeg_quality(None) is None and jpeg_quality({}) is None
