"""Damaged and hostile files: each ends in a refusal of one sentence that holds nothing of the patient."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest

from domains.medical import guard
from domains.medical.domain import MedicalDomain
from sr_core.log import Silent
from sr_core.records import Manifest, Split

READER = MedicalDomain().for_upscaling()
FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"


def sentence_of(path: Path) -> str:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        sources, refusals = READER.discover([path], Silent())
    assert not sources and len(refusals) == 1, sources
    assert not heard  # a warning of the library may quote a value
    assert "PLANTED" not in refusals[0].sentence and "; expected " in refusals[0].sentence
    return refusals[0].sentence


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "does not begin"),
        (b"a text file\n" * 20, "does not begin"),
        (b"\0" * 128 + b"DICM", "does not say how it is encoded"),
        (b"\0" * 4096, "does not begin"),
    ],
)
def test_what_is_not_dicom(tmp_path, data, sentence):
    (tmp_path / "x.dcm").write_bytes(data)
    assert sentence in sentence_of(tmp_path / "x.dcm")


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8, 0.99])
def test_a_truncated_file(make_slice, share):
    path = make_slice()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    sentence_of(path)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"Rows": 65535, "Columns": 65535}, "65535 x 65535 px"),
        ({"Rows": 0}, "24 x 0 px"),
        ({"Rows": 400}, "do not decode"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}, "3 samples"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
        ({"NumberOfFrames": 1000}, "multi-frame"),
        ({"BitsAllocated": 32}, "8 or 16 bits"),
        ({"BitsStored": 12}, "8 or 16 bits"),
        ({"PixelSpacing": [0.0, 0.5]}, "PixelSpacing out of bounds"),
        ({"PixelSpacing": None}, "PixelSpacing is missing"),
        ({"RescaleSlope": 0}, "RescaleSlope is 0"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "perpendicular"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "ot a CT or MR"),
        ({"SeriesInstanceUID": ""}, "SeriesInstanceUID is missing"),
        ({"PixelData": None}, "do not decode"),
        ({"PatientID": "", "StudyInstanceUID": ""}, "StudyInstanceUID is missing"),
    ],
)
def test_headers_that_cannot_be_used(make_slice, overrides, sentence):
    assert sentence in sentence_of(make_slice(**overrides))


@pytest.mark.parametrize("text", ["nan\\1e400", "PLANTED\\x", "1e400\\1"])
def test_spacing_that_is_no_number(make_slice, text):
    path = make_slice(PixelSpacing=[0.71, 0.52])
    data = path.read_bytes()
    assert data.count(b"0.71\\0.52 ") == 1
    path.write_bytes(data.replace(b"0.71\\0.52 ", text.encode().ljust(10)[:10]))
    assert "PixelSpacing is missing or not 2 finite numbers" in sentence_of(path)


def test_every_pixel_padded(make_slice):
    path = make_slice(pixels=np.full((20, 24), 7, np.int16))
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "SS", 7)
    dataset.save_as(path)
    assert "very pixel is padding" in sentence_of(path)


def test_a_sequence_nested_beyond_reason(make_slice):
    path = make_slice()
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    deep = (sequence + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 5000
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x0008, 0x0020))
    path.write_bytes(data[:at] + deep + data[at:])
    sentence_of(path)


def deflated(path: Path, body: bytes) -> None:
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", 22) + b"1.2.840.10008.1.2.1.99"
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = b"\0" * 128 + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta
    path.write_bytes(head + pack.compress(body) + pack.flush())


def test_a_deflated_bomb_is_stopped_at_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MAX_INFLATED", 1 << 20)
    deflated(tmp_path / "bomb.dcm", struct.pack("<HH2sHI", 0x10, 0x10, b"OB", 0, 64 << 20) + b"\0" * (64 << 20))
    assert "grows beyond bounds" in sentence_of(tmp_path / "bomb.dcm")


def test_an_honest_deflated_file_reads(make_slice, one):
    path = make_slice()
    data = path.read_bytes()
    end = 144 + struct.unpack("<I", data[140:144])[0]
    plain = one(path)
    with READER.open(plain) as scene:
        expected = scene.stored(0)
    deflated(path, data[end:])
    with READER.open(one(path)) as scene:
        np.testing.assert_array_equal(scene.stored(0), expected)
    path.write_bytes(path.read_bytes()[:-40])
    assert "cut short" in sentence_of(path)


def recompressed(path: Path, name: str, old: bytes, new: bytes) -> Path:
    """Give one of the wheel's compressed files with the size inside its codestream changed."""
    data = (FOLDER / name).read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path


