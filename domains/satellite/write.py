"""The writer: SR rows in, a Cloud Optimized GeoTIFF with its interval, residual and verdict out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError

from domains.common.geometry import finer_transform
from domains.satellite.carry import carry_bands, carry_place, carry_radiometry, dataset_tags
from domains.satellite.cog import Flat, copy_as_cog, create_template, put_together
from domains.satellite.header import gdal_settings, quiet, read_header
from domains.satellite.interval import NO_CLAIM, half_width_rows, half_widths, interval_encoding
from domains.satellite.products import open_source
from domains.satellite.proof import require_as_stated
from domains.satellite.read import measured
from domains.satellite.stac import Piece, item_text
from sr_core.canvas import HALF_WIDTH, RESIDUAL, STORED, Canvas, Layout, by_rows, encoded_rows
from sr_core.delivery import Delivery
from sr_core.domain import OutputPlan
from sr_core.errors import DeliveryError, InputError, OutputError, SRError
from sr_core.raster import BoolArray, Encoding, Float32Array, OutputFile, Raster, Transform, Window
from sr_core.records import Source
from sr_core.workspace import file_sha256

if TYPE_CHECKING:
    from sr_core.trust.verdict import Verdict

IMAGE, INTERVAL, STAC, VERDICT = "image", "interval", "stac", "verdict"
MASK_ROWS = 512  # SR rows of a mask that are written at once


class CogWriter:
    """Writes an upscaled scene from top to bottom and publishes it only when it is whole and valid.

    Beside `<name>.tif` come `<name>.interval.tif` (half-width), `<name>.residual.tif` (y - A z on the LR grid, where asked for),
    `<name>.stac.json` (a STAC item of them all) and `<name>.verdict.json`. Bounds, coordinate system, band names, scale, offset, unit,
    nodata, masks, colour roles and tags are the input's. An input alpha band comes out as 0 or the type's largest value.

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
        self._source = open_source(like)
        try:
            self.header = read_header(like.path, self._source, like.size)
            if self.header.shape != like.shape:
                raise InputError(f"{like.path.name} changed since it was ingested", f"shape {like.shape}", "Ingest it again.")
            self.encoding = self.header.encoding
            self.interval_encoding = interval_encoding(self.encoding)
            layout = Layout(
                like.shape, plan.scale, self.encoding.dtype, extra=int(self.header.alpha is not None),
                half_width=self.interval_encoding.dtype if plan.interval else None, residual=plan.residual,
            )  # fmt: skip
            self._delivery = Delivery(like.path, plan.target, plan.overwrite, self._needed_bytes(layout), plan.key)
        except BaseException:
            self._source.close()
            raise
        try:
            stem = plan.target.with_suffix("")
            self._final = {IMAGE: plan.target, INTERVAL: stem.with_name(stem.name + ".interval.tif")}
            self._final |= {RESIDUAL: stem.with_name(stem.name + ".residual.tif")}
            self._final |= {role: stem.with_name(f"{stem.name}.{role}.json") for role in (STAC, VERDICT)}
            for role, path in self._final.items():
                self._delivery.place(role, path)
            self.canvas = Canvas(self._delivery.folder / "rows", layout)
        except BaseException as error:
            self._abandon(error)
            raise

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None,
        note: str = "",
    ) -> None:  # fmt: skip
        """Encode the next rows and bring them to the disk (see `SceneWriter.write`).

        Raises
        ------
        OutputError
            Also if a pixel is unusable and the file has no way to say so.
        """
        self.canvas.check(window, mean, mask)
        marked = self.header.nodata is not None or self.header.alpha is not None or self.header.dataset_mask
        if not marked and self.encoding.is_integer and not mask.all():
            raise OutputError(f"invalid pixels at {window}, and a file without nodata", "only valid pixels", "Declare nodata in the input.")
        rows: dict[str, npt.NDArray[Any]] = {}
        rows[STORED], clipped = self._stored_rows(mean, mask)
        if self.plan.interval:
            given = np.full(mean.shape, np.nan, np.float32) if half_width is None else half_width
            rows[HALF_WIDTH] = half_width_rows(self.interval_encoding, given, mask)
        if self.plan.residual:
            scale = self.plan.scale
            given = np.full(self._coarse(window), np.nan, np.float32) if residual is None else residual
            rows[RESIDUAL] = by_rows(np.where(mask[::scale, ::scale], given, np.float32(np.nan)))
        self.canvas.append(rows, mask, clipped=clipped, claimed=half_width is not None, note=note)

    @property
    def transform(self) -> Transform | None:
        """Where the written file's grid lies (see `Placed`)."""
        return None if self.header.transform is None else finer_transform(self.header.transform, self.plan.scale)

    def reread(self, window: Window) -> Raster:
        """Give back, through the file's own rounding, what was written at a window of the SR grid.

        What is usable is told by the stored values as a reader of the file would tell it; where the file has a mask or alpha, by them, too.
        """
        header, channels = self.header, self.like.shape[0]
        stored = np.ascontiguousarray(self.canvas.read(STORED)[(slice(None), *window.slices())])
        usable = measured(stored[:channels], header)
        if header.alpha is not None:
            usable &= stored[channels] > 0
        if header.dataset_mask:
            usable &= self.canvas.mask(window)
        return Raster(self.encoding.decode(stored[:channels]), usable, header.bands, header.unit, self.encoding.valid_range)

    def reread_half_width(self, window: Window) -> Float32Array | None:
        """Give back the half-widths at a window, as stored (see `SceneWriter.reread_half_width`)."""
        stored = self.canvas.half_width(window)
        return None if stored is None else half_widths(self.interval_encoding, stored)

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Make valid COGs from the canvas, with the verdict in them, and a STAC item of them, and publish all.

        The verdict that is written has the sha256 of the others.

        Raises
        ------
        OutputError
            If a file cannot be written or is not valid; then none stands at its final place.
        """
        from sr_core.trust.verdict import in_short

        self.canvas.require_whole()
        tags = {**self._tags(), "SR_CLAIM": verdict.claim.text, "SR_VERDICT": f"{verdict.status}: {verdict.sentence}"}
        if verdict.checks:
            tags["SR_CHECKS"] = "; ".join(in_short(check) for check in verdict.checks)
        pieces: list[Piece] = []
        try:
            for role, make in ((IMAGE, self._make_image), (INTERVAL, self._make_interval), (RESIDUAL, self._make_residual)):
                if place := make(tags, self._delivery.place(role, self._final[role])):
                    pieces.append(self._piece(role, place))
            with gdal_settings(), quiet():
                text = item_text(self._source, self.header, self.like, self.plan, tuple(pieces), verdict)
            item = self._delivery.place(STAC, self._final[STAC])
            item.write_bytes(text.encode())
            outputs = (*(piece.sha256 for piece in pieces), file_sha256(item))
            complete = verdict.model_copy(update={"inputs": verdict.inputs or (self.like.sha256,), "outputs": outputs})
            self._delivery.place(VERDICT, self._final[VERDICT]).write_text(complete.to_json())
            return self._delivery.publish()
        except (RasterioError, OSError) as error:
            if isinstance(error, SRError):
                raise
            remedy = "Free some space; the same command then goes on."
            raise DeliveryError(f"{self.plan.target} cannot be written ({error})", "a place with enough room", remedy) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._abandon(error)

    def _abandon(self, error: BaseException | None) -> None:
        """Close the source, and remove the working folder unless a later run can go on from it. May be called twice."""
        self._source.close()
        self._delivery.leave(error)

    def _needed_bytes(self, layout: Layout) -> int:
        """Disk space for the flat files and as much again, with overviews, for the files made of them."""
        mask = layout.shape[1] * layout.shape[2] * layout.scale**2 if self.header.dataset_mask else 0
        return layout.nbytes + layout.nbytes * 4 // 3 + mask + (4 << 20)

    def _coarse(self, window: Window) -> tuple[int, int, int]:
        return self.like.shape[0], window.height // self.plan.scale, self.like.shape[2]

    def _stored_rows(self, mean: Float32Array, mask: BoolArray) -> tuple[npt.NDArray[Any], int]:
        header, channels = self.header, self.like.shape[0]
        filler = header.nodata if header.nodata is not None else (0 if self.encoding.is_integer else np.nan)
        rows, clipped = encoded_rows(self.encoding, mean, mask, filler, extra=int(header.alpha is not None))
        self._off_nodata(rows[:, :channels], mask)
        if header.alpha is not None:
            rows[:, channels] = mask * (np.iinfo(self.encoding.dtype).max if self.encoding.is_integer else 1)
        return rows, clipped

    def _off_nodata(self, rows: npt.NDArray[Any], mask: BoolArray) -> None:
        """Move measured values that happen to equal the nodata code by one step, so that no measurement is lost."""
        nodata, encoding = self.header.nodata, self.encoding
        if nodata is None or not np.isfinite(nodata) or (encoding.is_integer and not encoding.low <= nodata <= encoding.high):
            return
        if encoding.is_integer:
            beside = nodata + 1 if nodata + 1 <= encoding.high else nodata - 1
        else:
            beside = float(np.nextafter(np.asarray(nodata, encoding.dtype), np.asarray(np.inf, encoding.dtype)))
        rows[(rows == nodata) & mask[:, None]] = np.asarray(beside).astype(encoding.dtype)

    def _make_image(self, tags: dict[str, str], place: Path) -> Path:
        header, source = self.header, self._source
        channels, height, width = self._shape(self.plan.scale)
        template = create_template(
            self._template(IMAGE), height=height, width=width, count=channels + (header.alpha is not None),
            dtype=self.encoding.dtype, nodata=header.nodata,
        )  # fmt: skip
        with gdal_settings(), quiet():
            carry_place(source, template, header, self.plan.scale)
            carry_bands(source, template, header)
            carry_radiometry(source, template, header)
            template.update_tags(**{**dataset_tags(source), **tags})
            template.close()
        self._deliver(IMAGE, STORED, place, mask=self._mask_file() if header.dataset_mask else None)
        scales, offsets = ([stated[number - 1] for number in header.indexes] for stated in (source.scales, source.offsets))
        require_as_stated(place, source, self.plan.scale, scales=scales, offsets=offsets, nodata=header.nodata)
        return place

    def _make_interval(self, tags: dict[str, str], place: Path) -> Path | None:
        if not self.canvas.claimed:
            return None  # no file where no half-width was given; one that was withdrawn is written as such
        encoding = self.interval_encoding
        meaning = f"half-width of the interval, {self.header.unit}; {NO_CLAIM if encoding.is_integer else 'NaN'}: no claim"
        return self._make_companion(INTERVAL, HALF_WIDTH, encoding, self.plan.scale, {**tags, "SR_QUANTITY": meaning}, place)

    def _make_residual(self, tags: dict[str, str], place: Path) -> Path | None:
        if not self.plan.residual:
            return None
        meaning = f"measurement minus degraded output, {self.header.unit}, on the input's grid"
        return self._make_companion(RESIDUAL, RESIDUAL, Encoding.of("float32"), 1, {**tags, "SR_QUANTITY": meaning}, place)

    def _piece(self, role: str, place: Path) -> Piece:
        """Describe a finished file."""
        stored = {IMAGE: self.encoding, INTERVAL: self.interval_encoding, RESIDUAL: Encoding.of("float32")}[role]
        nodata = self.header.nodata if role == IMAGE else _no_value(stored)
        return Piece(
            role, place.name, file_sha256(place), place.stat().st_size, 1 if role == RESIDUAL else self.plan.scale, stored, nodata,
            alpha=role == IMAGE and self.header.alpha is not None,
        )  # fmt: skip

    def _make_companion(self, role: str, rows: str, encoding: Encoding, scale: int, tags: dict[str, str], place: Path) -> Path:
        channels, height, width = self._shape(scale)
        template = create_template(
            self._template(role), height=height, width=width, count=channels, dtype=encoding.dtype, nodata=_no_value(encoding)
        )
        with gdal_settings(), quiet():
            carry_place(self._source, template, self.header, scale)
            for number, band in enumerate(self.header.bands, 1):
                template.set_band_description(number, band)
                template.set_band_unit(number, self.header.unit)
            template.scales = (encoding.scale,) * channels
            template.update_tags(**tags)
            template.close()
        self._deliver(role, rows, place)
        stated = {"scales": (encoding.scale,) * channels, "offsets": (encoding.offset,) * channels, "nodata": _no_value(encoding)}
        require_as_stated(place, self._source, scale, **stated)
        return place

    def _deliver(self, role: str, rows: str, place: Path, mask: Flat | None = None) -> None:
        """Make the file of a role from its template and its rows."""
        stored = self.canvas.read(rows)
        template = self._template(role)
        virtual = put_together(template, Flat(self.canvas.path(rows), str(stored.dtype), len(stored), stored.shape[2]), mask)
        copy_as_cog(virtual, place, stored)
        for working in (template, virtual, *([] if mask is None else [mask.path])):
            working.unlink()

    def _mask_file(self) -> Flat:
        """Write the mask on the SR grid, as GDAL reads masks."""
        _, height, width = self._shape(self.plan.scale)
        path = self._delivery.folder / "mask.raw"
        with path.open("wb") as file:
            for row in range(0, height, MASK_ROWS):
                mask = self.canvas.mask(Window(row, 0, min(MASK_ROWS, height - row), width))
                file.write((mask * np.uint8(255)).tobytes())
        return Flat(path, "uint8", 1, width)

    def _shape(self, scale: int) -> tuple[int, int, int]:
        channels, height, width = self.like.shape
        return channels, height * scale, width * scale

    def _template(self, role: str) -> Path:
        return self._delivery.folder / f"{role}.tif"

    def _tags(self) -> dict[str, str]:
        plan = self.plan
        named = {"SR_MODEL": plan.model, "SR_OPERATOR": plan.operator, "SR_SCALE": str(plan.scale)}
        given = {"SR_" + key.upper().replace("-", "_").removeprefix("SR_"): value for key, value in plan.tags.items() if value}
        return {"SR_CALIBRATION": "none", **named, **given}


def _no_value(encoding: Encoding) -> float:
    """Give the code that says "no claim" in the files beside the image."""
    return float(NO_CLAIM) if encoding.is_integer else float("nan")
