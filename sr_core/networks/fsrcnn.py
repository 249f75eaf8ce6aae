"""FSRCNN: a few narrow convolutions on the LR image, and a transposed one that upscales.

References
----------
Dong, Loy, Tang, "Accelerating the Super-Resolution Convolutional Neural Network", ECCV 2016, doi:10.1007/978-3-319-46475-6_25.
"""

from __future__ import annotations

import torch

from sr_core.networks.activations import PReLU
from sr_core.networks.blocks import Block, Conv, Sequence, TransposedConv
from sr_core.networks.body import Body


def fsrcnn(channels: int, scale: int, width: int, narrow: int, blocks: int, generator: torch.Generator) -> Body:
    """Give FSRCNN(d, s, m) as a trunk (extract, shrink, map, expand) and a tail (the transposed 9 x 9 convolution).

    Parameters
    ----------
    channels : bands in and out.
    scale : 2..8.
    width, narrow, blocks : d, s and m: 56, 12 and 4 in the paper.
    generator : draws the first weights, for rectifiers with the slope with which PReLU begins.

    Notes
    -----
    The paper counts convolution weights of one channel, without biases and slopes: 25 d + d s + 9 m s² + s d + 81 d = 12,464.
    """
    shapes = [(channels, width, 5), (width, narrow, 1), *[(narrow, narrow, 3)] * blocks, (narrow, width, 1)]
    layers: list[Block] = []
    for inputs, outputs, side in shapes:
        conv = Conv(inputs, outputs, side)
        conv.initialise_normal(generator, PReLU.FIRST)
        layers += [conv, PReLU(outputs)]
    return Body(trunk=Sequence(*layers), tail=Sequence(TransposedConv(width, channels, 9, scale)), features=width)
