"""What is needed of a DICOM file's header, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from domains.medical.guard import MAX_SIDE, quiet
from domains.medical.identity import patient_pseudonym, training_fault
from sr_core.errors import InputError
from sr_core.raster import Encoding
from sr_core.records import Digest

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
MODALITIES = {CT: "CT", MR: "MR"}
# Transfer syntaxes that lose, or may lose, detail: JPEG 8 and 12 bit, JPEG-LS near-lossless, JPEG 2000 and HTJ2K without
# "lossless only" in their name, JPEG XL, video.
MAY_LOSE = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81, 91, 93, 203, 112)}
SPACING_MM = (0.001, 50.0)
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class SliceHeader:
    """One file: where it lies in space, how it stores values, to whom (by pseudonym) it belongs.

    `spacing` is in mm (between rows, between columns); `x` and `y` are the directions of increasing column and row;
    `position` is the centre of the first pixel in mm; `padding` is the closed range of stored values that mean
    "no measurement"; `training_fault` says why the file may not be learned from.
    """

    path: Path
    sha256: Digest
    size: int
    series_uid: str = field(repr=False)
    instance_uid: str = field(repr=False)
    patient: str
    modality: str
    shape: tuple[int, int]
    spacing: tuple[float, float]
    x: Vector
    y: Vector
    position: Vector
    encoding: Encoding
    padding: tuple[int, int] | None
    unit: str
    training_fault: str | None

    @property
    def along_normal(self) -> float:
        """Position along the slice normal, in mm."""
        return float(np.dot(np.cross(self.x, self.y), self.position))


def header_of(dataset: Dataset, path: Path, sha256: Digest, size: int, *, declared: bool, group_key: str) -> SliceHeader:
    """Check a dataset and take out what is needed.

    Raises
    ------
    InputError
        If it is not a single-frame greyscale CT or MR image with a place in space and a linear scale.
    """
    try:
        with quiet():  # values are converted when they are asked for, and the library warns of them by quoting them
            return _header_of(dataset, path, sha256, size, declared, group_key)
    except InputError:
        raise
    except (Exception, StopIteration) as error:
        raise InputError(f"the header does not read ({type(error).__name__})", "valid attributes", "Export the file again.") from None


def _header_of(dataset: Dataset, path: Path, sha256: Digest, size: int, declared: bool, group_key: str) -> SliceHeader:
    modality = MODALITIES.get(str(dataset.get("SOPClassUID")))
    if modality is None:
        raise InputError("not a CT or MR image object", "CT Image Storage or MR Image Storage", "Leave the file out.")
    rows, cols = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    if not (1 <= rows <= MAX_SIDE and 1 <= cols <= MAX_SIDE):
        raise InputError(f"{cols} x {rows} px", f"1 to {MAX_SIDE} px a side", "Leave the file out.")
    _check_layout(dataset)
    spacing = _numbers(dataset, "PixelSpacing", 2)
    if not all(SPACING_MM[0] <= s <= SPACING_MM[1] for s in spacing):
        raise InputError("PixelSpacing out of bounds", f"{SPACING_MM[0]} to {SPACING_MM[1]} mm", "Export the file again.")
    orientation = _numbers(dataset, "ImageOrientationPatient", 6)
    x, y = orientation[:3], orientation[3:]
    if max(abs(np.linalg.norm(x) - 1), abs(np.linalg.norm(y) - 1)) > 1e-3 or abs(np.dot(x, y)) > 1e-4:
        raise InputError("ImageOrientationPatient is not two perpendicular unit vectors", "such vectors", "Export the file again.")
    encoding, padding = _encoding(dataset)
    return SliceHeader(
        path=path, sha256=sha256, size=size,
        series_uid=_uid(dataset, "SeriesInstanceUID"), instance_uid=_uid(dataset, "SOPInstanceUID"),
        patient=_patient(dataset, group_key), modality=modality, shape=(rows, cols),
        spacing=(spacing[0], spacing[1]), x=(x[0], x[1], x[2]), y=(y[0], y[1], y[2]),
        position=_vector(dataset, "ImagePositionPatient"),
        encoding=encoding, padding=padding, unit=_unit(dataset, modality),
        training_fault=_lossy_fault(dataset) or training_fault(dataset, declared),
    )  # fmt: skip


def padded(stored: npt.NDArray[Any], padding: tuple[int, int] | None) -> npt.NDArray[np.bool_]:
    """Mark the stored values that mean "no measurement"."""
    if padding is None:
        return np.zeros(stored.shape, bool)
    return (stored >= padding[0]) & (stored <= padding[1])


def _check_layout(dataset: Dataset) -> None:
    if dataset.get("NumberOfFrames") is not None and _whole(dataset, "NumberOfFrames") != 1:
        raise InputError("a multi-frame image", "one slice a file", "Convert it to single-frame files.")
    samples, photometric = _whole(dataset, "SamplesPerPixel"), str(dataset.get("PhotometricInterpretation"))
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"{samples} samples a pixel in colour or palette", "one grey sample a pixel", "Leave the file out.")
    allocated, bits = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    if allocated not in (8, 16) or not 1 <= bits <= allocated or _whole(dataset, "HighBit") != bits - 1:
        raise InputError(f"{bits} bits stored in {allocated}", "8 or 16 bits allocated, stored in the low bits", "Convert the file.")
    if "ModalityLUTSequence" in dataset:
        raise InputError("a modality look-up table", "a linear rescale (slope and intercept)", "Convert the file.")


def _encoding(dataset: Dataset) -> tuple[Encoding, tuple[int, int] | None]:
    allocated, bits = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    signed = _whole(dataset, "PixelRepresentation") == 1
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    slope = _numbers(dataset, "RescaleSlope", 1)[0] if "RescaleSlope" in dataset else 1.0
    intercept = _numbers(dataset, "RescaleIntercept", 1)[0] if "RescaleIntercept" in dataset else 0.0
    if slope == 0:
        raise InputError("RescaleSlope is 0", "a finite slope that is not 0", "Export the file again.")
    padding = _padding(dataset, allocated, signed)
    if padding:
        # A code at an end of the range shortens it; one in the middle is stepped around when values are written.
        low = padding[1] + 1 if padding[0] <= low <= padding[1] else low
        high = padding[0] - 1 if padding[0] <= high <= padding[1] else high
        if low >= high:
            raise InputError("every stored value is padding", "a padding value beside the measurements", "Export the file again.")
    return Encoding(f"{'' if signed else 'u'}int{allocated}", slope, intercept, float(low), float(high)), padding


def _padding(dataset: Dataset, allocated: int, signed: bool) -> tuple[int, int] | None:
    """Read the padding range (stored values). Files write a negative code as an unsigned number now and then."""
    if dataset.get("PixelPaddingValue") is None:
        return None
    ends = [_whole(dataset, "PixelPaddingValue")]
    if dataset.get("PixelPaddingRangeLimit") is not None:
        ends.append(_whole(dataset, "PixelPaddingRangeLimit"))
    ends = [e - (1 << allocated) if signed and e >= 1 << (allocated - 1) else e for e in ends]
    return min(ends), max(ends)


def _unit(dataset: Dataset, modality: str) -> str:
    kind = str(dataset.get("RescaleType") or "HU").strip()
    return "HU" if modality == "CT" and kind == "HU" and "RescaleIntercept" in dataset else "signal"


def lost_detail(dataset: Dataset) -> bool:
    """Say whether the compression of the pixels lost detail, or may have."""
    declared = str(dataset.get("LossyImageCompression") or "").strip() == "01"
    return declared or str(dataset.file_meta.TransferSyntaxUID) in MAY_LOSE


def _lossy_fault(dataset: Dataset) -> str | None:
    if lost_detail(dataset):
        return "its compression lost detail, or may have; expected lossless pixels to learn from. Export the original."
    return None


def _patient(dataset: Dataset, key: str) -> str:
    if not str(dataset.get("PatientID") or "").strip():
        _uid(dataset, "StudyInstanceUID")
    return patient_pseudonym(dataset, key)


def _whole(dataset: Dataset, keyword: str) -> int:
    try:
        value = float(dataset[keyword].value)
        if value == int(value):
            return int(value)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{keyword} is missing or no whole number", f"{keyword} as one whole number", "Export the file again.")


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    value = dataset.get(keyword)
    parts = [value] if count == 1 else value
    try:
        numbers = tuple(float(part) for part in parts)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != count or not all(math.isfinite(n) and abs(n) < 1e6 for n in numbers):
        raise InputError(f"{keyword} is missing or not {count} finite numbers", f"{count} finite numbers", "Export the file again.")
    return numbers


def _vector(dataset: Dataset, keyword: str) -> Vector:
    a, b, c = _numbers(dataset, keyword, 3)
    return a, b, c


def _uid(dataset: Dataset, keyword: str) -> str:
    text = str(dataset.get(keyword) or "").strip()
    if not text:
        raise InputError(f"{keyword} is missing", f"{keyword}", "Export the file again.")
    return text
