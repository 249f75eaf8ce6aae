"""EDSR: residual blocks without batch normalisation, upscaling at the end.

References
----------
Lim, Son, Kim, Nah, Lee, "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR Workshops 2017,
doi:10.1109/CVPRW.2017.151. EDSR-baseline has 16 blocks of 64 feature maps; EDSR itself 32 of 256, with residuals times 0.1.
"""

from __future__ import annotations

import torch

from sr_core.networks.activations import Activation, Scale
from sr_core.networks.blocks import Block, Conv, Sequence, Shuffle, skip
from sr_core.networks.body import Body

SECOND_CONV_GAIN = 0.1  # keeps the untrained trunk near the identity


def edsr(channels: int, scale: int, width: int, blocks: int, generator: torch.Generator, residual_scale: float = 1.0) -> Body:
    """Give EDSR's trunk and tail.

    Parameters
    ----------
    channels : bands in and out.
    scale : 2..8; made of x2 stages where it is a power of 2, else one stage of prime scale after the other.
    width, blocks : feature maps and residual blocks.
    generator : draws the first weights.
    residual_scale : what residual blocks are multiplied by before they are added. The second convolution of each starts as much
        smaller as makes it a tenth together.

    Notes
    -----
    Depth of field: 1 (head) + 2 blocks + 1 (end of trunk) + 1 (upscaling) + 1 (tail, on the HR grid) = 2 blocks + 4 LR pixels.
    """
    residuals = []
    for _ in range(blocks):
        first, second = Conv(width, width, 3), Conv(width, width, 3)
        first.initialise(generator)
        second.initialise(generator, min(1.0, SECOND_CONV_GAIN / residual_scale))
        branch: list[Block] = [first, Activation("relu"), second]
        residuals.append(skip(*branch) if residual_scale == 1 else skip(*branch, Scale(residual_scale)))
    head, end = Conv(channels, width, 3), Conv(width, width, 3)
    head.initialise(generator)
    end.initialise(generator)
    trunk = Sequence(head, skip(*residuals, end))

    stages: list[Conv | Shuffle] = []
    for zoom in prime_stages(scale):
        widen = Conv(width, width * zoom**2, 3)
        widen.initialise(generator)
        stages += [widen, Shuffle(zoom)]
    return Body(trunk=trunk, tail=Sequence(*stages, Conv(width, channels, 3)), features=width)


def prime_stages(scale: int) -> tuple[int, ...]:
    """Give the prime factors of a scale, smallest first.

    >>> prime_stages(4), prime_stages(3), prime_stages(6)
    ((2, 2), (3,), (2, 3))
    """
    factors: list[int] = []
    while scale > 1:
        prime = next(p for p in range(2, scale + 1) if scale % p == 0)
        factors.append(prime)
        scale //= prime
    return tuple(factors)
