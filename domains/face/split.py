"""Splits by person."""

from __future__ import annotations

from collections.abc import Sequence

from sr_core.records import Source, Split
from sr_core.split import split_by_group


def split(sources: Sequence[Source], *, scale: int, gap: int, seed: int, patch: int) -> Split:
    """Split so that no person is on two sides; `patch` is the side of a training patch in HR pixels."""
    return split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=patch, group_word="person", scene_word="picture")
