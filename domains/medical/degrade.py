"""Known degradations of medical images in the image plane; the default comes first.

"box" is a larger detector element or voxel, "gaussian" a smooth reconstruction kernel, "kspace" a magnetic resonance scanner that
measures fewer frequencies (of the magnitude image: an approximation where its phase was not removed); it takes whole images without
padding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domains.common.degrade import bicubic, box, gaussian, kspace

if TYPE_CHECKING:
    from sr_core.operators import Operator

OPERATORS: dict[str, Callable[[int], Operator]] = {"bicubic": bicubic, "box": box, "gaussian": gaussian, "kspace": kspace}
