"""Benchmark folders as they lie on people's disks: HR pictures alone, or HR and LR pairs by the usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import InputError
from sr_core.records import Refusal
from sr_core.stages.benchmark import PicturePaths, PictureSet

if TYPE_CHECKING:
    from sr_core.log import Log

HR_FOLDERS = ("hr", "gt", "gtmod12", "original", "groundtruth", "high")
OF_SCALE = "image_srf_{scale}"  # HR and LR together
LR_FOLDERS = (
    "lr_bicubic/x{scale}", "lr/x{scale}", "lrbicx{scale}", "lr_x{scale}", "lr_bicubic_x{scale}", "x{scale}", "lr_bicubic", "lr",
)  # fmt: skip
_HR_MARK = re.compile(r"(_SRF_\d)?[-_]?(HR|GT)$", re.IGNORECASE)
_LR_MARK = re.compile(r"(?:(?:_SRF_(\d))?[-_]?LR(?:BI)?(?:[-_]?x(\d))?|[-_]?x([2-9]))$", re.IGNORECASE)


def find_sets(paths: Sequence[Path], scales: Iterable[int], log: Log) -> list[PictureSet]:
    """Find benchmark sets: a set for each given folder (or each set in it) and scale.

    A set is a folder with pictures; or with a folder HR, GT, GTmod12 or original; or with image_SRF_2, image_SRF_3, ... that hold
    `..._HR` and `..._LR`. LR pictures are looked for in the usual places (LR_bicubic/X2, LR/X2, LRbicx2, X2, LR) and by the usual names
    (baby, babyx2, baby_LR, ...).

    Raises
    ------
    InputError
        If a folder does not exist, is no folder, or holds no pictures.
    """
    found: list[PictureSet] = []
    wanted = tuple(scales)
    for path in paths:
        if not path.is_dir():
            given = f"{path} is a file" if path.exists() else f"{path} does not exist"
            raise InputError(
                given, "a folder with pictures, such as Set5", "Give the folder of the set; scales go behind --scale, as 2,3,4."
            )
        inner = [path] if _is_set(path, wanted) else [child for child in _folders(path) if _is_set(child, wanted)]
        if not inner:
            raise InputError(
                f"{path} without pictures", "HR pictures in it, or in a folder HR, GT or original", "Give the folder of the set."
            )
        found += [place for child in inner for scale in wanted if (place := _set(child, scale)).pictures]
    if not found:
        raise InputError(f"{paths[0]} without pictures of these scales", "image_SRF_2 and the like for each", "Give another --scale.")
    for place in found:
        for refusal in place.refusals:
            log.say(f"{place.name} x{place.scale}: left out: {refusal.says()}")
    return found


def read_uint8(path: Path) -> npt.NDArray[np.uint8]:
    """Read a picture as the papers' protocol takes it: uint8 (C, H, W), grey or RGB.

    Raises
    ------
    InputError
        If it cannot be read, has 16 bits, or transparent pixels.
    """
    from domains.common.picture_files import read_picture

    picture = read_picture(path)
    if picture.pixels.dtype != np.uint8:
        raise InputError(f"{path.name} has 16 bits", "8, as the protocol has it", "Leave it out, or save it with 8 bits.")
    if picture.alpha is not None and not (picture.alpha == 255).all():
        raise InputError(
            f"{path.name} has transparent pixels", "none: their values mean nothing", "Leave it out, or save it without alpha."
        )
    return picture.pixels.astype(np.uint8)


def pictures_below(paths: Sequence[Path]) -> list[Path]:
    """List picture files among and below the given ones.

    Raises
    ------
    InputError
        If a path does not exist, or there is none.
    """
    from domains.common.files import candidates
    from domains.common.picture_files import READ_SUFFIXES

    found = [candidate.path for candidate in candidates(paths, READ_SUFFIXES)]
    if not found:
        raise InputError(f"{paths[0] if paths else 'no path'} without pictures", "pictures to fit on", "Give another folder.")
    return found


def _is_set(folder: Path, scales: Sequence[int]) -> bool:
    return bool(_files(folder)) or any(_hr_folder(folder, scale) is not None for scale in scales)


def _hr_folder(folder: Path, scale: int) -> Path | None:
    names = (OF_SCALE.format(scale=scale), *HR_FOLDERS)
    inside = {child.name.lower(): child for child in _folders(folder)}
    return next((inside[name] for name in names if name in inside), folder if _files(folder) else None)


def _set(folder: Path, scale: int) -> PictureSet:
    place = _hr_folder(folder, scale)
    high, low = ({}, {}) if place is None else _told_apart(_files(place), scale)
    low = _lr_beside(folder, scale) or low
    pictures = [PicturePaths(file.stem[: len(name)], file, low.get(name)) for name, file in high.items()]
    alone = [picture for picture in pictures if low and picture.lr is None]
    refusals = [
        Refusal(
            path=picture.hr,
            error="InputError",
            sentence=f"{picture.hr.name} without an LR picture; expected one as the others have. Add it.",
        )
        for picture in alone
    ]
    return PictureSet(folder.resolve().name, scale, tuple(picture for picture in pictures if picture not in alone), tuple(refusals))


def _told_apart(files: Sequence[Path], scale: int) -> tuple[dict[str, Path], dict[str, Path]]:
    """Give HR and LR files of one folder by the picture's name in lower case; LR files of other scales, and other files, are in neither."""
    marked = {_HR_MARK.sub("", file.stem).lower(): file for file in files if _HR_MARK.search(file.stem)}
    known = marked or {file.stem.lower(): file for file in files}
    low = {file: name for file in files if (name := _lr_mark(file.stem)[0]) in known and name != file.stem.lower()}
    high = {name: file for name, file in known.items() if file not in low}
    return high, {name: file for file, name in low.items() if _lr_mark(file.stem)[1] in (None, scale)}


def _lr_beside(folder: Path, scale: int) -> dict[str, Path]:
    """Give the LR files of a folder of their own, by the picture's name in lower case; none where there is no such folder."""
    for name in LR_FOLDERS:
        place = folder
        for part in name.format(scale=scale).split("/"):
            place = next((child for child in _folders(place) if child.name.lower() == part), place / part)
        files = [(*_lr_mark(file.stem), file) for file in _files(place)]
        found = {file.stem.lower(): file for _, of, file in files if of in (None, scale)}
        found |= {base: file for base, of, file in files if of in (None, scale)}
        if found:
            return found
    return {}


def _lr_mark(stem: str) -> tuple[str, int | None]:
    """Take the mark of an LR file from its name: the picture's name in lower case, and the scale if the mark says it."""
    mark = _LR_MARK.search(stem)
    if mark is None:
        return stem.lower(), None
    scale = next((digit for digit in mark.groups() if digit), None)
    return stem[: mark.start()].lower(), None if scale is None else int(scale)


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")) if folder.is_dir() else []


def _files(folder: Path) -> list[Path]:
    from domains.common.picture_files import READ_SUFFIXES

    if not folder.is_dir():
        return []
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in READ_SUFFIXES and file.is_file() and not file.name.startswith(".")
    )
