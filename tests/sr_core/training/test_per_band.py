"""Training on pairs whose degradation differs from band to band: every sample is projected by its own band's operator."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sr_core.operators import make_operator
from sr_core.training.crops import Crops
from sr_core.training.task import Task

VALUES = [0.45, 0.25]


def task_of(world: Any, **overrides: object) -> Task:
    world.operator = make_operator("mtf", 2, value=VALUES)
    recipe = world.recipe(**overrides)
    return Task(world.reader(recipe), (), recipe, world.operator, "cpu", world.listener)


@pytest.mark.parametrize("overrides", [{}, {"patches__grid": "hr", "patches__size": 24, "network__family": "srcnn"}])
def test_band_wise_samples_are_projected_by_their_own_band(world: Any, overrides: dict[str, object]) -> None:
    task = task_of(world, **overrides)
    batch = task.lr_batch(torch.Generator().manual_seed(5), 16)
    assert batch.bands is not None and set(batch.bands.tolist()) == {0, 1}
    values = [{v for lr, _, _, _ in task.training_pairs() for v in lr[band].flatten().tolist()} for band in (0, 1)]
    for y, band in zip(batch.y, batch.bands.tolist(), strict=True):
        seen = set(y.flatten().tolist())
        assert seen <= values[band] and not seen <= values[1 - band]
    mean = batch.x + 0.01
    delivered = task.delivered(mean, batch)
    store = task.reader.store
    for n, band in enumerate(batch.bands.tolist()):
        alone = make_operator("mtf", 2, value=VALUES[band])
        expected = alone.project(mean[n : n + 1], batch.y[n : n + 1], store.valid_range, store.encoding.step)
        assert torch.equal(delivered[n : n + 1], expected)


def test_all_bands_together_need_no_names(world: Any) -> None:
    task = task_of(world, network__bands="joint")
    batch = task.lr_batch(torch.Generator().manual_seed(5), 4)
    assert batch.bands is None and batch.y.shape[1] == 2
    assert torch.equal(task.delivered(batch.x, batch), task.operator.project(batch.x, batch.y, task.reader.store.valid_range, 1e-4))


def test_naming_the_bands_changes_no_batch(world: Any) -> None:
    task = task_of(world)
    first, second = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    batch = task.lr_batch(first, 8)
    assert all(torch.equal(a, b) for a, b in zip(batch[:2], task.reader.batch(second, 8), strict=True))
    assert torch.equal(first.get_state(), second.get_state())


@pytest.mark.parametrize("bands", ["band-wise", "joint"])
def test_a_run_ends_with_a_spread(world: Any, bands: str) -> None:
    world.operator = make_operator("mtf", 2, value=VALUES)
    trained = world.train(world.recipe(network__bands=bands), "run")
    mean, spread = trained.net.forward_spread(torch.randn(1, 2, 20, 20, generator=torch.Generator().manual_seed(0)))
    assert bool(torch.isfinite(mean).all()) and bool((spread > 0).all())
    assert trained.net.descriptor.operator == world.operator.to_json()


def test_crops_turn_only_as_the_degradation_allows(world: Any) -> None:
    world.operator = make_operator("taps", 2, taps=[[0.5, 0.5], [0.25, 0.25, 0.25, 0.25]])
    recipe = world.recipe(patches__grid="hr", patches__size=24, network__family="srcnn")
    task = Task(world.reader(recipe), (), recipe, world.operator, "cpu", world.listener)
    assert len(task.reader.symmetries) == 4  # quarter turns would swap rows and columns
    batch = task.lr_batch(torch.Generator().manual_seed(1), 12, slice(None))
    left = task.operator.residual(batch.x.double(), batch.y.double())[..., 2:-2, 2:-2]
    assert float(left.abs().max()) < 1e-4  # within the quantisation of both
    free = Crops(list(task.training_pairs()), 2, 24, True, "cpu").batch(torch.Generator().manual_seed(1), 12, slice(None))
    assert float(task.operator.residual(free[1].double(), free[0].double())[..., 2:-2, 2:-2].abs().max()) > 1e-2
