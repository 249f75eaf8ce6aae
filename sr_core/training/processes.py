"""Several processes that train as one, each on its part of every batch: plain `torch.distributed`, as `torchrun` starts it.

Every process draws the same numbers from the same generators and gathers only its own slice of the global batch, so the random streams are
those of one process. Its loss is scaled by its share of the batch, and one sum over the processes of all gradients, laid end to end, gives
the gradient of the mean over the global batch: slices may be uneven. That sum is all that a step needs, so it stands here in place of
DDP's wrapper, which averages over processes instead of samples, wants the network's `forward` as the only entrance (a phase calls
`residual` or `forward_spread`), and knows nothing of a discriminator that steps within the loss. Clipping and the optimisers come after
the sum and see the same gradient in every process. What is not linear in the samples (the means of a relativistic game, the sizes by
which features are compared) goes through `mean`, whose gradient crosses the processes as its value does. No network has batch
normalisation, so nothing else looks across a batch.

Not yet measured on several GPUs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from sr_core.errors import InputError, ProcessError, RecipeError

T = TypeVar("T")
PATIENCE = timedelta(days=7)  # the others wait while the first prepares data; one that has ended is noticed at once, by its connection


class Processes:
    """The place of this process among those that train together; by default it is the only one.

    Parameters
    ----------
    rank, count : number of this process, 0 <= rank < count. The first alone writes and speaks.
    beside : how many of them share this machine's memory.
    """

    def __init__(self, rank: int = 0, count: int = 1, beside: int = 1) -> None:
        self.rank, self.count, self.beside = rank, count, beside

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def part(self, size: int) -> slice:
        """Give this process's samples of a batch; the first ones get one more where it does not divide.

        Raises
        ------
        RecipeError
            If there are fewer samples than processes.
        """
        if size < self.count:
            raise RecipeError(
                f"a batch of {size} in {self.count} processes", "a sample for each at least", f"Set training.batch={self.count} or more."
            )
        least, more = divmod(size, self.count)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    def share(self, size: int) -> float:
        """Give the share of a batch's samples that are this process's."""
        mine = self.part(size)
        return float(mine.stop - mine.start) / size

    def backward(self, loss: Tensor, size: int, parameters: Iterable[nn.Parameter]) -> Tensor:
        """Make the gradients of the global batch.

        Parameters
        ----------
        loss : the mean over this process's samples, a scalar tensor.
        size : samples of the global batch.
        parameters : they get the gradient; a parameter without one gets zeros where there are several processes.

        Returns
        -------
        The mean over the global batch, detached; the same in every process.
        """
        if self.count == 1:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        scaled = loss * self.share(size)
        scaled.backward()  # type: ignore[no-untyped-call]
        moved = list(parameters)
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in moved]
        bucket = self.summed(torch.cat([*(g.reshape(-1) for g in own), scaled.detach().reshape(1).to(own[0].dtype)]))
        for parameter, gradient, piece in zip(moved, own, torch.split(bucket[:-1], [g.numel() for g in own]), strict=True):
            gradient.copy_(piece.view(gradient.shape))
            parameter.grad = gradient
        return bucket[-1]

    def mean(self, x: Tensor) -> Tensor:
        """Give the mean over the whole batch of values of this process's samples, a scalar tensor; gradients cross the processes."""
        if self.count == 1:
            return x.mean()
        total, count = _Summed.apply(torch.stack([x.sum(), x.new_tensor(x.numel())])).unbind()  # type: ignore[no-untyped-call]
        return total / count  # type: ignore[no-any-return]

    def summed(self, x: Tensor) -> Tensor:
        """Give the sum over the processes, without a gradient; x itself may be changed."""
        if self.count > 1:
            with _together():
                distributed.all_reduce(x)
        return x

    def agreed(self, value: T) -> T:
        """Give the first process's value to all; what the others say does not count. Tensors in it lie on the CPU."""
        if self.count == 1:
            return value
        box: list[Any] = [value if self.first else None]
        with _together():
            distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        made: T = box[0]
        return made

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Compute for itself: a batch is then this process's own, and nothing waits for the others."""
        kept = self.rank, self.count
        self.rank, self.count = 0, 1
        try:
            yield
        finally:
            self.rank, self.count = kept


class _Summed(torch.autograd.Function):
    """The sum over processes, of values and of gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        with _together():
            distributed.all_reduce(x)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous()
        with _together():
            distributed.all_reduce(gradient)
        return gradient


@contextmanager
def joined(count: int, environment: Mapping[str, str] = os.environ) -> Iterator[Processes]:
    """Join the processes that `torchrun` started with this one; on CUDA each takes the GPU of its number on its machine.

    Parameters
    ----------
    count : how many there are in all; 1 needs nothing else.
    environment : RANK, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as `torchrun` sets them.

    Raises
    ------
    InputError
        If a machine has more processes than GPUs.
    ProcessError
        If the others do not come.
    """
    if count == 1:
        yield Processes()
        return
    rank, local = int(environment["RANK"]), int(environment.get("LOCAL_RANK", "0"))
    backend = "gloo"
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local + 1} on a machine of {torch.cuda.device_count()} GPUs", "a GPU for each", "Give torchrun fewer processes."
            )
        torch.cuda.set_device(local)  # "cuda" now means this one
        backend = "cpu:gloo,cuda:nccl"
    with _together():
        distributed.init_process_group(backend, rank=rank, world_size=count, timeout=PATIENCE)
    yield Processes(rank, count, int(environment.get("LOCAL_WORLD_SIZE", "1")))
    distributed.destroy_process_group()  # not after a failure: it would wait for those who are gone


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # gloo names a place in its source first, and goes on with advice
        reason = re.sub(r"^\[[^]]*\] ", "", str(error) or type(error).__name__).splitlines()[0].partition(". ")[0]
        raise ProcessError(
            f"a process of this training has ended or cannot be reached ({reason})", "all of them to go on to the end",
            "See what the other one said; the same command goes on from the last checkpoint.",
        ) from error  # fmt: skip
