"""Splits by group; where there are too few groups, by blocks of one image with a gap between them.

The order of retreat when groups are too few (each step is said in the split's notes and caps the claim):
three groups: val is cut from the training images; two: calibration and test are blocks of the second group;
one: all four are blocks of one group ("one scene").
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sr_core.errors import SplitError
from sr_core.raster import Window
from sr_core.records import Group, Region, Source, Split

TRAIN_SHARE = 0.56  # of the longer side, when one image must serve all four parts
MIN_BLOCK = 40  # HR px: SSIM's 11 px window and the borders still leave an area worth measuring
HELD_OUT_SHARE = 0.2  # of the groups, for each of calibration and test


def split_by_group(
    sources: Sequence[Source], *, scale: int, gap: int, seed: int, patch: int, group_word: str, scene_word: str = "scene"
) -> Split:
    """Split images so that no group is on two sides, or, with fewer than four groups, by blocks.

    Parameters
    ----------
    sources : the usable images.
    scale, gap : HR pixels; blocks are aligned to `scale` and at least `gap` apart.
    seed : decides which group goes where, the same on every machine.
    patch : side of a training patch on the HR grid; training blocks are at least that large.
    group_word, scene_word : the words for the notes ("place", "scene").

    Raises
    ------
    SplitError
        If there is nothing to split, or one image must serve all parts and is too small for it.
    """
    usable = [s for s in sources if min(side // scale * scale for side in s.shape[1:]) >= patch]
    if not usable:
        largest = max((s.shape for s in sources), key=lambda shape: shape[1] * shape[2], default=None)
        given = "no usable image" if largest is None else f"images of at most {largest[2]} x {largest[1]} px"
        raise SplitError(given, f"at least one image of {patch} x {patch} px, the size of one training patch", "Give larger images.")
    groups = _ordered_groups(usable, seed)
    by_group = {g: [s for s in usable if s.group == g] for g in groups}
    align = scale
    gap = -(-gap // align) * align
    count = len(groups)
    if count == 1:
        split = _one_group(by_group[groups[0]], align, gap, patch, group_word, scene_word)
    elif count == 2:
        first, second = sorted(groups, key=lambda g: -_pixels(by_group[g]))
        train, val = _cut_val(by_group[first], align, gap, patch)
        shared = max(by_group[second], key=lambda s: (s.shape[1] * s.shape[2], s.sha256))
        blocks = _blocks(shared, align, gap, Window(0, 0, 1, 1))
        note = (
            f"Only two {group_word}s: calibration and test are blocks of one {scene_word}, {gap} px apart; "
            "val is cut from the training images."
        )
        split = Split(train=train, val=val, calibration=blocks[0::2], test=blocks[1::2], notes=(note,))
    elif count == 3:
        first, *rest = sorted(groups, key=lambda g: -_pixels(by_group[g]))
        train, val = _cut_val(by_group[first], align, gap, patch)
        note = f"Only three {group_word}s: val is cut from the training images."
        split = Split(train=train, val=val, calibration=_whole(by_group[rest[0]]), test=_whole(by_group[rest[1]]), notes=(note,))
    else:
        held = max(1, round(count * HELD_OUT_SHARE))
        val_count = max(1, count // 10)
        parts = [groups[:held], groups[held : 2 * held], groups[2 * held : 2 * held + val_count], groups[2 * held + val_count :]]
        test, calibration, val, train = (tuple(r for g in part for r in _whole(by_group[g])) for part in parts)
        split = Split(train=train, val=val, calibration=calibration, test=test)
    if small := len(sources) - len(usable):
        note = f"{small} images smaller than one training patch ({patch} px) are left out."
        split = split.model_copy(update={"notes": (*split.notes, note)})
    split.check(gap)
    return split


def _ordered_groups(sources: Sequence[Source], seed: int) -> list[Group]:
    unique = {s.group for s in sources}
    return sorted(unique, key=lambda g: hashlib.sha256(f"{seed}/{g.kind}/{g.id}".encode()).hexdigest())


def _pixels(sources: Sequence[Source]) -> int:
    return sum(s.shape[1] * s.shape[2] for s in sources)


def _whole(sources: Sequence[Source]) -> tuple[Region, ...]:
    return tuple(Region(source=s.sha256, window=Window(0, 0, *s.shape[1:]), group=s.group) for s in sources)


def _one_group(sources: Sequence[Source], align: int, gap: int, patch: int, group_word: str, scene_word: str) -> Split:
    """Cut the largest image of the only group into all four parts.

    Its other images are left out: they may show what the blocks show, and a claim would then rest on pixels seen in training.
    """
    source = max(sources, key=lambda s: (s.shape[1] * s.shape[2], s.sha256))
    height, width = source.shape[1:]
    wide = width >= height
    side = max(width, height)
    train_side = -(-max(patch, int(side * TRAIN_SHARE)) // align) * align
    train = Window(0, 0, height, train_side) if wide else Window(0, 0, train_side, width)
    blocks = _blocks(source, align, gap, train)
    note = (
        f"Only one {group_word}: train, val, calibration and test are blocks of one {scene_word}, {gap} px apart. "
        f"What is said of them is said of one {scene_word}."
    )
    if len(sources) > 1:
        note += f" The other {len(sources) - 1} images of the same {group_word} are left out."
    return Split(
        train=(Region(source=source.sha256, window=train, group=source.group, one_group=True),),
        val=blocks[0::4], calibration=blocks[1::4] + blocks[3::8], test=blocks[2::4] + blocks[7::8], notes=(note,),
    )  # fmt: skip


def _cut_val(sources: Sequence[Source], align: int, gap: int, patch: int) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """Cut val from the end of the longer side of each training image that is large enough for it.

    All regions carry `one_group`: the group is on both sides, also where an image is too small to be cut.
    """
    train: list[Region] = []
    val: list[Region] = []
    for s in sources:
        height, width = s.shape[1:]
        side = max(height, width)
        val_side = max(MIN_BLOCK, side // 6) // align * align
        train_side = (side - gap - val_side) // align * align
        if train_side < patch:
            train += [Region(source=s.sha256, window=Window(0, 0, height, width), group=s.group, one_group=True)]
            continue
        start = train_side + gap
        if width >= height:
            windows = Window(0, 0, height, train_side), Window(0, start, height, val_side)
        else:
            windows = Window(0, 0, train_side, width), Window(start, 0, val_side, width)
        for regions, window in zip((train, val), windows, strict=True):
            regions.append(Region(source=s.sha256, window=window, group=s.group, one_group=True))
    if not val:
        raise SplitError(
            f"training images of at most {max(max(s.shape[1:]) for s in sources)} px",
            f"one of at least {patch + gap + MIN_BLOCK} px, so that a validation block can be cut from it",
            "Give larger images, or images of more groups.",
        )
    return tuple(train), tuple(val)


def _blocks(source: Source, align: int, gap: int, taken: Window) -> tuple[Region, ...]:
    """Cut what lies beyond `taken` (a strip that begins at the origin, or 1 x 1 for nothing) into 8 or 4 blocks with gaps.

    The order alternates over the area, so that parts drawn from it in turn are spread out.
    """
    height, width = source.shape[1:]
    top = taken.height + gap if taken.width == width and taken.height > 1 else 0
    left = taken.width + gap if taken.height == height and taken.width > 1 and top == 0 else 0
    top, left = -(-top // align) * align, -(-left // align) * align
    free_rows, free_cols = height - top, width - left
    for rows, cols in ((4, 2), (2, 4), (2, 2), (4, 1), (1, 4)) if free_rows >= free_cols else ((2, 4), (4, 2), (2, 2), (1, 4), (4, 1)):
        block_h = (free_rows - gap * (rows - 1)) // rows // align * align
        block_w = (free_cols - gap * (cols - 1)) // cols // align * align
        if min(block_h, block_w) >= MIN_BLOCK:
            cells = [(r, c) for r in range(rows) for c in range(cols)]
            return tuple(
                Region(
                    source=source.sha256, group=source.group, one_group=True,
                    window=Window(top + r * (block_h + gap), left + c * (block_w + gap), block_h, block_w),
                )
                for r, c in cells
            )  # fmt: skip
    raise SplitError(
        f"an image of {width} x {height} px that must serve several parts",
        f"room for four blocks of {MIN_BLOCK} px with gaps of {gap} px beyond the training strip",
        "Give a larger image, or images of more groups.",
    )
