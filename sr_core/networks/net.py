"""A network: base plus residual, and how far off it may be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from sr_core.errors import BundleError, OperatorError, ShapeError
from sr_core.networks import spread as heads
from sr_core.networks.blocks import Block, Conv, FixedConv, Sequence, Shuffle, TransposedConv, Upscale, halo
from sr_core.networks.body import Body
from sr_core.networks.descriptor import Descriptor, Tail
from sr_core.networks.precision import full_precision
from sr_core.operators import Operator


class SRNet(nn.Module):
    """`base(y) + residual(y)`, from LR (N, C, h, w) to SR (N, C, s h, s w).

    Pixels are float32 and normalised, (value - mean) / std, with the constants of the training images; since the operator's
    rows sum to 1 and the fitted filter's to 0, the base is the same in physical units.

    Parameters
    ----------
    descriptor : what this network is; `net.descriptor` follows when a spread head is added.
    operator : the degradation named in the descriptor.
    body : the learned part; None for the family "linear".

    Notes
    -----
    The caller may wrap a call in bfloat16 autocast: then only trunk and tail run in it. The base stays in float32 and the
    residual is turned to float32 before it is added.
    """

    def __init__(self, descriptor: Descriptor, operator: Operator, body: Body | None) -> None:
        super().__init__()
        scale = descriptor.scale
        if tuple(operator.scale) != (scale, scale):
            raise OperatorError(f"an operator of scale {tuple(operator.scale)}", f"({scale}, {scale})", "Name the operator of this scale.")
        self.descriptor = descriptor
        self.upscale = Upscale(operator)
        self.filter: Sequence | None = None
        if descriptor.base == "linear":
            taps = descriptor.linear_taps
            self.filter = Sequence(FixedConv(torch.zeros(scale**2, 1, taps, taps)), Shuffle(scale))
        self.trunk = body.trunk if body else None
        self.tail = body.tail if body else None
        self.features = body.features if body else 0
        self.spread_head: Sequence | None = None
        if descriptor.spread or body is None:
            self.add_spread_head(tail=descriptor.tail)
            self.requires_grad_(True)

    def set_filter(self, weights: Tensor) -> None:
        """Put in the fitted filter, (s², 1, k, k), as `linear.fit` gives it.

        Raises
        ------
        ShapeError
            If the network's base is the plain upscaling, or the filter has another size.
        """
        fixed = self.filter.steps()[0] if self.filter is not None else None
        if not isinstance(fixed, FixedConv) or fixed.weight.shape != weights.shape:
            wanted = f"one of shape {tuple(fixed.weight.shape)}" if isinstance(fixed, FixedConv) else "none: the base is the upscaling"
            raise ShapeError(f"a filter of shape {tuple(weights.shape)}", wanted, "Fit it with the descriptor's linear_taps and scale.")
        fixed.weight.copy_(weights)

    def base(self, y: Tensor) -> Tensor:
        """Give the operator's upscaling, plus the fitted filter where there is one; always in y's own precision."""
        with full_precision(y.device):
            up: Tensor = self.upscale(self._bands(y))
            if self.filter is not None:
                up = up + self.filter(self._bands(y))
        return self._unfold(up, y)

    def residual(self, y: Tensor) -> Tensor:
        """Give what the learned part adds to the base, in y's precision (0 for the family "linear")."""
        return self._residual(self._features(y), y)

    def residual_of_upscaled(self, upscaled: Tensor) -> Tensor:
        """Give the residual for an image that is on the HR grid already, as an HR-grid patch store holds it.

        Raises
        ------
        ShapeError
            If the network works on the LR grid.
        """
        first, *rest = self.trunk.steps() if self.trunk is not None else (None,)
        if not isinstance(first, Upscale) or self.tail is None:
            raise ShapeError("an upscaled image", "an LR image: this network upscales at its end", "Set patches.grid=lr.")
        x = self._fold(upscaled)
        for block in rest:
            x = block(x)
        return self._unfold(self.tail(x).to(upscaled.dtype), upscaled)

    def scale_residual(self, factor: float) -> None:
        """Multiply what the learned part adds to the base, in its last convolution (nothing for the family "linear").

        Raises
        ------
        ShapeError
            If the tail does not end with a learned convolution.
        """
        if self.tail is None:
            return
        last = self.tail.steps()[-1]
        if not isinstance(last, Conv | TransposedConv):
            raise ShapeError(f"a tail that ends with {type(last).__name__}", "a learned convolution", "Let the family end with one.")
        with torch.no_grad():
            last.weight.mul_(factor)
            last.bias.mul_(factor)

    def forward(self, y: Tensor) -> Tensor:
        """Give the mean."""
        return self._mean(self._features(y), y)

    def forward_spread(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give the mean, bit for bit as `forward` does, and the spread: a typical absolute error, >= 0, normalised units.

        Gradients of the spread end at the head.

        Raises
        ------
        BundleError
            If the network has no spread head.
        """
        head = self.spread_head
        if head is None:
            raise BundleError("a network without a spread head", "one whose spread phase has run", "Train it with the spread phase.")
        features = self._features(y)
        mean = self._mean(features, y)
        if features is not None:
            return mean, self._unfold(head(features.detach()).to(y.dtype), y)
        with full_precision(y.device):
            detail = self._detail(y)
            return mean, self._unfold(head(detail.detach()), y)

    def add_spread_head(self, seed: int = 0, level: float = heads.FIRST_LEVEL, tail: Tail = "light") -> None:
        """Give the network a new, untrained spread head (in place of an old one) and freeze all else.

        Parameters
        ----------
        seed : draws the head's first weights.
        level : the spread that it says before training, in normalised units. The family "linear", which has no trunk to
            read, gets the heuristic, which says 1.0 times the local energy of what the filter adds.
        tail : which head: "light" or "heavy" (`Descriptor`).
        """
        if self.trunk is None:
            head = heads.energy_head()
        else:
            generator = torch.Generator().manual_seed(seed)
            zoom = self.descriptor.scale // self.trunk.zoom
            head = heads.trained_head(self.features, self.descriptor.channels, zoom, generator, level, tail)
        like = next(chain(self.parameters(), self.buffers()), None)
        self.requires_grad_(False)
        self.spread_head = head if like is None else head.to(like.device, like.dtype)
        self.descriptor = self.descriptor.model_copy(update={"spread": True, "tail": "light" if self.trunk is None else tail})

    def drop_spread_head(self) -> None:
        """Take the spread head away and let all else be trained again, as a warm start needs it (not for "linear")."""
        self.requires_grad_(True)
        if self.trunk is not None:
            self.spread_head = None
            self.descriptor = self.descriptor.model_copy(update={"spread": False, "tail": "light"})

    def spread_parameters(self) -> Iterator[nn.Parameter]:
        """Give the spread head's parameters: those that the spread phase trains."""
        return iter(()) if self.spread_head is None else self.spread_head.parameters()

    def mean_parameters(self) -> Iterator[nn.Parameter]:
        """Give all other parameters: those that the pixel phase trains."""
        for part in (self.trunk, self.tail):
            if part is not None:
                yield from part.parameters()

    @property
    def halo(self) -> int:
        """LR pixels around a window that mean and spread depend on: exact, from the blocks."""
        paths = [Sequence(self.upscale)]
        if self.filter is not None:
            paths.append(self.filter)
        if self.trunk is not None and self.tail is not None:
            paths.append(Sequence(self.trunk, self.tail))
        if self.spread_head is not None:
            source = self.trunk or self.filter or self.upscale
            paths.append(Sequence(source, self.spread_head))
        return max(halo(path) for path in paths)

    @property
    def tileable(self) -> bool:
        """Whether an image may be computed in pieces: no block sees all of it (as attention over an image does)."""
        return all(block.windowed for block in self.modules() if isinstance(block, Block))

    @property
    def parameter_count(self) -> int:
        """Numbers that were learned or fitted, the spread head's included."""
        fitted = sum(buffer.numel() for buffer in self.filter.buffers()) if self.filter is not None else 0
        return fitted + sum(parameter.numel() for parameter in self.parameters())

    @property
    def macs_per_pixel(self) -> int:
        """Multiply-adds per LR pixel (of one band if band-wise) for mean and spread; the interpolation is left out."""
        total = self.filter.macs() if self.filter is not None else 0
        if self.trunk is not None and self.tail is not None:
            total += Sequence(*self.trunk.steps(), self.tail).macs()
            total -= sum(block.macs() for block in self.trunk.steps() if isinstance(block, Upscale))
        if self.spread_head is not None:
            zoom = self.trunk.zoom if self.trunk is not None else self.descriptor.scale
            total += self.spread_head.macs() * zoom**2
        return total

    def _bands(self, y: Tensor) -> Tensor:
        """Fold bands into the sample axis: base and filter see one band at a time."""
        return y.reshape(-1, 1, *y.shape[-2:])

    def _fold(self, y: Tensor) -> Tensor:
        """Give what the learned part sees: one band a sample, or all bands."""
        if y.ndim != 4 or (not self.descriptor.bandwise and y.shape[1] != self.descriptor.channels):
            bands = "any number of" if self.descriptor.bandwise else str(self.descriptor.channels)
            raise ShapeError(f"an image of shape {tuple(y.shape)}", f"(N, C, h, w) with {bands} bands", "Give the bands it was trained on.")
        return self._bands(y) if self.descriptor.bandwise else y

    def _unfold(self, x: Tensor, like: Tensor) -> Tensor:
        return x.reshape(like.shape[0], like.shape[1], *x.shape[-2:])

    def _features(self, y: Tensor) -> Tensor | None:
        folded = self._fold(y)
        return None if self.trunk is None else self.trunk(folded)

    def _residual(self, features: Tensor | None, y: Tensor) -> Tensor:
        if features is None or self.tail is None:
            scale = self.descriptor.scale
            return y.new_zeros(y.shape[0], y.shape[1], scale * y.shape[2], scale * y.shape[3])
        return self._unfold(self.tail(features).to(y.dtype), y)

    def _mean(self, features: Tensor | None, y: Tensor) -> Tensor:
        return self.base(y) if features is None else self.base(y) + self._residual(features, y)

    def _detail(self, y: Tensor) -> Tensor:
        """Give what the fitted filter adds to the plain upscaling, (N C, 1, s h, s w)."""
        bands = self._bands(y)
        return torch.zeros_like(self.upscale(bands)) if self.filter is None else self.filter(bands)
