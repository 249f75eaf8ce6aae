"""From a region of a split to an HR image and its measurement: y = Q(A x), made by the one known operator, whole or by windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sr_core.domain import ByBandName
from sr_core.errors import InputError, RecipeError, ShapeError
from sr_core.raster import BoolArray, Encoding, Float32Array, Raster, Window
from sr_core.records import Manifest, Region, Source
from sr_core.stages.grain import Grain

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.operators import Operator
    from sr_core.recipe import Recipe

LARGEST_WHOLE = 1 << 24  # HR px of an image that an operator must see whole: its transforms take 40 bytes a pixel
REACH = 64  # HR px over which a hole is filled from its nearest usable pixel: with no end, a window would need the whole scene
TOGETHER = 1 << 20  # HR px of the bands that are degraded at once: long steps, whose float64 copies stay in the cache
Read = Callable[[Window], Raster]
Stored = npt.NDArray[np.generic]
Noise = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """An HR image and its LR measurement, in physical units, with what is usable of each."""

    hr: Raster
    lr: Raster
    encoding: Encoding


def kind_of(domain: Domain, recipe: Recipe) -> Callable[[int], Operator]:
    """Find the recipe's degradation.

    Raises
    ------
    RecipeError
        If the domain has no degradation of that name.
    """
    kinds = domain.operators()
    if recipe.operator not in kinds:
        raise RecipeError(
            f"operator {recipe.operator!r}", "one of " + ", ".join(kinds), f"Choose one that the {domain.name} domain offers."
        )
    return kinds[recipe.operator]


def operator_of(domain: Domain, recipe: Recipe, sources: Iterable[Source]) -> Operator:
    """Make the recipe's degradation for images, which must have the same bands where it depends on their names.

    Raises
    ------
    RecipeError
        If the domain has no degradation of that name, or the images have not the bands for it.
    """
    kind = kind_of(domain, recipe)
    if not isinstance(kind, ByBandName):
        return kind(recipe.scale)
    sets = {source.bands: source for source in sources}
    if len(sets) > 1:
        given = " and ".join(f"{source.path.name} with {', '.join(bands)}" for bands, source in list(sets.items())[:2])
        remedy = "Leave one kind of files out, or put their bands in one order."
        raise RecipeError(given, f"the same bands in all files for the operator {recipe.operator}", remedy)
    return kind.for_names(recipe.scale, next(iter(sets), ()))


def read_pair(domain: Domain, manifest: Manifest, region: Region, operator: Operator, noise: float = 0.0) -> Pair:
    """Read a region of HR pixels and degrade it as an image of its own (its borders are the operator's borders).

    `noise` is the standard deviation of the white noise that its measurement gets, physical unit.

    Raises
    ------
    InputError
        If nothing in the region is usable.
    """
    source = manifest.source(region.source)
    with domain.open(source) as scene:
        hr = scene.read(multiple(region.window, operator.scale))
        encoding = scene.encoding
    check_usable(hr.mask.any(), source, region)
    return degrade(hr, encoding, operator, Grain.of(region, noise))


def check_usable(usable: bool | np.bool_, source: Source, region: Region) -> None:
    """Refuse a region without a usable pixel.

    Raises
    ------
    InputError
        With the names of file and region.
    """
    if not usable:
        raise InputError(
            f"{source.path.name}, {region.name}: no valid pixel", "an image with valid pixels in every block", "Leave the file out."
        )


def multiple(window: Window, scale: tuple[int, int]) -> Window:
    """Cut a window at its end to whole LR pixels.

    Raises
    ------
    ShapeError
        If not one is left.
    """
    rows, cols = window.height // scale[0] * scale[0], window.width // scale[1] * scale[1]
    if not rows or not cols:
        raise ShapeError(
            f"a region of {window.width} x {window.height} px", f"at least one LR pixel of {scale[1]} x {scale[0]} px", "Use larger images."
        )
    return Window(window.row, window.col, rows, cols)


def degrade(hr: Raster, encoding: Encoding, operator: Operator, grain: Grain | None = None) -> Pair:
    """Measure an HR image: y = Q(A x + n), quantised as the file quantises; n is the grain, or nothing.

    An LR pixel is usable only if every HR pixel under the operator's taps is; an HR pixel only if its LR pixel is. Unusable HR pixels
    take the value of the nearest usable one within 64 px, or else the valid value nearest to 0.

    Raises
    ------
    InputError
        If a pixel is unusable and the operator sees the whole image in every measurement.
    """
    rows, cols = operator.scale
    height, width = hr.mask.shape
    return degrade_window(reader_of(hr), Window(0, 0, height // rows, width // cols), (height, width), encoding, operator, grain)


def degrade_window(
    read: Read, window: Window, shape: tuple[int, int], encoding: Encoding, operator: Operator, grain: Grain | None = None
) -> Pair:
    """Measure a window of an HR image: the same bits as that window of `degrade`.

    Parameters
    ----------
    read : gives any HR window of the image.
    window : of the LR grid. An operator that cannot be windowed takes the whole grid only.
    shape : height and width of the image, HR px.

    Raises
    ------
    InputError
        As `degrade`.
    """
    hr, usable, inside = seen(read, window, shape, operator)
    return measure(hr, usable, inside, encoding, operator, None if grain is None else grain.drawn(len(hr.pixels), window))


def seen(read: Read, window: Window, shape: tuple[int, int], operator: Operator) -> tuple[Raster, BoolArray, Window]:
    """Read what the measurements of a window see.

    Returns
    -------
    Raster
        HR pixels under the operator's taps, holes filled; its mask says what is usable.
    bool (h, w)
        The LR pixels of that raster that see usable ones only.
    Window
        The window asked for, on the LR grid of that raster.
    """
    height, width = shape
    there, inside = under(window, shape, operator)
    hr = read(there)
    if hr.mask.all():
        return hr, np.ones((there.height // operator.scale[0], there.width // operator.scale[1]), np.bool_), inside
    around = there.grown(REACH, height, width)
    filled = _fill(read(around) if around != there else hr)[(slice(None), *there.inside(around).slices())]
    return Raster(filled, hr.mask, hr.bands, hr.unit, hr.valid_range), _measured_wholly(hr.mask, operator), inside


def under(window: Window, shape: tuple[int, int], operator: Operator) -> tuple[Window, Window]:
    """Give the HR window that the measurements of a window of the LR grid see, and the window asked for on the LR grid of that one.

    `shape` is the image's height and width, HR px.

    Raises
    ------
    ShapeError
        If the operator must see the whole image, and it is too large for that.
    """
    rows, cols = operator.scale
    height, width = shape
    if not operator.windowed:
        check_whole(height, width, operator)
    rim = operator.support if operator.windowed else 0
    rim_rows, rim_cols = -(-rim // rows) if rows > 1 else 0, -(-rim // cols) if cols > 1 else 0
    top, left = max(0, window.row - rim_rows), max(0, window.col - rim_cols)
    bottom = min(height // rows, window.row + window.height + rim_rows)
    right = min(width // cols, window.col + window.width + rim_cols)
    there = Window(top * rows, left * cols, (bottom - top) * rows, (right - left) * cols)
    return there, window.inside(Window(top, left, bottom - top, right - left))


def check_whole(height: int, width: int, operator: Operator) -> None:
    """Refuse an image of height x width HR pixels that is too large to be treated in one piece.

    Raises
    ------
    ShapeError
        If it is.
    """
    if height * width > LARGEST_WHOLE:
        raise ShapeError(
            f"an image of {width} x {height} px, and the operator {operator.kind}, which sees whole images only",
            f"at most {LARGEST_WHOLE:,} px",
            "Cut the image, or choose an operator with a finite reach.",
        )


def check_no_holes(mask: BoolArray, operator: Operator) -> None:
    """Refuse an image with unusable pixels where the operator sees all of it in every measurement.

    Raises
    ------
    InputError
        With their number.
    """
    if not mask.all():
        raise InputError(
            f"an image with {int((~mask).sum())} unusable pixels, and the operator {operator.kind}",
            "an image without holes: this operator sees all of it in every measurement",
            "Leave the file out, or choose an operator with a finite reach.",
        )


def measured_codes(pixels: npt.NDArray[Any], inside: Window, encoding: Encoding, operator: Operator, noise: Noise | None = None) -> Stored:
    """Measure HR pixels (C, H, W), cut the window out, and store it: y = Q(A x + n) in the stored type, (C, h, w).

    The pixels are physical values: float32, or integers that float32 would hold exactly. The noise is of the window, physical unit.
    """
    import torch

    bands, height, width = pixels.shape
    made = np.empty((bands, inside.height, inside.width), encoding.dtype)
    of_bands = operator.for_bands(bands)
    together = max(1, TOGETHER // (height * width)) if operator.bands is None else 1
    for first in range(0, bands, together):
        some = np.ascontiguousarray(pixels[first : first + together])
        here = of_bands[first]
        degraded = here.apply_integers(some) if some.dtype.kind in "iu" else here.apply(torch.from_numpy(some).double())
        exact = degraded.numpy()[(slice(None), *inside.slices())]
        made[first : first + together] = encoding.encode(exact if noise is None else exact + noise[first : first + together])
    return made


def measure(hr: Raster, usable: BoolArray, inside: Window, encoding: Encoding, operator: Operator, noise: Noise | None = None) -> Pair:
    """Measure what `seen` gave, and cut the window out of it. Needs no file, so any thread may do it."""
    coarse, fine = inside.slices(), fine_slices(inside, operator.scale)
    lr_pixels = encoding.decode(measured_codes(hr.pixels, inside, encoding, operator, noise))
    lr_mask = usable[coarse]
    hr_mask = hr.mask[fine] & enlarge_mask(lr_mask, operator.scale)
    lr = Raster(lr_pixels, lr_mask, hr.bands, hr.unit, hr.valid_range)
    return Pair(Raster(hr.pixels[(slice(None), *fine)], hr_mask, hr.bands, hr.unit, hr.valid_range), lr, encoding)


def fine_slices(window: Window, scale: tuple[int, int]) -> tuple[slice, slice]:
    """Give the rows and columns of the HR pixels under a window of the LR grid."""
    rows, cols = window.slices()
    return slice(rows.start * scale[0], rows.stop * scale[0]), slice(cols.start * scale[1], cols.stop * scale[1])


def reader_of(image: Raster) -> Read:
    """Read windows out of an image in memory."""

    def read(window: Window) -> Raster:
        rows, cols = window.slices()
        return Raster(image.pixels[:, rows, cols], image.mask[rows, cols], image.bands, image.unit, image.valid_range)

    return read


def _fill(hr: Raster) -> Float32Array:
    """Give every unusable pixel the nearest usable value within REACH, or else the valid value nearest to 0."""
    from scipy import ndimage

    neutral = np.float32(np.clip(0.0, *hr.valid_range))
    if not hr.mask.any():
        return np.full_like(hr.pixels, neutral)
    far, (rows, cols) = ndimage.distance_transform_edt(~hr.mask, return_indices=True)
    filled: Float32Array = np.where(far <= REACH, hr.pixels[:, rows, cols], neutral)
    return filled


def _measured_wholly(mask: BoolArray, operator: Operator) -> BoolArray:
    """Say which LR pixels see usable HR pixels only, over the operator's whole support."""
    from scipy import ndimage

    if not operator.windowed:
        check_no_holes(mask, operator)
    rows, cols = operator.scale
    reach = 2 * operator.support
    everywhere = ndimage.minimum_filter(mask, size=(reach + rows if rows > 1 else 1, reach + cols if cols > 1 else 1), mode="nearest")
    centres: BoolArray = everywhere[rows // 2 :: rows, cols // 2 :: cols]
    return centres


def enlarge_mask(mask: BoolArray, scale: tuple[int, int]) -> BoolArray:
    """Repeat every LR pixel over the HR pixels that it covers."""
    return np.repeat(np.repeat(mask, scale[0], axis=0), scale[1], axis=1)
