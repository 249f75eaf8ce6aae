"""RRDB: residuals in residuals of dense blocks, the generator of ESRGAN.

References
----------
Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCV Workshops 2018,
doi:10.1007/978-3-030-11021-5_5.
"""

from __future__ import annotations

import torch

from sr_core.networks.activations import LeakyReLU, Scale
from sr_core.networks.blocks import Add, Block, Concat, Conv, Repeat, Sequence, skip
from sr_core.networks.body import Body
from sr_core.networks.edsr import prime_stages

SLOPE = 0.2  # of the rectifiers
DENSE_GAIN = 0.1  # on the first weights of dense blocks, as the paper has it
GROWING = 4  # layers of a dense block that add maps; a fifth brings them back to the width
DENSE = 3  # dense blocks in a residual


def rrdb(
    channels: int, scale: int, width: int, blocks: int, growth: int, residual_scale: float, generator: torch.Generator
) -> Body:  # fmt: skip
    """Give RRDB's trunk and tail.

    Parameters
    ----------
    channels : bands in and out.
    scale : 2..8; for each of its prime factors pixels are repeated, then convolved.
    width, blocks, growth : feature maps, residuals of three dense blocks, maps that a layer of a dense block adds: 64, 23 and 32 in the
        paper.
    residual_scale : what dense blocks, and residuals of them, are multiplied by before they are added: 0.2 in the paper.
    generator : draws the first weights.

    Notes
    -----
    A residual's inner path carries its input on, so that it gives about 1 + `residual_scale` times that. The convolution after all of
    them starts smaller by as much, else the untrained trunk would give 1.2^23 = 66 times the size of the image.
    """

    def conv(inputs: int, outputs: int, gain: float = 1.0) -> Conv:
        made = Conv(inputs, outputs, 3)
        made.initialise_normal(generator, SLOPE, gain)
        return made

    def dense() -> Add:
        wide = [width + number * growth for number in range(GROWING + 1)]
        grown = [Concat(Sequence(), Sequence(conv(inputs, growth, DENSE_GAIN), LeakyReLU(SLOPE))) for inputs in wide[:-1]]
        return skip(*grown, conv(wide[-1], width, DENSE_GAIN), Scale(residual_scale))

    residuals = [skip(*(dense() for _ in range(DENSE)), Scale(residual_scale)) for _ in range(blocks)]
    end = conv(width, width, (1.0 + residual_scale) ** -blocks)
    trunk = Sequence(conv(channels, width), skip(*residuals, end))
    stages: list[Block] = []
    for zoom in prime_stages(scale):
        stages += [Repeat(zoom), conv(width, width), LeakyReLU(SLOPE)]
    tail = Sequence(*stages, conv(width, width), LeakyReLU(SLOPE), Conv(width, channels, 3))
    return Body(trunk=trunk, tail=tail, features=width)
