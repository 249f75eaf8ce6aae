"""Where pixels lie when an image is put on a grid `scale` times finer, and which footprints belong together.

LR pixel (r, c) covers exactly the scale x scale SR pixels from (scale r, scale c); the outer edges of the image do not move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Affine6 = tuple[float, float, float, float, float, float]  # x = a col + b row + c, y = d col + e row + f; corners of pixels


def finer_edge(edge: float, scale: int) -> float:
    """Give the SR coordinate of a point in corner coordinates (whole numbers are pixel edges)."""
    return scale * edge


def finer_centre(centre: float, scale: int) -> float:
    """Give the SR coordinate of a point in centre coordinates (whole numbers are pixel centres)."""
    return scale * centre + (scale - 1) / 2


def finer_transform(transform: Affine6, scale: int) -> Affine6:
    """Give the affine transform of the grid `scale` times finer: same corners, pixels 1/scale as large (also if rotated)."""
    a, b, c, d, e, f = transform
    return a / scale, b / scale, c, d / scale, e / scale, f


def is_usable(transform: Affine6) -> bool:
    """Say whether a transform is finite and can be inverted."""
    a, b, _, d, e, _ = transform
    return all(map(math.isfinite, transform)) and abs(a * e - b * d) > 0


def spacing(transform: Affine6) -> tuple[float, float]:
    """Give the side lengths of a pixel along columns and rows, in the units of the coordinate system."""
    a, b, _, d, e, _ = transform
    return math.hypot(a, d), math.hypot(b, e)


@dataclass(frozen=True)
class Box:
    """A footprint: longitudes and latitudes in degrees; `west > east` where it crosses the 180th meridian."""

    west: float
    south: float
    east: float
    north: float

    def touches(self, other: Box, tolerance: float = 1e-9) -> bool:
        """Say whether two footprints overlap or share an edge (to a tolerance in degrees; 1e-9 is a tenth of a millimetre)."""
        if self.south > other.north + tolerance or other.south > self.north + tolerance:
            return False
        return any(
            a_west <= b_east + tolerance and b_west <= a_east + tolerance
            for a_west, a_east in self._spans()
            for b_west, b_east in other._spans()
        )

    def _spans(self) -> tuple[tuple[float, float], ...]:
        if self.west > self.east:
            return (self.west, 180.0), (-180.0, self.east)
        return ((self.west, self.east),)


def connected(boxes: Sequence[Box]) -> list[list[int]]:
    """Put footprints together that touch or overlap, directly or through others.

    Returns
    -------
    list of lists of indices, each rising; the lists ordered by their first index.
    """
    parent = list(range(len(boxes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    order = sorted(range(len(boxes)), key=lambda i: boxes[i].south)
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if boxes[j].south > boxes[i].north + 1e-9:
                break  # sorted by their southern edge: none further can touch
            if boxes[i].touches(boxes[j]):
                parent[max(root(i), root(j))] = min(root(i), root(j))
    groups: dict[int, list[int]] = {}
    for i in range(len(boxes)):
        groups.setdefault(root(i), []).append(i)
    return [groups[first] for first in sorted(groups)]
