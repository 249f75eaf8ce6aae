"""The demonstration files: CT slices of two patients, and a lossy one that is refused, all from pydicom's own wheel."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from domains.medical.identity import DECLARATION, DECLARATION_TEXT
from sr_core.errors import InputError

# Lossless 128 x 128; lossless 512 x 512; a lossy one, which shows a refusal. Not `examples_overlay.dcm`, which seems to
# carry a real person's identifiers.
FILES = ("CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm")


def demo(folder: Path) -> list[Path]:
    """Copy the demonstration files, with a declaration that they are de-identified, and give the folder.

    Raises
    ------
    InputError
        If the installed pydicom does not carry them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    carried = resources.files("pydicom") / "data" / "test_files"
    for name in FILES:
        with resources.as_file(carried / name) as path:
            if not path.is_file():
                raise InputError(f"the installed pydicom has no {name}", "pydicom 3.0", "Install the pinned versions: make setup.")
            shutil.copyfile(path, folder / name)
    text = DECLARATION_TEXT.format(
        basis="published test files of the pydicom package, in use there for years.", signed="the demonstration of this package"
    )
    (folder / DECLARATION).write_text(text, encoding="utf-8")
    return [folder]
