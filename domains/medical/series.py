"""Single slices to series: grouped by what they share, ordered and checked by where they lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from domains.medical.header import SliceHeader
from sr_core.errors import InputError

SPACING_TOLERANCE = 0.01  # of the median distance between neighbours


@dataclass(frozen=True)
class Series:
    """Slices on one grid, in order of position along their normal. `gap_mm` is None for a single slice."""

    slices: tuple[SliceHeader, ...]
    gap_mm: float | None

    @property
    def first(self) -> SliceHeader:
        """The slice with the lowest position."""
        return self.slices[0]

    @property
    def pixels(self) -> int:
        """Pixels in all slices."""
        return len(self.slices) * self.first.shape[0] * self.first.shape[1]


def group_slices(headers: Iterable[SliceHeader]) -> list[list[SliceHeader]]:
    """Put together the slices of one series that lie on one grid (a localizer in a series is apart from its slices)."""
    groups: dict[object, list[SliceHeader]] = {}
    for header in headers:
        orientation = tuple(round(v, 4) + 0.0 for v in (*header.x, *header.y))  # + 0.0: no negative zero
        groups.setdefault((header.series_uid, orientation, header.shape, header.spacing), []).append(header)
    return list(groups.values())


def ordered(slices: list[SliceHeader]) -> Series:
    """Order slices by position along their normal; never by InstanceNumber or SliceLocation, which may count either way.

    Raises
    ------
    InputError
        If two lie at one place, the distances differ by more than 1 % (a slice is missing), or the slices do not agree
        in how they store values or in whom they belong to.
    """
    in_order = sorted(slices, key=lambda s: s.along_normal)
    first = in_order[0]
    if any((s.encoding, s.padding, s.unit, s.modality) != (first.encoding, first.padding, first.unit, first.modality) for s in in_order):
        raise InputError(
            f"{len(in_order)} slices that store values in different ways", "one slope, intercept, bit depth and padding in a series",
            "Export the series with one rescale, or give its slices one by one.",
        )  # fmt: skip
    if any(s.patient != first.patient for s in in_order):
        raise InputError("one series number with several patients", "one patient a series", "Mend the export.")
    if len(in_order) == 1:
        return Series((first,), None)
    gaps = np.diff([s.along_normal for s in in_order])
    gap = float(np.median(gaps))
    if gaps.min() <= SPACING_TOLERANCE * max(gap, 1e-3):
        given = f"{len(in_order)} slices of which two lie at one place"
        raise InputError(given, "one slice a place", "Give one phase, echo or copy at a time.")
    if np.abs(gaps - gap).max() > SPACING_TOLERANCE * gap:
        raise InputError(
            f"{len(in_order)} slices {gaps.min():.4g} to {gaps.max():.4g} mm apart", "equal distances within 1 %",
            "Add the missing slices, or give the parts one by one.",
        )  # fmt: skip
    return Series(tuple(in_order), gap)