def test_a_codestream_larger_than_its_header_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(lambda self: pytest.fail("decoded")))
    small, large = struct.pack(">IIII", 64, 64, 0, 0), struct.pack(">IIII", 40000, 40000, 0, 0)
    j2k = recompressed(tmp_path / "j.dcm", "MR_small_jp2klossless.dcm", small, large)
    assert "another size than the header" in sentence_of(j2k)
    small, large = b"\xff\xf7\x00\x0b\x10\x00\x40\x00\x40", b"\xff\xf7\x00\x0b\x10\x75\x30\x75\x30"
    jls = recompressed(tmp_path / "l.dcm", "MR_small_jpeg_ls_lossless.dcm", small, large)
    assert "another size than the header" in sentence_of(jls)


def test_a_frame_far_smaller_than_what_it_claims_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(lambda self: pytest.fail("decoded")))
    dataset = pydicom.dcmread(FOLDER / "MR_small_RLE.dcm")
    dataset.Rows = dataset.Columns = 8000
    dataset.save_as(tmp_path / "r.dcm")
    assert "122 MiB of pixels in" in sentence_of(tmp_path / "r.dcm")


def test_a_file_above_the_bound_is_not_read(make_slice, monkeypatch):
    path = make_slice()
    monkeypatch.setattr(guard, "MAX_FILE", 100)
    assert "MiB a file" in sentence_of(path)


def test_one_bad_file_does_not_stop_the_others(make_slice, tmp_path):
    make_slice("a.dcm")
    (tmp_path / "b.dcm").write_bytes(b"nothing")
    sources, refusals = READER.discover([tmp_path], Silent())
    assert len(sources) == 1 and len(refusals) == 1


def test_settings_of_the_library_are_put_back(make_slice, one):
    before = pydicom.config.settings.reading_validation_mode, pydicom.config.settings.writing_validation_mode
    one(make_slice())
    assert (pydicom.config.settings.reading_validation_mode, pydicom.config.settings.writing_validation_mode) == before


def test_no_patient_in_any_record(make_slice, tmp_path):
    cases = {"good": {}, "rows": {"Rows": 300}, "slope": {"RescaleSlope": 0}, "named": {"PatientIdentityRemoved": "NO"}}
    for name, overrides in cases.items():
        make_slice(f"{name}.dcm", SeriesInstanceUID=f"1.{len(name)}", **overrides)
    sources, refusals = MedicalDomain().discover([tmp_path], Silent())
    assert len(sources) == 1 and len(refusals) == 3
    manifest = Manifest(
        domain="medical", scale=2, gap=16, seed=1, sources=tuple(sources), refusals=tuple(refusals),
        split=Split(train=(), val=(), calibration=(), test=()),
    )  # fmt: skip
    text = manifest.to_json().replace(str(tmp_path), "")
    for word in ("PLANTED", "20200102", "1.2.3.1", "1.2.3.2"):
        assert word not in text


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_escape(make_slice, seed):
    path = make_slice()
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(132, 1400, 6):
        data[at] = rng.integers(256)
    path.write_bytes(data)
    sources, refusals = READER.discover([path], Silent())
    assert len(sources) + len(refusals) == 1
    assert not any("PLANTED" in r.sentence for r in refusals)
