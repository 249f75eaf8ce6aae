"""The exponential moving average of a network's parameters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sr_core.errors import StoreError


class Average:
    """A running average of all trainable parameters of a network.

    Parameters
    ----------
    net : its parameters that require a gradient are followed; the average starts at their present values.
    decay : weight of the old average, 0 <= decay < 1; 0 keeps the last parameters.

    Notes
    -----
    Step t uses min(decay, (1 + t) / (10 + t)), so that the random start is forgotten early in a short run.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self._source = {name: p for name, p in net.named_parameters() if p.requires_grad}
        self._mean = {name: p.detach().clone() for name, p in self._source.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self._mean.values()), [p.detach() for p in self._source.values()], 1 - decay)

    @torch.no_grad()
    def copy_to(self, net: nn.Module) -> None:
        """Write the average into a network of the same build."""
        for name, parameter in net.named_parameters():
            if name in self._mean:
                parameter.copy_(self._mean[name])

    def tensors(self) -> dict[str, Tensor]:
        """Give the average by parameter name, for a checkpoint."""
        return dict(self._mean)

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave.

        Raises
        ------
        StoreError
            If the names or shapes are those of another network.
        """
        if tensors.keys() != self._mean.keys() or any(tensors[k].shape != v.shape for k, v in self._mean.items()):
            raise StoreError(
                f"an average of {len(tensors)} tensors", f"the {len(self._mean)} of this network", "Delete the checkpoint and train again."
            )
        for name, mean in self._mean.items():
            mean.copy_(tensors[name])
