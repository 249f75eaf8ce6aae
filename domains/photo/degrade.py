"""Known degradations of photographs: "bicubic" is how Set5 and its like are reduced in papers. The default comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domains.common.degrade import bicubic, box

if TYPE_CHECKING:
    from sr_core.operators import Operator

OPERATORS: dict[str, Callable[[int], Operator]] = {"bicubic": bicubic, "box": box}
