"""A step of the adversarial phase over one of the pixel phase: EDSR-baseline x2, 16 patches of 33 x 33, CPU time, one thread, alternated.

bfloat16 channels-last where the CPU computes in it. The phases' own objectives run on a store of noise, with the recipe's terms: drawing
batches, both players' steps and the average included.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sr_core.log import Silent
from sr_core.operators import make_operator
from sr_core.patches import MemoryReader, PairImage, PatchStore, write_shard
from sr_core.raster import Encoding, Raster
from sr_core.recipe import Recipe
from sr_core.training.duel import AdversarialObjective
from sr_core.training.ema import Average
from sr_core.training.objectives import Objective, PixelObjective, residual_size
from sr_core.training.optimisers import Optimiser
from sr_core.training.task import Task

ROUNDS = 5
SETTINGS = {"network.width": 64, "network.blocks": 16, "purpose": "perceptual"}


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        steps = {"pixel": pixel_step(task_of(Path(folder), {}))}
        for width in (32, 64):
            steps[f"d{width}"] = _against(Path(folder), {"adversarial.width": width})
        taken = medians(steps)
    found = {f"{name}_ratio": seconds / taken["pixel"] for name, seconds in taken.items() if name != "pixel"}
    print(json.dumps({**found, "pixel_step_s": taken["pixel"]}))


def medians(steps: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Give the median CPU seconds of each, alternated."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.process_time()
            step()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def task_of(folder: Path, settings: dict[str, object]) -> Task:
    """Give EDSR-baseline, or what the settings ask for, on a store of noise in the folder."""
    operator, encoding = make_operator("bicubic", 2), Encoding.of("uint16", 1e-4)
    recipe = Recipe(domain="satellite").with_overrides({**SETTINGS, **settings})
    if not list(folder.glob("*.h5")):
        hr = encoding.decode(np.random.default_rng(1).integers(0, 10000, (1, 264, 264)))
        lr = encoding.decode(encoding.encode(operator.apply(torch.from_numpy(hr).double()).numpy()))
        mask = [np.ones(image.shape[1:], bool) for image in (lr, hr)]
        pair = PairImage(
            name="noise", split="train", lr=Raster(lr, mask[0], ("b",), "reflectance", encoding.valid_range),
            hr=Raster(hr, mask[1], ("b",), "reflectance", encoding.valid_range),
        )  # fmt: skip
        write_shard(folder / "one.h5", [pair], recipe.patches, 2, encoding, operator.to_json(), "0" * 64)
    reader = MemoryReader(PatchStore(folder), "train", True, upscale=operator.upscale)
    return Task(reader, (), recipe, operator, "cpu", Silent())


def pixel_step(task: Task) -> Callable[[], None]:
    """Give a whole step of the pixel phase: drawing, both passes, clipping, optimiser and average."""
    net = task.network("edsr", spread=False)
    return _stepper(task, net, PixelObjective(task, net, "l1"))


def _against(folder: Path, settings: dict[str, object]) -> Callable[[], None]:
    task = task_of(folder, settings)
    net = task.network("edsr", spread=False)
    return _stepper(task, net, AdversarialObjective(task, net, residual_size(task, net)))


def _stepper(task: Task, net: torch.nn.Module, objective: Objective) -> Callable[[], None]:
    optimiser, average = Optimiser(objective.parameters(net), "adam", 1e-4), Average(net, 0.99)
    draws = task.stream("bench")

    def step() -> None:
        loss = objective(net, draws, task.recipe.training.batch, 1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.clip(1.0)
        optimiser.step(1.0)
        average.update(1)

    return step


if __name__ == "__main__":
    main()
