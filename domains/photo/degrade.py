"""Known degradations of photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_core.operators import Operator


def bicubic(scale: int) -> Operator:
    """Antialiased bicubic reduction, as MATLAB's `imresize`: how Set5 and its like are reduced in papers."""
    from sr_core.operators import make_operator

    return make_operator("bicubic", scale)


def box(scale: int) -> Operator:
    """Mean over scale x scale pixels."""
    from sr_core.operators import make_operator

    return make_operator("box", scale)


OPERATORS: dict[str, Callable[[int], Operator]] = {"bicubic": bicubic, "box": box}
