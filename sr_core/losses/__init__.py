"""What training makes small."""

from __future__ import annotations

from sr_core.losses.adversarial import GAMES, Game, accuracy
from sr_core.losses.content import ContentLoss, Vgg19, read_weights
from sr_core.losses.features import Features, gram, matching, texture
from sr_core.losses.measurement import consistency
from sr_core.losses.pixel import PIXEL_LOSSES, SPREAD_LOSSES, PixelLoss, charbonnier, l1, l2, laplace, magnitude
from sr_core.losses.structure import frequency, gradient, sobel, spectrum, total_variation

__all__ = [
    "GAMES", "PIXEL_LOSSES", "SPREAD_LOSSES", "ContentLoss", "Features", "Game", "PixelLoss", "Vgg19", "accuracy", "charbonnier",
    "consistency", "frequency",
    "gradient", "gram", "l1", "l2", "laplace", "magnitude", "matching", "read_weights", "sobel", "spectrum", "texture", "total_variation",
]  # fmt: skip
