"""A map over the image (half-width, residual) as a DICOM Parametric Map with floating-point pixels.

References
----------
DICOM PS3.3, A.75 (Parametric Map IOD) and C.7.6.16.2.11 (real world value mapping).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from domains.medical.derive import MAKER, SERIES_OFFSET, Stamp, series_number
from sr_core.raster import Float32Array

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NO_VALUE = -1.0  # half-widths are never negative; declared as FloatPixelPaddingValue
FLOAT_PADDING = 0x00280122
FLOAT_PADDING_LIMIT = 0x00280124


def parametric_map(values: Float32Array, slices: Sequence[Dataset], stamp: Stamp, role: str, unit: str, label: str) -> Dataset:
    """Make the map of a series.

    Parameters
    ----------
    values : float32 (N, H, W), in the order of `slices`; NaN where there is no value.
    slices : N single-frame images of the same size and place.
    stamp : what the whole output shares.
    role : "interval" or "residual"; makes the UIDs and the series number.
    unit : "HU", or any other word for a signal without unit.
    label : what a value means, in words (at most 64 characters).

    Notes
    -----
    highdicom stores the frames by position, not in the order given: match frames with `frames_by_position`, never by
    index. Where there is no value the file holds `missing(values)` and declares it as FloatPixelPaddingValue.
    """
    import highdicom

    hu = unit == "HU"
    coded = highdicom.sr.CodedConcept("[hnsf'U]", "UCUM", "Hounsfield unit") if hu else highdicom.sr.CodedConcept("1", "UCUM", "no units")
    meaning = highdicom.sr.CodedConcept(f"SR-{role.upper()}"[:16], "99SR", label)
    low, high = _finite_range(values)
    filler = missing(values)
    filled = np.where(np.isnan(values), np.float32(filler), values)
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label=role.upper()[:16], lut_explanation=label, unit=coded, value_range=(min(low, filler), high), slope=1.0, intercept=0.0,
        quantity_definition=meaning,
    )  # fmt: skip
    window = highdicom.VOILUTTransformation(
        window_center=float((low + high) / 2), window_width=float(max(high - low, 1e-3)), voi_lut_function="LINEAR_EXACT"
    )  # fmt: skip
    first = slices[0]
    result = highdicom.pm.ParametricMap(
        source_images=list(slices),
        pixel_array=filled,
        series_instance_uid=stamp.uid(f"{role} series", first.SeriesInstanceUID),
        series_number=series_number(first, SERIES_OFFSET if role == "interval" else 2 * SERIES_OFFSET),
        sop_instance_uid=stamp.uid(role, first.SeriesInstanceUID),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=stamp.model.replace("\\", "/")[:64],
        software_versions=stamp.model.replace("\\", "/")[:64],
        device_serial_number="none",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        series_description=f"SR x{stamp.scale} {role}",
        content_label=f"SR_{role.upper()}"[:16],
        content_description="Not for primary diagnosis",
    )
    organisation = stamp.uid(f"{role} dimensions", first.SeriesInstanceUID)  # highdicom would draw one
    for item in (*result.DimensionOrganizationSequence, *result.DimensionIndexSequence):
        item.DimensionOrganizationUID = organisation
    result.add_new(FLOAT_PADDING, "FL", filler)
    result.add_new(FLOAT_PADDING_LIMIT, "FL", filler)
    if first.get("PatientIdentityRemoved"):
        for keyword in ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"):
            if keyword in first:
                setattr(result, keyword, first[keyword].value)
    if "Laterality" not in result:
        result.Laterality = ""
    return result


def missing(values: Float32Array) -> float:
    """Give the code for "no value": -1 for half-widths, else a whole number below every value."""
    low, _ = _finite_range(values)
    return NO_VALUE if low >= 0 else float(np.floor(low) - 1)


def frames_by_position(dataset: Dataset, positions: Sequence[Sequence[float]]) -> npt.NDArray[np.float32]:
    """Give a map's frames (N, H, W) in the order of the given positions (mm); padding becomes NaN.

    Raises
    ------
    KeyError
        If no frame lies at a position.
    """
    frames = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(-1, dataset.Rows, dataset.Columns).copy()
    if FLOAT_PADDING in dataset:
        frames[frames == np.float32(dataset[FLOAT_PADDING].value)] = np.nan
    places = [np.array(item.PlanePositionSequence[0].ImagePositionPatient, float) for item in dataset.PerFrameFunctionalGroupsSequence]
    chosen: list[int] = []
    for position in positions:
        distances = [float(np.linalg.norm(place - np.array(position, float))) for place in places]
        nearest = int(np.argmin(distances))
        if distances[nearest] > 1e-3:
            raise KeyError(f"no frame within 0.001 mm of {tuple(position)}")
        chosen.append(nearest)
    return frames[chosen]


def _finite_range(values: Float32Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
