"""Pictures as scenes: a picture in memory behind the windowed protocols, and its writer.

`read_picture`, `write_picture` and `Picture` are handed on from `picture_files`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from domains.common.files import candidates
from domains.common.picture_files import (
    FORMATS,
    PIXEL_LIMIT,
    READ_SUFFIXES,
    SUFFIXES,
    Picture,
    Pixels,
    encode_picture,
    read_picture,
    write_picture,
)
from domains.common.picture_metadata import SourceType
from domains.common.png import encode_png16
from sr_core.canvas import HALF_WIDTH, STORED, Canvas, Layout, by_rows, encoded_rows
from sr_core.delivery import Delivery
from sr_core.domain import OutputPlan
from sr_core.errors import DeliveryError, InputError, OutputError, ShapeError, SRError
from sr_core.raster import BoolArray, Encoding, Float32Array, OutputFile, Raster, StoredRaster, Window, cache_blocks
from sr_core.records import Group, Refusal, Source
from sr_core.workspace import file_sha256

if TYPE_CHECKING:
    from sr_core.log import Log
    from sr_core.trust.verdict import Verdict

__all__ = [
    "FORMATS", "PIXEL_LIMIT", "SUFFIXES", "Picture", "PictureScene", "PictureWriter", "SourceType", "discover_pictures",
    "picture_source", "read_picture", "write_picture",
]  # fmt: skip

UNIT = "grey level"
NO_CLAIM = 65535  # code of the interval picture
_BANDS = {"L": ("grey",), "RGB": ("red", "green", "blue")}
_JPEG_BLOCK = 8


def discover_pictures(
    paths: Iterable[Path],
    group: Callable[[Path, str], Group],
    log: Log,
    minimum_side: int,
    limit: int = PIXEL_LIMIT,
    copies: bool = False,
) -> tuple[list[Source], list[Refusal]]:
    """Find pictures; each that cannot be used becomes a refusal, so that one bad file never stops the others.

    Parameters
    ----------
    paths : files and folders.
    group : gives the group of a picture from its path and the sha256 of its file.
    minimum_side, limit : smallest side and largest number of pixels.
    copies : take a picture that is there more than once each time; learned from, it would count for more than it is.

    Raises
    ------
    InputError
        If a given path does not exist.
    """
    sources: list[Source] = []
    refusals: list[Refusal] = []
    seen: dict[str, Path] = {}
    found = candidates(paths, READ_SUFFIXES)
    for done, candidate in enumerate(found, 1):
        path = candidate.path
        try:
            candidate.check()
            source = picture_source(path, group, minimum_side, limit)
            if source.sha256 in seen and not copies:
                raise InputError(
                    f"{path.name} has the same content as {seen[source.sha256].name}", "every picture once", "Remove one of the two."
                )
            seen[source.sha256] = path
            sources.append(source)
        except (SRError, OSError) as error:
            refusals.append(Refusal(path=candidate.shown, error=type(error).__name__, sentence=str(error)))
        log.progress("read pictures", done, len(found))
    return sources, refusals


def picture_source(path: Path, group: Callable[[Path, str], Group], minimum_side: int, limit: int = PIXEL_LIMIT) -> Source:
    """Read one picture wholly and describe it.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    picture = read_picture(path, limit)
    _, height, width = picture.pixels.shape
    if min(height, width) < minimum_side:
        least = f"at least {minimum_side} x {minimum_side}, one training patch"
        raise InputError(f"{path.name} has {width} x {height} pixels", least, "Give a larger picture.")
    if picture.alpha is not None and not picture.alpha.any():
        raise InputError(f"{path.name} is transparent everywhere", "a picture with visible pixels", "Leave it out.")
    digest = file_sha256(path)
    return Source(
        path=path.resolve(), sha256=digest, size=path.stat().st_size, group=group(path, digest), shape=picture.pixels.shape,
        bands=_BANDS[picture.mode], dtype=str(picture.pixels.dtype), unit=UNIT, geometry=f"{picture.format}, {width} x {height} px",
    )  # fmt: skip


