"""Benchmark: sets of pictures, reduced as papers do it, upscaled by several methods and scored beside what papers print.

The protocol is that of `metrics.classical`: luma of BT.601 as uint8, sides cut to multiples of the scale, reduced by MATLAB's bicubic and
not rounded, the result rounded to uint8, as many pixels as the scale left out at each side; means of the values of the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.log import Log
from sr_core.metrics import Protocol, Table, modcrop, srcnn_pair, srcnn_score, srcnn_six
from sr_core.metrics.published import Published, known_set, published
from sr_core.operators.matlab import Border, resize, u8
from sr_core.records import Record, Refusal
from sr_core.stages.upscalers import WHITE, Upscaler, luma_of

TWO = ("PSNR", "SSIM")
SIX = (*TWO, "IFC", "NQM", "WPSNR", "MS-SSIM")  # in the order of `SixScores`
UNITS = {"PSNR": "dB", "NQM": "dB", "WPSNR": "dB"}
VARIANTS = {"IFC": "padded"}
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class PicturePaths:
    """A picture of a set: its HR file, and its LR file where there is one."""

    name: str
    hr: Path
    lr: Path | None = None


@dataclass(frozen=True)
class PictureSet:
    """A set at one scale: its pictures, and files that could not be paired."""

    name: str
    scale: int
    pictures: tuple[PicturePaths, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def paired(self) -> bool:
        """Whether LR files are used."""
        return any(picture.lr is not None for picture in self.pictures)


@dataclass(frozen=True)
class Reduction:
    """How HR pictures are reduced: MATLAB's border rule, and whether in single precision; older releases had "clamp"."""

    border: Border = "symmetric"
    single: bool = False


class MethodScores(Record):
    """The figures of a method on a set: a row a picture, a column a figure.

    Attributes
    ----------
    method : its name.
    says : what it did, in words.
    table : the figures; a picture without error has an infinite PSNR, which means leave out.
    """

    method: str
    says: str
    table: Table


