"""Derived DICOM by value: geometry, identity, kept and removed attributes, padding, maps, and what the validator says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence

from domains.medical.domain import MedicalDomain
from domains.medical.parametric import frames_by_position
from sr_core.domain import OutputPlan
from sr_core.errors import OutputError, ShapeError
from sr_core.raster import Window

OBLIQUE = [0.6, 0.8, 0.0, 0.0, 0.0, -1.0]


def corners(dataset: pydicom.Dataset) -> np.ndarray:
    """Outer corners of the image in mm: pixel edges, not centres."""
    iop = np.array(dataset.ImageOrientationPatient, float)
    rows, cols = dataset.PixelSpacing
    at = [(-0.5, -0.5), (-0.5, dataset.Columns - 0.5), (dataset.Rows - 0.5, -0.5), (dataset.Rows - 0.5, dataset.Columns - 0.5)]
    return np.array([np.array(dataset.ImagePositionPatient, float) + r * rows * iop[3:] + c * cols * iop[:3] for r, c in at])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_outer_corners_stay(make_slice, one, upscaled, scale):
    path = make_slice(ImageOrientationPatient=OBLIQUE, PixelSpacing=[1 / 3, 0.7], ImagePositionPatient=[-11.5, 7.25, 3])
    made = pydicom.dcmread(upscaled(one(path), scale=scale))
    source = pydicom.dcmread(path)
    assert (made.Rows, made.Columns) == (20 * scale, 24 * scale)
    np.testing.assert_allclose(corners(made), corners(source), atol=1e-9)
    assert all(len(str(v)) <= 16 for v in (*made.PixelSpacing, *made.ImagePositionPatient))


def test_first_centre_lies_outside_the_first_lr_centre(make_slice, one, upscaled):
    made = pydicom.dcmread(upscaled(one(make_slice())))  # PixelSpacing [0.7, 0.5], IPP [-10, 20, 5], axial
    np.testing.assert_allclose(np.array(made.ImagePositionPatient, float), [-10 - 0.25 * 0.5, 20 - 0.25 * 0.7, 5])
    np.testing.assert_allclose(np.array(made.PixelSpacing, float), [0.35, 0.25])


def test_values_go_through_the_rescale_and_back(make_slice, one, upscaled):
    path = make_slice(RescaleSlope=2, RescaleIntercept=-1000)
    made, source = pydicom.dcmread(upscaled(one(path))), pydicom.dcmread(path)
    np.testing.assert_array_equal(made.pixel_array, source.pixel_array.repeat(2, 0).repeat(2, 1))
    assert made.pixel_array.dtype == np.int16 and (made.RescaleSlope, made.RescaleIntercept, made.RescaleType) == (2, -1000, "HU")


def test_eight_bits_and_an_odd_number_of_bytes(make_slice, one, upscaled):
    pixels = np.arange(21 * 25, dtype=np.uint8).reshape(21, 25)
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    path = make_slice(pixels=pixels, PixelData=pixels.tobytes() + b"\0", **bits)
    made = pydicom.dcmread(upscaled(one(path), scale=3))
    np.testing.assert_array_equal(made.pixel_array, pixels.repeat(3, 0).repeat(3, 1))


def test_identity_is_new_and_stable(make_slice, one, upscaled):
    path = make_slice()
    source = one(path)
    old = pydicom.dcmread(path)
    first, again = (pydicom.dcmread(upscaled(source, name)) for name in ("1.dcm", "2.dcm"))
    other = pydicom.dcmread(upscaled(source, "3.dcm", model="edsr:2:fedcba"))
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        values = {str(d[keyword].value) for d in (old, first, other)}
        assert len(values) == 3 and first[keyword] == again[keyword]
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "SOPClassUID"):
        assert first[keyword] == old[keyword]
    assert first.SeriesNumber != old.SeriesNumber and first.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


KEPT = (
    "PatientName", "PatientID", "PatientSex", "StudyDate", "StudyTime", "ImageOrientationPatient", "PatientPosition", "Modality",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth",
    "LossyImageCompression", "LossyImageCompressionRatio", "PatientIdentityRemoved", "DeidentificationMethod", "KVP", "SliceThickness",
    "BurnedInAnnotation", "AcquisitionDate", "PhotometricInterpretation",
)  # fmt: skip
REMOVED = ("IconImageSequence", "OriginalAttributesSequence", "InstanceCreatorUID", "DataSetTrailingPadding")


def test_what_is_kept_changed_added_and_removed(make_slice, one, upscaled, today):
    extra = pydicom.Dataset()
    extra.Manufacturer, extra.StationName = "earlier", "x"
    path = make_slice(
        LossyImageCompression="01", LossyImageCompressionRatio=10, BurnedInAnnotation="NO", IconImageSequence=[pydicom.Dataset()],
        InstanceCreatorUID="1.2.3", DataSetTrailingPadding=b"\0\0", ContributingEquipmentSequence=[extra], SeriesDescription="d" * 64,
        OriginalAttributesSequence=[pydicom.Dataset()], ImagerPixelSpacing=[1, 1], ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5"],
        PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    source = pydicom.dcmread(path)
    source.private_block(0x0011, "ME", create=True).add_new(1, "LO", "secret")
    source.add_new(0x00280106, "SS", -9)  # smallest pixel value
    source.add_new(0x00280107, "SS", 9)
    source.add_new(0x60000010, "US", 4)  # an overlay
    source.add_new(0x50000005, "US", 1)  # a curve
    source.save_as(path)
    made = pydicom.dcmread(upscaled(one(path)))
    for keyword in KEPT:
        assert made[keyword].value == source[keyword].value, keyword
    for keyword in REMOVED:
        assert keyword not in made, keyword
    assert not [e for e in made if e.tag.is_private or e.tag.group in (0x5000, 0x6000)]
    assert 0x00280106 not in made and 0x00280107 not in made
    assert list(made.ImageType) == ["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5"]
    assert list(map(float, made.ImagerPixelSpacing)) == [0.5, 0.5]
    assert made.SeriesDate.startswith(today) and made.ContentDate.startswith(today) and made.InstanceCreationDate.startswith(today)
    assert len(made.SeriesDescription) <= 64 and made.SeriesDescription.startswith("SR x2 (AI)")
    equipment = made.ContributingEquipmentSequence
    assert [e.Manufacturer for e in equipment] == ["earlier", "Super-resolution package sr"]
    assert equipment[1].PurposeOfReferenceCodeSequence[0].CodeValue == "109103" and equipment[1].SoftwareVersions == "edsr:1:abcdef"


def test_derivation_says_what_was_done(make_slice, one, upscaled):
    path = make_slice(DerivationDescription="an older one")
    made, source = pydicom.dcmread(upscaled(one(path))), pydicom.dcmread(path)
    text = made.DerivationDescription
    for part in ("machine-learning", "Not for primary diagnosis.", "edsr:1:abcdef", "bicubic x2", "No claim is made.", "Verdict: Warn"):
        assert part in text
    assert len(text) <= 1024 and made.ImageComments.startswith("Not for primary diagnosis.")
    code = made.DerivationCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("113085", "DCM", "Spatial resampling")
    origin = made.SourceImageSequence[0]
    assert origin.ReferencedSOPInstanceUID == source.SOPInstanceUID and origin.SpatialLocationsPreserved == "NO"
    assert origin.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


def test_a_caution_is_kept_where_the_text_is_cut(make_slice, one, upscaled):
    target = upscaled(one(make_slice()), operator="x" * 1200, tags={"SR_CALIBRATION": "none", "SR_CAUTION": "Detail is made up."})
    text = pydicom.dcmread(target).DerivationDescription
    assert len(text) == 1024 and text.count("Detail is made up.") == 1


def test_padding_is_restored_and_never_made(make_slice, one, tmp_path, verdict):
    pixels = np.full((20, 24), 40, np.int16)
    pixels[:, :5] = -2000
    source = one(make_slice(pixels=pixels, PixelPaddingValue=-2000))
    with MedicalDomain().create(source, OutputPlan(tmp_path / "o.dcm", 2, "m", "o", "c", {})) as writer:
        mask = np.ones((40, 48), bool)
        mask[:, :10] = False
        mean = np.full((1, 40, 48), -2024.2, np.float32)  # stored: -2000.2, which rounds to the padding code
        mean[:, :, :10] = np.nan
        mean[:, 0, 20] = 5
        writer.write(Window(0, 0, 40, 48), mean, mask, None, None)
        written = writer.reread(Window(0, 0, 40, 48))
        files = writer.finish(verdict)
    stored = pydicom.dcmread(tmp_path / "o.dcm").pixel_array
    assert (stored[:, :10] == -2000).all() and stored[0, 20] == 29
    assert set(np.unique(np.delete(stored[:, 10:].ravel(), 10))) == {-1999}
    np.testing.assert_array_equal(written.mask, mask)
    np.testing.assert_array_equal(written.pixels[0], stored.astype(np.float32) - 24)
    assert [f.role for f in files] == ["image", "verdict"]


def test_ct_small_keeps_its_padding_code(carried, one, upscaled):
    made = pydicom.dcmread(upscaled(one(carried / "CT_small.dcm")))
    assert made.PixelPaddingValue == -2000 and made["PixelPaddingValue"].VR == "SS"
    np.testing.assert_array_equal(made.pixel_array, pydicom.dcmread(carried / "CT_small.dcm").pixel_array.repeat(2, 0).repeat(2, 1))


@pytest.fixture
def three(make_slice, tmp_path, one):
    """A series of three slices, padded in different places; names count against the positions."""
    for number, z in enumerate((5.0, 2.5, 0.0)):
        pixels = np.random.default_rng(number).integers(0, 900, (20, 24)).astype(np.int16)
        pixels[number] = -2000
        make_slice(f"s/{number}.dcm", pixels=pixels, ImagePositionPatient=[0, 0, z], PixelPaddingValue=-2000)
    return one(tmp_path / "s")


def test_a_series_becomes_a_folder_slice_by_slice(three, upscaled):
    target = upscaled(three, "out")
    assert sorted(p.name for p in target.iterdir()) == ["0001.dcm", "0002.dcm", "0003.dcm", "interval.dcm", "verdict.json"]
    made = [pydicom.dcmread(target / f"000{i}.dcm") for i in (1, 2, 3)]
    for k, (dataset, path) in enumerate(zip(made, three.members, strict=True)):
        source = pydicom.dcmread(path)
        np.testing.assert_array_equal(dataset.pixel_array, source.pixel_array.repeat(2, 0).repeat(2, 1))  # padding included
        np.testing.assert_allclose(corners(dataset), corners(source), atol=1e-9)
        assert dataset.InstanceNumber == k + 1 and dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert len({d.SeriesInstanceUID for d in made}) == 1 and len({d.SOPInstanceUID for d in made}) == 3


def test_the_map_is_matched_by_position(three, upscaled):
    target = upscaled(three, "out", residual=True)
    made = [pydicom.dcmread(target / f"000{i}.dcm") for i in (1, 2, 3)]
    positions = [d.ImagePositionPatient for d in made]
    frames = frames_by_position(pydicom.dcmread(target / "interval.dcm"), positions)
    with MedicalDomain().open(three) as scene:
        raster = scene.read(Window(0, 0, 20, 24))
    expected = np.abs(raster.pixels.repeat(2, 1).repeat(2, 2)) * np.float32(0.01) + np.arange(3, dtype=np.float32)[:, None, None]
    expected[:, :2] = np.nan
    expected[:, ~raster.mask.repeat(2, 0).repeat(2, 1)] = np.nan
    np.testing.assert_array_equal(frames, expected)
    backwards = frames_by_position(pydicom.dcmread(target / "interval.dcm"), positions[::-1])
    np.testing.assert_array_equal(backwards, expected[::-1])
    places = [pydicom.dcmread(p).ImagePositionPatient for p in three.members]
    residual = frames_by_position(pydicom.dcmread(target / "residual.dcm"), places)
    assert residual.shape == (3, 20, 24) and set(np.unique(residual[:, raster.mask])) == {-1.5}
    assert np.isnan(residual[:, ~raster.mask]).all()


def test_the_map_says_what_it_is(make_slice, one, upscaled):
    target = upscaled(one(make_slice()))
    made, image = pydicom.dcmread(target.with_name("out.interval.dcm")), pydicom.dcmread(target)
    mapping = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    assert mapping.LUTExplanation == "Half-width of the interval" and made.FrameOfReferenceUID == image.FrameOfReferenceUID
    assert made.PatientID == "PLANTED-ID" and made.SeriesInstanceUID != image.SeriesInstanceUID


def test_verdict_beside_the_image(make_slice, one, upscaled, verdict):
    from sr_core.trust.verdict import Verdict
    from sr_core.workspace import file_sha256

    source = one(make_slice())
    target = upscaled(source)
    text = target.with_name("out.verdict.json").read_text()
    read = Verdict.from_json(text, "verdict")
    assert read.inputs == (source.sha256,) and read.outputs[0] == file_sha256(target) and "PLANTED" not in text
    assert read.model_copy(update={"inputs": (), "outputs": ()}) == verdict


def test_nothing_is_left_after_a_failure(three, make_slice, one, tmp_path, verdict):
    (tmp_path / "results").mkdir()
    for source, name in ((three, "out"), (one(make_slice(SeriesInstanceUID="1.4")), "out.dcm")):
        plan = OutputPlan(tmp_path / "results" / name, 2, "m", "o", "c", {})
        with pytest.raises(RuntimeError), MedicalDomain().create(source, plan) as writer:
            writer.write(Window(0, 0, 2, 48), np.zeros((source.shape[0], 2, 48), np.float32), np.ones((2, 48), bool), None, None)
            raise RuntimeError
        with pytest.raises(ShapeError, match="1 of 20 LR rows written"), MedicalDomain().create(source, plan) as writer:
            writer.write(Window(0, 0, 2, 48), np.zeros((source.shape[0], 2, 48), np.float32), np.ones((2, 48), bool), None, None)
            writer.finish(verdict)
    assert not list((tmp_path / "results").iterdir())


def test_targets_that_cannot_be_used(three, upscaled, make_slice, one, tmp_path):
    upscaled(three, "out")
    with pytest.raises(OutputError, match="exists already"):
        upscaled(three, "out")
    (tmp_path / "out" / "mine.txt").write_text("stays unless replaced")
    upscaled(three, "out", overwrite=True)
    assert not (tmp_path / "out" / "mine.txt").exists()
    with pytest.raises(OutputError, match="holds the input"):
        upscaled(three, "s", overwrite=True)
    single = make_slice("x.dcm", SeriesInstanceUID="1.4")
    with pytest.raises(OutputError, match="is the input"):
        upscaled(one(single), "x.dcm", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        upscaled(one(single), "file/out.dcm")


def test_windows_that_do_not_fit(make_slice, one, tmp_path):
    source = one(make_slice())
    with MedicalDomain().create(source, OutputPlan(tmp_path / "o.dcm", 2, "m", "o", "c", {})) as writer:
        for window in (Window(0, 0, 1, 48), Window(2, 0, 2, 48), Window(0, 0, 42, 48), Window(0, 0, 2, 46), Window(0, 2, 2, 46)):
            shape = (1, window.height, window.width)
            with pytest.raises(ShapeError):
                writer.write(window, np.zeros(shape, np.float32), np.ones(shape[1:], bool), None, None)
        with pytest.raises(OutputError, match="not finite"):
            writer.write(Window(0, 0, 2, 48), np.full((1, 2, 48), np.nan, np.float32), np.ones((2, 48), bool), None, None)
        with pytest.raises(ShapeError, match="cuts LR pixels"):
            writer.write(Window(0, 0, 2, 48), np.zeros((1, 2, 48), np.float32), np.eye(2, 48) == 0, None, None)


def faults(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [re.sub(r"<[^>]*>$", "", line) for line in done.stderr.splitlines() if line.startswith("Error")]


needs_validator = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
WHEEL = (
    "CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    "dicomdirtests/77654033/CT2/17106", "dicomdirtests/98892001/CT5N/2062", "dicomdirtests/98892003/MR1/4919",
)  # fmt: skip


@needs_validator
@pytest.mark.parametrize("name", WHEEL)
def test_validator_finds_nothing_in_derived_files(carried, one, upscaled, name):
    target = upscaled(one(carried / name), residual=True)
    for path in (target, target.with_name("out.interval.dcm"), target.with_name("out.residual.dcm")):
        assert faults(path) == [], path.name


@needs_validator
@pytest.mark.parametrize("name", ["ct_CMB-CRC-MSB-01068", "mr_TCGA-BC-4073"])
def test_validator_finds_no_more_than_in_real_sources(shared_data, one, upscaled, name):
    folder = shared_data / "medical" / name
    target = upscaled(one(folder), "out")
    assert len(faults(target / "0001.dcm")) <= len(faults(folder / "001.dcm"))
    assert faults(target / "interval.dcm") == []


def test_sequences_and_words_of_a_big_endian_source_are_turned(make_slice, one, upscaled):
    lut = pydicom.Dataset()
    lut.add_new(0x00283002, "US", [3, 0, 16])
    lut.add_new(0x00283006, "OW", np.array([1, 2, 3], "<u2").tobytes())
    path = make_slice(VOILUTSequence=Sequence([lut]))
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy()
    dataset.PixelData = pixels.astype(">i2").tobytes()
    dataset.VOILUTSequence[0][0x00283006].value = np.array([1, 2, 3], ">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    fresh = pydicom.Dataset()
    fresh.file_meta = dataset.file_meta
    fresh.update(dataset)
    pydicom.dcmwrite(path, fresh, enforce_file_format=True)
    made = pydicom.dcmread(upscaled(one(path)))
    np.testing.assert_array_equal(made.pixel_array, pixels.repeat(2, 0).repeat(2, 1))
    assert made.VOILUTSequence[0][0x00283006].value == np.array([1, 2, 3], "<u2").tobytes()