class PictureScene:
    """A picture behind the `Scene` protocol, held in memory (bounded by `limit` pixels).

    Pixels are grey levels as float32; fully transparent pixels are not usable.

    Raises
    ------
    InputError
        If the file cannot be used, or has another shape than the source says.
    """

    def __init__(self, source: Source, limit: int = PIXEL_LIMIT) -> None:
        self.picture = read_picture(source.path, limit)
        if self.picture.pixels.shape != source.shape:
            raise InputError(f"{source.path.name} changed since it was ingested", f"shape {source.shape}", "Ingest it again.")
        self.shape: tuple[int, int, int] = source.shape
        self.bands: tuple[str, ...] = _BANDS[self.picture.mode]
        self.unit: str = UNIT
        self.encoding: Encoding = Encoding.of(str(self.picture.pixels.dtype))

    def read(self, window: Window) -> Raster:
        """Read a window that lies inside the picture."""
        return self.read_stored(window).raster()

    def read_stored(self, window: Window) -> StoredRaster:
        """Read a window as `read` does, in stored values."""
        return _stored(self.picture, window, self.encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is held open."""


def _stored(picture: Picture, window: Window, encoding: Encoding) -> StoredRaster:
    _, height, width = picture.pixels.shape
    if window.row + window.height > height or window.col + window.width > width:
        raise ShapeError(f"window {window}", f"a window inside {width} x {height} px", "Ask for less.")
    rows, cols = window.slices()
    mask = np.ones((window.height, window.width), bool) if picture.alpha is None else picture.alpha[rows, cols] > 0
    return StoredRaster(picture.pixels[:, rows, cols], mask, _BANDS[picture.mode], UNIT, encoding)


class PictureWriter:
    """Writes an upscaled picture, its interval picture and its verdict; nothing stands at a final place before `finish`.

    Beside `<name>.<ending>` come `<name>.interval.png` (16 bits; half-width in grey levels = value x scale, the scale in the text
    chunk "sr-scale"; 65535 = no claim) and `<name>.verdict.json`. The target's name ending decides the format; without a known
    one it is the input's.

    Parameters
    ----------
    like : the picture that was upscaled; its EXIF (cleaned), ICC profile and alpha are carried over.
    plan : where and how.
    source_type : the label of generated detail (IPTC digital source type).

    Raises
    ------
    OutputError
        If the target cannot be written or its format cannot hold the picture.
    """

    def __init__(self, like: Source, plan: OutputPlan, source_type: SourceType = "algorithmicallyEnhanced") -> None:
        self.like = like
        self.plan = plan
        self.source_type: SourceType = source_type
        original = read_picture(like.path)
        channels, height, width = original.pixels.shape
        self.shape = (channels, height * plan.scale, width * plan.scale)
        self.encoding = Encoding.of(str(original.pixels.dtype))
        if plan.target.suffix.lower() in READ_SUFFIXES and plan.target.suffix.lower() not in SUFFIXES:
            given, known = f"a target that ends in {plan.target.suffix}", ", ".join(SUFFIXES)
            raise OutputError(given, f"one of {known}: others are only read", "Choose a name that ends in .png.")
        target_format = SUFFIXES.get(plan.target.suffix.lower(), original.format)
        alpha = None if original.alpha is None else _upscaled_alpha(original.alpha, plan.scale, self.encoding)
        # Its pixels lie in the canvas; one of them stays, as a copy that does not keep the others.
        self._picture = replace(original, pixels=original.pixels[:, :1, :1].copy(), alpha=alpha, format=target_format)
        self.lossless = target_format != "JPEG"
        _probe(self._picture)
        stem = plan.target.with_suffix("")
        self._interval = stem.with_name(stem.name + ".interval.png")
        self._verdict = stem.with_name(stem.name + ".verdict.json")
        layout = Layout(like.shape, plan.scale, self.encoding.dtype, half_width="float32" if plan.interval else None)
        self._delivery = Delivery(like.path, plan.target, plan.overwrite, 2 * layout.nbytes + (1 << 20), plan.key)
        try:
            for role, path in (("image", plan.target), ("interval", self._interval), ("verdict", self._verdict)):
                self._delivery.place(role, path)
            self.canvas = Canvas(self._delivery.folder / "rows", layout)
        except BaseException as error:
            self._delivery.leave(error)
            raise

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None,
        note: str = "",
    ) -> None:  # fmt: skip
        """Encode the next rows and bring them to the disk (see `SceneWriter.write`); a picture has no residual file."""
        self.canvas.check(window, mean, mask)
        rows: dict[str, npt.NDArray[Any]] = {}
        rows[STORED], clipped = encoded_rows(self.encoding, mean, mask, 0)
        if self.plan.interval:
            given = np.full(mean.shape, np.nan, np.float32) if half_width is None else np.where(mask, half_width, np.float32(np.nan))
            rows[HALF_WIDTH] = by_rows(given)
        self.canvas.append(rows, mask, clipped=clipped, claimed=half_width is not None, note=note)

    def reread(self, window: Window) -> Raster:
        """Give back what the file will hold at a window.

        JPEG codes blocks of 8 x 8 pixels independently, so the blocks around the window tell exactly what the whole file will give
        there, once they have all been written.
        """
        if self._picture.format != "JPEG":
            return self._piece(window, self.canvas.read(STORED)[(slice(None), *window.slices())])
        top, left = window.row // _JPEG_BLOCK * _JPEG_BLOCK, window.col // _JPEG_BLOCK * _JPEG_BLOCK
        bottom, right = (-(-end // _JPEG_BLOCK) * _JPEG_BLOCK for end in (window.row + window.height, window.col + window.width))
        stored = np.ascontiguousarray(self.canvas.read(STORED)[:, top:bottom, left:right])
        decoded = np.asarray(Image.open(io.BytesIO(encode_picture(replace(self._picture, pixels=stored, exif=None, icc=None)))))
        pixels = decoded[None] if decoded.ndim == 2 else np.moveaxis(decoded, -1, 0)
        rows, cols = window.slices()
        return self._piece(window, pixels[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left])

    def _piece(self, window: Window, pixels: Pixels) -> Raster:
        """Give stored values at a window as a raster, with the picture's own mask."""
        rows, cols = window.slices()
        alpha = None if self._picture.alpha is None else self._picture.alpha[rows, cols]
        there = replace(self._picture, pixels=pixels, alpha=alpha)
        return _stored(there, Window(0, 0, window.height, window.width), self.encoding).raster()

    def reread_half_width(self, window: Window) -> Float32Array | None:
        """Give back the half-widths at a window, as stored (see `SceneWriter.reread_half_width`)."""
        return self.canvas.half_width(window)

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Encode everything and publish it; the verdict receives the sha256 of the files.

        Raises
        ------
        OutputError
            If a file cannot be written; then none is.
        """
        self.canvas.require_whole()
        delivery = self._delivery
        try:
            image = delivery.place("image", self.plan.target)
            picture = replace(self._picture, pixels=np.ascontiguousarray(self.canvas.read(STORED)))
            image.write_bytes(encode_picture(picture, source_type=self.source_type, text=self._tags(verdict)))
            outputs = [file_sha256(image)]
            if self.canvas.claimed:
                interval = delivery.place("interval", self._interval)
                interval.write_bytes(encode_interval(np.ascontiguousarray(self.canvas.read(HALF_WIDTH))))
                outputs.append(file_sha256(interval))
            complete = verdict.model_copy(update={"inputs": verdict.inputs or (self.like.sha256,), "outputs": tuple(outputs)})
            delivery.place("verdict", self._verdict).write_text(complete.to_json())
        except OSError as error:
            if isinstance(error, SRError):
                raise
            remedy = "Free some space; the same command then goes on."
            given = f"{self.plan.target} cannot be written ({error.strerror})"
            raise DeliveryError(given, "a place with enough room", remedy) from error
        return delivery.publish()

    def _tags(self, verdict: Verdict) -> dict[str, str]:
        plan = self.plan
        named = {"sr-model": plan.model, "sr-operator": plan.operator, "sr-claim": verdict.claim.text, "sr-verdict": verdict.sentence}
        return named | {"sr-" + key.lower().removeprefix("sr_").removeprefix("sr-"): value for key, value in plan.tags.items() if value}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._delivery.leave(error)


def encode_interval(half_width: Float32Array) -> bytes:
    """Give a half-width map as a 16-bit PNG.

    Parameters
    ----------
    half_width : float32 (C, H, W), C = 1 or 3, in grey levels; NaN = no claim.

    Returns
    -------
    bytes
        Stored = ceil(half-width / scale), so that rounding never narrows an interval; 65535 = no claim; the scale stands in the
        text chunk "sr-scale", the whole convention in "sr-interval".
    """
    largest = float(np.nanmax(half_width)) if np.isfinite(half_width).any() else 0.0
    scale = max(largest, 1.0) / (NO_CLAIM - 1)
    stored = np.empty(half_width.shape, np.uint16)
    for values, codes in cache_blocks(half_width, stored):
        claimed = np.isfinite(values)
        exact = np.ceil(np.where(claimed, values, 0).astype(np.float64) / scale - 1e-9)
        codes[...] = np.where(claimed, np.clip(exact, 0, NO_CLAIM - 1), NO_CLAIM)
    words = {"quantity": "half-width", "unit": UNIT, "scale": scale, "no_claim": NO_CLAIM}
    return encode_png16(stored, text={"sr-scale": repr(scale), "sr-interval": json.dumps(words)})


def _probe(picture: Picture) -> None:
    """Encode one pixel, so that a format that cannot hold the picture is refused before any work is done."""
    alpha = None if picture.alpha is None else picture.alpha[:1, :1]
    encode_picture(replace(picture, pixels=picture.pixels[:, :1, :1], alpha=alpha, exif=None, icc=None))


def _upscaled_alpha(alpha: Pixels, scale: int, encoding: Encoding) -> Pixels:
    """Upscale alpha by bicubic interpolation; what was wholly transparent stays so."""
    height, width = alpha.shape
    image = Image.fromarray(alpha.astype(np.float32))
    smooth: npt.NDArray[np.float32] = np.asarray(image.resize((width * scale, height * scale), Image.Resampling.BICUBIC))
    visible = np.repeat(np.repeat(alpha > 0, scale, axis=0), scale, axis=1)
    stored = np.maximum(encoding.encode(smooth), 1)
    upscaled: Pixels = np.where(visible, stored, 0).astype(alpha.dtype)
    return upscaled
