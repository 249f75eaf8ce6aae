"""Inference: a trained network on whole images, in physical units, equal however the image is cut.

`Predictor` runs a bundle: small images at once, larger ones row by row (`rows`, `stream`), or in tiles (`tiles`) that carry the exact
halo. Halo and rows follow from the network's own tree of blocks.
"""

from __future__ import annotations

from sr_core.inference.predictor import Prediction, Predictor, RowPrediction, fed_rows
from sr_core.inference.tiles import Tile, tiles

__all__ = ["Prediction", "Predictor", "RowPrediction", "Tile", "fed_rows", "tiles"]
