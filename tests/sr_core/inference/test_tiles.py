from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.errors import ShapeError
from sr_core.inference import tiles
from sr_core.raster import Window


@settings(derandomize=True, max_examples=60, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), size=st.integers(1, 80), halo=st.integers(0, 12))
def test_cores_cover_the_image_and_windows_carry_the_halo(height: int, width: int, size: int, halo: int) -> None:
    seen = np.zeros((height, width), int)
    for tile in tiles(height, width, size, halo):
        core, window = tile.core, tile.window
        assert (core.height, core.width) == (min(size, height), min(size, width))
        assert core.row + core.height <= height and core.col + core.width <= width
        assert window.row == max(0, core.row - halo) and window.col == max(0, core.col - halo)
        assert window.row + window.height == min(height, core.row + core.height + halo)
        assert window.col + window.width == min(width, core.col + core.width + halo)
        seen[core.slices()] += 1
        index = np.arange(height * width).reshape(height, width)
        assert np.array_equal(index[window.slices()][tile.inner.slices()], index[core.slices()])
    assert seen.min() == 1


def test_last_tile_is_shifted_inwards() -> None:
    assert [t.core for t in tiles(4, 10, 4, 1)] == [Window(0, 0, 4, 4), Window(0, 4, 4, 4), Window(0, 6, 4, 4)]


def test_nothing_is_computed_twice_where_tiles_fit() -> None:
    assert len(list(tiles(64, 96, 32, 5))) == 6


@pytest.mark.parametrize("wrong", [(0, 5, 4, 1), (5, 5, 0, 1), (5, 5, 4, -1)])
def test_senseless_plans_are_refused(wrong: tuple[int, int, int, int]) -> None:
    with pytest.raises(ShapeError, match="sides >= 1"):
        list(tiles(*wrong))
