"""Trainings to compare: the same jobs in this process, or in several real ones that find each other as torchrun's do."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from sr_core.errors import SRError
from sr_core.log import Silent
from sr_core.operators import operator_from
from sr_core.patches import MemoryReader, PatchStore, whole_pairs
from sr_core.recipe import Recipe
from sr_core.training import Processes, duel, joined, task, train_model
from sr_core.training.duel import AdversarialObjective
from sr_core.training.objectives import PixelObjective, residual_size


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    kind : "train" to its end, or "gradients" of the first step alone, in the phase that the recipe's purpose names.
    double : whether all is computed in float64.
    fault : planted in the process of rank 1: "selfish" steps by its own gradient, "leaves" ends on its way; or in all: "equal shares"
        weighs processes in place of samples, "own means" takes the means of a process's own samples.
    stop_at : where all stop, in words of progress, to go on from the checkpoint; 0 nowhere.
    """

    store: Path
    recipe: Recipe
    folder: Path
    kind: str = "train"
    double: bool = True
    with_val: bool = False
    fault: str = ""
    stop_at: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a job: tensors by name, and figures of the curve by name and step; `error` where it ended with one of ours."""

    tensors: dict[str, Tensor]
    figures: dict[tuple[str, int], float]
    error: str = ""


class Doubles(MemoryReader):
    """Gives batches in float64, and so has everything computed in it."""

    def _gather(self, patches: Tensor, bands: Tensor, turns: list[int]) -> tuple[Tensor, Tensor]:
        lr, hr = super()._gather(patches, bands, turns)
        return lr.double(), hr.double()


class Stopping(Silent):
    """Stops at the nth word of progress of a phase with steps."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.left, self.error = at, error

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.left -= what != "fitting the linear filter"  # only the first process fits it
        if self.left == 0:
            raise self.error


class Selfish(Processes):
    def backward(self, loss: Tensor, size: int, parameters: Any) -> Tensor:
        moved = list(parameters)
        with self.apart():
            own = torch.autograd.grad(loss, moved, retain_graph=True)
        made = super().backward(loss, size, moved)
        for parameter, gradient in zip(moved, own, strict=True):
            parameter.grad = gradient
        return made


class EqualShares(Processes):
    def share(self, size: int) -> float:
        return 1 / self.count


class OwnMeans(Processes):
    def mean(self, x: Tensor) -> Tensor:
        return x.mean()


def perform(job: Job, processes: Processes) -> Outcome:
    """Do a job."""
    kinds = {"equal shares": EqualShares, "own means": OwnMeans, "selfish": Selfish if processes.rank else Processes}
    processes = kinds.get(job.fault, Processes)(processes.rank, processes.count)
    store = PatchStore(job.store)
    operator, bandwise = operator_from(store.operator), job.recipe.network.bands == "band-wise"
    reader = (Doubles if job.double else MemoryReader)(store, "train", bandwise, upscale=operator.upscale)
    with doubled() if job.double else ExitStack():
        if job.kind == "gradients":
            return _gradients(task.Task(reader, (), job.recipe, operator, "cpu", Silent(), processes=processes))
        val = whole_pairs(store, "val") if job.with_val else []

        def train(log: Silent) -> Any:
            return train_model(reader, val, job.recipe, operator, "", _own(job.folder, processes), log, processes=processes)

        if job.stop_at:
            with suppress(KeyboardInterrupt):
                train(Stopping(job.stop_at, KeyboardInterrupt()))
        try:
            trained = train(Stopping(8, SystemExit()) if job.fault == "leaves" and processes.rank else Silent())
        except SRError as error:
            return Outcome({}, {}, str(error))
    return Outcome(dict(trained.net.state_dict()), {(p.name, p.step): p.value for p in trained.curve.points})


def _own(folder: Path, processes: Processes) -> Path:
    return folder.with_name(f"{folder.name}-{processes.count}-{processes.rank}")


def _gradients(made: task.Task) -> Outcome:
    net = made.network("edsr", spread=False)
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():  # the last convolution starts at 0, and nothing flows through it then
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=draws))
    perceptual = made.recipe.purpose == "perceptual"
    size = residual_size(made, net)
    objective = AdversarialObjective(made, net, size) if perceptual else PixelObjective(made, net, "l1")
    batch = made.recipe.training.batch
    loss = objective(net, made.stream("patches", "test"), batch, 1.0)
    named = dict(objective.parameters(net))
    total = made.processes.backward(loss, batch, named.values())
    found = {name: p.grad.clone() for name, p in named.items() if p.grad is not None}
    if isinstance(objective, AdversarialObjective):  # its discriminator has made a step; a relativistic one's last bias never counts
        judge = {name: p.grad for name, p in objective.discriminator.named_parameters() if p.grad is not None and name != "judge.bias"}
        found |= {f"discriminator/{name}": gradient.clone() for name, gradient in judge.items()}
    return Outcome({**found, "loss": total}, {})


@contextmanager
def doubled() -> Iterator[None]:
    """Make networks, discriminators and pairs in float64."""
    build, judge, pairs = task.build, duel.Discriminator, task.each_pair

    def wide(made: nn.Module) -> nn.Module:
        return made.double()

    with (
        mock.patch.object(task, "build", lambda *given: wide(build(*given))),
        mock.patch.object(task, "each_pair", lambda *given: ((lr.double(), hr.double(), *masks) for lr, hr, *masks in pairs(*given))),
        mock.patch.object(duel, "Discriminator", lambda *given: wide(judge(*given))),
    ):
        yield


def in_processes(jobs: Sequence[Job], folder: Path, count: int = 2, timeout_s: float = 240) -> list[Outcome]:
    """Do jobs in real processes; give what the first one found. They meet at a port that was free a moment ago."""
    (folder / "jobs").write_bytes(pickle.dumps(list(jobs)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder)]
    started = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True) for rank in range(count)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=timeout_s)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert started[0].returncode == 0, "\n".join(said)
    made: list[Outcome] = pickle.loads((folder / "outcomes").read_bytes())
    return made


def main(folder: Path) -> None:
    jobs: list[Job] = pickle.loads((folder / "jobs").read_bytes())
    with joined(int(os.environ["WORLD_SIZE"])) as processes:
        outcomes = [perform(job, processes) for job in jobs]
        if processes.first:
            (folder / "outcomes").write_bytes(pickle.dumps(outcomes))
            if outcomes[-1].error:
                os._exit(0)  # nobody is left to say goodbye to


if __name__ == "__main__":
    from together import main as start  # so that what is pickled is found under one name

    torch.set_num_threads(1)
    start(Path(sys.argv[1]))
