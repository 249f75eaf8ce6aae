"""Splits by picture."""

from __future__ import annotations

from collections.abc import Sequence

from sr_core.records import Source, Split
from sr_core.split import split_by_group

PATCH = 33  # LR px: side of the default training patch


def split(sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
    """Split by picture; with fewer than four, by blocks of a picture (see `sr_core.split`)."""
    return split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=PATCH * scale, group_word="picture", scene_word="picture")
