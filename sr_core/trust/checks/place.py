"""Where a check found something, on the SR grid of the whole image."""

from __future__ import annotations

from sr_core.raster import Window
from sr_core.trust.verdict import Evidence


def in_image(evidence: Evidence, window: Window) -> Window:
    """Give a window of the evidence's LR pixels on the SR grid of the image, or of the evidence where its own place is not known."""
    rows, cols = evidence.scale
    top, left = (evidence.where.row, evidence.where.col) if evidence.where is not None else (0, 0)
    return Window(top + window.row * rows, left + window.col * cols, window.height * rows, window.width * cols)
