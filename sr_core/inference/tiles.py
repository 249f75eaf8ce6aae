"""The windows in which an image is computed so that no seam can be seen, or measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sr_core.errors import ShapeError
from sr_core.raster import Window


@dataclass(frozen=True)
class Tile:
    """One piece of work on the LR grid: read `window`, keep `core`.

    `window` is `core` with the halo around it, cut at the image's border: there the network meets the border itself, as in the
    whole image.
    """

    core: Window
    window: Window

    @property
    def inner(self) -> Window:
        """The core in the pixel coordinates of the window."""
        return self.core.inside(self.window)


def tiles(height: int, width: int, size: int, halo: int) -> Iterator[Tile]:
    """Yield tiles that cover an image, row by row.

    Parameters
    ----------
    height, width : image, LR pixels.
    size : side of a core; cut to the image's side where that is shorter. All cores have one size: the last of a row or a column is
        shifted inwards over its neighbour, since ragged remainders are computed by other kernels and come out unequal in the
        last bit.
    halo : LR pixels around a core that the result depends on.

    Raises
    ------
    ShapeError
        If a side or the size is below 1, or the halo below 0.
    """
    if min(height, width, size) < 1 or halo < 0:
        raise ShapeError(f"tiles of {size} with halo {halo} for {height} x {width}", "sides >= 1 and halo >= 0", "Give a larger tile.")
    rows, cols = min(size, height), min(size, width)
    for row in starts(height, rows):
        for col in starts(width, cols):
            core = Window(row, col, rows, cols)
            yield Tile(core, core.grown(halo, height, width))


def starts(length: int, size: int) -> list[int]:
    """Give the first pixels of segments of one size that cover `length`; the last ends at the end.

    >>> starts(10, 4)
    [0, 4, 6]
    """
    first = list(range(0, length - size, size))
    return [*first, length - size]


@dataclass(frozen=True)
class Strip:
    """Columns of an image: those that are wanted, and those that the network sees."""

    core: slice
    seen: slice


def strips_of(width: int, size: int, halo: int) -> list[Strip]:
    """Cut the columns of an image into strips of one size; the last is shifted inwards, as tiles are."""
    size = min(size, width)
    return [Strip(slice(c, c + size), slice(max(0, c - halo), min(width, c + size + halo))) for c in starts(width, size)]
