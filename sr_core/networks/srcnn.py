"""SRCNN: three convolutions on the upscaled image.

References
----------
Dong, Loy, He, Tang, "Image Super-Resolution Using Deep Convolutional Networks", IEEE TPAMI 38(2), 2016,
doi:10.1109/TPAMI.2015.2439281. "9-1-5" names the sides of the three kernels.
"""

from __future__ import annotations

import torch

from sr_core.networks.blocks import Activation, Conv, Sequence, Upscale
from sr_core.networks.body import Body
from sr_core.operators import Operator


def srcnn(channels: int, operator: Operator, width: int, generator: torch.Generator, middle: int = 1) -> Body:
    """Give SRCNN as a trunk (the upscaling and two convolutions) and a tail (the last one).

    Parameters
    ----------
    channels : bands in and out.
    operator : its `upscale` comes first.
    width : feature maps of the first convolution (64 in the paper); the second has half as many.
    generator : draws the first weights.
    middle : side of the second kernel: 1 (the default, 9-1-5), 3 or 5.

    Notes
    -----
    Here, unlike in the paper, the three convolutions estimate the residual over the base, and borders are padded.
    """
    first, second = Conv(channels, width, 9), Conv(width, max(1, width // 2), middle)
    first.initialise(generator)
    second.initialise(generator)
    trunk = Sequence(Upscale(operator), first, Activation("relu"), second, Activation("relu"))
    features = max(1, width // 2)
    return Body(trunk=trunk, tail=Sequence(Conv(features, channels, 5)), features=features)
