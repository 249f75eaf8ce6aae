"""Discovery, geometry and values of DICOM slices and series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from domains.medical.domain import MedicalDomain
from domains.medical.identity import DECLARATION
from sr_core.errors import InputError, ShapeError
from sr_core.log import Silent
from sr_core.raster import Window

READER = MedicalDomain().for_upscaling()


def series(make_slice, positions, folder="s", **overrides):
    for number, z in enumerate(positions):
        make_slice(f"{folder}/{number}.dcm", ImagePositionPatient=[0, 0, z], InstanceNumber=99 - number, **overrides)


def test_stored_values_are_rescaled_to_hu(make_slice, one):
    pixels = np.arange(480, dtype=np.int16).reshape(20, 24)
    source = one(make_slice(pixels=pixels, RescaleSlope=2, RescaleIntercept=-100))
    with READER.open(source) as scene:
        raster = scene.read(Window(4, 6, 3, 5))
    assert source.unit == raster.unit == "HU"
    np.testing.assert_array_equal(raster.pixels[0], pixels[4:7, 6:11] * 2.0 - 100)
    assert scene.encoding.step == 2 and raster.valid_range == (-65636, 65434)


def test_a_window_beyond_the_image_is_an_error(make_slice, one):
    with READER.open(one(make_slice())) as scene, pytest.raises(ShapeError, match="20 x 24"):
        scene.read(Window(18, 0, 4, 4))


@pytest.mark.parametrize("code", [-2000, 63536])  # 63536: the same code, written as an unsigned number
def test_padding_is_masked_before_rescaling(make_slice, one, code):
    pixels = np.full((20, 24), 100, np.int16)
    pixels[:3] = -2000
    path = make_slice(pixels=pixels)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "SS" if code < 0 else "US", code)
    dataset.save_as(path)
    with READER.open(one(path)) as scene:
        mask = scene.read(Window(0, 0, 20, 24)).mask
    assert not mask[:3].any() and mask[3:].all()


def test_a_padding_range_is_masked(make_slice, one):
    pixels = np.tile(np.arange(24, dtype=np.int16), (20, 1))
    path = make_slice(pixels=pixels, PixelPaddingValue=3)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingRangeLimit", "SS", 6)
    dataset.save_as(path)
    with READER.open(one(path)) as scene:
        mask = scene.read(Window(0, 0, 20, 24)).mask
    np.testing.assert_array_equal(mask[0], ~np.isin(np.arange(24), [3, 4, 5, 6]))


def test_slices_are_ordered_by_position_and_masked_where_any_is_padded(make_slice, tmp_path, one):
    for number, z in enumerate((7.5, 2.5, 5.0)):  # InstanceNumber and names count another way
        pixels = np.full((20, 24), int(z * 10), np.int16)
        pixels[number, :] = -2000
        make_slice(f"s/{number}.dcm", pixels=pixels, ImagePositionPatient=[0, 0, z], InstanceNumber=number, PixelPaddingValue=-2000)
    source = one(tmp_path / "s")
    assert [p.name for p in source.members] == ["1.dcm", "2.dcm", "0.dcm"]
    assert source.shape == (3, 20, 24) and source.bands == ("slice 1", "slice 2", "slice 3")
    with READER.open(source) as scene:
        raster = scene.read(Window(0, 0, 20, 24))
    np.testing.assert_array_equal(raster.pixels[:, 10, 0], [25 - 24, 50 - 24, 75 - 24])
    assert not raster.mask[:3].any() and raster.mask[3:].all()


def test_order_follows_the_normal_of_an_oblique_series(make_slice, tmp_path, one):
    x, y = np.array([0.6, 0.8, 0.0]), np.array([0.0, 0.0, -1.0])
    n = np.cross(x, y)
    for number, t in enumerate((0, 3, 1.5)):
        make_slice(f"s/{number}.dcm", ImageOrientationPatient=[*x, *y], ImagePositionPatient=[float(v) for v in t * n])
    assert [p.stem for p in one(tmp_path / "s").members] == ["0", "2", "1"]


@pytest.mark.parametrize(
    ("positions", "sentence"),
    [((0, 2, 6, 8), "2 to 4 mm apart"), ((0, 2, 2, 4), "lie at one place"), ((0, 2, 4.1, 6), "1.9 to 2.1 mm apart")],
)
def test_an_irregular_series_is_refused(make_slice, tmp_path, positions, sentence):
    series(make_slice, positions)
    sources, refusals = READER.discover([tmp_path / "s"], Silent())
    assert not sources and len(refusals) == 1 and sentence in refusals[0].sentence


def test_slices_with_another_rescale_are_refused(make_slice, tmp_path):
    make_slice("s/0.dcm", ImagePositionPatient=[0, 0, 0])
    make_slice("s/1.dcm", ImagePositionPatient=[0, 0, 2], RescaleSlope=2)
    sources, refusals = READER.discover([tmp_path / "s"], Silent())
    assert not sources and "store values in different ways" in refusals[0].sentence


def test_a_localizer_in_a_series_is_a_source_of_its_own(make_slice, tmp_path):
    series(make_slice, (0, 2, 4))
    make_slice("s/localizer.dcm", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    sources, refusals = READER.discover([tmp_path / "s"], Silent())
    assert not refusals and sorted(s.shape[0] for s in sources) == [1, 3]


def test_groups_are_patients_by_pseudonym(make_slice, tmp_path):
    make_slice("1.dcm", SeriesInstanceUID="1.9.1")
    make_slice("2.dcm", SeriesInstanceUID="1.9.2")
    make_slice("3.dcm", SeriesInstanceUID="1.9.3", PatientID="OTHER")
    make_slice("4.dcm", SeriesInstanceUID="1.9.4", IssuerOfPatientID="elsewhere")
    sources, _ = READER.discover([tmp_path], Silent())
    ids = [s.group.id for s in sorted(sources, key=lambda s: s.path)]
    assert ids[0] == ids[1] and len(set(ids)) == 3
    assert MedicalDomain(group_key="ours").discover([tmp_path], Silent())[0][0].group.id not in ids


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        READER.discover([tmp_path / "nowhere"], Silent())


def test_links_out_of_the_folder_and_copies_are_left_out(make_slice, tmp_path):
    outside = make_slice("outside.dcm", PatientID="B", SeriesInstanceUID="1.5")
    inside = make_slice("in/a.dcm")
    (tmp_path / "in" / "copy.dcm").write_bytes(inside.read_bytes())
    (tmp_path / "in" / "link.dcm").symlink_to(outside)
    sources, refusals = MedicalDomain().discover([tmp_path / "in"], Silent())
    assert [s.path.name for s in sources] == ["a.dcm"] and not refusals
    assert [s.path.name for s in READER.discover([tmp_path / "in"], Silent())[0]] == ["a.dcm", "copy.dcm"]


# What may be upscaled but not learned from.


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"PatientIdentityRemoved": "NO"}, "nothing says that it is de-identified"),
        ({"DeidentificationMethod": None}, "nothing says that it is de-identified"),
        ({"PatientBirthDate": "19700101"}, "PatientBirthDate filled in"),
        ({"BurnedInAnnotation": "YES"}, "BurnedInAnnotation is YES"),
        ({"LossyImageCompression": "01"}, "compression lost detail"),
    ],
)
def test_training_refuses_what_upscaling_takes(make_slice, one, overrides, sentence):
    path = make_slice(**overrides)
    sources, refusals = MedicalDomain().discover([path], Silent())
    assert not sources and refusals[0].sentence.startswith("Not for training") and sentence in refusals[0].sentence
    assert "1970" not in refusals[0].sentence
    assert one(path)


def test_a_signed_declaration_stands_in_for_the_flag(make_slice, tmp_path):
    path = make_slice("d/e/a.dcm", PatientIdentityRemoved="NO")
    note = tmp_path / "d" / DECLARATION
    note.write_text("No person in here.\nSigned:\n")
    assert not MedicalDomain().discover([tmp_path / "d"], Silent())[0]
    note.write_text("No person in here.\nSigned: the archive\n")
    assert MedicalDomain().discover([tmp_path / "d"], Silent())[0]
    assert not MedicalDomain().discover([path], Silent())[0]  # the declaration lies above what was given
    assert MedicalDomain(declared_deidentified=True).discover([path], Silent())[0]


def test_one_modality_a_training_run(make_slice, tmp_path):
    make_slice("ct.dcm")
    larger = np.zeros((40, 40), np.int16)
    make_slice("mr.dcm", pixels=larger, SOPClassUID="1.2.840.10008.5.1.4.1.1.4", SeriesInstanceUID="1.7", Modality="MR")
    sources, refusals = MedicalDomain().discover([tmp_path], Silent())
    assert [s.unit for s in sources] == ["signal"] and "CT (HU) beside MR (signal)" in refusals[0].sentence
    assert len(READER.discover([tmp_path], Silent())[0]) == 2


def test_real_series(shared_data: Path):
    names = ["ct_CMB-CRC-MSB-01068", "ct_RIDER-Pilot-0117", "mr_TCGA-BC-4073", "mr_datalad-T1w"]
    sources, refusals = READER.discover([shared_data / "medical" / n for n in names], Silent())
    assert not refusals
    assert [s.path.name for s in sources] == names
    assert [s.unit for s in sources] == ["HU", "HU", "signal", "signal"]
    assert [s.shape for s in sources] == [(20, 512, 512), (20, 512, 512), (20, 256, 256), (20, 384, 274)]
    assert [s.geometry.rsplit(", ")[-1] for s in sources] == [
        "20 slices 2.5 mm apart", "20 slices 0.800003 mm apart", "20 slices 8.75 mm apart", "20 slices 0.666667 mm apart",
    ]  # fmt: skip
    assert len({s.group for s in sources}) == 4
    with READER.open(sources[0]) as scene:
        raster = scene.read(Window(0, 0, 512, 512))
    assert (~raster.mask).sum() >= 55_772 and -1100 < np.median(raster.pixels[:, raster.mask]) < 200


def test_every_encoding_of_one_image_gives_the_same_values(carried: Path, one):
    names = ["MR_small", "MR_small_bigendian", "MR_small_implicit", "MR_small_RLE", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless"]
    rasters = []
    for name in names:
        with READER.open(one(carried / f"{name}.dcm")) as scene:
            rasters.append(scene.read(Window(0, 0, 64, 64)).pixels)
    for raster in rasters[1:]:
        np.testing.assert_array_equal(raster, rasters[0])
