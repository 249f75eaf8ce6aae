"""The attributes of a derived DICOM image: what is new, changed, kept and removed.

References
----------
DICOM PS3.3, C.7.6.1.1.2 (image type), C.7.6.2 (image plane), C.12.4.1 (derivation); PS3.16, CID 7005, 7202, 7203.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from domains.medical.header import SliceHeader
from sr_core.domain import CAUTION

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NOTICE = "Not for primary diagnosis."
MAKER = "Super-resolution package sr"
DESCRIPTION_LENGTH = 1024  # of a DICOM ST
SERIES_OFFSET = 5000  # added to the source's SeriesNumber, so that the derived series sort behind it
REMOVED = (
    "IconImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries", "PixelAspectRatio", "DataSetTrailingPadding", "DigitalSignaturesSequence",
    "MACParametersSequence", "InstanceCreatorUID", "OriginalAttributesSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
PIXEL_DATA = 0x7FE00010
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
# Parts of the body that have no side (PS3.16, annex L), as far as CT and MR files name them.
UNPAIRED = {
    "ABDOMEN", "ABDOMENPELVIS", "BRAIN", "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS", "CSPINE", "HEAD", "HEADNECK", "HEART", "LIVER",
    "LSPINE", "NECK", "PANCREAS", "PELVIS", "PROSTATE", "SKULL", "SPINE", "SSPINE", "THORAX", "TSPINE", "UTERUS", "WHOLEBODY", "BLADDER",
}  # fmt: skip


@dataclass(frozen=True)
class Stamp:
    """What all files of one output share.

    `identity` are the texts from which the new UIDs follow: the same source, model and claim give the same UIDs again.
    """

    scale: int
    model: str
    operator: str
    claim: str
    verdict: str
    tags: Mapping[str, str]
    moment: datetime
    identity: tuple[str, ...] = field(repr=False)

    def uid(self, role: str, source_uid: str) -> str:
        """Give the new UID of a thing made from the thing with `source_uid`."""
        from pydicom.uid import generate_uid

        tags = [f"{name}={value}" for name, value in sorted(self.tags.items())]
        return generate_uid(entropy_srcs=[role, source_uid, *self.identity, str(self.scale), self.model, self.operator, self.claim, *tags])

    @property
    def date(self) -> str:
        """DICOM date."""
        return self.moment.strftime("%Y%m%d")

    @property
    def time(self) -> str:
        """DICOM time."""
        return self.moment.strftime("%H%M%S")

    def description(self) -> str:
        """Say what was done (a DICOM ST: at most 1024 characters)."""
        tags = dict(self.tags)
        caution = tags.pop(CAUTION, "")  # first of all that may be cut off
        parts = [
            f"Upscaled x{self.scale} in the image plane by a machine-learning model.", NOTICE, *([caution] if caution else []),
            f"Model: {self.model}.", f"Assumed degradation: {self.operator}.", f"Claim: {self.claim}", f"Verdict: {self.verdict}",
            *(f"{name}={value};" for name, value in tags.items()),
        ]  # fmt: skip
        return " ".join(parts).replace("\\", "/")[:DESCRIPTION_LENGTH]


def derive(source: Dataset, header: SliceHeader, stored: npt.NDArray[np.integer], stamp: Stamp, number: int, series_uid: str) -> Dataset:
    """Make the derived image of one slice.

    Parameters
    ----------
    source, header : the slice as read; left as it is.
    stored : stored values (sH, sW), the source's type.
    stamp : what the whole output shares.
    number : InstanceNumber, from 1 in order of position.
    series_uid : SeriesInstanceUID of the output.

    Notes
    -----
    The outer edges of the image stay where they are, so the centre of the first SR pixel lies outside the centre of the
    first LR pixel: IPP' = IPP - (s - 1) / (2 s) (X dc + Y dr), with PixelSpacing = [dr, dc].
    """
    from pydicom.uid import UID, ExplicitVRLittleEndian

    dataset = without_pixels(source)
    _remove(dataset)
    _change_geometry(dataset, header, stamp.scale)
    _change_identity(dataset, header, stamp, number, series_uid)
    _note_derivation(dataset, source, stamp)
    _mend(dataset)
    dataset.Rows, dataset.Columns = stored.shape
    data = np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder("<")).tobytes()
    dataset.add_new("PixelData", "OB" if stored.dtype.itemsize == 1 else "OW", data + b"\0" * (len(data) % 2))
    meta = dataset.file_meta
    for keyword in [element.keyword for element in meta if element.keyword != "MediaStorageSOPClassUID"]:
        delattr(meta, keyword)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def without_pixels(source: Dataset) -> Dataset:
    """Give a deep copy of a dataset without its pixels, free of how the source was encoded.

    Big-endian words are turned, decimal strings of more than 16 characters shortened.
    """
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    copied = Dataset()
    for element in source:
        if element.tag != PIXEL_DATA:
            copied.add(deepcopy(element))
    copied.file_meta = deepcopy(source.file_meta)
    little = source.original_encoding[1] is not False

    def turn(_: Dataset, element: DataElement) -> None:
        if element.VR == "OW" and isinstance(element.value, bytes) and not little:
            element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()

    def shorten(_: Dataset, element: DataElement) -> None:
        values = element.value if element.VM > 1 else [element.value]
        if element.VR == "DS" and any(len(str(v)) > 16 for v in values):
            shortened = [format_number_as_ds(float(v)) for v in values]
            element.value = shortened if element.VM > 1 else shortened[0]

    copied.walk(turn)
    copied.walk(shorten)
    return copied


def shifted_position(header: SliceHeader, scale: int) -> tuple[float, ...]:
    """Give the centre of the first SR pixel in mm."""
    step = np.array(header.x) * header.spacing[1] + np.array(header.y) * header.spacing[0]
    return tuple(float(v) for v in np.array(header.position) - (scale - 1) / (2 * scale) * step)


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """Make a code sequence item."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def series_number(source: Dataset, offset: int) -> int:
    """Give a SeriesNumber behind the source's."""
    try:
        return int(source.SeriesNumber) % 100_000 + offset
    except (AttributeError, TypeError, ValueError):
        return offset


