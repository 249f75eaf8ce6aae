"""Who a file belongs to, as a pseudonym, and whether it may be learned from."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DECLARATION = "DEIDENTIFIED.txt"
GROUP_KEY = "sr-group"
DECLARATION_TEXT = """The DICOM files in this folder and below hold no data of an identifiable person,
neither in their attributes nor in their pixels.

Basis: {basis}
Signed: {signed}
"""
# With any of these filled in, a file was not de-identified, whatever it says of itself (PS3.15, table E.1-1).
TELLING = ("PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName", "OtherPatientNames")


def patient_pseudonym(dataset: Dataset, key: str) -> str:
    """Give the patient's pseudonym: 16 hexadecimal digits of a keyed hash of PatientID and its issuer.

    Without a PatientID, the study stands for the patient (two studies of one patient are then two groups; a file with
    neither is refused by the reader).

    Notes
    -----
    With the public default key someone who can guess an ID can confirm the guess; a site that hands records out sets its
    own key (`MedicalDomain(group_key=...)`), at the price that its groups have other names than elsewhere.
    """
    patient, issuer = _text(dataset, "PatientID"), _text(dataset, "IssuerOfPatientID")
    parts = ("patient", issuer, patient) if patient else ("study", _text(dataset, "StudyInstanceUID"))
    return hmac.new(key.encode(), "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()[:16]


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()


def training_fault(dataset: Dataset, declared: bool) -> str | None:
    """Say why a file may not be learned from, or None. Only attribute names, never their values.

    Parameters
    ----------
    dataset : a CT or MR file.
    declared : someone has declared in writing that the file is de-identified.

    References
    ----------
    DICOM PS3.15, annex E (attribute confidentiality profiles).
    """
    removed = _text(dataset, "PatientIdentityRemoved") == "YES"
    how = "DeidentificationMethod" in dataset or "DeidentificationMethodCodeSequence" in dataset
    if not (removed and how) and not declared:
        return (
            "nothing says that it is de-identified; expected PatientIdentityRemoved YES with its method, or a signed "
            f"{DECLARATION} in its folder. De-identify it, or sign the declaration."
        )
    telling = [keyword for keyword in TELLING if _text(dataset, keyword)]
    if telling:
        return f"{', '.join(telling)} filled in; expected empty attributes before training. De-identify the file."
    for keyword in ("BurnedInAnnotation", "RecognizableVisualFeatures"):
        if _text(dataset, keyword) == "YES":
            return f"{keyword} is YES; expected pixels that show nobody's identity. Leave the file out of training."
    return None


def declared_below(path: Path, root: Path) -> bool:
    """Whether a signed declaration lies in the file's folder, or in one between it and the folder that was given."""
    folder = path.parent
    while True:
        if _is_signed(folder / DECLARATION):
            return True
        if folder in (root, folder.parent) or not folder.is_relative_to(root):
            return False
        folder = folder.parent


def _is_signed(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as stream:
            lines = stream.read(10_000).splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return any(line.startswith("Signed:") and line.removeprefix("Signed:").strip() for line in lines)
