"""Origins of patches: golden counts, and properties of the three rules."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sr_core.errors import RecipeError, ShapeError
from sr_core.patches.grid import OriginScan, origins, pair_count, pairs_mask, stride_for, valid_origins

# spec: published SRCNN pair counts on the HR grid, and the same rule on the LR grid
T91 = {("hr", 2): 21_910, ("hr", 3): 21_884, ("hr", 4): 21_772, ("lr", 2): 4_380, ("lr", 3): 1_478, ("lr", 4): 618}


@pytest.fixture(scope="module")
def t91_sizes(shared_data: Path) -> list[tuple[int, int]]:
    files = sorted(p for p in (shared_data / "sr_train" / "T91").iterdir() if p.suffix.lower() in {".png", ".bmp", ".jpg"})
    sizes = []
    for path in files:
        with Image.open(path) as image:
            sizes.append((image.height, image.width))
    assert len(sizes) == 91
    return sizes


@pytest.mark.parametrize(("grid", "scale"), list(T91))
def test_t91_counts_are_the_published_ones(t91_sizes: list[tuple[int, int]], grid: str, scale: int) -> None:
    step = scale if grid == "hr" else 1  # HR grid: cut to a multiple of the scale; LR grid: sides of the LR image
    sides = [(h // scale * step, w // scale * step) for h, w in t91_sizes]
    assert sum(pair_count(h, w, 33, 14, "classic") for h, w in sides) == T91[grid, scale]


def test_t91_without_cutting_to_the_scale(t91_sizes: list[tuple[int, int]]) -> None:
    assert sum(pair_count(h, w, 33, 14, "classic") for h, w in t91_sizes) == 22_092


def test_classic_rounds_down_and_edge_ends_at_the_edge() -> None:
    assert origins(63, 33, 14, "classic") == [0, 14, 28]
    assert origins(63, 33, 14, "edge") == [0, 14, 28, 30]
    assert origins(61, 33, 14, "edge") == origins(61, 33, 14, "classic") == [0, 14, 28]
    assert origins(33, 33, 14, "edge") == [0]
    assert origins(20, 33, 14, "whole") == [0]


def test_classic_leaves_13_of_256_pixels_unseen() -> None:
    last = origins(256, 33, 14, "classic")[-1]
    assert 256 - (last + 33) == 13


sizes = st.integers(1, 40).flatmap(lambda patch: st.tuples(st.integers(patch, 150), st.just(patch), st.integers(1, patch)))


@given(sizes)
@settings(derandomize=True, max_examples=200)
def test_edge_sees_every_pixel_and_classic_never_leaves_the_image(case: tuple[int, int, int]) -> None:
    size, patch, stride = case
    edge, classic = origins(size, patch, stride, "edge"), origins(size, patch, stride, "classic")
    assert {p for start in edge for p in range(start, start + patch)} == set(range(size))
    assert edge[: len(classic)] == classic and len(edge) - len(classic) in (0, 1)
    assert len(edge) == -(-(size - patch) // stride) + 1
    assert len(classic) == (size - patch) // stride + 1
    assert all(b > a for a, b in itertools.pairwise(edge))


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 9), st.sampled_from(["classic", "edge", "whole"]), st.floats(0, 0.1))
@settings(derandomize=True, max_examples=120)
def test_valid_origins_are_exactly_the_clean_ones(seed: int, patch: int, stride: int, rule: str, share: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((rng.integers(patch, 30), rng.integers(patch, 30))) >= share
    stride = min(stride, patch)
    found = valid_origins(mask, patch, stride, rule).tolist()  # type: ignore[arg-type]
    height, width = mask.shape if rule == "whole" else (patch, patch)
    grid = [(r, c) for r in origins(mask.shape[0], patch, stride, rule) for c in origins(mask.shape[1], patch, stride, rule)]  # type: ignore[arg-type]
    assert found == [[r, c] for r, c in grid if mask[r : r + height, c : c + width].all()]


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 9), st.sampled_from(["classic", "edge", "whole"]), st.floats(0, 0.1))
@settings(derandomize=True, max_examples=120)
def test_strips_give_the_origins_of_the_whole(seed: int, patch: int, stride: int, rule: str, share: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((rng.integers(patch, 60), rng.integers(patch, 30))) >= share
    stride = min(stride, patch)
    scan = OriginScan(*mask.shape, patch, stride, rule)  # type: ignore[arg-type]
    row = 0
    while row < len(mask):
        count = int(rng.integers(1, 20))
        scan.feed(mask[row : row + count])
        row += count
    np.testing.assert_array_equal(scan.origins(), valid_origins(mask, patch, stride, rule))  # type: ignore[arg-type]


def test_pairs_mask_needs_both_grids() -> None:
    lr, hr = np.ones((3, 4), bool), np.ones((6, 8), bool)
    lr[0, 1] = False
    hr[5, 7] = False
    expected = np.ones((3, 4), bool)
    expected[0, 1] = expected[2, 3] = False
    np.testing.assert_array_equal(pairs_mask(lr, hr, 2), expected)


def test_a_side_below_the_patch_is_refused_in_words() -> None:
    with pytest.raises(ShapeError, match=r"a side of 32 px; expected at least 33 px.*patches\.size"):
        origins(32, 33, 14, "edge")
    assert pair_count(32, 100, 33, 14, "classic") == 0


@pytest.mark.parametrize(("stride", "rule"), [(0, "classic"), (-1, "edge"), (34, "edge")])
def test_impossible_strides_are_refused(stride: int, rule: str) -> None:
    with pytest.raises(RecipeError, match=f"stride {stride} "):
        origins(100, 33, stride, rule)  # type: ignore[arg-type]
    assert origins(100, 33, 34, "classic") == [0, 34]


def test_stride_for_gives_the_largest_that_is_enough() -> None:
    def count(stride: int) -> int:
        return pair_count(150, 150, 33, stride, "edge")

    stride = stride_for(count, 33, 1000)
    assert stride is not None
    assert count(stride) >= 1000 > count(stride + 1)
    assert stride_for(count, 33, 118 * 118) == 1
    assert stride_for(count, 33, 118 * 118 + 1) is None
