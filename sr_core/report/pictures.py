"""Arrays as pictures: colour composites with one stretch, maps with a legend, PNG as data addresses."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sr_core.raster import BoolArray, Bytes, Float32Array
from sr_core.report.content import RegionPictures

RGB_NAMES = (("B04", "B03", "B02"), ("B4", "B3", "B2"), ("red", "green", "blue"), ("R", "G", "B"))
STRETCH = (1.0, 99.0)  # percentiles of the HR picture that become black and white
TOP = 99.5  # percentile of the errors that ends their colour scale
SEQUENTIAL, DIVERGING, SPREAD, GUESSED = "inferno", "RdBu_r", "viridis", "cividis"


@dataclass(frozen=True)
class Picture:
    """One picture of the page: a caption, its data address, and a description for those who cannot see it."""

    caption: str
    address: str
    description: str
    width: int
    height: int


@dataclass(frozen=True)
class Map:
    """A picture in false colour with its legend: the address of a colour bar, its ends as text, and the unit."""

    picture: Picture
    bar: str
    low: str
    high: str
    unit: str
    explanation: str


def composite_bands(bands: Sequence[str]) -> tuple[int, ...]:
    """Give the bands to show: red, green and blue where the names tell them, else the first three; one band of fewer than three."""
    lower = [b.lower() for b in bands]
    for names in RGB_NAMES:
        if all(n.lower() in lower for n in names):
            return tuple(lower.index(n.lower()) for n in names)
    return (0, 1, 2) if len(bands) >= 3 else (0,)


def four_pictures(region: RegionPictures, bands: Sequence[str]) -> tuple[Picture, ...]:
    """Draw LR, bicubic, SR and HR with one stretch: percentiles 1 and 99 of the HR picture, a band each."""
    shown = list(composite_bands(bands if len(bands) == region.hr.shape[0] else [str(i) for i in range(region.hr.shape[0])]))
    values = region.hr[shown][:, region.mask]
    low, high = np.percentile(values, STRETCH, axis=1) if values.size else (np.zeros(len(shown)), np.ones(len(shown)))
    rows, cols = region.scale
    mask_lr = region.mask[rows // 2 :: rows, cols // 2 :: cols]
    sources = (
        ("LR", "the low-resolution measurement, pixels drawn as squares", region.lr, mask_lr),
        ("bicubic", "plain bicubic interpolation", region.bicubic, region.mask),
        ("SR", "the model's image as written", region.sr, region.mask),
        ("HR", "the high-resolution reference", region.hr, region.mask),
    )
    return tuple(
        Picture(
            caption=caption, address=png(_stretched(pixels[shown], low, high), mask),
            description=f"{caption} of region {region.name}: {words}", width=pixels.shape[2], height=pixels.shape[1],
        )
        for caption, words, pixels, mask in sources
    )  # fmt: skip


def error_maps(region: RegionPictures, unit: str) -> tuple[Map, ...]:
    """Draw |bicubic - HR| and |SR - HR| on one scale."""
    model, bicubic = (np.abs(a - region.hr).mean(axis=0) for a in (region.sr, region.bicubic))
    top = max(_top(model, region.mask), _top(bicubic, region.mask))
    return (
        _map(
            "|bicubic − HR|",
            bicubic,
            region.mask,
            0,
            top,
            SEQUENTIAL,
            unit,
            region.name,
            f"Error of plain interpolation, {_shown(region)}.",
        ),
        _map("|SR − HR|", model, region.mask, 0, top, SEQUENTIAL, unit, region.name, "Error of the model, on the same scale."),
    )


def trust_maps(region: RegionPictures, unit: str) -> tuple[Map, ...]:
    """Draw the interval (where there is one), the guessed part and the residual."""
    rows, cols = region.scale
    mask_lr = region.mask[rows // 2 :: rows, cols // 2 :: cols]
    strongest = np.take_along_axis(region.residual, np.nan_to_num(np.abs(region.residual)).argmax(axis=0)[None], axis=0)[0]
    reach = _top(np.abs(strongest), mask_lr)
    drawn: list[Map] = []
    if region.half_width is not None and np.isfinite(region.half_width[:, region.mask]).any():
        width = region.half_width.mean(axis=0)
        drawn.append(
            _map("interval half-width", width, region.mask, 0, _top(width, region.mask), SPREAD, unit, region.name,
                 f"How far the truth may lie from the pixel, {_shown(region)}. What it is worth, the claim above says.")
        )  # fmt: skip
    guess = region.guess.mean(axis=0)
    if not np.isnan(guess).all():  # it cannot be told for a degradation that is not inverted
        drawn.append(
            _map("guessed part", guess, region.mask, 0, _top(guess, region.mask), GUESSED, unit, region.name,
                 "What the measurement cannot see and the model added (null space of the degradation).")
        )  # fmt: skip
    drawn += [
        _map("residual y − A z", strongest, mask_lr, -reach, reach, DIVERGING, unit, region.name,
             "What is left when the image is degraded again, on the LR grid, the strongest band."),
    ]  # fmt: skip
    return tuple(drawn)


def _shown(region: RegionPictures) -> str:
    return "mean over bands" if region.hr.shape[0] > 1 else "one band"


def worst_crop(region: RegionPictures, side: int) -> RegionPictures:
    """Cut a region that is larger than `side` HR pixels to the window of that side with the largest errors."""
    rows, cols = region.scale
    height, width = (min(side // s, n) for s, n in zip((rows, cols), region.lr.shape[1:], strict=True))  # LR pixels
    if (height, width) == region.lr.shape[1:]:
        return region
    error = np.where(region.mask, np.nan_to_num(np.abs(region.sr - region.hr).mean(axis=0)), 0.0)
    total = np.pad(error.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))[::rows, ::cols]
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = (int(i) for i in np.unravel_index(int(sums.argmax()), sums.shape))
    coarse = np.s_[..., top : top + height, left : left + width]
    fine = np.s_[..., top * rows : (top + height) * rows, left * cols : (left + width) * cols]
    return RegionPictures(
        name=region.name, lr=region.lr[coarse], bicubic=region.bicubic[fine], sr=region.sr[fine], hr=region.hr[fine],
        half_width=None if region.half_width is None else region.half_width[fine], residual=region.residual[coarse],
        guess=region.guess[fine], mask=region.mask[fine],
    )  # fmt: skip


def png(rgb: Bytes, mask: BoolArray | None = None) -> str:
    """Give a picture as a PNG data address; rgb uint8 (H, W, 3), pixels outside of the mask are transparent."""
    from PIL import Image

    pixels = rgb if mask is None or mask.all() else np.dstack([rgb, np.where(mask, 255, 0).astype(np.uint8)])
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def number(value: float | None, digits: int = 3) -> str:
    """Write a number for a person: significant digits, a dash for nothing, words for what is no number."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    mantissa, _, exponent = f"{value:.{digits}g}".replace("-", "−").partition("e")
    if not exponent:
        return mantissa
    power = str(int(exponent.replace("−", "-"))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{power}"


def _stretched(pixels: Float32Array, low: npt.NDArray[np.floating], high: npt.NDArray[np.floating]) -> Bytes:
    span = np.maximum(high - low, np.finfo(np.float32).tiny)
    unit = np.clip((np.nan_to_num(pixels.astype(np.float64)) - low[:, None, None]) / span[:, None, None], 0, 1)
    image = np.rint(unit * 255).astype(np.uint8).transpose(1, 2, 0)
    return image if image.shape[2] == 3 else np.repeat(image[:, :, :1], 3, axis=2)


def _top(values: npt.NDArray[np.floating], mask: BoolArray) -> float:
    finite = values[mask & np.isfinite(values)]
    return float(np.percentile(finite, TOP)) if finite.size else 0.0


def _map(
    caption: str, values: npt.NDArray[np.floating], mask: BoolArray, low: float, high: float, colours: str, unit: str, name: str, words: str
) -> Map:
    from matplotlib import colormaps

    table = (colormaps[colours](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
    span = high - low if high > low else 1.0
    known = mask & np.isfinite(values)
    place = np.where(known, np.clip((np.nan_to_num(values) - low) / span, 0, 1), 0)
    described = f"{caption} of region {name}, from {number(low)} to {number(high)} {unit}. {words}"
    picture = Picture(caption, png(table[np.rint(place * 255).astype(np.uint8)], known), described, values.shape[1], values.shape[0])
    return Map(picture, png(table[None]), number(low), number(high), unit, words)
