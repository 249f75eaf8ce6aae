"""Scenes read window by window, and the search for them in files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from rasterio.windows import Window as FileWindow

from domains.common.files import candidates
from domains.satellite.guard import Allowance, pass_windows, refusing
from domains.satellite.guard_vrt import check_vrt
from domains.satellite.header import Header, gdal_settings, is_placed, open_tiff, quiet, read_header
from domains.satellite.places import name_places
from sr_core.errors import InputError, ShapeError, SRError
from sr_core.log import Log
from sr_core.raster import BoolArray, Encoding, Raster, StoredRaster, Transform, Window
from sr_core.records import Group, Refusal, Source
from sr_core.workspace import file_sha256

READ = (".tif", ".tiff")
NOT_READ_YET = (".jp2", ".vrt", ".nc", ".h5", ".hdf", ".hdf5", ".img", ".ntf", ".safe")
SMALLEST_SIDE = 66  # HR px: one training patch of 33 LR px at the smallest scale
PLACE = "place"


class GeoTiffScene:
    """A GeoTIFF behind the `Scene` protocol, with a file handle of its own: one scene a thread.

    Raises
    ------
    InputError
        If the file cannot be used, or has another shape than the source says.
    """

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._dataset = open_tiff(source.path)
        try:
            self.header = read_header(source.path, self._dataset)
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
    """Say whether a file shows by itself that it is a scene: a placed TIFF, or of a format that only such imagery has."""
    return path.suffix.lower() in NOT_READ_YET or is_placed(path)


def discover(
    paths: Sequence[Path], log: Log, smallest_side: int = SMALLEST_SIDE, copies: bool = False
) -> tuple[list[Source], list[Refusal]]:
    """Find the GeoTIFFs among files and below folders; every other file becomes a refusal with its reason.

    Every pixel is read once, so that a truncated file is found here and not hours later.

    Parameters
    ----------
    paths : files (whatever their names) and folders (searched for .tif and .tiff).
    smallest_side : smallest height and width that can be used, px.
    copies : take a scene that is there more than once each time.

    Raises
    ------
    InputError
        If a given path does not exist.
    """
    found: list[Source] = []
    headers: list[Header] = []
    refusals: list[Refusal] = []
    seen: dict[str, Path] = {}
    candidate_files = candidates(paths, (*READ, *NOT_READ_YET))
    for done, candidate in enumerate(candidate_files, 1):
        path = candidate.path
        try:
            candidate.check()
            if path.suffix.lower() == ".vrt":
                check_vrt(path, candidate.root or path.parent)
            source, header = examine(path, smallest_side)
            if source.sha256 in seen and not copies:
                given = f"{path.name} has the same content as {seen[source.sha256].name}"
                raise InputError(given, "every scene once", "Remove one of them.")
            seen[source.sha256] = path
            found.append(source)
            headers.append(header)
        except (SRError, OSError) as error:
            refusals.append(Refusal(path=candidate.shown, error=type(error).__name__, sentence=str(error)))
        log.progress("read scenes", done, len(candidate_files))
    places = name_places(headers, [source.sha256 for source in found])
    return [s.model_copy(update={"group": Group(kind=PLACE, id=p)}) for s, p in zip(found, places, strict=True)], refusals


def examine(path: Path, smallest_side: int = SMALLEST_SIDE) -> tuple[Source, Header]:
    """Read one file wholly, window by window, and describe it. Its group is its own content until places are known.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    if path.suffix.lower() in NOT_READ_YET:
        remedy = f"Convert it: rio convert {path.name} {path.stem}.tif"
        raise InputError(f"{path.name} is a {path.suffix.lower()} file", "a GeoTIFF (.tif, .tiff)", remedy)
    dataset = open_tiff(path)
    try:
        header = read_header(path, dataset)
        if min(header.height, header.width) < smallest_side:
            least = f"at least {smallest_side} x {smallest_side}, one training patch"
            raise InputError(f"{path.name} has {header.width} x {header.height} pixels", least, "Give a larger scene.")
        share = _usable_share(dataset, header, Allowance(path.name, path.stat().st_size))
    finally:
        with quiet():
            dataset.close()
    if share == 0:
        raise InputError(f"{path.name} has no valid pixel", "a scene with measured values", "Leave it out.")
    digest = file_sha256(path)
    source = Source(
        path=path.resolve(), sha256=digest, size=path.stat().st_size, group=Group(kind=PLACE, id=digest[:12]), shape=header.shape,
        bands=header.bands, dtype=header.encoding.dtype, unit=header.unit, geometry=header.geometry,
    )  # fmt: skip
    return source, header


def _usable_share(dataset: Any, header: Header, allowance: Allowance) -> float:
    """Read all pixels in windows of whole blocks and give the share that is usable, 0..1."""
    usable = 0
    pixel_bytes = len(header.indexes) * np.dtype(header.encoding.dtype).itemsize
    for window in pass_windows(header.height, header.width, header.block, pixel_bytes):
        usable += int(np.count_nonzero(read_stored(dataset, header, window, allowance.name).mask))
        allowance.check()
    return usable / (header.height * header.width)
