"""From a descriptor to a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from sr_core.families import FamilyName
from sr_core.networks.body import Body
from sr_core.networks.descriptor import Descriptor
from sr_core.networks.edsr import edsr
from sr_core.networks.fsrcnn import fsrcnn
from sr_core.networks.net import SRNet
from sr_core.networks.rrdb import rrdb
from sr_core.networks.srcnn import srcnn
from sr_core.networks.srresnet import srresnet
from sr_core.networks.vdsr import vdsr
from sr_core.operators import Operator, operator_from

T = TypeVar("T")


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
    return edsr(d.channels, d.scale, d.width, d.blocks, generator, _given(d.residual_scale))


def _srcnn(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return srcnn(d.channels, operator, d.width, _given(d.narrow), _given(d.middle), generator)


def _fsrcnn(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return fsrcnn(d.channels, d.scale, d.width, _given(d.narrow), d.blocks, generator)


def _vdsr(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return vdsr(d.channels, operator, d.width, d.blocks, generator)


def _srresnet(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return srresnet(d.channels, d.scale, d.width, d.blocks, generator)


def _rrdb(d: Descriptor, operator: Operator, generator: torch.Generator) -> Body:
    return rrdb(d.channels, d.scale, d.width, d.blocks, _given(d.growth), _given(d.residual_scale), generator)


def _linear(d: Descriptor, operator: Operator, generator: torch.Generator) -> None:
    return None


def _given(size: T | None) -> T:
    assert size is not None, "a descriptor fills in the sizes of its family"
    return size


_FAMILIES: dict[FamilyName, Callable[[Descriptor, Operator, torch.Generator], Body | None]] = {
    "edsr": _edsr, "srcnn": _srcnn, "fsrcnn": _fsrcnn, "vdsr": _vdsr, "srresnet": _srresnet, "rrdb": _rrdb, "linear": _linear,
}  # fmt: skip
