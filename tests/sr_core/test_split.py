"""Splits: no group on two sides, gaps that hold, and what is said when groups are few."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.errors import SplitError
from sr_core.records import SPLITS, Group, Region, Source, Split
from sr_core.split import MIN_BLOCK, split_by_group


def image(number: int, group: int, height: int, width: int) -> Source:
    return Source(
        path=Path(f"{number}.tif"), sha256=f"{number:064x}", size=1, group=Group(kind="place", id=f"g{group}"),
        shape=(1, height, width), bands=("B1",), dtype="uint8", unit="DN",
    )  # fmt: skip


def cut(sources: list[Source], scale: int = 2, gap: int = 16, seed: int = 1, patch: int = 66) -> Split:
    return split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=patch, group_word="place")


def labelled(split: Split) -> list[tuple[str, Region]]:
    return [(name, region) for name in SPLITS for region in split.part(name)]


def apart(a: Region, b: Region) -> int:
    """Pixels between two windows, by their corners (independent of the code under test)."""
    rows = max(b.window.row - (a.window.row + a.window.height), a.window.row - (b.window.row + b.window.height))
    cols = max(b.window.col - (a.window.col + a.window.width), a.window.col - (b.window.col + b.window.width))
    return max(rows, cols)


def hold(split: Split, sources: list[Source], scale: int, gap: int, patch: int) -> None:
    """Say everything that must be true of any split."""
    split.check(gap)
    assert all(split.part(name) for name in SPLITS)
    by_hash = {s.sha256: s for s in sources}
    for _, region in labelled(split):
        _, height, width = by_hash[region.source].shape
        w = region.window
        assert w.row + w.height <= height and w.col + w.width <= width and region.group == by_hash[region.source].group
        assert w.row % scale == 0 and w.col % scale == 0
    for region in split.train:
        assert min(region.window.height, region.window.width) // scale * scale >= patch
    for (name_a, a), (name_b, b) in itertools.combinations(labelled(split), 2):
        if name_a == name_b:
            continue
        if a.source == b.source:
            assert apart(a, b) >= gap
        if a.group == b.group:
            assert a.one_group and b.one_group


sides = st.integers(20, 500)


@given(
    st.lists(st.tuples(st.integers(0, 6), sides, sides), min_size=1, max_size=12),
    st.integers(2, 4), st.integers(0, 40), st.integers(0, 5), st.sampled_from([33, 66, 99]),
)  # fmt: skip
@settings(derandomize=True, max_examples=400, deadline=None)
def test_a_split_is_right_or_refused(images: list[tuple[int, int, int]], scale: int, gap: int, seed: int, patch: int) -> None:
    sources = [image(n, group, height, width) for n, (group, height, width) in enumerate(images)]
    try:
        split = cut(sources, scale, gap, seed, patch)
    except SplitError as error:
        assert str(error).count("; expected ") == 1 and "px" in str(error)
        return
    hold(split, sources, scale, gap, patch)


@given(st.integers(1, 3), st.integers(400, 900), st.integers(400, 900), st.integers(2, 4), st.integers(0, 40))
@settings(derandomize=True, max_examples=80, deadline=None)
def test_large_images_are_never_refused(groups: int, height: int, width: int, scale: int, gap: int) -> None:
    sources = [image(n, n, height, width) for n in range(groups)]
    split = cut(sources, scale, gap)
    hold(split, sources, scale, gap, 66)
    for _, region in labelled(split):
        assert min(region.window.height, region.window.width) >= MIN_BLOCK - scale


def test_one_group_says_one_scene() -> None:
    split = cut([image(0, 0, 300, 300)])
    assert split.train[0].window.width == 168 and split.train[0].window.height == 300
    assert all(region.one_group for _, region in labelled(split))
    assert {region.source for _, region in labelled(split)} == {f"{0:064x}"}
    (note,) = split.notes
    assert note.startswith("Only one place: train, val, calibration and test are blocks of one scene, 16 px apart.")


def test_other_images_of_the_only_group_are_left_out_and_that_is_said() -> None:
    split = cut([image(0, 0, 300, 300), image(1, 0, 500, 300), image(2, 0, 100, 100)])
    assert {region.source for _, region in labelled(split)} == {f"{1:064x}"}
    assert "The other 2 images of the same place are left out." in split.notes[0]


def test_two_groups() -> None:
    sources = [image(0, 0, 400, 400), image(1, 1, 300, 300)]
    split = cut(sources)
    hold(split, sources, 2, 16, 66)
    assert {r.group.id for r in split.train + split.val} == {"g0"}
    assert {r.group.id for r in split.calibration + split.test} == {"g1"}
    assert len(split.calibration) == len(split.test) == 4
    assert "Only two places" in split.notes[0]


def test_three_groups() -> None:
    sources = [image(0, 0, 100, 100), image(1, 1, 400, 300), image(2, 2, 100, 100), image(3, 1, 80, 80)]
    split = cut(sources)
    hold(split, sources, 2, 16, 66)
    assert {r.group.id for r in split.train + split.val} == {"g1"}  # the largest; its small image trains without a cut
    assert len(split.train) == 2 and len(split.val) == 1
    assert not any(r.one_group for r in split.calibration + split.test)
    assert "Only three places" in split.notes[0]


def test_many_groups_stand_whole_on_one_side() -> None:
    sources = [image(n, n // 2, 100, 100) for n in range(40)]
    split = cut(sources)
    assert split.notes == () and not any(region.one_group for _, region in labelled(split))
    groups = {name: {r.group.id for r in split.part(name)} for name in SPLITS}
    assert [len(groups[name]) for name in SPLITS] == [10, 2, 4, 4]
    assert sum(len(split.part(name)) for name in SPLITS) == 40


def test_four_groups_are_one_each() -> None:
    split = cut([image(n, n, 100, 100) for n in range(4)])
    assert [len(split.part(name)) for name in SPLITS] == [1, 1, 1, 1]


def test_the_same_files_split_the_same_way_in_any_order() -> None:
    for groups in (1, 2, 3, 9):
        sources = [image(n, n % groups, 300, 300) for n in range(9)]
        forward, backward = cut(sources), cut(sources[::-1])
        for name in SPLITS:
            assert set(forward.part(name)) == set(backward.part(name))
    seeds = {frozenset(r.source for r in cut([image(n, n, 100, 100) for n in range(9)], seed=s).test) for s in range(8)}
    assert len(seeds) > 1


def test_images_below_a_patch_are_left_out_and_that_is_said() -> None:
    split = cut([image(n, n, 100, 100) for n in range(4)] + [image(4, 4, 65, 500), image(5, 5, 67, 500)])
    used = {region.source for _, region in labelled(split)}
    assert f"{4:064x}" not in used and f"{5:064x}" in used
    assert split.notes == ("1 images smaller than one training patch (66 px) are left out.",)


def test_a_side_counts_as_cut_to_the_scale() -> None:
    with pytest.raises(SplitError, match="33 x 33 px, the size of one training patch"):
        cut([image(0, 0, 33, 300)], scale=2, patch=33)  # 32 rows remain


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ([], "no usable image; expected at least one image of 66 x 66 px"),
        ([image(0, 0, 40, 50)], "images of at most 50 x 40 px; expected at least one image of 66 x 66 px"),
        ([image(0, 0, 100, 100)], "100 x 100 px that must serve several parts; expected room for four blocks of 40 px"),
        ([image(n, n, 70, 70) for n in range(3)], "training images of at most 70 px; expected one of at least 122 px"),
        ([image(0, 0, 400, 400), image(1, 1, 70, 70)], "70 x 70 px that must serve several parts"),
    ],
)
def test_too_little_is_refused_in_words(sources: list[Source], sentence: str) -> None:
    with pytest.raises(SplitError, match=sentence):
        cut(sources)


def test_planted_fault_a_group_in_two_parts_is_found() -> None:
    split = cut([image(n, n, 100, 100) for n in range(4)])
    with pytest.raises(SplitError, match="is in train and in test; expected a group on one side only"):
        split.model_copy(update={"test": split.train}).check(16)


def test_planted_fault_a_block_too_near_is_found() -> None:
    split = cut([image(0, 0, 300, 300)])
    moved = dataclasses.replace(split.test[0].window, col=split.train[0].window.width + 15)
    near = split.test[0].model_copy(update={"window": moved})
    with pytest.raises(SplitError, match="are 15 px apart; expected a gap of at least 16 px"):
        split.model_copy(update={"val": (), "calibration": (), "test": (near,)}).check(16)
