"""Every family of networks at a size for tests."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "edsr": {"width": 8, "blocks": 2},
    "srcnn": {"width": 8, "middle": 3},
    "fsrcnn": {"width": 8, "narrow": 3, "blocks": 2},
    "vdsr": {"width": 8, "blocks": 4},
    "srresnet": {"width": 8, "blocks": 2},
    "rrdb": {"width": 8, "blocks": 1, "growth": 4},
    "linear": {"width": 8, "blocks": 2},
}
FAMILIES = list(SMALL)
TRAINED = [family for family in FAMILIES if family != "linear"]


def small(family: str, **changes: Any) -> dict[str, Any]:
    """Give the family and its sizes, as a descriptor or a recipe's network takes them."""
    return {"family": family} | SMALL[family] | changes
