"""SRResNet: residual blocks with PReLU, upscaling at the end; here without batch normalisation.

References
----------
Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
doi:10.1109/CVPR.2017.19. It is the generator of SRGAN.
"""

from __future__ import annotations

import torch

from sr_core.networks.activations import PReLU
from sr_core.networks.blocks import Block, Conv, Sequence, Shuffle, skip
from sr_core.networks.body import Body
from sr_core.networks.edsr import SECOND_CONV_GAIN, prime_stages


def srresnet(channels: int, scale: int, width: int, blocks: int, generator: torch.Generator) -> Body:
    """Give SRResNet's trunk and tail.

    Parameters
    ----------
    channels : bands in and out.
    scale : 2..8; one shuffle for each of its prime factors.
    width, blocks : feature maps and residual blocks: 64 and 16 in the paper.
    generator : draws the first weights, for rectifiers with the slope with which PReLU begins.

    Notes
    -----
    Batch normalisation is left out: it would make a pixel depend on all others while training. The second convolution of each block
    starts small instead, so that the untrained trunk is near the identity. Parameters for x4 in RGB: 1,546,435; the 33 normalisations of
    the paper would add 4,224.
    """
    head, end = _conv(channels, width, 9, generator), _conv(width, width, 3, generator)
    residuals = [
        skip(_conv(width, width, 3, generator), PReLU(width), _conv(width, width, 3, generator, SECOND_CONV_GAIN)) for _ in range(blocks)
    ]
    stages: list[Block] = []
    for zoom in prime_stages(scale):
        stages += [_conv(width, width * zoom**2, 3, generator), Shuffle(zoom), PReLU(width)]
    trunk = Sequence(head, PReLU(width), skip(*residuals, end))
    return Body(trunk=trunk, tail=Sequence(*stages, Conv(width, channels, 9)), features=width)


def _conv(inputs: int, outputs: int, side: int, generator: torch.Generator, gain: float = 1.0) -> Conv:
    conv = Conv(inputs, outputs, side)
    conv.initialise_normal(generator, PReLU.FIRST, gain)
    return conv
