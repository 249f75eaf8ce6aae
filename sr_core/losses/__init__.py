"""What training makes small."""

from __future__ import annotations

from sr_core.losses.pixel import PIXEL_LOSSES, PixelLoss, charbonnier, l1, l2, magnitude

__all__ = ["PIXEL_LOSSES", "PixelLoss", "charbonnier", "l1", "l2", "magnitude"]
