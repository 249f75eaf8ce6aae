"""Which layers move when, and how fast, in a network that goes on from a parent."""

from __future__ import annotations

from typing import Literal

from torch import nn

from sr_core.networks import SRNet
from sr_core.networks.blocks import Conv, TransposedConv
from sr_core.recipe import AdaptationPlan

Group = Literal["head", "body", "tail"]


class LayerRates:
    """The learning rate of every layer over the phase's own, and whether it moves yet.

    Parameters
    ----------
    net : its layers are counted from the output backwards; an activation with weights goes with the convolution before it.
    plan : see `AdaptationPlan`.

    Attributes
    ----------
    shares : rates by the names of parameters, over the phase's.
    """

    def __init__(self, net: SRNet, plan: AdaptationPlan) -> None:
        self.shares: dict[str, float] = {}
        self._resting: list[nn.Parameter] = []
        self._thaw_after = plan.thaw_after
        layers = _layers(net)
        for number, (group, parameters) in enumerate(layers):
            share = {"head": plan.head, "body": plan.body, "tail": plan.tail}[group]
            depth = len(layers) - 1 - number
            for name, parameter in parameters.items():
                self.shares[name] = plan.rate * (share or 1.0) * plan.layer_decay**depth
                if share == 0:
                    self._resting.append(parameter)

    def at(self, step: int) -> None:
        """Freeze or thaw the resting layers, as the step wants it."""
        moves = 0 < self._thaw_after <= step
        for parameter in self._resting:
            parameter.requires_grad_(moves)


def _layers(net: SRNet) -> list[tuple[Group, dict[str, nn.Parameter]]]:
    """List the layers from input to output, with their group and their parameters by name."""
    layers: list[tuple[Group, dict[str, nn.Parameter]]] = []
    for part, block in (("trunk", net.trunk), ("tail", net.tail)):
        for name, module in block.named_modules(prefix=part) if block is not None else ():
            own = {f"{name}.{key}": parameter for key, parameter in module.named_parameters(recurse=False)}
            if isinstance(module, Conv | TransposedConv):
                layers.append(("tail" if part == "tail" else "body" if layers else "head", own))
            elif own:
                layers[-1][1].update(own)
    return layers
