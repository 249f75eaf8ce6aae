"""DICOM files in: discovery of slices and series, and windowed reading.

What is supported: single-frame CT and MR images with a place in space. MONOCHROME1 (bright = low) is kept as stored: a
network sees signal values, and only a viewer has to invert. Everything else is refused with a sentence.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from domains.medical.guard import load, stored_pixels
from domains.medical.header import SliceHeader, header_of, padded
from domains.medical.identity import DECLARATION, declared_below
from domains.medical.series import Series, group_slices, ordered
from sr_core.errors import InputError, ShapeError
from sr_core.log import Log
from sr_core.raster import Encoding, Raster, StoredRaster, Window
from sr_core.records import Group, Refusal, Source
from sr_core.workspace import file_sha256

SLICE_CACHE = 256 << 20  # bytes of decoded slices that an open series keeps
SKIPPED = (DECLARATION,)


def discover(paths: Sequence[Path], log: Log, *, training: bool, declared: bool, group_key: str) -> tuple[list[Source], list[Refusal]]:
    """Find slices and series below the given paths.

    Parameters
    ----------
    training : also apply what only learning asks for: de-identified, lossless, no copies, one modality (the most frequent by pixels).
    declared : the caller vouches that everything is de-identified.
    group_key : key of the patients' pseudonyms.

    Raises
    ------
    InputError
        If a path does not exist.
    """
    files = list(_files(paths))
    headers: dict[str, list[SliceHeader]] = {}
    refusals: list[Refusal] = []
    for done, (path, root) in enumerate(files):
        log.progress("reading DICOM files", done, len(files))
        try:
            header = read_header(path, declared or declared_below(path, root), group_key)
            headers.setdefault(header.sha256, []).append(header)
        except InputError as error:
            refusals.append(Refusal(path=path, error="InputError", sentence=_sentence_case(str(error))))
    log.progress("reading DICOM files", len(files), len(files))
    found: list[Series] = []
    for slices in [*group_slices(each[0] for each in headers.values()), *_copies(headers, training, log)]:
        try:
            series = ordered(slices)
        except InputError as error:
            refusals.append(Refusal(path=_place(slices), error="InputError", sentence=_sentence_case(str(error))))
            continue
        fault = next((s.training_fault for s in slices if s.training_fault), None) if training else None
        if fault:
            refusals.append(Refusal(path=_place(slices), error="InputError", sentence=f"Not for training: {fault}"))
        else:
            found.append(series)
    if training:
        found = _one_modality(found, refusals)
    return [_source(series) for series in found], refusals


def _copies(headers: Mapping[str, list[SliceHeader]], training: bool, log: Log) -> list[list[SliceHeader]]:
    """List what is there once more, unless it would be learned from: a whole slice or series at a place of its own.

    Single slices of a series that lie about twice are left out, as are all copies where `training`.
    """
    kept: list[list[SliceHeader]] = []
    first = {_digests(slices): {_place(slices)} for slices in group_slices(each[0] for each in headers.values())}
    for number in range(1, max(map(len, headers.values()), default=1)):
        for slices in group_slices(each[number] for each in headers.values() if len(each) > number):
            places = first.get(_digests(slices))
            if training or places is None or _place(slices) in places:
                for header in slices:
                    log.say(f"medical: left out a copy of {header.sha256[:12]}")
            else:
                places.add(_place(slices))
                kept.append(slices)
    return kept


def _digests(slices: Sequence[SliceHeader]) -> frozenset[str]:
    return frozenset(s.sha256 for s in slices)


def read_header(path: Path, declared: bool, group_key: str) -> SliceHeader:
    """Read and check a file, its pixels included.

    Raises
    ------
    InputError
        If it cannot be used; the text holds no attribute's value.
    """
    dataset = load(path)
    header = header_of(dataset, path, file_sha256(path), path.stat().st_size, declared=declared, group_key=group_key)
    stored = stored_pixels(dataset, header.shape, header.encoding.dtype)
    if padded(stored, header.padding).all():
        raise InputError("every pixel is padding", "measured pixels", "Leave the file out.")
    return header


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield (file, the given folder that it lies below), each file once; links out of a given folder are not followed."""
    seen: set[Path] = set()
    for given in paths:
        if not given.exists():
            raise InputError(f"{given} does not exist", "a DICOM file or a folder of them", "Check the path.")
        root = given.resolve()
        below = sorted(root.rglob("*")) if root.is_dir() else [root]
        for path in below:
            hidden = root.is_dir() and any(part.startswith(".") for part in path.relative_to(root).parts)
            if hidden or path.name in SKIPPED or not path.is_file():
                continue
            if path.resolve() in seen or not path.resolve().is_relative_to(root):
                continue
            seen.add(path.resolve())
            yield path, root if root.is_dir() else root.parent


