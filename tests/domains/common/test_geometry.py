"""Finer grids and footprints."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.common.geometry import Box, connected, finer_centre, finer_edge, finer_transform, is_usable, spacing

number = st.floats(-1e3, 1e3)


@settings(derandomize=True, max_examples=50)
@given(st.tuples(number, number, number, number, number, number), st.integers(2, 8), number, number)
def test_corners_stay(transform: tuple[float, ...], scale: int, col: float, row: float) -> None:
    a, b, c, d, e, f = transform
    fa, fb, fc, fd, fe, ff = finer_transform((a, b, c, d, e, f), scale)
    x, y = finer_edge(col, scale), finer_edge(row, scale)
    assert math.isclose(fa * x + fb * y + fc, a * col + b * row + c, rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(fd * x + fe * y + ff, d * col + e * row + f, rel_tol=1e-9, abs_tol=1e-6)


def test_centre_of_a_pixel_is_the_centre_of_its_finer_pixels() -> None:
    assert finer_centre(0, 2) == 0.5 and finer_centre(0, 3) == 1 and finer_centre(4, 3) == 13
    for scale in (2, 3, 4):
        assert finer_centre(7, scale) == sum(range(7 * scale, 8 * scale)) / scale
        assert finer_centre(7, scale) == finer_edge(7.5, scale) - 0.5


def test_spacing_and_use() -> None:
    assert spacing((6, -8, 0, 8, 6, 0)) == (10, 10)
    assert is_usable((1, 0, 0, 0, -1, 0))
    assert not is_usable((1, 1, 0, 1, 1, 0)) and not is_usable((1, 0, float("nan"), 0, -1, 0))


@pytest.mark.parametrize(
    ("other", "touch"),
    [((1, 0, 2, 1), True), ((1.1, 0, 2, 1), False), ((0, 1, 1, 2), True), ((0.2, 0.2, 0.3, 0.3), True), ((0, 1.1, 1, 2), False)],
)
def test_touching(other: tuple[float, float, float, float], touch: bool) -> None:
    assert Box(0, 0, 1, 1).touches(Box(*other)) is touch
    assert Box(*other).touches(Box(0, 0, 1, 1)) is touch


def test_180th_meridian() -> None:
    across = Box(179, 0, -179, 1)
    assert across.touches(Box(-179.5, 0, -178, 1)) and across.touches(Box(178, 0, 179, 1)) and not across.touches(Box(0, 0, 1, 1))


def test_connected_through_others() -> None:
    boxes = [Box(0, 0, 1, 1), Box(5, 0, 6, 1), Box(2, 0, 3, 1), Box(1, 0.5, 2, 0.6), Box(5.5, 1, 6, 2)]
    assert connected(boxes) == [[0, 2, 3], [1, 4]]
    assert connected([]) == []


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_connected_is_a_partition_without_contact(corners: list[tuple[int, int, int, int]]) -> None:
    boxes = [Box(w, s, w + dw, s + dh) for w, s, dw, dh in corners]
    groups = connected(boxes)
    assert sorted(i for g in groups for i in g) == list(range(len(boxes)))
    for n, one in enumerate(groups):
        for two in groups[n + 1 :]:
            assert not any(boxes[i].touches(boxes[j]) for i in one for j in two)
