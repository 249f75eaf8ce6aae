"""From a descriptor to a network."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sr_core.networks.body import Body
from sr_core.networks.descriptor import Descriptor
from sr_core.networks.edsr import edsr
from sr_core.networks.net import SRNet
from sr_core.networks.srcnn import srcnn
from sr_core.operators import Operator, operator_from


def build(descriptor: Descriptor, seed: int = 0) -> SRNet:
    """Build the network that a descriptor names, untrained: its output is its base exactly.

    Parameters
    ----------
    descriptor : see there.
    seed : draws the first weights; PyTorch's global random state is neither read nor changed.

    Raises
    ------
    OperatorError
        If the descriptor's operator is unknown or of another scale.
    """
    operator = operator_from(descriptor.operator)
    body = _FAMILIES[descriptor.family](descriptor, operator, torch.Generator().manual_seed(seed))
    return SRNet(descriptor, operator, body)


def _edsr(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return edsr(d.channels, d.scale, d.width, d.blocks, generator)


def _srcnn(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return srcnn(d.channels, operator, d.width, generator)


def _linear(d: Descriptor, operator: Operator, generator: torch.Generator) -> None:
    return None


_FAMILIES: dict[str, Callable[[Descriptor, Operator, torch.Generator], Body | None]] = {"edsr": _edsr, "srcnn": _srcnn, "linear": _linear}
