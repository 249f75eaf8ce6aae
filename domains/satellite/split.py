"""Splits by place: footprints that touch or overlap are one place, and a place is on one side only."""

from __future__ import annotations

from collections.abc import Sequence

from sr_core.records import Source, Split
from sr_core.split import split_by_group

PATCH = 33  # LR px: side of the default training patch


def split(sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
    """Split scenes by place; with fewer than four places, by blocks of a scene (see `sr_core.split`)."""
    return split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=PATCH * scale, group_word="place", scene_word="scene")