class SetScores(Record):
    """A set at one scale: what was measured, and what papers print.

    Attributes
    ----------
    name, scale : which.
    protocol : how it was measured, in words.
    scores : a method each, all on the same pictures.
    published : printed rows; empty for a set that is not known by its name.
    refusals : pictures left out, for all methods.
    notes : what keeps the figures from being compared with the printed ones.
    """

    name: str
    scale: int
    protocol: str
    scores: tuple[MethodScores, ...]
    published: tuple[Published, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


def benchmark(
    sets: Sequence[PictureSet],
    upscalers: Sequence[Upscaler],
    read: Callable[[Path], Picture],
    *,
    six: bool = False,
    reduction: Reduction | None = None,
    log: Log,
) -> tuple[SetScores, ...]:
    """Measure methods on sets of pictures.

    Parameters
    ----------
    sets : each is measured with the methods of its scale, or of any.
    read : gives a picture as uint8 (C, H, W), C = 1 or 3; an InputError leaves the picture out.
    six : IFC, NQM, WPSNR and MS-SSIM, too (at least 176 px inside the border).
    reduction : how HR pictures are reduced where there are no LR files; by default as current releases of MATLAB do.

    Raises
    ------
    InputError
        If a set has no picture that can be measured, or no method fits any set.
    """
    reduction = reduction or Reduction()
    done: list[SetScores] = []
    for place in sets:
        fitting = [upscaler for upscaler in upscalers if upscaler.scale in (None, place.scale)]
        if fitting:
            done.append(_measure(place, fitting, read, six, reduction, log))
    if not done:
        can = ", ".join(f"{upscaler.name} x{upscaler.scale}" for upscaler in upscalers)
        asked = ", ".join(sorted({f"x{place.scale}" for place in sets}))
        raise InputError(f"{can or 'no method'} at {asked or 'no scale'}", "a method of that scale", "Give another --scale or --bundle.")
    return tuple(done)


def _measure(
    place: PictureSet, upscalers: Sequence[Upscaler], read: Callable[[Path], Picture], six: bool, reduction: Reduction, log: Log
) -> SetScores:
    columns = SIX if six else TWO
    protocol = Protocol(data_range=WHITE, border=place.scale, rounding="step", step=1.0)
    tables = [Table() for _ in upscalers]
    refusals = list(place.refusals)
    for number, picture in enumerate(place.pictures, 1):
        try:
            rows = [_score(picture, place.scale, upscaler, read, six, reduction) for upscaler in upscalers]
        except (InputError, ShapeError) as error:
            # For all methods: means over different pictures do not compare.
            refusals.append(Refusal(path=picture.hr, error=type(error).__name__, sentence=str(error)))
        else:
            for i, values in enumerate(rows):
                for column, value in zip(columns, values, strict=True):
                    tables[i] = tables[i].add(picture.name, column, value, protocol, UNITS.get(column, ""), VARIANTS.get(column, ""))
        log.progress(f"{place.name} x{place.scale}", number, len(place.pictures), picture.name)
    if not tables[0].cells:
        why = refusals[0].says() if refusals else "there is no picture"
        raise InputError(f"{place.name} x{place.scale} without a picture to measure ({why})", "at least one", "Give other pictures.")
    known = known_set(place.name)
    return SetScores(
        name=place.name, scale=place.scale, protocol=_says(place, reduction), refusals=tuple(refusals),
        scores=tuple(MethodScores(method=u.name, says=u.says(), table=t) for u, t in zip(upscalers, tables, strict=True)),
        published=published(known.name, place.scale, six) if known else (), notes=_notes(place, len(tables[0].rows)),
    )  # fmt: skip


def _score(
    picture: PicturePaths, scale: int, upscaler: Upscaler, read: Callable[[Path], Picture], six: bool, reduction: Reduction
) -> tuple[float, ...]:
    hr = modcrop(read(picture.hr), scale)
    if 0 in hr.shape:
        raise ShapeError(f"{picture.name}, smaller than {scale} px", f"sides of at least {scale} px", "Leave it out.")
    given = None if picture.lr is None else _fitting(read(picture.lr), hr, scale, picture)
    together = upscaler.colour == "rgb" and len(hr) == 3
    reference = luma_of(hr)
    if not together:
        lr = srcnn_pair(reference, scale, reduction.border, reduction.single)[0] if given is None else luma_of(given) / WHITE
        sr = upscaler(lr[None], scale)[0]
    else:
        kind = np.float32 if reduction.single else np.float64
        lr = resize((hr / WHITE).astype(kind), Fraction(1, scale), reduction.border) if given is None else given / WHITE
        sr = luma_of(u8(WHITE * upscaler(lr, scale))) / WHITE
    return astuple(srcnn_six(sr, reference, scale) if six else srcnn_score(sr, reference, scale))


def _fitting(lr: Picture, hr: Picture, scale: int, picture: PicturePaths) -> Picture:
    wanted = (len(hr), hr.shape[1] // scale, hr.shape[2] // scale)
    if lr.shape != wanted:
        given = f"{picture.name}, {_size(hr)}, with an LR picture of {_size(lr)}"
        raise ShapeError(
            given, f"{wanted[2]} x {wanted[1]} px, bands: {wanted[0]}", "Give the pair of this scale, or reduce the HR pictures (--reduce)."
        )
    return lr


def _size(picture: Picture) -> str:
    return f"{picture.shape[2]} x {picture.shape[1]} px, bands: {len(picture)}"


def _says(place: PictureSet, reduction: Reduction) -> str:
    release = "older" if reduction.border == "clamp" else "current"
    made = f"reduced by bicubic as {release} MATLAB does{', in single precision' if reduction.single else ''}, not rounded"
    lr = "LR pictures from files (8 bit)" if place.paired else f"LR {made}"
    return f"luma (BT.601, uint8), range 255, {place.scale} px border left out, result rounded to uint8; {lr}; means over pictures"


def _notes(place: PictureSet, measured: int) -> tuple[str, ...]:
    notes: list[str] = []
    known = known_set(place.name)
    if known is not None and known.pictures != measured:
        notes.append(f"The printed rows are means over the {known.pictures} pictures of {known.name}; these are {measured}.")
    if known is not None and place.paired:
        notes.append("The printed bicubic row is of LR pictures that were not rounded; those in files are.")
    return tuple(notes)


def reducing(place: PictureSet) -> PictureSet:
    """Give the set without its LR files."""
    return replace(place, pictures=tuple(replace(picture, lr=None) for picture in place.pictures))


def means(scores: MethodScores) -> dict[str, Any]:
    """Give the mean of each figure, by its name, as `Table.mean` does."""
    return {column: scores.table.mean(column) for column in scores.table.columns}
