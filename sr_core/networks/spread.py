"""Three ways to say how large the error of a pixel is, without touching the mean.

All give a `spread`: a typical absolute error per pixel, >= 0, uncalibrated; calibration makes intervals of it.

References
----------
The magnitude head is an L2 regression of |error| on the frozen trunk, the Laplace head the scale of a Laplace distribution on the same
trunk; docs/results.md compares them. The energy of what was added to the plain upscaling needs no training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.networks.activations import Activation
from sr_core.networks.blocks import Conv, FixedConv, Sequence, Shuffle
from sr_core.networks.descriptor import Tail

if TYPE_CHECKING:
    from sr_core.networks.net import SRNet

FIRST_LEVEL = 0.05  # in standard deviations of the image: the error of a middling network
ENERGY_RADIUS = 3  # HR pixels: three standard deviations of the Gaussian


def trained_head(
    features: int, channels: int, zoom: int, generator: torch.Generator, level: float = FIRST_LEVEL, tail: Tail = "light"
) -> Sequence:
    """Give the head that a trunk of `features` maps needs: two 3 x 3 convolutions, shuffle, and what makes a size of their result.

    Parameters
    ----------
    features : maps that the trunk gives.
    channels : bands of the image.
    zoom : SR pixels per pixel of the trunk's grid (1 where the trunk works on the upscaled image).
    generator : draws the first weights.
    level : spread that the untrained head says everywhere, in normalised units, > 0.
    tail : "light", the magnitude head: softplus of the convolutions; "heavy", the Laplace head: they give the logarithm of the scale.
    """
    first, last = Conv(features, features, 3), Conv(features, channels * zoom**2, 3)
    first.initialise(generator)
    with torch.no_grad():
        last.bias.fill_(math.log(math.expm1(level)) if tail == "light" else math.log(level))  # the inverses of softplus and exp
    shuffle = (Shuffle(zoom),) if zoom > 1 else ()
    return Sequence(first, Activation("relu"), last, *shuffle, Activation("softplus" if tail == "light" else "exp"))


def energy_head() -> Sequence:
    """Give the heuristic for a network without a trunk: `relu(a sqrt(G d²) + b)`.

    d is what the fitted filter adds to the plain upscaling, G a Gaussian of standard deviation 1 HR pixel; a = 1 and b = 0
    until `fit_energy` sets them.
    """
    offsets = torch.arange(-ENERGY_RADIUS, ENERGY_RADIUS + 1, dtype=torch.float64)
    taps = torch.exp(-0.5 * offsets**2)
    taps = taps / taps.sum()
    line = Conv(1, 1, 1)
    with torch.no_grad():
        line.weight.fill_(1.0)
    gaussian = FixedConv(torch.outer(taps, taps).float()[None, None])
    return Sequence(Activation("square"), gaussian, Activation("sqrt"), line, Activation("relu"))


def fit_energy(net: SRNet, pairs: Iterable[tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
    """Set the two numbers of a heuristic spread by least squares of |error| on pairs, in closed form.

    Parameters
    ----------
    net : network whose spread is the heuristic; changed in place.
    pairs : (lr (C, h, w), hr (C, s h, s w)) or (lr, hr, mask_lr, mask_hr), normalised as the network wants them.

    Raises
    ------
    ShapeError
        If the pairs hold no usable pixel.
    """
    head = net.spread_head
    if head is None or not isinstance(line := head.steps()[-2], Conv) or not isinstance(head.steps()[0], Activation):
        raise ShapeError("a network with a trained spread head", "one with the heuristic spread", "Train the head instead.")
    gram, moment = torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    with torch.no_grad():
        line.weight.fill_(1.0)
        line.bias.zero_()
        for lr, hr, *masks in pairs:
            mean, energy = net.forward_spread(lr[None].float())
            use = torch.isfinite(hr) & torch.isfinite(mean[0])
            if len(masks) == 2:
                use = use & masks[1].bool().expand_as(hr)
            e, a = energy[0][use].double().cpu(), (hr - mean[0])[use].abs().double().cpu()
            regressors = torch.stack([e, torch.ones_like(e)])
            gram += regressors @ regressors.T
            moment += regressors @ a
        if gram[1, 1] == 0:
            raise ShapeError("pairs without a usable pixel", "at least one", "Give validation images that hold measurements.")
        slope, offset = torch.linalg.lstsq(gram, moment[:, None], driver="gelsd").solution.flatten().tolist()
        if slope < 0:  # more detail, less error: then detail says nothing and the mean error is the best constant
            slope, offset = 0.0, float(moment[1] / gram[1, 1])
        line.weight.fill_(slope)
        line.bias.fill_(offset)
