"""Derived DICOM out: a file for a slice, a folder for a series, maps and verdict beside.

For a target `out.dcm` the other files are `out.interval.dcm`, `out.residual.dcm` and `out.verdict.json`; for a folder
`0001.dcm` ... (in order of position), `interval.dcm`, `residual.dcm` and `verdict.json` lie in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from domains.medical.delivery import FolderDelivery
from domains.medical.derive import Stamp, derive, without_pixels
from domains.medical.guard import load, strict_writing
from domains.medical.header import header_of, padded
from domains.medical.parametric import parametric_map
from domains.medical.read import DicomScene
from sr_core.canvas import HALF_WIDTH, RESIDUAL, STORED, Canvas, Layout, by_rows, encoded_rows, row_blocks
from sr_core.delivery import Delivery
from sr_core.domain import OutputPlan
from sr_core.errors import DeliveryError, OutputError
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
        layout = Layout(
            like.shape, plan.scale, self.encoding.dtype, half_width="float32" if plan.interval else None, residual=plan.residual
        )
        make = FolderDelivery if like.members else Delivery
        self.delivery: Delivery = make(like.path, self.target, plan.overwrite, 2 * layout.nbytes, plan.key)
        try:
            self.canvas = Canvas(self.delivery.folder / "rows", layout)
        except BaseException as error:
            self.delivery.leave(error)
            raise

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None,
        note: str = "",
    ) -> None:  # fmt: skip
        """Encode the next rows and bring them to the disk; see `sr_core.raster.SceneWriter.write`."""
        self.canvas.check(window, mean, mask)
        scale = self.plan.scale
        small = Window(*(edge // scale for edge in (window.row, window.col, window.height, window.width)))
        rows: dict[str, npt.NDArray[Any]] = {}
        rows[STORED], clipped = encoded_rows(self.encoding, mean, mask, 0)
        for index in range(len(mean)):
            values = self._beside_padding(rows[STORED][:, index])
            source = values if mask.all() else self.scene.stored(index)[small.slices()].repeat(scale, 0).repeat(scale, 1)
            rows[STORED][:, index] = np.where(mask, values, source)
        if self.plan.interval:
            rows[HALF_WIDTH] = _known(half_width, mask, mean.shape)
        if self.plan.residual:
            rows[RESIDUAL] = _known(residual, mask[::scale, ::scale], (len(mean), small.height, small.width))
        self.canvas.append(rows, mask, clipped=clipped, claimed=half_width is not None, note=note)

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
        pixels = self.encoding.decode(self.canvas.read(STORED)[(slice(None), *window.slices())])
        return Raster(pixels, self.canvas.mask(window), self.like.bands, self.like.unit, self.encoding.valid_range)

    def reread_half_width(self, window: Window) -> Float32Array | None:
        """Give back the half-widths at a window, as stored (see `SceneWriter.reread_half_width`)."""
        return self.canvas.half_width(window)

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Write the files and publish them, the image last; the verdict receives their sha256.

        Raises
        ------
        OutputError
            If a file cannot be written; then none is.
        """
        self.canvas.require_whole()
        try:
            with strict_writing():
                made = self._save(verdict)
            outputs = tuple(file_sha256(path) for path in made)
            complete = verdict.model_copy(update={"inputs": verdict.inputs or (self.like.sha256,), "outputs": outputs})
            self._place("verdict", "verdict.json").write_text(complete.to_json())
        except OSError as error:
            remedy = "Free some space; the same command then goes on."
            raise DeliveryError(f"{self.target} cannot be written ({error.strerror})", "a place with enough room", remedy) from error
        except Exception as error:  # a value of the source that breaks its VR: its text must not reach a log
            raise OutputError(
                f"the derived image of {self.like.sha256[:12]} cannot be written ({type(error).__name__})",
                "a source whose attributes are valid", "Mend the source's attributes.",
            ) from None  # fmt: skip
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
        series_uid, pixels = "", self._slices()
        for index, path in enumerate(self.scene.paths):
            source = load(path)
            header = header_of(source, path, "", 0, declared=True, group_key="")
            series_uid = series_uid or stamp.uid("series", header.series_uid)
            derived = derive(source, header, next(pixels), stamp, index + 1, series_uid)
            place = self._place("image", f"{index + 1:04d}.dcm") if self.like.members else self.delivery.place("image", self.target)
            dcmwrite(place, derived, enforce_file_format=True)
            made.append(place)
            slices.append(without_pixels(derived))
            sources.append(_on_grid_of(source, without_pixels(derived)))
        wanted = {"interval": self.plan.interval and self.canvas.claimed, "residual": self.plan.residual}
        for role, rows, images in (("interval", HALF_WIDTH, slices), ("residual", RESIDUAL, sources)):
            place = self._place(role, f"{role}.dcm")
            if wanted[role]:
                values = np.ascontiguousarray(self.canvas.read(rows))
                dataset = parametric_map(values, images, stamp, role, self.like.unit, ROLES[role])
                dcmwrite(place, dataset, enforce_file_format=True)
                made.append(place)
        return made

    def _slices(self) -> Iterator[npt.NDArray[Any]]:
        """Give the stored values of slice after slice; as many are read at once as fit, since a flat file holds them row by row."""
        stored = self.canvas.read(STORED)
        for some in row_blocks(len(stored), stored[0].nbytes):
            yield from np.ascontiguousarray(stored[some])

    def _stamp(self, verdict: Verdict) -> Stamp:
        plan = self.plan
        return Stamp(
            scale=plan.scale, model=plan.model, operator=plan.operator, claim=verdict.claim.text, verdict=verdict.sentence, tags=plan.tags,
            moment=datetime.now(UTC), identity=(self.like.sha256,),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.delivery.leave(error)


def _known(values: Float32Array | None, mask: BoolArray, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Give the rows of a flat file of some map: NaN where nothing is known."""
    if values is None:
        return by_rows(np.full(shape, np.nan, np.float32))
    return by_rows(np.where(mask, values, np.float32(np.nan)))


def _on_grid_of(source: Dataset, derived: Dataset) -> Dataset:
    """Give the derived image's attributes (mended where the source lacked some) with the place and names of its source."""
    for keyword in ("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber"):
        if keyword in source:
            setattr(derived, keyword, source[keyword].value)
    return derived
