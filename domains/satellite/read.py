"""Scenes read window by window, and the search for them in files and folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from rasterio.windows import Window as FileWindow

from domains.common.files import candidates
from domains.satellite.guard import Allowance, pass_windows, printable, refusing
from domains.satellite.header import Header, gdal_settings, quiet, read_header
from domains.satellite.opening import SUFFIXES, TIFF, is_placed
from domains.satellite.places import name_places
from domains.satellite.products import METADATA_SUFFIXES, Job, image_files, image_parts, is_product, jobs, open_image, open_source
from domains.satellite.stack import ACQUIRED
from sr_core.errors import InputError, ShapeError, SRError
from sr_core.log import Log
from sr_core.raster import BoolArray, Encoding, Raster, StoredRaster, Transform, Window
from sr_core.records import Group, Refusal, Source
from sr_core.workspace import file_sha256

NOT_READ = (".img", ".ntf")  # imagery of formats that nobody has asked for
THREADS = min(4, os.cpu_count() or 1)  # files that are looked at at the same time
DATES = (ACQUIRED, "ACQUISITIONDATETIME", "DATE_ACQUIRED", "SENSING_TIME", "TIME_COVERAGE_START")
SMALLEST_SIDE = 66  # HR px: one training patch of 33 LR px at the smallest scale
PLACE = "place"


class GeoScene:
    """A scene of any format behind the `Scene` protocol, with a file handle of its own: one scene a thread.

    Raises
    ------
    InputError
        If the file cannot be used, or has another shape than the source says.
    """

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._dataset = open_source(source)
        try:
            self.header = read_header(source.path, self._dataset, source.size)
            if self.header.shape != source.shape:
                raise InputError(f"{source.path.name} changed since it was ingested", f"shape {source.shape}", "Ingest it again.")
        except BaseException:
            self._dataset.close()
            raise
        self.shape: tuple[int, int, int] = self.header.shape
        self.bands: tuple[str, ...] = self.header.bands
        self.unit: str = self.header.unit
        self.encoding: Encoding = self.header.encoding

    @property
    def transform(self) -> Transform | None:
        """Where the grid lies (see `Placed`)."""
        return self.header.transform

    def read(self, window: Window) -> Raster:
        """Read a window that lies inside the scene: values decoded to the physical unit, and what is usable of them.

        A pixel is usable if no band holds the nodata code or a value that is not finite, and mask and alpha allow it.

        Raises
        ------
        ShapeError
            If the window leaves the scene.
        InputError
            If the file cannot be decoded there.
        """
        return self.read_stored(window).raster()

    def read_stored(self, window: Window) -> StoredRaster:
        """Read a window as `read` does, in stored values."""
        _, height, width = self.shape
        if window.row + window.height > height or window.col + window.width > width:
            raise ShapeError(f"window {window}", f"a window inside {width} x {height} px", "Ask for less.")
        return read_stored(self._dataset, self.header, window, self._path.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._dataset.close()


def read_stored(dataset: Any, header: Header, window: Window, name: str) -> StoredRaster:
    """Read a window of an open data set; `name` names the file in errors."""
    where = FileWindow(window.col, window.row, window.width, window.height)
    with refusing(f"{name} cannot be decoded at {window}"), gdal_settings():
        stored = dataset.read(list(header.indexes), window=where)
        mask = np.ones(stored.shape[1:], bool)
        if header.dataset_mask:
            mask &= dataset.read_masks(header.indexes[0], window=where) > 0
        if header.alpha is not None:
            mask &= dataset.read(header.alpha, window=where) > 0
    if stored.shape[1:] != (window.height, window.width):
        raise InputError(f"{name} gave {stored.shape} at {window}", "as many pixels as asked for", "Get the file again.")
    mask &= measured(stored, header)
    return StoredRaster(stored, mask, header.bands, header.unit, header.encoding)


def measured(stored: np.ndarray[Any, Any], header: Header) -> BoolArray:
    """Say where stored values (C, H, W) are measurements in every band: not nodata and finite. Shape (H, W)."""
    usable: BoolArray = np.ones(stored.shape[1:], bool)
    code = header.nodata if header.nodata is not None and np.isfinite(header.nodata) else None
    if code is not None and header.encoding.is_integer and code.is_integer():
        code = int(code)  # compared in the stored type, not in float64
    for band in stored:
        if not header.encoding.is_integer:
            usable &= np.isfinite(band)
        if code is not None:
            usable &= band != code
    return usable


def is_scene(path: Path) -> bool:
    """Say whether a path shows by itself that it is a scene: a product, a placed TIFF, or of a format that only such imagery has."""
    by_name = path.suffix.lower() in (*SUFFIXES, *NOT_READ) and path.suffix.lower() not in TIFF.suffixes
    return (by_name and path.is_file()) or is_product(path) or is_placed(path)


def discover(
    paths: Sequence[Path], log: Log, smallest_side: int = SMALLEST_SIDE, copies: bool = False
) -> tuple[list[Source], list[Refusal]]:
    """Find the scenes among files and below folders; every other file becomes a refusal with its reason.

    Every pixel is read once, so that a truncated file is found here and not hours later; several files at the same time.

    Parameters
    ----------
    paths : files (whatever their names) and folders (searched for the endings of the formats that are read, and for products).
    smallest_side : smallest height and width that can be used, px.
    copies : take a scene that is there more than once each time.

    Raises
    ------
    InputError
        If a given path does not exist.
    """
    found: list[tuple[Source, Header]] = []
    refusals: list[Refusal] = []
    seen: dict[str, Path] = {}
    todo = jobs(candidates(paths, (*SUFFIXES, *NOT_READ, *METADATA_SUFFIXES)))
    # The outer `quiet` is what threads find and put back: theirs do not nest by themselves.
    with quiet(), ThreadPoolExecutor(THREADS) as pool:
        for done, (images, refused) in enumerate(pool.map(lambda job: _look_at(job, smallest_side), todo), 1):
            refusals += refused
            for source, header in images:
                if source.sha256 in seen and not copies:
                    given = f"{source.path.name} has the same content as {seen[source.sha256].name}"
                    refusals.append(_refusal(source.path, InputError(given, "every scene once", "Remove one of them.")))
                    continue
                seen[source.sha256] = source.path
                found.append((source, header))
            log.progress("read scenes", done, len(todo))
    files = [source.members or (source.path,) for source, _ in found]
    places = name_places([header for _, header in found], [source.sha256 for source, _ in found], files)
    sources = [s.model_copy(update={"group": Group(kind=PLACE, id=p)}) for (s, _), p in zip(found, places, strict=True)]
    return sources, refusals


def _look_at(job: Job, smallest_side: int) -> tuple[list[tuple[Source, Header]], list[Refusal]]:
    """Describe the images of a job, each one on its own: one that cannot be used does not stop the others."""
    images: list[tuple[Source, Header]] = []
    refusals: list[Refusal] = []
    shown = job.candidate.shown if job.path == job.candidate.path else job.path
    try:
        job.candidate.check()
        if job.fault is not None:
            raise job.fault
        if job.path.suffix.lower() in NOT_READ:
            remedy = f"Convert it: rio convert {job.path.name} {job.path.stem}.tif"
            raise InputError(f"{job.path.name} is a {job.path.suffix.lower()} file", "a format that is read", remedy)
        parts = image_parts(job.path)
    except (SRError, OSError) as error:
        return [], [_refusal(shown, error)]
    for part in parts:
        try:
            images.append(examine(job.path, smallest_side, part))
        except (SRError, OSError) as error:
            refusals.append(_refusal(shown, error))
    return images, refusals


def _refusal(path: Path, error: Exception) -> Refusal:
    if not isinstance(error, SRError):
        error = InputError(f"{path.name} cannot be read ({printable(str(error))})", "a whole, undamaged file", "Get the file again.")
    return Refusal(path=path, error=type(error).__name__, sentence=str(error))


def examine(path: Path, smallest_side: int = SMALLEST_SIDE, part: str = "") -> tuple[Source, Header]:
    """Read one image wholly, window by window, and describe it. Its group is its own content until places are known.

    Parameters
    ----------
    part : which image of a product or file that holds several.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    name = f"{path.name}, {part}" if part else path.name
    files = image_files(path, part)
    size = sum(file.stat().st_size for file in files)
    dataset = open_image(path, part)
    try:
        header = read_header(path, dataset, size)
        if min(header.height, header.width) < smallest_side:
            least = f"at least {smallest_side} x {smallest_side}, one training patch"
            raise InputError(f"{name} has {header.width} x {header.height} pixels", least, "Give a larger scene.")
        share = _usable_share(dataset, header, Allowance(name, size))
        tags = {key.upper(): text for key, text in dataset.tags().items()}
        acquired = next((tags[name] for name in DATES if tags.get(name)), None)
    finally:
        with quiet():
            dataset.close()
    if share == 0:
        raise InputError(f"{name} has no valid pixel", "a scene with measured values", "Leave it out.")
    digest = _digest(files, part)
    source = Source(
        path=path.resolve(), sha256=digest, size=size, group=Group(kind=PLACE, id=digest[:12]), shape=header.shape, bands=header.bands,
        dtype=header.encoding.dtype, unit=header.unit, members=tuple(f.resolve() for f in files) if len(files) > 1 else (),
        acquired=acquired, geometry=header.geometry, part=part,
    )  # fmt: skip
    return source, header


def _digest(files: Sequence[Path], part: str) -> str:
    """Give the hash of an image: of its file, or of the names and hashes of its files, led by the name of the part."""
    if len(files) == 1 and not part:
        return file_sha256(files[0])
    lines = [part, *(f"{file.name} {file_sha256(file)}" for file in files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _usable_share(dataset: Any, header: Header, allowance: Allowance) -> float:
    """Read all pixels in windows of whole blocks and give the share that is usable, 0..1."""
    usable = 0
    pixel_bytes = len(header.indexes) * np.dtype(header.encoding.dtype).itemsize
    for window in pass_windows(header.height, header.width, header.block, pixel_bytes):
        usable += int(np.count_nonzero(read_stored(dataset, header, window, allowance.name).mask))
        allowance.check()
    return usable / (header.height * header.width)