def _place(slices: Sequence[SliceHeader]) -> Path:
    """Give the file, or the folder that all files lie below."""
    paths = [s.path for s in slices]
    return paths[0] if len(paths) == 1 else Path(os.path.commonpath([p.parent for p in paths]))


def _one_modality(found: Sequence[Series], refusals: list[Refusal]) -> list[Series]:
    pixels: Counter[tuple[str, str]] = Counter()
    for series in found:
        pixels[series.first.modality, series.first.unit] += series.pixels
    if len(pixels) < 2:
        return list(found)
    kept = max(pixels, key=lambda kind: (pixels[kind], kind))
    for series in found:
        kind = series.first.modality, series.first.unit
        if kind != kept:
            sentence = (
                f"{kind[0]} ({kind[1]}) beside {kept[0]} ({kept[1]}); expected one modality and unit to train on. "
                f"Give the {kind[0]} files in a run of their own."
            )
            refusals.append(Refusal(path=_place(series.slices), error="InputError", sentence=sentence))
    return [s for s in found if (s.first.modality, s.first.unit) == kept]


def _source(series: Series) -> Source:
    slices, first = series.slices, series.first
    single = len(slices) == 1
    digest = first.sha256 if single else hashlib.sha256("\n".join(s.sha256 for s in slices).encode()).hexdigest()
    apart = "" if series.gap_mm is None else f", {len(slices)} slices {series.gap_mm:.6g} mm apart"
    return Source(
        path=_place(slices),
        sha256=digest,
        size=sum(s.size for s in slices),
        group=Group(kind="patient", id=first.patient),
        shape=(len(slices), *first.shape),
        bands=tuple(f"slice {i}" for i in range(1, len(slices) + 1)),
        dtype=first.encoding.dtype,
        unit=first.unit,
        members=() if single else tuple(s.path for s in slices),
        geometry=f"{first.modality}, {first.spacing[0]:.6g} x {first.spacing[1]:.6g} mm{apart}",
    )


class DicomScene:
    """A slice or a series, read by window. One band a slice.

    A raster's mask is True where *every* slice has a measurement; `stored` gives the padding slice by slice, and the
    writer restores it so.
    """

    def __init__(self, source: Source) -> None:
        self.paths = source.members or (source.path,)
        self.shape = source.shape
        self.bands = source.bands
        self.unit = source.unit
        first = self._header(self.paths[0])
        self.encoding: Encoding = first.encoding
        self.padding = first.padding
        self._cache: dict[int, npt.NDArray[np.integer]] = {}
        slice_bytes = self.shape[1] * self.shape[2] * np.dtype(self.encoding.dtype).itemsize
        self._room = max(1, SLICE_CACHE // slice_bytes)

    def _header(self, path: Path) -> SliceHeader:
        header = header_of(load(path), path, "", 0, declared=True, group_key="")
        if header.shape != self.shape[1:]:
            raise InputError("a file changed since it was found", "the same image", "Run again from ingest.")
        return header

    def stored(self, index: int) -> npt.NDArray[np.integer]:
        """Give the stored values (H, W) of a slice, padding codes included.

        Raises
        ------
        InputError
            If the file does not decode any more.
        """
        if index not in self._cache:
            if len(self._cache) >= self._room:
                self._cache.pop(next(iter(self._cache)))
            self._cache[index] = stored_pixels(load(self.paths[index]), self.shape[1:], self.encoding.dtype)
        return self._cache[index]

    def read(self, window: Window) -> Raster:
        """Read a window of all slices."""
        return self.read_stored(window).raster()

    def read_stored(self, window: Window) -> StoredRaster:
        """Read a window as `read` does, in stored values."""
        if window.row + window.height > self.shape[1] or window.col + window.width > self.shape[2]:
            raise ShapeError(f"window {window}", f"a window inside {self.shape[1]} x {self.shape[2]} px", "Give a window inside the image.")
        pixels = np.empty((self.shape[0], window.height, window.width), self.encoding.dtype)
        mask = np.ones((window.height, window.width), bool)
        for index in range(self.shape[0]):
            stored = self.stored(index)[window.slices()]
            pixels[index] = stored
            mask &= ~padded(stored, self.padding)
        return StoredRaster(pixels, mask, self.bands, self.unit, self.encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._cache.clear()
