"""The writer: SR windows in, a Cloud Optimized GeoTIFF with its interval, residual and verdict out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from domains.common.delivery import Delivery
from domains.satellite.carry import carry_bands, carry_place, carry_radiometry, lasting_tags
from domains.satellite.cog import copy_as_cog, create_tiled
from domains.satellite.header import Header, gdal_settings, open_tiff, quiet, read_header
from domains.satellite.read import read_stored
from sr_core.domain import OutputPlan
from sr_core.errors import InputError, OutputError, ShapeError
from sr_core.raster import BoolArray, Encoding, Float32Array, OutputFile, Raster, Window
from sr_core.records import Source
from sr_core.workspace import file_sha256

if TYPE_CHECKING:
    from sr_core.trust.verdict import Verdict

NO_CLAIM = 65535
FINENESS = {1: 256, 2: 4}  # codes of half-width a quantisation step, by bytes of the stored type
IMAGE, INTERVAL, RESIDUAL, VERDICT = "image", "interval", "residual", "verdict"


def interval_encoding(encoding: Encoding) -> Encoding:
    """Give how half-widths are stored for an image stored by `encoding`.

    uint16 for 8- and 16-bit images, with 256 or 4 codes a step of the image (so up to 255 or 16383 steps; wider than that is
    written as no claim); float32 for others. Code 65535, or NaN, means no claim.
    """
    fineness = FINENESS.get(np.dtype(encoding.dtype).itemsize) if encoding.is_integer else None
    if fineness is None:
        return Encoding("float32", 1.0, 0.0, 0.0, float("inf"))
    return Encoding("uint16", encoding.step / fineness, 0.0, 0.0, NO_CLAIM - 1.0)


class CogWriter:
    """Writes an upscaled scene window by window and publishes it only when it is whole and valid.

    Beside `<name>.tif` come `<name>.interval.tif` (half-width), `<name>.residual.tif` (y - A z on the LR grid, where asked for) and
    `<name>.verdict.json`. Bounds, coordinate system, band names, scale, offset, unit, nodata, masks, colour roles and tags are the
    input's. An input alpha band comes out as 0 or the type's largest value.

    Parameters
    ----------
    like : the scene that was upscaled.
    plan : where and how; its tags are written as `SR_<NAME>`.

    Raises
    ------
    InputError
        If the input has changed or vanished.
    OutputError
        If the target cannot be written.
    """

    lossless = True

    def __init__(self, like: Source, plan: OutputPlan) -> None:
        self.like = like
        self.plan = plan
        self._source = open_tiff(like.path)
        self._open: dict[str, Any] = {}
        try:
            self.header = read_header(like.path, self._source)
            if self.header.shape != like.shape:
                raise InputError(f"{like.path.name} changed since it was ingested", f"shape {like.shape}", "Ingest it again.")
            self.shape = (like.shape[0], like.shape[1] * plan.scale, like.shape[2] * plan.scale)
            self.encoding = self.header.encoding
            self.interval_encoding = interval_encoding(self.encoding)
            self._delivery = Delivery(like.path, plan.target, plan.overwrite, self._needed_bytes())
        except BaseException:
            self._source.close()
            raise
        try:
            stem = plan.target.with_suffix("")
            self._final = {IMAGE: plan.target, INTERVAL: stem.with_name(stem.name + ".interval.tif")}
            self._final |= {RESIDUAL: stem.with_name(stem.name + ".residual.tif"), VERDICT: stem.with_name(stem.name + ".verdict.json")}
            for role, path in self._final.items():
                self._delivery.place(role, path)
            self._open[IMAGE] = self._create_image()
        except BaseException:
            self._abandon()
            raise

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None
    ) -> None:
        """Write one window of the SR grid (see `SceneWriter.write`).

        Raises
        ------
        ShapeError
            If arrays and window do not fit each other or the image.
        OutputError
            If a usable pixel is not finite, or the disk is full.
        """
        self._check(window, mean, mask)
        where = FileWindow(window.col, window.row, window.width, window.height)
        try:
            with gdal_settings():
                self._write_image(where, mean, mask)
                if half_width is not None and self.plan.interval:
                    self._write_interval(where, half_width, mask)
                if residual is not None and self.plan.residual:
                    self._write_residual(window, residual, mask)
        except RasterioError as error:
            raise OutputError(f"{self.plan.target} ({error})", "a place with enough room", "Free some space.") from error

    def reread(self, window: Window) -> Raster:
        """Give back, through the file's own rounding, what was written at a window of the SR grid."""
        return read_stored(self._open[IMAGE], self._written_header(), window, self.plan.target.name).raster()

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Attach the verdict, copy everything as valid COGs and publish it; the verdict receives the sha256 of the files.

        Raises
        ------
        OutputError
            If a file cannot be written or is not valid; then none stands at its final place.
        """
        tags = {**self._tags(), "SR_VERDICT": f"{verdict.status}: {verdict.sentence}"}
        outputs: list[str] = []
        try:
            for role in tuple(self._open):
                dataset = self._open.pop(role)
                working = Path(dataset.name)
                with gdal_settings(), quiet():
                    dataset.update_tags(**tags)
                    dataset.close()
                place = self._delivery.place(role, self._final[role])
                copy_as_cog(working, place)
                working.unlink()
                outputs.append(file_sha256(place))
            complete = verdict.model_copy(update={"inputs": verdict.inputs or (self.like.sha256,), "outputs": tuple(outputs)})
            self._delivery.place(VERDICT, self._final[VERDICT]).write_text(complete.to_json())
            return self._delivery.publish()
        except RasterioError as error:
            raise OutputError(f"{self.plan.target} ({error})", "a place with enough room", "Free some space.") from error
        finally:
            self._abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._abandon()

    def _abandon(self) -> None:
        """Close everything and remove the working folder. May be called twice."""
        with quiet():
            for dataset in self._open.values():
                dataset.close()
            self._open.clear()
            self._source.close()
        self._delivery.discard()

    def _needed_bytes(self) -> int:
        """Disk space for the uncompressed working files and as much again for the copies."""
        itemsize = np.dtype(self.encoding.dtype).itemsize
        half_width = np.dtype(self.interval_encoding.dtype).itemsize if self.plan.interval else 0
        values = int(np.prod(self.shape))
        return 2 * values * (itemsize + half_width) + (values * 8 // self.plan.scale**2 if self.plan.residual else 0) + (4 << 20)

    def _working(self, role: str) -> Path:
        return self._delivery.folder / f"{role}.working.tif"

    def _create_image(self) -> Any:
        header, source = self.header, self._source
        channels, height, width = self.shape
        target = create_tiled(
            self._working(IMAGE), height=height, width=width, count=channels + (header.alpha is not None),
            dtype=self.encoding.dtype, nodata=header.nodata,
        )  # fmt: skip
        with gdal_settings(), quiet():
            carry_place(source, target, header, self.plan.scale)
            carry_bands(source, target, header)
            carry_radiometry(source, target, header)
            target.update_tags(**lasting_tags(source.tags()))
        return target

    def _create_companion(self, role: str, encoding: Encoding, scale: int, meaning: str) -> Any:
        channels, height, width = self.like.shape
        nodata = float(NO_CLAIM) if encoding.is_integer else float("nan")
        target = create_tiled(
            self._working(role), height=height * scale, width=width * scale, count=channels, dtype=encoding.dtype, nodata=nodata
        )
        with gdal_settings(), quiet():
            carry_place(self._source, target, self.header, scale)
            for number, band in enumerate(self.header.bands, 1):
                target.set_band_description(number, band)
                target.set_band_unit(number, self.header.unit)
            target.scales = (encoding.scale,) * channels
            target.update_tags(SR_QUANTITY=meaning)
        self._open[role] = target
        return target

    def _check(self, window: Window, mean: Float32Array, mask: BoolArray) -> None:
        channels, height, width = self.shape
        fits = mean.shape == (channels, window.height, window.width) and mask.shape == mean.shape[1:]
        if not fits or window.row + window.height > height or window.col + window.width > width:
            given = f"pixels {mean.shape}, mask {mask.shape} for {window}"
            raise ShapeError(given, f"a window inside {self.shape}", "Write windows of the SR grid.")
        if not np.isfinite(mean[:, mask]).all():
            raise OutputError(f"values that are not finite at {window}", "a finite value at every valid pixel", "Use another model.")
        marked = self.header.nodata is not None or self.header.alpha is not None or self.header.dataset_mask
        if not marked and self.encoding.is_integer and not mask.all():
            raise OutputError(f"invalid pixels at {window}, and a file without nodata", "only valid pixels", "Declare nodata in the input.")

    def _write_image(self, where: FileWindow, mean: Float32Array, mask: BoolArray) -> None:
        dataset, header = self._open[IMAGE], self.header
        stored = self._off_nodata(self.encoding.encode(np.where(mask, mean, 0.0)))
        filler = header.nodata if header.nodata is not None else (0 if self.encoding.is_integer else np.nan)
        stored = np.where(mask, stored, np.asarray(filler).astype(self.encoding.dtype))
        channels = self.shape[0]
        dataset.write(stored, indexes=list(range(1, channels + 1)), window=where)
        if header.alpha is not None:
            kind = np.dtype(self.encoding.dtype)
            opaque = np.iinfo(kind).max if self.encoding.is_integer else 1
            dataset.write((mask * opaque).astype(kind), channels + 1, window=where)
        if header.dataset_mask:
            dataset.write_mask(mask, window=where)

    def _off_nodata(self, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Move values that happen to equal the nodata code by one step, so that no measurement is lost."""
        nodata, encoding = self.header.nodata, self.encoding
        if nodata is None or not np.isfinite(nodata) or not np.any(clash := stored == nodata):
            return stored
        if encoding.is_integer:
            beside = nodata + 1 if nodata + 1 <= encoding.high else nodata - 1
        else:
            beside = float(np.nextafter(np.asarray(nodata, encoding.dtype), np.asarray(np.inf, encoding.dtype)))
        return np.where(clash, np.asarray(beside).astype(encoding.dtype), stored)

    def _write_interval(self, where: FileWindow, half_width: Float32Array, mask: BoolArray) -> None:
        encoding = self.interval_encoding
        claimed = np.isfinite(half_width) & mask
        if INTERVAL not in self._open and not claimed.any():
            return  # no file where nothing is claimed; what is left unwritten in one reads as no claim
        meaning = f"half-width of the interval, {self.header.unit}; {NO_CLAIM if encoding.is_integer else 'NaN'}: no claim"
        dataset = self._open.get(INTERVAL) or self._create_companion(INTERVAL, encoding, self.plan.scale, meaning)
        if not encoding.is_integer:
            dataset.write(np.where(claimed, half_width, np.nan).astype(np.float32), window=where)
            return
        # Rounded up, so that storing never narrows an interval; the slack lets exact multiples stay.
        codes = np.ceil(np.where(claimed, half_width, 0.0).astype(np.float64) / encoding.scale - 1e-3)
        dataset.write(np.where(claimed & (codes < NO_CLAIM), codes, NO_CLAIM).astype(np.uint16), window=where)

    def _write_residual(self, window: Window, residual: Float32Array, mask: BoolArray) -> None:
        scale = self.plan.scale
        meaning = f"measurement minus degraded output, {self.header.unit}, on the input's grid"
        dataset = self._open.get(RESIDUAL) or self._create_companion(RESIDUAL, Encoding.of("float32"), 1, meaning)
        where = FileWindow(window.col // scale, window.row // scale, window.width // scale, window.height // scale)
        dataset.write(np.where(mask[::scale, ::scale], residual, np.nan).astype(np.float32), window=where)

    def _tags(self) -> dict[str, str]:
        plan = self.plan
        named = {"SR_MODEL": plan.model, "SR_OPERATOR": plan.operator, "SR_CLAIM": plan.claim, "SR_SCALE": str(plan.scale)}
        given = {"SR_" + key.upper().replace("-", "_").removeprefix("SR_"): value for key, value in plan.tags.items() if value}
        return {"SR_CALIBRATION": "none", **named, **given}

    def _written_header(self) -> Header:
        channels = self.shape[0]
        header = self.header
        return Header(
            height=self.shape[1], width=self.shape[2], indexes=tuple(range(1, channels + 1)), alpha=channels + 1 if header.alpha else None,
            bands=header.bands, encoding=header.encoding, unit=header.unit, nodata=header.nodata, dataset_mask=header.dataset_mask,
            transform=header.transform, crs=header.crs, geometry=header.geometry, block=header.block,
        )  # fmt: skip
