"""Blocks that are a function of each value by itself."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from sr_core.networks.blocks import Block

LARGEST_EXPONENT = 12.0  # e^12 is beyond any error in standard deviations of an image, e^-12 below any quantisation step


class Activation(Block):
    """A function of each value by itself."""

    def __init__(self, kind: Literal["relu", "softplus", "exp", "square", "sqrt"]) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        match self.kind:
            case "relu":
                return functional.relu(x)
            case "softplus":
                # log(1 + e^x) in float32 or wider. Not PyTorch's own: its last bit depends on where in memory a pixel lies.
                wide = x.to(torch.promote_types(x.dtype, torch.float32))
                return functional.relu(wide) + (-wide.abs()).exp().log1p()
            case "exp":
                # Always finite and above zero. In float32 or wider, as softplus.
                wide = x.to(torch.promote_types(x.dtype, torch.float32))
                return wide.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT).exp()
            case "square":
                return x * x
            case "sqrt":
                return x.clamp_min(0).sqrt()


class LeakyReLU(Block):
    """x where it is positive, `slope` x elsewhere."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        return functional.leaky_relu(x, self.slope)


class PReLU(Block):
    """x where it is positive, a slope times x elsewhere; each feature map learns its own slope.

    References
    ----------
    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, doi:10.1109/ICCV.2015.123; slopes start at 0.25 as there.
    """

    FIRST = 0.25

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((features,), self.FIRST))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function, in the number format of its input."""
        with torch.autocast(x.device.type, enabled=False):
            return functional.prelu(x, self.weight.to(x.dtype))


class Scale(Block):
    """Each value times a constant that training leaves alone."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.factor
