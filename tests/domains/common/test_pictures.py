"""Pictures: what is read, what is refused, what is carried over."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from domains.common.picture_facts import facts
from domains.common.pictures import Picture, PictureScene, PictureWriter, discover_pictures, picture_source, read_picture, write_picture
from domains.common.png import encode_png16
from sr_core.domain import OutputPlan
from sr_core.errors import InputError, OutputError, ShapeError
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Group
from sr_core.trust.claim import no_claim
from sr_core.trust.verdict import Verdict, judge

RGB = np.random.default_rng(0).integers(0, 256, (80, 70, 3)).astype(np.uint8)
SMOOTH = (np.add.outer(np.arange(80), np.arange(70))[..., None] + np.array([0, 40, 80])).astype(np.uint8)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_block(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif[0x013B] = "A. Author"
    exif[0x8769] = {0x9003: "2020:01:02 03:04:05", 0x927C: b"secret maker note", 0xA431: "serial-77", 0x829A: 0.01}
    exif[0x8825] = {1: "N", 2: (45.0, 1.0, 2.0)}
    return exif.tobytes()


def source(path: Path) -> Any:
    return picture_source(path, lambda _, digest: Group(kind="picture", id=digest[:8]), 16)


def plan(target: Path, **settings: Any) -> OutputPlan:
    fixed = {"scale": 2, "model": "edsr 0123", "operator": "bicubic x2", "claim": "none", "tags": {}}
    return OutputPlan(target=target, **{**fixed, **settings})


@pytest.fixture
def verdict() -> Verdict:
    return judge(no_claim("There is no calibration.", group_kind="picture", operator="0" * 64), [])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "o.png"
    Image.fromarray(RGB).save(path, exif=exif_block(orientation))
    picture = read_picture(path)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))  # independent: Pillow's own
    np.testing.assert_array_equal(np.moveaxis(picture.pixels, 0, -1), expected)
    write_picture(tmp_path / "w.png", picture)
    again = read_picture(tmp_path / "w.png")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert 0x0112 not in Image.open(tmp_path / "w.png").getexif()


@pytest.mark.parametrize(("name", "exact"), [("p.png", True), ("p.jpg", False), ("p.webp", True), ("p.tif", True)])
def test_metadata_is_kept_and_private_parts_are_not(tmp_path: Path, name: str, exact: bool) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / name, exif=exif_block(), icc_profile=ICC, **({"lossless": True} if name == "p.webp" else {}))
    picture = read_picture(tmp_path / name)
    out = tmp_path / f"out{Path(name).suffix}"
    write_picture(out, picture, source_type="algorithmicallyEnhanced")
    again = read_picture(out)
    assert again.icc == ICC and again.format == picture.format
    assert np.abs(again.pixels.astype(int) - picture.pixels).max() <= (0 if exact else 6)
    image = Image.open(out)
    exif = image.getexif()
    assert exif[0x010F] == "Maker" and exif[0x013B] == "A. Author"
    inner = exif.get_ifd(0x8769)
    assert inner[0x9003] == "2020:01:02 03:04:05" and (inner[0xA002], inner[0xA003]) == (70, 80)
    assert 0x927C not in inner and 0xA431 not in inner and not exif.get_ifd(0x8825)
    data = out.read_bytes()
    assert b"secret maker note" not in data and b"serial-77" not in data
    xmp = image.info["xmp"]
    assert "digitalsourcetype/algorithmicallyEnhanced" in (xmp if isinstance(xmp, str) else bytes(xmp).decode())


def test_jpeg_is_written_without_chroma_subsampling(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.jpg", Picture(np.moveaxis(SMOOTH, -1, 0), "RGB", "JPEG"))
    from PIL import JpegImagePlugin

    image = Image.open(tmp_path / "p.jpg")
    assert JpegImagePlugin.get_sampling(image) == 0 and max(image.quantization[0]) <= 12


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_survive(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(channels).integers(0, 65536, (channels, 31, 17)).astype(np.uint16)
    path = tmp_path / "p.png"
    path.write_bytes(encode_png16(pixels, icc=ICC, text={"key": "wört"}))
    picture = read_picture(path)
    samples = picture.pixels if picture.alpha is None else np.concatenate([picture.pixels, picture.alpha[None]])
    np.testing.assert_array_equal(samples, pixels)
    assert picture.icc == ICC and picture.mode == ("L" if channels < 3 else "RGB")
    write_picture(tmp_path / "w.png", picture)
    np.testing.assert_array_equal(read_picture(tmp_path / "w.png").pixels, picture.pixels)
    assert Image.open(path).info["key"] == "wört"


def test_16_bit_grey_tiff(tmp_path: Path) -> None:
    grey = np.random.default_rng(3).integers(0, 65536, (40, 30)).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "g.tif")
    picture = read_picture(tmp_path / "g.tif")
    np.testing.assert_array_equal(picture.pixels[0], grey)
    write_picture(tmp_path / "w.tif", picture)
    np.testing.assert_array_equal(read_picture(tmp_path / "w.tif").pixels[0], grey)


def test_colour_models(tmp_path: Path) -> None:
    image = Image.fromarray(SMOOTH)
    image.quantize(16).save(tmp_path / "palette.png")
    assert read_picture(tmp_path / "palette.png").mode == "RGB"
    image.convert("1").save(tmp_path / "bw.png")
    bw = read_picture(tmp_path / "bw.png")
    assert bw.mode == "L" and set(np.unique(bw.pixels)) <= {0, 255}
    image.save(tmp_path / "key.png", transparency=tuple(int(v) for v in SMOOTH[5, 6]))
    key = read_picture(tmp_path / "key.png")
    assert key.alpha is not None and key.alpha[5, 6] == 0 and key.alpha[0, 0] == 255
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    with pytest.raises(InputError, match="CMYK"):
        read_picture(tmp_path / "cmyk.jpg")


def bomb() -> bytes:
    rows = zlib.compress(b"\0" * 1250 * 100)
    header = struct.pack(">IIBBBBB", 10000, 10000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def animated() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "WEBP", save_all=True, append_images=[Image.fromarray(SMOOTH)])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"hello, I am text", "is no picture"),
        (bomb(), "pixels"),
        (jpeg(Image.fromarray(RGB))[:2000], "cannot be decoded"),
        (png(Image.fromarray(RGB))[:5000], "cannot be decoded"),
        (png(Image.fromarray(RGB))[:40], "cannot be decoded|no picture"),
        (encode_png16(np.moveaxis(RGB, -1, 0).astype(np.uint16) * 91)[:9000], "cannot be decoded"),
        (animated(), "2 frames"),
    ],
    ids=["empty", "text", "bomb", "cut jpeg", "cut png", "cut header", "cut 16 bit", "animated"],
)
def test_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "x.png").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=reason) as caught:
            read_picture(tmp_path / "x.png")
    assert "; expected " in str(caught.value)


def test_own_limit_comes_before_decoding(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "p.png")
    with pytest.raises(InputError, match="at most 5599 pixels"):
        read_picture(tmp_path / "p.png", limit=5599)
    assert read_picture(tmp_path / "p.png", limit=5600).pixels.shape == (3, 80, 70)


def test_damaged_exif_is_no_reason_to_refuse(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "p.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    picture = read_picture(tmp_path / "p.png")
    write_picture(tmp_path / "w.png", picture)
    np.testing.assert_array_equal(read_picture(tmp_path / "w.png").pixels, picture.pixels)


def test_scene(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.full((80, 70), 255, np.uint8)])
    rgba[10:20, 30:40, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "p.png")
    with PictureScene(source(tmp_path / "p.png")) as scene:
        raster = scene.read(Window(5, 25, 30, 20))
        assert (scene.unit, scene.bands, scene.encoding.step) == ("grey level", ("red", "green", "blue"), 1.0)
        with pytest.raises(ShapeError):
            scene.read(Window(60, 0, 21, 5))
    np.testing.assert_array_equal(raster.pixels, np.moveaxis(RGB[5:35, 25:45], -1, 0).astype(np.float32))
    assert raster.valid_range == (0, 255) and (~raster.mask).sum() == 100 and not raster.mask[5, 5]


def fill(writer: PictureWriter, half_width: float | None) -> None:
    channels, height, width = writer.shape
    ramp = np.broadcast_to(np.linspace(-5, 260, width, dtype=np.float32), (channels, height, width))
    for row in range(0, height, 64):
        rows = min(64, height - row)
        half = None if half_width is None else np.full((channels, rows, width), half_width, np.float32)
        writer.write(Window(row, 0, rows, width), ramp[:, row : row + rows].copy(), np.ones((rows, width), bool), half, None)


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.bmp", "p.webp"])
def test_writer(tmp_path: Path, verdict: Verdict, name: str) -> None:
    Image.fromarray(RGB).save(tmp_path / name, **({"exif": exif_block(), "icc_profile": ICC} if name != "p.bmp" else {}))
    target = tmp_path / "out" / name
    with PictureWriter(source(tmp_path / name), plan(target)) as writer:
        fill(writer, 3.3)
        told = [writer.reread(w) for w in (Window(0, 0, 160, 140), Window(13, 21, 50, 61))]
        files = writer.finish(verdict)
    assert [f.role for f in files] == ["image", "interval", "verdict"]
    assert {p.name for p in target.parent.iterdir()} == {name, "p.interval.png", "p.verdict.json"}
    written = read_picture(target)
    np.testing.assert_array_equal(told[0].pixels, written.pixels)  # what the writer told is what the file holds, also for JPEG
    np.testing.assert_array_equal(told[1].pixels, written.pixels[:, 13:63, 21:82])
    interval = Image.open(tmp_path / "out" / "p.interval.png")
    stored = read_picture(tmp_path / "out" / "p.interval.png").pixels
    decoded = stored * float(interval.text["sr-scale"])  # type: ignore[attr-defined]
    assert stored.dtype == np.uint16 and decoded.min() >= np.float32(3.3) - 1e-6 and decoded.max() <= 3.31
    record = Verdict.from_json(files[-1].path.read_text(), "verdict")
    assert record.inputs == (source(tmp_path / name).sha256,) and len(record.outputs) == 2
    if name == "p.png":
        assert Image.open(target).text["sr-model"] == "edsr 0123"  # type: ignore[attr-defined]


def test_alpha_is_upscaled_and_holes_stay(tmp_path: Path, verdict: Verdict) -> None:
    rgba = np.dstack([RGB, np.full((80, 70), 200, np.uint8)])
    rgba[10:20, 30:40, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "p.png")
    with PictureWriter(source(tmp_path / "p.png"), plan(tmp_path / "o.png")) as writer:
        fill(writer, None)
        writer.finish(verdict)
    alpha = read_picture(tmp_path / "o.png").alpha
    assert alpha is not None and not alpha[20:40, 60:80].any() and (alpha > 0).sum() == 160 * 140 - 400 and alpha[100, 100] == 200
    assert not (tmp_path / "o.interval.png").exists()
    with pytest.raises(OutputError, match="with alpha"):
        PictureWriter(source(tmp_path / "p.png"), plan(tmp_path / "o.jpg"))


def test_no_claim_has_its_code(tmp_path: Path, verdict: Verdict) -> None:
    Image.fromarray(RGB[..., 0]).save(tmp_path / "p.png")
    with PictureWriter(source(tmp_path / "p.png"), plan(tmp_path / "o.png")) as writer:
        half = np.full((1, 160, 140), 2.0, np.float32)
        half[0, :10, :10] = np.nan
        half[0, 0, 0] = 9.0
        writer.write(Window(0, 0, 160, 140), np.zeros((1, 160, 140), np.float32), np.ones((160, 140), bool), half, None)
        writer.finish(verdict)
    stored = read_picture(tmp_path / "o.interval.png").pixels[0]
    assert stored[0, 0] == 65534 and (stored[:10, :10] == 65535).sum() == 99
    words = json.loads(Image.open(tmp_path / "o.interval.png").text["sr-interval"])  # type: ignore[attr-defined]
    assert words["no_claim"] == 65535 and words["unit"] == "grey level"


def test_nothing_is_left_by_a_failure(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "p.png")
    with pytest.raises(RuntimeError), PictureWriter(source(tmp_path / "p.png"), plan(tmp_path / "o" / "o.png")) as writer:
        fill(writer, 1.0)
        raise RuntimeError
    assert list((tmp_path / "o").iterdir()) == []
    target = tmp_path / "o" / "o.png"
    with pytest.raises(OutputError, match="not finite"), PictureWriter(source(tmp_path / "p.png"), plan(target)) as writer:
        writer.write(Window(0, 0, 2, 140), np.full((3, 2, 140), np.nan, np.float32), np.ones((2, 140), bool), None, None)
    assert list((tmp_path / "o").iterdir()) == []


def test_16_bits_do_not_go_into_jpeg(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(encode_png16(np.full((1, 40, 40), 777, np.uint16)))
    with pytest.raises(OutputError, match="16-bit"):
        PictureWriter(source(tmp_path / "p.png"), plan(tmp_path / "o.jpg"))


@pytest.mark.parametrize(("name", "mode"), [("g.gif", "P"), ("g.pgm", "L"), ("g.ppm", "RGB"), ("g.avif", "RGB"), ("wide.pgm", "I;16")])
def test_formats_that_are_only_read_come_out_as_png(tmp_path: Path, name: str, mode: str, verdict: Verdict) -> None:
    """The expected pixels are Pillow's own."""
    wide = np.add.outer(np.arange(80), np.arange(70)).astype(np.uint16) * 400
    image = Image.fromarray(wide) if mode == "I;16" else Image.fromarray(SMOOTH).convert(mode)
    image.save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    expected = wide if mode == "I;16" else np.asarray(image.convert("RGB") if mode == "P" else Image.open(tmp_path / name))
    assert picture.format == "PNG" and picture.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(np.moveaxis(picture.pixels, 0, -1).squeeze(), expected)
    sources, refusals = discover_pictures([tmp_path], lambda _, digest: Group(kind="picture", id=digest[:8]), Silent(), 16)
    assert [s.path.name for s in sources] == [name] and not refusals and facts(sources[0])
    with PictureScene(sources[0]) as scene:
        assert scene.read(Window(0, 0, 80, 70)).mask.all()
    with pytest.raises(OutputError, match="are only read"):
        PictureWriter(sources[0], plan(tmp_path / f"out{Path(name).suffix}"))


def test_an_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(RGB, 7 * i, axis=0)).convert("P") for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="has 3 frames; expected a single picture"):
        read_picture(tmp_path / "a.gif")
