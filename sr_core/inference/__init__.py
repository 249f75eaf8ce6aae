"""Inference: a trained network on whole images, in physical units, equal however the image is cut.

`Predictor` runs a bundle; `tiles` plans the windows. Tiles carry the exact halo, which the network derives from its blocks.
"""

from __future__ import annotations

from sr_core.inference.predictor import Prediction, Predictor
from sr_core.inference.tiles import Tile, tiles

__all__ = ["Prediction", "Predictor", "Tile", "tiles"]
