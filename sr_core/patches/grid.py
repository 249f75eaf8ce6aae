"""Where patches begin: geometry only, in pixels of one grid, no files and no pixels.

Three rules. `classic` rounds down, as the SRCNN protocol does (its counts are golden); `edge` adds the last patch at
the edge, so that every pixel is seen; `whole` takes the image as one patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from sr_core.errors import RecipeError, ShapeError
from sr_core.raster import BoolArray

Rule = Literal["classic", "edge", "whole"]
Origins = npt.NDArray[np.int32]


def origins(size: int, patch: int, stride: int, rule: Rule) -> list[int]:
    """Give the first pixel of every patch along one axis.

    Parameters
    ----------
    size, patch, stride : int
        Pixels of one grid. With `whole` the patch is the axis itself; `patch` and `stride` are not looked at.
    rule : "classic", "edge" or "whole"

    Returns
    -------
    list of int
        Increasing; floor((size - patch) / stride) + 1 entries (classic), or ceil instead of floor (edge), or [0].

    Raises
    ------
    ShapeError
        If the axis is shorter than a patch.
    RecipeError
        If the stride is not positive, or so large that `edge` would leave pixels out.

    Examples
    --------
    >>> origins(63, 33, 14, "classic")
    [0, 14, 28]
    >>> origins(63, 33, 14, "edge")
    [0, 14, 28, 30]
    """
    if rule == "whole":
        return [0]
    if stride < 1 or (rule == "edge" and stride > patch):
        raise RecipeError(
            f"patches.stride {stride} for patches of {patch} px",
            f"1 to {patch}" if rule == "edge" else "at least 1",
            "Change patches.stride; origins `classic` may leave pixels out.",
        )
    if size < patch:
        raise ShapeError(f"a side of {size} px", f"at least {patch} px, one patch", "Give larger images, or set a smaller patches.size.")
    starts = list(range(0, size - patch + 1, stride))
    if rule == "edge" and starts[-1] != size - patch:
        starts.append(size - patch)
    return starts


def pair_count(height: int, width: int, patch: int, stride: int, rule: Rule) -> int:
    """Count the patches of a wholly valid image on the grid of its sides; 0 where a side is below the patch.

    For the published counts `height` and `width` are first cut to multiples of the scale.
    """
    if rule != "whole" and min(height, width) < patch:
        return 0
    return len(origins(height, patch, stride, rule)) * len(origins(width, patch, stride, rule))


def wholly_valid(mask: BoolArray, patch: tuple[int, int]) -> BoolArray:
    """Say for every place of a patch whether it touches usable pixels only.

    Parameters
    ----------
    mask : bool (H, W), True = usable.
    patch : rows, columns; at most (H, W).

    Returns
    -------
    bool (H - rows + 1, W - cols + 1)
        Indexed by the patch's first pixel.
    """
    rows, cols = patch
    if mask.all():
        return np.ones((mask.shape[0] - rows + 1, mask.shape[1] - cols + 1), dtype=np.bool_)
    bad = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=np.int64)
    np.cumsum(np.cumsum(~mask, axis=0, dtype=np.int64), axis=1, out=bad[1:, 1:])
    touched = bad[rows:, cols:] - bad[:-rows, cols:] - bad[rows:, :-cols] + bad[:-rows, :-cols]
    untouched: BoolArray = touched == 0
    return untouched


class PlaceScan:
    """Says for every place of a patch whether it touches usable pixels only, while the mask comes strip by strip.

    Parameters
    ----------
    patch : side in pixels; the last `patch` - 1 rows of the mask are held.
    """

    def __init__(self, patch: int) -> None:
        self._patch = patch
        self._row = 0
        self._held: BoolArray | None = None

    def feed(self, mask: BoolArray) -> tuple[int, BoolArray]:
        """Take the next rows, bool (n, W), and give what they decide: the first row of the places, and bool (m, W - patch + 1)."""
        held = mask if self._held is None else np.concatenate([self._held, mask])
        row, ready = self._row, max(0, len(held) - self._patch + 1)
        good = wholly_valid(held, (self._patch, self._patch)) if ready else np.zeros((0, mask.shape[1] - self._patch + 1), np.bool_)
        self._held, self._row = held[ready:], row + ready
        return row, good


class OriginScan:
    """Lists the patches that touch usable pixels only, while the mask comes strip by strip.

    Parameters
    ----------
    height, width : of the whole mask.
    patch, stride, rule : as in `origins`.

    Raises
    ------
    ShapeError, RecipeError
        As `origins`.
    """

    def __init__(self, height: int, width: int, patch: int, stride: int, rule: Rule) -> None:
        self._rows = np.asarray(origins(height, patch, stride, rule))
        self._cols = np.asarray(origins(width, patch, stride, rule))
        self._places = PlaceScan(patch) if rule != "whole" else None
        self._whole = True
        self._found: list[Origins] = [np.zeros((0, 2), np.int32)]

    def feed(self, mask: BoolArray) -> None:
        """Take the next rows, bool (n, W)."""
        if self._places is None:
            self._whole &= bool(mask.all())
            return
        first, good = self._places.feed(mask)
        rows = self._rows[(self._rows >= first) & (self._rows < first + len(good))]
        at_row, at_col = np.nonzero(good[np.ix_(rows - first, self._cols)])
        self._found.append(np.stack([rows[at_row], self._cols[at_col]], axis=1).astype(np.int32))

    def origins(self) -> Origins:
        """Give (row, col) of the patches found, row by row: int32 (N, 2)."""
        if self._places is None:
            return np.zeros((1 if self._whole else 0, 2), np.int32)
        return np.concatenate(self._found)


def valid_origins(mask: BoolArray, patch: int, stride: int, rule: Rule) -> Origins:
    """Give (row, col) of every patch of the grid that touches usable pixels only, row by row.

    Parameters
    ----------
    mask : bool (H, W), True = usable.
    patch, stride, rule : as in `origins`.

    Returns
    -------
    int32 (N, 2); N may be 0.

    Raises
    ------
    ShapeError, RecipeError
        As `origins`.
    """
    scan = OriginScan(mask.shape[0], mask.shape[1], patch, stride, rule)
    scan.feed(mask)
    return scan.origins()


def pairs_mask(mask_lr: BoolArray, mask_hr: BoolArray, scale: int) -> BoolArray:
    """Give the LR pixels that are usable together with every HR pixel that they cover: bool (H, W) on the LR grid."""
    height, width = mask_lr.shape
    covered = mask_hr.reshape(height, scale, width, scale).all(axis=(1, 3))
    together: BoolArray = mask_lr & covered
    return together


def stride_for(count: Callable[[int], int], patch: int, wanted: int) -> int | None:
    """Give the largest stride, at most the patch, that yields `wanted` pairs; None if not even stride 1 does.

    `count` gives the number of pairs at a stride.
    """
    candidates: Iterable[int] = range(patch, 0, -1)
    return next((stride for stride in candidates if count(stride) >= wanted), None)
