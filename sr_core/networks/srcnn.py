"""SRCNN: three convolutions on the upscaled image.

References
----------
Dong, Loy, He, Tang, "Image Super-Resolution Using Deep Convolutional Networks", IEEE TPAMI 38(2), 2016,
doi:10.1109/TPAMI.2015.2439281. "9-1-5" names the sides of the three kernels.
"""

from __future__ import annotations

import torch

from sr_core.networks.activations import Activation
from sr_core.networks.blocks import Conv, Sequence, Upscale
from sr_core.networks.body import Body
from sr_core.operators import Operator


def srcnn(channels: int, operator: Operator, width: int, narrow: int, middle: int, generator: torch.Generator) -> Body:
    """Give SRCNN as a trunk (the upscaling and two convolutions) and a tail (the last one).

    Parameters
    ----------
    channels : bands in and out.
    operator : its `upscale` comes first.
    width, narrow : feature maps of the first and the second convolution (64 and 32 in the paper).
    middle : side of the second kernel: 1 (9-1-5), 3 or 5.
    generator : draws the first weights.

    Notes
    -----
    Here, unlike in the paper, the three convolutions estimate the residual over the base, and borders are padded. The paper counts the
    weights of one channel without biases: 8,032 (9-1-5), 24,416 (9-3-5), 57,184 (9-5-5).
    """
    first, second = Conv(channels, width, 9), Conv(width, narrow, middle)
    first.initialise(generator)
    second.initialise(generator)
    trunk = Sequence(Upscale(operator), first, Activation("relu"), second, Activation("relu"))
    return Body(trunk=trunk, tail=Sequence(Conv(narrow, channels, 5)), features=narrow)
