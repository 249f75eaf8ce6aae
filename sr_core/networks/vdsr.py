"""VDSR: many small convolutions on the upscaled image.

References
----------
Kim, Lee, Lee, "Accurate Image Super-Resolution Using Very Deep Convolutional Networks", CVPR 2016, doi:10.1109/CVPR.2016.182.
"""

from __future__ import annotations

import torch

from sr_core.networks.activations import Activation
from sr_core.networks.blocks import Block, Conv, Sequence, Upscale
from sr_core.networks.body import Body
from sr_core.operators import Operator


def vdsr(channels: int, operator: Operator, width: int, layers: int, generator: torch.Generator) -> Body:
    """Give VDSR as a trunk (the upscaling and all layers but one) and a tail (the last layer).

    Parameters
    ----------
    channels : bands in and out.
    operator : its `upscale` comes first.
    width, layers : feature maps and 3 x 3 convolutions, the last one included: 64 and 20 in the paper.
    generator : draws the first weights.

    Notes
    -----
    Weights of one channel without biases: 9 (2 d + (n - 2) d²) = 664,704. The image that the paper adds is the network's base here.
    """
    steps: list[Block] = [Upscale(operator)]
    for number in range(layers - 1):
        conv = Conv(width if number else channels, width, 3)
        conv.initialise_normal(generator)
        steps += [conv, Activation("relu")]
    return Body(trunk=Sequence(*steps), tail=Sequence(Conv(width, channels, 3)), features=width)
