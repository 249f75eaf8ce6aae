"""What a derived DICOM image says of itself: the description of `domains.medical.derive.Stamp`, read back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from domains.medical.derive import DESCRIPTION_LENGTH, MAKER, NOTICE
from domains.medical.guard import is_dicom, load
from sr_core.domain import CAUTION
from sr_core.errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_WORDS = re.compile(
    rf"Upscaled x(?P<SR_SCALE>\d+) .*? model\. {re.escape(NOTICE)} (?P<{CAUTION}>.*?) ?Model: (?P<SR_MODEL>\S+)\. "
    r"Assumed degradation: (?P<SR_OPERATOR>.*?)\. Claim: (?P<SR_CLAIM>.*?)(?: Verdict: (?P<SR_VERDICT>.*?))?(?= SR_[A-Z]+=|$)",
    re.DOTALL,
)
_TAG = re.compile(r"(SR_[A-Z]+)=(.*?);(?= SR_[A-Z]+=|$)", re.DOTALL)


def provenance(path: Path) -> dict[str, str]:
    """Give what a derived slice, the first slice of a derived series, or a map says; empty where no upscale made it."""
    try:
        files = sorted(path.glob("*.dcm")) if path.is_dir() else [path]
        image = next((file for file in files if is_dicom(file)), None)
        dataset = None if image is None else load(image)
    except (InputError, OSError):
        return {}
    return {} if dataset is None else {name: text for name, text in _said(dataset).items() if text}


def _said(dataset: Dataset) -> dict[str, str]:
    if str(dataset.get("Manufacturer", "")) == MAKER:  # a map, which has room for the model only
        return {"SR_MODEL": _weights(str(dataset.get("ManufacturerModelName", "")))}
    makers = [item for item in dataset.get("ContributingEquipmentSequence") or [] if str(item.get("Manufacturer", "")) == MAKER]
    if not makers:
        return {}
    tags = {"SR_MODEL": _weights(str(makers[-1].get("ManufacturerModelName", "")))}
    text = str(dataset.get("DerivationDescription", ""))
    if words := _WORDS.match(text):
        whole = len(text) < DESCRIPTION_LENGTH
        listed = _TAG.findall(text, words.end())
        known = {name: said for name, said in words.groupdict().items() if said is not None}
        if not whole and words.end() == len(text):  # cut in the middle of the last sentence
            last = "SR_VERDICT" if "SR_VERDICT" in known else "SR_CLAIM"
            known[last] += " ..."
        if not whole and listed and text.endswith(";"):  # a list of credits may go on
            listed = listed[:-1]
        tags |= {**known, "SR_MODEL": _weights(known["SR_MODEL"]), **dict(listed)}
    return {**tags, "SR_NOTICE": NOTICE}


def _weights(model: str) -> str:
    """Take the first digits of the weights' hash from `medical:0123456789ab`."""
    return model.rpartition(":")[2]
