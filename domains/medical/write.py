"""Derived DICOM out: a file for a slice, a folder for a series, maps and verdict beside.

For a target `out.dcm` the other files are `out.interval.dcm`, `out.residual.dcm` and `out.verdict.json`; for a folder
`0001.dcm` ... (in order of position), `interval.dcm`, `residual.dcm` and `verdict.json` lie in it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from domains.common.delivery import Delivery
from domains.medical.delivery import FolderDelivery
from domains.medical.derive import Stamp, derive, without_pixels
from domains.medical.guard import load, strict_writing
from domains.medical.header import header_of, padded
from domains.medical.parametric import parametric_map
from domains.medical.read import DicomScene
from sr_core.domain import OutputPlan
from sr_core.errors import OutputError, ShapeError
from sr_core.raster import BoolArray, Float32Array, OutputFile, Raster, Window
from sr_core.records import Source
from sr_core.workspace import file_sha256

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from sr_core.trust.verdict import Verdict

ROLES = {"interval": "Half-width of the interval", "residual": "Measurement minus degraded output"}


class DicomWriter:
    """Writes the upscaled version of a slice or a series.

    Where `mask` is False, each slice gets the source's stored value repeated: its padding code where that slice was
    padded, its own measurement where only another slice of the series was.

    Raises
    ------
    OutputError
        If the target is the source, exists (and may not be replaced), or its folder cannot be written.
    """

    lossless = True

    def __init__(self, like: Source, plan: OutputPlan) -> None:
        self.like, self.plan, self.target = like, plan, plan.target
        self.scene = DicomScene(like)
        self.encoding, self.padding = self.scene.encoding, self.scene.padding
        bands, height, width = like.shape
        self.shape = (bands, height * plan.scale, width * plan.scale)
        needed = int(np.prod(self.shape)) * (np.dtype(self.encoding.dtype).itemsize * 2 + (8 if plan.interval else 0))
        make = FolderDelivery if like.members else Delivery
        self.delivery: Delivery | FolderDelivery = make(like.path, self.target, plan.overwrite, needed)
        self.stored = self._array("stored", self.shape, self.encoding.dtype)
        self.mask = self._array("mask", self.shape[1:], "bool")
        self.covered = self._array("covered", self.shape[1:], "bool")
        self.half_width = self._array("interval", self.shape, "float32", np.nan) if plan.interval else None
        self.residual = self._array("residual", like.shape, "float32", np.nan) if plan.residual else None
        self.maps: set[str] = set()

    def _array(self, name: str, shape: tuple[int, ...], dtype: str, fill: float = 0) -> npt.NDArray[Any]:
        """Keep a large array in a file, so that a long series does not fill the memory."""
        folder = self.delivery.folder / "arrays"
        folder.mkdir(exist_ok=True)
        array: npt.NDArray[Any] = np.memmap(folder / name, dtype=dtype, mode="w+", shape=shape)
        if fill:
            array[...] = fill
        return array

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None
    ) -> None:
        """Write one window of the SR grid; see `sr_core.raster.SceneWriter.write`."""
        scale = self.plan.scale
        shape = (self.shape[0], window.height, window.width)
        edges = (window.row, window.col, window.height, window.width)
        inside = window.row + window.height <= self.shape[1] and window.col + window.width <= self.shape[2]
        if mean.shape != shape or mask.shape != shape[1:] or any(e % scale for e in edges) or not inside:
            raise ShapeError(
                f"mean {mean.shape}, mask {mask.shape} at {window}", f"mean {shape}, inside {self.shape}, multiples of {scale}",
                "Write windows of whole LR pixels.",
            )  # fmt: skip
        if not np.isfinite(mean[:, mask]).all():
            raise OutputError("values that are not finite", "finite values wherever the mask is True", "Do not deliver this image.")
        small = Window(*(e // scale for e in edges))
        place = (slice(None), *window.slices())
        for index in range(self.shape[0]):
            source = self.scene.stored(index)[small.slices()].repeat(scale, 0).repeat(scale, 1)
            values = self._beside_padding(self.encoding.encode(np.where(mask, mean[index], 0)))
            self.stored[(index, *window.slices())] = np.where(mask, values, source)
        self.mask[window.slices()] = mask
        self.covered[window.slices()] = True
        if half_width is not None and self.half_width is not None:
            self.half_width[place] = np.where(mask, half_width, np.nan)
            self.maps.add("interval")
        if residual is not None and self.residual is not None:
            self.residual[(slice(None), *small.slices())] = np.where(mask[::scale, ::scale], residual, np.nan)
            self.maps.add("residual")

    def _beside_padding(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Move a computed value that happens to be a padding code to the nearest stored value that is not."""
        if self.padding is None:
            return values
        below, above = self.padding[0] - 1, self.padding[1] + 1
        wide = values.astype(np.int64)
        up = (above - wide <= wide - below) & (above <= self.encoding.high) | (below < self.encoding.low)
        return np.where(padded(wide, self.padding), np.where(up, above, below), wide).astype(values.dtype)

    def reread(self, window: Window) -> Raster:
        """Give back what was written at a window, through the file's own rounding."""
        pixels = self.encoding.decode(self.stored[(slice(None), *window.slices())])
        mask = np.array(self.mask[window.slices()])
        return Raster(pixels, mask, self.like.bands, self.like.unit, self.encoding.valid_range)

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Write the files and publish them, the image last; the verdict receives their sha256.

        Raises
        ------
        OutputError
            If a file cannot be written; then none is.
        """
        if not self.covered.all():
            raise ShapeError(f"{int(self.covered.sum())} of {self.covered.size} pixels written", "all of them", "Write every window.")
        try:
            with strict_writing():
                made = self._save(verdict)
        except OSError as error:
            raise OutputError(f"{self.target} ({error.strerror})", "a place with enough room", "Free some space.") from error
        except Exception as error:  # a value of the source that breaks its VR: its text must not reach a log
            raise OutputError(
                f"the derived image of {self.like.sha256[:12]} cannot be written ({type(error).__name__})",
                "a source whose attributes are valid", "Mend the source's attributes.",
            ) from None  # fmt: skip
        outputs = tuple(file_sha256(path) for path in made)
        complete = verdict.model_copy(update={"inputs": verdict.inputs or (self.like.sha256,), "outputs": outputs})
        self._place("verdict", "verdict.json").write_text(complete.to_json())
        return self.delivery.publish()

    def _place(self, role: str, name: str) -> Path:
        """Reserve the place of a file that stands beside a slice, or with the slices of a series."""
        if self.like.members:
            return self.delivery.place(role, self.target / name)
        return self.delivery.place(role, self.target.with_name(f"{self.target.stem}.{name}"))

    def _save(self, verdict: Verdict) -> list[Path]:
        from pydicom import dcmwrite

        stamp = self._stamp(verdict)
        made: list[Path] = []
        slices: list[Dataset] = []
        sources: list[Dataset] = []
        series_uid = ""
        for index, path in enumerate(self.scene.paths):
            source = load(path)
            header = header_of(source, path, "", 0, declared=True, group_key="")
            series_uid = series_uid or stamp.uid("series", header.series_uid)
            derived = derive(source, header, np.array(self.stored[index]), stamp, index + 1, series_uid)
            place = self._place("image", f"{index + 1:04d}.dcm") if self.like.members else self.delivery.place("image", self.target)
            dcmwrite(place, derived, enforce_file_format=True)
            made.append(place)
            slices.append(without_pixels(derived))
            sources.append(_on_grid_of(source, without_pixels(derived)))
        for role, values, images in (("interval", self.half_width, slices), ("residual", self.residual, sources)):
            place = self._place(role, f"{role}.dcm")
            if role in self.maps and values is not None:
                dataset = parametric_map(np.array(values), images, stamp, role, self.like.unit, ROLES[role])
                dcmwrite(place, dataset, enforce_file_format=True)
                made.append(place)
        return made

    def _stamp(self, verdict: Verdict) -> Stamp:
        plan = self.plan
        return Stamp(
            scale=plan.scale, model=plan.model, operator=plan.operator, claim=plan.claim, verdict=verdict.sentence, tags=plan.tags,
            moment=datetime.now(UTC), identity=(self.like.sha256,),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        del self.stored, self.mask, self.covered, self.half_width, self.residual
        self.delivery.discard()


def _on_grid_of(source: Dataset, derived: Dataset) -> Dataset:
    """Give the derived image's attributes (mended where the source lacked some) with the place and names of its source."""
    for keyword in ("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber"):
        if keyword in source:
            setattr(derived, keyword, source[keyword].value)
    return derived
