"""What stands between two phases: the checkpoint that one ends with and the next starts from."""

from __future__ import annotations

from torch import Tensor

from sr_core.networks import SRNet
from sr_core.training.state import Checkpoint, Progress, restoring
from sr_core.training.task import Task


def following(progress: Progress, net: SRNet, weights: Tensor) -> Checkpoint:
    """Give the checkpoint at which the following phase starts: a network, and the fitted filter's weights."""
    return Checkpoint(progress.model_copy(update={"phase": progress.phase + 1, "step": 0, "slowed": 0, "spent": None}), named(net, weights))


def named(net: SRNet, weights: Tensor) -> dict[str, Tensor]:
    """Give a checkpoint's tensors by name: the network's, and the fitted filter's weights."""
    return {**{f"net/{name}": tensor for name, tensor in net.state_dict().items()}, "filter": weights}


def noted(task: Task, progress: Progress, sentence: str) -> Progress:
    """Say a sentence, and keep it for the bundle."""
    task.log.say(sentence)
    return progress.model_copy(update={"notes": (*progress.notes, sentence)})


def filtered(task: Task, weights: Tensor) -> SRNet:
    """Give the fitted filter as a network."""
    net = task.network("linear", spread=True)
    net.set_filter(weights.to(task.device))
    return net


def fitted(task: Task, start: Checkpoint) -> Tensor:
    """Give the fitted filter's weights from a checkpoint.

    Raises
    ------
    UnusableCheckpoint
        If it has none, or those of another filter.
    """
    with restoring(start):
        weights = start.tensors["filter"]
        filtered(task, weights)
    return weights
