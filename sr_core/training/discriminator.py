"""The discriminator: tells patches of truth from patches of the network. Training needs it; no model contains it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from sr_core.errors import ShapeError

WIDTHS = (1, 1, 2, 2, 4, 4, 8, 8)  # of the eight convolutions, in units of the first; every second one halves the grid
SLOPE = 0.2  # of the leaky ReLU
LEAST = 16  # pixels a side: below it the last grid has less than one pixel


class Discriminator(nn.Module):
    """Eight 3 x 3 convolutions with leaky ReLU, the mean over what is left of the grid, one linear layer.

    Parameters
    ----------
    channels : bands of a patch.
    width : feature maps of the first convolution; the last has eight times as many.
    generator : draws the weights (normal, variance 2 / (1 + slope²) / inputs; the linear layer a tenth of that in size).

    Notes
    -----
    It has no batch norm, so a sample's logit never depends on the rest of its batch, and there is no hidden state to keep. The mean over
    the grid in place of SRGAN's dense layer takes patches of any size.

    References
    ----------
    Ledig et al., "Photo-realistic single image super-resolution", CVPR 2017, doi:10.1109/CVPR.2017.19, figure 4; the first weights:
    He et al., ICCV 2015, doi:10.1109/ICCV.2015.123.
    """

    def __init__(self, channels: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=()):  # the layers draw weights that are not kept
            inputs = channels
            layers: list[nn.Conv2d] = []
            for number, share in enumerate(WIDTHS):
                layers.append(nn.Conv2d(inputs, share * width, 3, stride=1 + number % 2, padding=1))
                inputs = share * width
            self.layers = nn.ModuleList(layers)
            self.judge = nn.Linear(inputs, 1)
        with torch.no_grad():
            parts: list[nn.Conv2d | nn.Linear] = [*layers, self.judge]
            for part in parts:
                deviation = math.sqrt(2 / (1 + SLOPE**2) / part.weight[0].numel())
                part.weight.normal_(0.0, deviation * (0.1 if part is self.judge else 1.0), generator=generator)
                if part.bias is not None:
                    part.bias.zero_()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Give the logits (N,) of patches (N, C, H, W), > 0 for "real", and the features of every convolution but the first.

        Raises
        ------
        ShapeError
            If a patch is smaller than 16 x 16.
        """
        if min(x.shape[-2:]) < LEAST:
            raise ShapeError(f"patches of {tuple(x.shape[-2:])}", f"at least {LEAST} x {LEAST} HR pixels", "Set a larger patches.size.")
        kind, features = x.dtype, list[Tensor]()
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), SLOPE)
            features.append(x)
        logits: Tensor = self.judge(x.mean(dim=(2, 3)))
        return logits[:, 0].to(kind), features[1:]
