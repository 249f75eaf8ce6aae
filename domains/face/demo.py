"""The demonstration picture: the astronaut (NASA, public domain) that scikit-image's own wheel carries."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from sr_core.errors import InputError

FILE = "astronaut.png"


def demo(folder: Path) -> list[Path]:
    """Copy the picture into `folder` and give the folder; nothing is downloaded.

    Raises
    ------
    InputError
        If the installed scikit-image does not carry it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with resources.as_file(resources.files("skimage") / "data" / FILE) as path:
        if not path.is_file():
            raise InputError(f"the installed scikit-image has no {FILE}", "scikit-image 0.26", "Install the pinned versions: make setup.")
        shutil.copyfile(path, folder / FILE)
    return [folder]
