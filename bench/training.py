"""A training step on 16 patches of 33x33, x2: ours against an eager float32 NCHW loop, CPU time, one thread, alternated.

Ours is the pixel phase's own step on a store of noise: drawing the batch, the base, bfloat16 channels-last passes, clipping, the optimiser
and the average. The eager loop has its batch at hand, learns the residual of the same network with Adam and L1, and does no more.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from adversarial import medians, pixel_step, task_of

from sr_core.training.task import Task

SIZES = {"small": (32, 8), "baseline": (64, 16)}


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, blocks) in SIZES.items():
            task = task_of(Path(folder), {"purpose": "fidelity", "network.width": width, "network.blocks": blocks})
            steps = {"ours": pixel_step(task), "eager": eager_step(task), "data": data_step(task)}
            seconds = medians(steps)
            values |= {
                f"{name}_over_eager": seconds["eager"] / seconds["ours"],
                f"{name}_step_s": seconds["ours"],
                f"{name}_patches_per_s": task.recipe.training.batch / seconds["ours"],
                f"{name}_data_share": seconds["data"] / seconds["ours"],
            }
    print(json.dumps(values))


def eager_step(task: Task) -> Callable[[], None]:
    """Give a step as it is written without a thought for speed."""
    net = task.network("edsr", spread=False).to(memory_format=torch.contiguous_format)
    optimiser = torch.optim.Adam(net.mean_parameters(), lr=1e-4)
    size = task.recipe.patches.size
    lr, target = torch.randn(task.recipe.training.batch, 1, size, size), torch.randn(task.recipe.training.batch, 1, 2 * size, 2 * size)

    def step() -> None:
        loss = (net.residual(lr) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def data_step(task: Task) -> Callable[[], None]:
    """Give what a step waits for data: one batch, drawn and made ready."""
    draws = task.stream("data")

    def step() -> None:
        for patch in task.reader.batch(draws, task.recipe.training.batch):
            task.normalised(patch)

    return step


if __name__ == "__main__":
    main()