def _remove(dataset: Dataset) -> None:
    dataset.remove_private_tags()
    for tag in list(dataset.keys()):
        if tag.group % 2 == 0 and (0x5000 <= tag.group <= 0x501E or 0x6000 <= tag.group <= 0x601E):  # curves, overlays
            del dataset[tag]
    for keyword in REMOVED:
        if keyword in dataset:
            del dataset[keyword]


def _change_geometry(dataset: Dataset, header: SliceHeader, scale: int) -> None:
    from pydicom.valuerep import format_number_as_ds

    for keyword in SPACINGS:
        if dataset.get(keyword):
            setattr(dataset, keyword, [format_number_as_ds(float(v) / scale) for v in dataset[keyword].value])
    dataset.ImagePositionPatient = [format_number_as_ds(v) for v in shifted_position(header, scale)]


def _change_identity(dataset: Dataset, header: SliceHeader, stamp: Stamp, number: int, series_uid: str) -> None:
    dataset.SOPInstanceUID = stamp.uid("image", header.instance_uid)
    dataset.SeriesInstanceUID = series_uid
    dataset.SeriesNumber = series_number(dataset, SERIES_OFFSET)
    dataset.InstanceNumber = number
    described = str(dataset.get("SeriesDescription") or "").strip()
    dataset.SeriesDescription = f"SR x{stamp.scale} (AI) {described}".strip()[:64].strip()
    dataset.SeriesDate = dataset.ContentDate = dataset.InstanceCreationDate = stamp.date
    dataset.SeriesTime = dataset.ContentTime = dataset.InstanceCreationTime = stamp.time
    kind = [str(v).strip() for v in dataset.get("ImageType") or []]
    dataset.ImageType = ["DERIVED", "SECONDARY", *(kind[2:] or ["OTHER"])]
    comments = str(dataset.get("ImageComments") or "").strip()
    dataset.ImageComments = f"{NOTICE} {comments}".strip()


def _note_derivation(dataset: Dataset, source: Dataset, stamp: Stamp) -> None:
    from pydicom.dataset import Dataset as Item

    dataset.DerivationDescription = stamp.description()
    dataset.DerivationCodeSequence = [code("113085", "Spatial resampling")]
    origin = Item()
    origin.ReferencedSOPClassUID = source.SOPClassUID
    origin.ReferencedSOPInstanceUID = source.SOPInstanceUID
    origin.PurposeOfReferenceCodeSequence = [code("121322", "Source image for image processing operation")]
    origin.SpatialLocationsPreserved = "NO"
    dataset.SourceImageSequence = [origin]
    maker = Item()
    maker.PurposeOfReferenceCodeSequence = [code("109103", "Modifying Equipment")]
    maker.Manufacturer = MAKER
    maker.ManufacturerModelName = stamp.model.replace("\\", "/")[:64]
    maker.SoftwareVersions = stamp.model.replace("\\", "/")[:64]
    maker.ContributionDateTime = stamp.moment.strftime("%Y%m%d%H%M%S")
    maker.ContributionDescription = f"Upscaled x{stamp.scale} in the image plane"
    dataset.ContributingEquipmentSequence = [*(dataset.get("ContributingEquipmentSequence") or []), maker]


def _mend(dataset: Dataset) -> None:
    """Supply what the standard asks for and sources leave out, without claiming anything that is not known."""
    from pydicom.uid import generate_uid

    frame = str(dataset.get("FrameOfReferenceUID") or "")
    if not frame or frame == dataset.StudyInstanceUID:
        # One per source series, so that its slices still share a space.
        dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame", str(dataset.StudyInstanceUID), frame])
    dataset.setdefault("PositionReferenceIndicator", "")
    if dataset.get("PatientIdentityRemoved") == "YES" and not (
        dataset.get("DeidentificationMethod") or dataset.get("DeidentificationMethodCodeSequence")
    ):
        dataset.DeidentificationMethod = "Not stated in the source"
    part = str(dataset.get("BodyPartExamined") or "").strip().upper()
    if part in UNPAIRED:
        if "Laterality" in dataset and not dataset.Laterality:
            del dataset.Laterality
    elif "ImageLaterality" not in dataset:
        dataset.setdefault("Laterality", "")
