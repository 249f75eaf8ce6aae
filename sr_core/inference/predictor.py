"""Run a bundle's network on an image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sr_core.bundle import Bundle
from sr_core.errors import BundleError, InputError, ShapeError
from sr_core.inference.tiles import tiles
from sr_core.networks import SRNet
from sr_core.networks.precision import choose_precision, full_precision
from sr_core.raster import BoolArray, Float32Array, fill_nearest

WHOLE = 512  # LR pixels: an image with no longer side is computed at once


@dataclass(frozen=True)
class Prediction:
    """What the network says: float32 (C, s h, s w) in the bundle's unit, not yet projected onto the measurement.

    `spread` is a typical absolute error, >= 0, uncalibrated; None where the network has no spread head.
    """

    mean: Float32Array
    spread: Float32Array | None


class Predictor:
    """A bundle made ready to predict.

    Parameters
    ----------
    bundle : a loaded bundle; its network is moved to the device.
    precision : "auto" (bfloat16 where the device gains), "float32" or "bfloat16"; the base is float32 always.
    tile : side of a tile in LR pixels. None: images of up to 512 px a side at once, larger ones in tiles of 512.
    device : "cpu", "cuda".

    Raises
    ------
    InputError
        If the precision is unknown.

    Notes
    -----
    Tiled and whole results are equal: bit for bit in bfloat16, within 1e-6 of the normalised value in float32 (CPU).
    Band-wise networks take one band after the other, so memory does not grow with the number of bands.
    """

    def __init__(self, bundle: Bundle, precision: str = "auto", tile: int | None = None, device: str = "cpu") -> None:
        self.bundle = bundle
        self.tile = tile
        self.device = torch.device(device)
        self.precision = choose_precision(precision, device)
        net = bundle.net.eval().to(self.device)
        self.net: SRNet = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def halo(self) -> int:
        """LR pixels of context that a window needs on each side to come out as in the whole image."""
        return self.bundle.net.halo

    @property
    def margin(self) -> int:
        """Context that is enough where pixels near the window are invalid, too.

        An invalid pixel inside the halo is at most sqrt(2) halo away from the valid pixel that it serves, and so is the one that it is
        filled from: the fill looks no further than (1 + sqrt(2)) halo.
        """
        return math.ceil((1 + math.sqrt(2)) * self.halo)

    def predict(self, y: Float32Array, mask: BoolArray | None = None) -> Prediction:
        """Predict the SR image and its spread.

        Parameters
        ----------
        y : float32 (C, h, w), physical unit of the bundle.
        mask : bool (h, w), True = measured. The other pixels are filled from the nearest measured one for the network; what comes
            out there means nothing.

        Raises
        ------
        ShapeError
            If the shapes do not fit each other or the network.
        InputError
            If a measured pixel is not finite.
        BundleError
            If the network gives something that is not finite.
        """
        if y.ndim != 3 or (mask is not None and mask.shape != y.shape[1:]):
            raise ShapeError(f"pixels {y.shape}, mask {None if mask is None else mask.shape}", "(C, h, w) and (h, w)", "Give one image.")
        filled = fill_nearest(y, np.ones(y.shape[1:], bool) if mask is None else mask, self.bundle.card.mean)
        if not np.isfinite(filled).all():
            raise InputError("a measured pixel that is not finite", "finite values wherever the mask is True", "Mark it as nodata.")
        descriptor = self.net.descriptor
        groups = [slice(c, c + 1) for c in range(len(y))] if descriptor.bandwise else [slice(None)]
        shape = (len(y), descriptor.scale * y.shape[1], descriptor.scale * y.shape[2])
        mean = np.empty(shape, np.float32)
        spread = np.empty(shape, np.float32) if descriptor.spread else None
        for bands in groups:
            self._predict_bands(filled[bands], mean[bands], None if spread is None else spread[bands])
        if not np.isfinite(mean).all() or (spread is not None and not np.isfinite(spread).all()):
            raise BundleError("a network output that is not finite", "finite pixels", "Run again with precision float32; else train again.")
        return Prediction(mean, spread)

    def _predict_bands(self, y: Float32Array, mean: Float32Array, spread: Float32Array | None) -> None:
        """Fill `mean` and `spread` for the bands that the network takes at once."""
        scale = self.net.descriptor.scale
        height, width = y.shape[1:]
        size = self.tile or (max(height, width) if max(height, width) <= WHOLE else WHOLE)
        for tile in tiles(height, width, size, self.halo):
            rows, cols = tile.window.slices()
            centre, error = self._run(y[:, rows, cols], spread is not None)
            kept, place = tile.inner.scaled(scale).slices(), tile.core.scaled(scale).slices()
            mean[:, *place] = centre[:, *kept]
            if spread is not None and error is not None:
                spread[:, *place] = error[:, *kept]

    def _run(self, y: Float32Array, with_spread: bool) -> tuple[Float32Array, Float32Array | None]:
        """Run the network once: physical unit in and out."""
        card = self.bundle.card
        lr = torch.from_numpy(np.ascontiguousarray((y - np.float32(card.mean)) / np.float32(card.std)))
        lr = lr[None].to(self.device, memory_format=torch.channels_last)
        with torch.inference_mode(), full_precision(self.device):
            if self.precision == torch.float32:
                out = self._call(lr, with_spread)
            else:
                with torch.autocast(self.device.type, dtype=self.precision):
                    out = self._call(lr, with_spread)
        mean, spread = (None if part is None else part[0].cpu().contiguous().numpy() for part in out)
        assert mean is not None
        physical = mean * np.float32(card.std) + np.float32(card.mean)
        return physical, None if spread is None else spread * np.float32(card.std)

    def _call(self, lr: Tensor, with_spread: bool) -> tuple[Tensor, Tensor | None]:
        return self.net.forward_spread(lr) if with_spread else (self.net(lr), None)
