"""What a phase makes small: which parameters it moves, and the loss of one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from sr_core.losses import PIXEL_LOSSES, SPREAD_LOSSES
from sr_core.networks import SRNet
from sr_core.training.supply import Supply
from sr_core.training.task import LrBatch, Task

MEASURING_BATCHES = 8  # batches on which the size of what is learnt is measured before a phase


class Objective(Protocol):
    """A loss on batches drawn from a generator."""

    def parameters(self, net: SRNet) -> Iterator[tuple[str, nn.Parameter]]:
        """Name the parameters that move."""

    def __call__(self, net: SRNet, generator: torch.Generator, batch: int, share: float) -> Tensor:
        """Draw a batch and give the loss of this process's part, a scalar tensor; `share` of the peak rate is for what it steps itself."""

    def figures(self) -> dict[str, float]:
        """Give what else is worth logging, by name, as means since the last call."""

    def tensors(self) -> dict[str, Tensor]:
        """Give what it must remember, for a checkpoint."""

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; an empty one starts anew."""


class Forgetful:
    """What an objective without a memory says of it."""

    def figures(self) -> dict[str, float]:
        """Give nothing."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Give nothing."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take nothing."""


def mean_parameters(net: SRNet) -> Iterator[tuple[str, nn.Parameter]]:
    """Name all parameters but the spread head's."""
    moved = {id(p) for p in net.mean_parameters()}
    return ((name, p) for name, p in net.named_parameters() if id(p) in moved)


def residual_size(task: Task, net: SRNet) -> float:
    """Give the mean absolute value of what there is to learn over the base, in normalised units; on a stream of its own."""
    draws = task.stream("size of the residual")
    batches = (task.pixel_batch(draws, task.recipe.training.batch) for _ in range(MEASURING_BATCHES))
    sizes = [_true_residual(task, net, y, x).abs().mean() for y, x in batches]
    return max(float(torch.stack(sizes).mean()), torch.finfo(torch.float32).tiny)


@torch.no_grad()
def _true_residual(task: Task, net: SRNet, y: Tensor, x: Tensor) -> Tensor:
    return x - (y if task.upscaled else net.base(y))


class PixelObjective:
    """The distance of the residual from the true one, both divided by the true one's mean absolute value.

    Parameters
    ----------
    task : what is trained on what.
    net : gives the base, over which the residual is learnt.
    loss : a name in `PIXEL_LOSSES`.

    Notes
    -----
    The body learns numbers of size 1 whatever the image's unit, so one learning rate serves all; `deliver` then folds the
    size into its last convolution. The size is measured on a stream of its own: the same in a resumed run. `supply` keeps account of
    the batches.
    """

    def __init__(self, task: Task, net: SRNet, loss: str) -> None:
        self._task = task
        self._loss = PIXEL_LOSSES[loss]
        self.size = residual_size(task, net)
        self.supply = Supply(task.clock, task.device)

    def parameters(self, net: SRNet) -> Iterator[tuple[str, nn.Parameter]]:
        """Name all parameters but the spread head's."""
        return mean_parameters(net)

    def __call__(self, net: SRNet, generator: torch.Generator, batch: int, share: float) -> Tensor:
        """Draw a batch and give its loss: about 1 for a network that adds nothing (L1)."""
        y, x = self.supply.batch(lambda: self._task.pixel_batch(generator, batch, self._task.processes.part(batch)))
        target = _true_residual(self._task, net, y, x) / self.size
        with self._task.autocast():
            residual = net.residual_of_upscaled(y) if self._task.upscaled else net.residual(y)
        return self._loss(residual.to(target.dtype), target)

    def figures(self) -> dict[str, float]:
        """Give nothing."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Give the account of what was supplied, for a checkpoint."""
        return self.supply.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; an empty one starts anew."""
        self.supply.restore(tensors)

    def deliver(self, net: SRNet) -> None:
        """Turn a network that gives residuals of size 1 into one that gives them in normalised units, in place."""
        net.scale_residual(self.size)


class SpreadObjective(Forgetful):
    """How well the spread says |x - z|, z being the delivered image, projected where it will be.

    For the recipe's light tail the squared distance, for the heavy one the likelihood of a Laplace distribution of that scale.

    Parameters
    ----------
    task : what is trained on what.
    net : the finished network; its mean is fixed.

    Notes
    -----
    A patch lacks the surroundings on which projection and network depend near its border; a margin of it does not count.

    References
    ----------
    Least squares of |error|, and the likelihood of a Laplace scale, are best at its conditional mean. The trunk is frozen, so the image
    stays as it is, bit for bit.
    """

    def __init__(self, task: Task, net: SRNet) -> None:
        self._task = task
        self._loss = SPREAD_LOSSES[task.recipe.spread.tail]
        draws = task.stream("size of the error")
        with torch.no_grad():
            batches = (task.lr_batch(draws, task.recipe.training.batch) for _ in range(MEASURING_BATCHES))
            errors = [self._error(self._mean(net, batch), batch) for batch in batches]
            sizes = [error[..., *task.interior(error)].abs().mean() for error in errors]
        self.size = max(float(torch.stack(sizes).mean()), 1e-6)

    def parameters(self, net: SRNet) -> Iterator[tuple[str, nn.Parameter]]:
        """Name the spread head's parameters."""
        moved = {id(p) for p in net.spread_parameters()}
        return ((name, p) for name, p in net.named_parameters() if id(p) in moved)

    def __call__(self, net: SRNet, generator: torch.Generator, batch: int, share: float) -> Tensor:
        """Draw a batch and give its loss, of spread and error in units of the mean error."""
        drawn = self._task.lr_batch(generator, batch, self._task.processes.part(batch))
        with self._task.autocast():
            mean, spread = net.forward_spread(self._task.normalised(drawn.y))
        error = self._error(mean.detach(), drawn)
        inside = self._task.interior(error)
        return self._loss(spread.to(error.dtype)[..., *inside] / self.size, error[..., *inside] / self.size)

    def _mean(self, net: SRNet, batch: LrBatch) -> Tensor:
        with self._task.autocast():
            mean: Tensor = net(self._task.normalised(batch.y))
        return mean

    def _error(self, mean: Tensor, batch: LrBatch) -> Tensor:
        """Give (x - z) in normalised units, from a normalised mean and a batch in physical units."""
        delivered = self._task.delivered(mean.to(batch.x.dtype) * self._task.std + self._task.mean, batch)
        return (batch.x - delivered) / self._task.std
