"""Run a bundle's network on an image."""

from __future__ import annotations

from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sr_core.bundle import Bundle
from sr_core.errors import BundleError, InputError, ShapeError
from sr_core.inference.ensemble import choose_ensemble
from sr_core.inference.stream import NetFlow
from sr_core.inference.tiles import tiles
from sr_core.networks import SRNet
from sr_core.networks.precision import choose_precision, full_precision
from sr_core.operators.symmetry import dihedral, inverse
from sr_core.raster import BoolArray, Float32Array, fill_nearest

WHOLE = 512  # LR pixels: an image with no longer side is computed at once
FILLED = 64  # LR pixels over which a hole is filled from its nearest measured pixel; with no end, a window would need the whole image
FED = 1 << 14  # LR pixels fed to the rows' flow at once, about; measured on images of 512 to 2,048 px a side
FED_ROWS = (4, 32)  # fewest and most rows fed at once
Executor = Literal["whole", "rows", "strips", "tiles"]


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
    tile : side of a tile in LR pixels. None: images of up to 512 px a side at once, larger ones row by row.
    device : "cpu", "cuda".
    strip : LR columns that pass through the network at once, where the rows of a wide image would take too much memory. None: all.
    ensemble : 1, 4 (flips) or 8 (turns, too): the mean of so many runs on the image turned and mirrored, of mean and spread, as far as
        the degradation has these symmetries (`ensemble.Ensemble`).

    Raises
    ------
    InputError
        If the precision or the ensemble is unknown, or tiles or strips are wanted of a network that sees the whole image.

    Notes
    -----
    Images of up to 512 px a side are computed at once, larger ones row by row (`stream`), or in tiles where the network has a block
    that cannot be, or with an ensemble. All are equal: bit for bit in bfloat16, within 1e-6 of the normalised value in float32 (CPU).
    Band-wise networks take one band after the other, so memory does not grow with the number of bands.
    """

    def __init__(
        self,
        bundle: Bundle,
        precision: str = "auto",
        tile: int | None = None,
        device: str = "cpu",
        strip: int | None = None,
        ensemble: int = 1,
    ) -> None:
        self.bundle = bundle
        self.tile, self.strip = tile, strip
        self.ensemble = choose_ensemble(ensemble, bundle.card.operator)
        self.device = torch.device(device)
        self.precision = choose_precision(precision, device)
        if (tile or strip) and not bundle.net.tileable:
            given = f"tiles or strips of a network of the family {bundle.card.descriptor.family}"
            raise InputError(given, "the whole image: it is not tileable, since every pixel depends on all others", "Cut the image.")
        net = bundle.net.eval().to(self.device)
        self.net: SRNet = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def halo(self) -> int:
        """LR pixels of context that a window needs on each side to come out as in the whole image."""
        return self.bundle.net.halo

    def executor(self, height: int, width: int) -> Executor:
        """Say how an image of that size (LR pixels) is computed: at once, row by row, so in strips of columns, or in tiles."""
        if not self.net.tileable or (self.tile is None and max(height, width) <= WHOLE):
            return "whole"
        if self.tile is not None or not self._streams or self.ensemble.runs > 1:
            return "tiles"  # an ensemble, too: rows pass once, from top to bottom, and an image upside down begins with its last row
        return "strips" if self.strip is not None and self.strip < width else "rows"

    def tile_side(self, height: int, width: int) -> int:
        """Give the side of the tiles, LR pixels, in which an image is computed that does not pass row by row."""
        return max(height, width) if self.executor(height, width) == "whole" else self.tile or WHOLE

    def in_strips(self, strip: int) -> Predictor:
        """Give the same predictor, of the same network, that takes large images in strips of so many LR columns."""
        other = copy(self)
        other.strip = strip
        return other

    def of(self, bundle: Bundle) -> Predictor:
        """Give the same predictor, of the same network, with another card's unit."""
        other = copy(self)
        other.bundle = bundle
        return other

    @cached_property
    def _streams(self) -> bool:
        """Whether every block of the network can be computed row by row."""
        try:
            NetFlow(self.net, self.precision, self.net.descriptor.spread)
        except ShapeError:
            return False
        return True

    def fill(self, y: Float32Array, mask: BoolArray) -> Float32Array:
        """Give unmeasured pixels the value of the nearest measured one within 64 px, else the mean of the training images."""
        return fill_nearest(y, mask, self.bundle.card.mean, FILLED)

    def predict(self, y: Float32Array, mask: BoolArray | None = None) -> Prediction:
        """Predict the SR image and its spread.

        Parameters
        ----------
        y : float32 (C, h, w), physical unit of the bundle.
        mask : bool (h, w), True = measured. The other pixels are filled (`fill`) for the network; what comes out there means nothing.

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
        filled = y if mask is None else self.fill(y, mask)
        _check_finite(filled)
        shape = (len(y), self.net.descriptor.scale * y.shape[1], self.net.descriptor.scale * y.shape[2])
        mean = np.empty(shape, np.float32)
        spread = np.empty(shape, np.float32) if self.net.descriptor.spread else None
        if self.executor(*y.shape[1:]) in ("rows", "strips"):
            self._predict_rows(filled, mean, spread)
        else:
            for bands in self._groups(len(y)):
                self._predict_bands(filled[bands], mean[bands], None if spread is None else spread[bands])
        _check_output(mean, spread)
        return Prediction(mean, spread)

    def stream(self, channels: int) -> RowPrediction:
        """Begin an image of any height, whose rows are given from top to bottom.

        Raises
        ------
        ShapeError
            If the network has a block that cannot be computed row by row, or is run as an ensemble.
        """
        if self.ensemble.runs > 1:
            raise ShapeError(f"rows for a self-ensemble of {self.ensemble.runs}", "a whole image or tiles", "Call predict.")
        return RowPrediction(self, channels)

    def _groups(self, channels: int) -> list[slice]:
        """List the bands that the network takes at once."""
        return [slice(c, c + 1) for c in range(channels)] if self.net.descriptor.bandwise else [slice(None)]

    def _predict_rows(self, y: Float32Array, mean: Float32Array, spread: Float32Array | None) -> None:
        flow, done = self.stream(len(y)), 0
        height, width = y.shape[1:]
        for row in range(0, height, step := fed_rows(width)):
            part = flow.feed(y[:, row : row + step], row + step >= height)
            end = done + part.mean.shape[1]
            mean[:, done:end] = part.mean
            if spread is not None and part.spread is not None:
                spread[:, done:end] = part.spread
            done = end

    def _predict_bands(self, y: Float32Array, mean: Float32Array, spread: Float32Array | None) -> None:
        """Fill `mean` and `spread` for the bands that the network takes at once."""
        scale = self.net.descriptor.scale
        height, width = y.shape[1:]
        for tile in tiles(height, width, self.tile_side(height, width), self.halo):
            rows, cols = tile.window.slices()
            centre, error = self._run(y[:, rows, cols], spread is not None)
            kept, place = tile.inner.scaled(scale).slices(), tile.core.scaled(scale).slices()
            mean[:, *place] = centre[:, *kept]
            if spread is not None and error is not None:
                spread[:, *place] = error[:, *kept]

    def normalised(self, y: Float32Array) -> Tensor:
        """Give an image or rows of it as the network wants them, (1, C, h, w) on its device."""
        card = self.bundle.card
        lr = torch.from_numpy(np.ascontiguousarray((y - np.float32(card.mean)) / np.float32(card.std)))
        return lr[None].to(self.device, memory_format=torch.channels_last)

    def _answer(self, lr: Tensor, symmetry: int, with_spread: bool) -> tuple[Tensor, Tensor | None]:
        """Run the network on a turned image, (1, C, h, w), and turn back what it says."""
        turned = dihedral(lr, symmetry).contiguous(memory_format=torch.channels_last) if symmetry else lr
        mean, spread = self.net.forward_spread(turned) if with_spread else (self.net(turned), None)
        if not symmetry:
            return mean, spread
        return dihedral(mean, inverse(symmetry)), None if spread is None else dihedral(spread, inverse(symmetry))

    def physical(self, mean: Tensor, spread: Tensor | None) -> tuple[Float32Array, Float32Array | None]:
        """Turn what the network says, (1, C, h, w), to the physical unit."""
        card = self.bundle.card
        centre, error = (None if part is None else part[0].cpu().contiguous().numpy() for part in (mean, spread))
        assert centre is not None
        return centre * np.float32(card.std) + np.float32(card.mean), None if error is None else error * np.float32(card.std)

    def _run(self, y: Float32Array, with_spread: bool) -> tuple[Float32Array, Float32Array | None]:
        """Run the network, once for each symmetry of the ensemble, and give the mean: physical unit in and out."""
        lr = self.normalised(y)
        with torch.inference_mode(), full_precision(self.device), ExitStack() as stack:
            if self.precision != torch.float32:
                stack.enter_context(torch.autocast(self.device.type, dtype=self.precision))
            mean, spread = self._answer(lr, self.ensemble.symmetries[0], with_spread)
            for symmetry in self.ensemble.symmetries[1:]:
                other, error = self._answer(lr, symmetry, with_spread)
                mean.add_(other)
                if spread is not None and error is not None:
                    spread.add_(error)
            if self.ensemble.runs > 1:
                mean.div_(self.ensemble.runs)
                spread = None if spread is None else spread.div_(self.ensemble.runs)
            return self.physical(mean, spread)


class RowPrediction:
    """One image on its way through a predictor, row by row; see `Predictor.stream`."""

    def __init__(self, predictor: Predictor, channels: int) -> None:
        self._predictor = predictor
        net = predictor.net
        self._groups = predictor._groups(channels)
        self._flows = [NetFlow(net, predictor.precision, net.descriptor.spread) for _ in self._groups]

    def feed(self, y: Float32Array, last: bool) -> Prediction:
        """Take the next rows, (C, h, w) with every pixel filled, and give the rows of the prediction that follow from them.

        The first rows come out when the halo below them is there; with the last ones all that remain.

        Raises
        ------
        InputError
            If a pixel is not finite.
        BundleError
            If the network gives something that is not finite.
        """
        _check_finite(y)
        parts = []
        with torch.inference_mode(), full_precision(self._predictor.device):
            for bands, flow in zip(self._groups, self._flows, strict=True):
                parts.append(self._predictor.physical(*flow.feed(self._predictor.normalised(y[bands]), last)))
        mean = np.concatenate([centre for centre, _ in parts])
        errors = [error for _, error in parts if error is not None]
        spread = np.concatenate(errors) if errors else None
        _check_output(mean, spread)
        return Prediction(mean, spread)

    def kept(self) -> int:
        """Give the bytes kept between two feeds."""
        return sum(flow.kept() for flow in self._flows)


def fed_rows(width: int) -> int:
    """Give the rows to feed at once to a flow of that width (LR pixels)."""
    return int(np.clip(FED // width, *FED_ROWS))


def _check_finite(y: Float32Array) -> None:
    if not np.isfinite(y).all():
        raise InputError("a measured pixel that is not finite", "finite values wherever the mask is True", "Mark it as nodata.")


def _check_output(mean: Float32Array, spread: Float32Array | None) -> None:
    if not np.isfinite(mean).all() or (spread is not None and not np.isfinite(spread).all()):
        raise BundleError("a network output that is not finite", "finite pixels", "Run again with precision float32; else train again.")
