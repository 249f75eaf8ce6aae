"""From a region of a split to an HR image and its measurement: y = Q(A x), made by the one known operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import InputError, RecipeError, ShapeError
from sr_core.raster import BoolArray, Encoding, Raster, Window, fill_nearest
from sr_core.records import Manifest, Region

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.operators import Operator
    from sr_core.recipe import Recipe


@dataclass(frozen=True)
class Pair:
    """An HR image and its LR measurement, in physical units, with what is usable of each."""

    hr: Raster
    lr: Raster
    encoding: Encoding


def operator_of(domain: Domain, recipe: Recipe) -> Operator:
    """Make the recipe's degradation.

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
    return kinds[recipe.operator](recipe.scale)


def read_pair(domain: Domain, manifest: Manifest, region: Region, operator: Operator) -> Pair:
    """Read a region of HR pixels and degrade it as an image of its own (its borders are the operator's borders).

    Raises
    ------
    InputError
        If nothing in the region is usable.
    """
    source = manifest.source(region.source)
    with domain.open(source) as scene:
        hr = scene.read(_multiple(region.window, operator.scale))
        encoding = scene.encoding
    if not hr.mask.any():
        raise InputError(
            f"{source.path.name}, {region.name}: no valid pixel", "an image with valid pixels in every block", "Leave the file out."
        )
    return degrade(hr, encoding, operator)


def _multiple(window: Window, scale: tuple[int, int]) -> Window:
    rows, cols = window.height // scale[0] * scale[0], window.width // scale[1] * scale[1]
    if not rows or not cols:
        raise ShapeError(
            f"a region of {window.width} x {window.height} px", f"at least one LR pixel of {scale[1]} x {scale[0]} px", "Use larger images."
        )
    return Window(window.row, window.col, rows, cols)


def degrade(hr: Raster, encoding: Encoding, operator: Operator) -> Pair:
    """Measure an HR image: y = Q(A x), quantised as the file quantises.

    An LR pixel is usable only if every HR pixel under the operator's taps is; an HR pixel only if its LR pixel is.
    """
    import torch

    filled = fill_nearest(hr.pixels, hr.mask)
    measured = operator.apply(torch.from_numpy(filled).double()).numpy()
    lr_pixels = encoding.decode(encoding.encode(measured))
    lr_mask = _measured_wholly(hr.mask, operator)
    hr_mask = hr.mask & enlarge_mask(lr_mask, operator.scale)
    lr = Raster(lr_pixels, lr_mask, hr.bands, hr.unit, hr.valid_range)
    return Pair(Raster(filled, hr_mask, hr.bands, hr.unit, hr.valid_range), lr, encoding)


def _measured_wholly(mask: BoolArray, operator: Operator) -> BoolArray:
    """Say which LR pixels see usable HR pixels only, over the operator's whole support."""
    from scipy import ndimage

    rows, cols = operator.scale
    reach = 2 * operator.support
    everywhere = ndimage.minimum_filter(mask, size=(reach + rows if rows > 1 else 1, reach + cols if cols > 1 else 1), mode="nearest")
    centres: BoolArray = everywhere[rows // 2 :: rows, cols // 2 :: cols]
    return centres


def enlarge_mask(mask: BoolArray, scale: tuple[int, int]) -> BoolArray:
    """Repeat every LR pixel over the HR pixels that it covers."""
    return np.repeat(np.repeat(mask, scale[0], axis=0), scale[1], axis=1)
