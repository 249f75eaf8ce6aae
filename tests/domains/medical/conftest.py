"""Small DICOM files made by script, and what the writer tests share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from domains.medical.domain import MedicalDomain
from sr_core.domain import OutputPlan
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Source
from sr_core.trust.verdict import Claim, Verdict, judge

CT = "1.2.840.10008.5.1.4.1.1.2"
NAME = "PLANTED^NAME"
Maker = Callable[..., Path]


@pytest.fixture(scope="session")
def carried() -> Path:
    """The test files in pydicom's wheel; nothing is downloaded."""
    return Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def make_slice(tmp_path: Path) -> Maker:
    """Make a CT slice with a planted name; keywords override attributes (None removes one)."""

    def make(name: str = "a.dcm", pixels: np.ndarray | None = None, **overrides: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if pixels is None:
            pixels = np.random.default_rng(7).integers(-1000, 1000, (20, 24)).astype(np.int16)
        dataset = _slice(pixels)
        for keyword, value in overrides.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        return path

    return make


def _slice(pixels: np.ndarray) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = Dataset()
    d.file_meta = meta
    d.SOPClassUID, d.SOPInstanceUID = CT, generate_uid()
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = NAME, "PLANTED-ID", "", "O"
    d.PatientIdentityRemoved, d.DeidentificationMethod = "YES", "by hand"
    d.StudyDate = d.SeriesDate = d.ContentDate = d.AcquisitionDate = "20200102"
    d.StudyTime = d.ContentTime = "101010"
    d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = "", "", ""
    d.Modality, d.Manufacturer = "CT", "maker"
    d.BodyPartExamined, d.PatientPosition, d.PositionReferenceIndicator = "ABDOMEN", "HFS", ""
    d.SeriesNumber, d.InstanceNumber, d.AcquisitionNumber = 3, 1, 1
    d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.ImagePositionPatient, d.ImageOrientationPatient = [-10, 20, 5], [1, 0, 0, 0, 1, 0]
    d.PixelSpacing, d.SliceThickness, d.KVP = [0.7, 0.5], 2, 120
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.Rows, d.Columns = pixels.shape
    d.BitsAllocated = d.BitsStored = 16
    d.HighBit, d.PixelRepresentation = 15, 1
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = 1, -24, "HU"
    d.WindowCenter, d.WindowWidth = 40, 400
    d.PixelData = pixels.tobytes()
    return d


@pytest.fixture
def one() -> Callable[[Path], Source]:
    """Discover exactly one image, as for upscaling."""

    def found(path: Path) -> Source:
        sources, refusals = MedicalDomain().for_upscaling().discover([path], Silent())
        assert len(sources) == 1, refusals
        return sources[0]

    return found


@pytest.fixture(scope="session")
def verdict() -> Verdict:
    claim = Claim(
        level="none", text="No claim is made.", alpha=0.1, delta=0.1, gamma=0.1, n=0, n_min=22, group_kind="patient",
        operator="0" * 64, calibration=None,
    )  # fmt: skip
    return judge(claim, [])


@pytest.fixture
def upscaled(tmp_path: Path, verdict: Verdict) -> Callable[..., Path]:
    """Write an image with every pixel repeated (exact on the LR grid) and give the target."""

    def write(source: Source, name: str = "out.dcm", scale: int = 2, **plan: Any) -> Path:
        domain = MedicalDomain()
        target = tmp_path / name
        settings = {"model": "edsr:1:abcdef", "operator": "bicubic x2", "claim": "No claim is made.", "tags": {"SR_CALIBRATION": "none"}}
        with domain.open(source) as scene:
            raster = scene.read(Window(0, 0, *source.shape[1:]))
        sr = raster.pixels.repeat(scale, 1).repeat(scale, 2)
        mask = raster.mask.repeat(scale, 0).repeat(scale, 1)
        half = np.abs(sr) * np.float32(0.01) + np.arange(len(sr), dtype=np.float32)[:, None, None]
        half[:, :2] = np.nan
        with domain.create(source, OutputPlan(target=target, scale=scale, **{**settings, **plan})) as writer:
            height = sr.shape[1]
            for row in range(0, height, 8 * scale):
                window = Window(row, 0, min(8 * scale, height - row), sr.shape[2])
                r, c = window.slices()
                rows = slice(row // scale, (row + window.height) // scale)
                writer.write(window, sr[:, r, c], mask[r, c], half[:, r, c], np.full_like(raster.pixels[:, rows], -1.5))
            writer.finish(verdict)
        return target

    return write


@pytest.fixture(scope="session")
def today() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y")
