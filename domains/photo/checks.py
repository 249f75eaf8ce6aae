"""Photographs have no checks beyond the general ones: consistency, range and detail hold for them as for every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_core.trust.verdict import Check


def checks() -> Sequence[Check]:
    """Give none."""
    return ()
