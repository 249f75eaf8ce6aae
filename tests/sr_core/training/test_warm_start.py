"""Going on from a parent: it starts as its parent, moves what it should, never ends worse, and resumes exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from made_bundle import make_bundle

from sr_core.errors import BundleError, RecipeError
from sr_core.networks import SRNet
from sr_core.operators import make_operator
from sr_core.patches import MemoryReader, Mixture, Part, whole_pairs
from sr_core.training import Parent, Trained, train_model
from sr_core.training.optimisers import Optimiser
from sr_core.training.rates import LayerRates

LEARNT = {
    "training__steps": 60, "training__batch": 8, "training__rate": 5e-3, "training__warmup_steps": 5, "training__validate_every": 60,
    "network__width": 8, "adaptation__rate": 1.0,
}  # fmt: skip


def parent_of(trained: Trained, unit: str = "reflectance", valid_range: tuple[float, float] | None = None) -> Parent:
    return Parent(trained.net, trained.mean, trained.std, unit, valid_range or (0.0, 6.5535), "a" * 64)


@pytest.fixture
def train(world: Any) -> Any:
    def run(recipe: Any, name: str, parent: Parent | None = None, mixture: Mixture | None = None, listener: Any = None) -> Trained:
        reader = world.reader(recipe)
        return train_model(
            reader, whole_pairs(reader.store, "val"), recipe, world.operator, "reflectance", world.folder / name,
            listener or world.listener, parent=parent, mixture=mixture,
        )  # fmt: skip

    return run


@pytest.fixture
def parent(world: Any, train: Any) -> Parent:
    trained = train(world.recipe(**LEARNT), "parent")
    assert trained.family == "edsr"
    return parent_of(trained, valid_range=world.reader(world.recipe(**LEARNT)).store.valid_range)


def test_it_starts_as_its_parent_and_ends_better(world: Any, train: Any, parent: Parent) -> None:
    child = train(world.recipe(**{**LEARNT, "training__rate": 2e-3}), "child", parent)
    scores = child.val_psnr
    assert scores["bicubic"] < scores["linear"] < scores["parent"] < scores["network"]
    assert (child.mean, child.std) == (parent.mean, parent.std)
    assert any("goes on from a model with weights aaaaaaaaaaaa" in note for note in child.notes)


def test_a_child_that_learns_nothing_is_its_parent(world: Any, train: Any, parent: Parent) -> None:
    child = train(world.recipe(**{**LEARNT, "training__rate": 1e-30}), "child", parent)
    y = torch.randn(1, 2, 20, 21, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(child.net(y), parent.net(y), atol=1e-6)
    ruined = train(world.recipe(**{**LEARNT, "training__rate": 0.5, "training__steps": 3, "training__psnr_loss_db": 1e3}), "ruined", parent)
    assert ruined.val_psnr["network"] < ruined.val_psnr["parent"]
    assert any("the model is its parent" in note for note in ruined.notes)
    assert torch.equal(ruined.net(y), parent.net(y))


def test_another_unit_brings_its_own_normalisation(world: Any, train: Any, parent: Parent) -> None:
    other = dataclasses.replace(parent, unit="DN", mean=100.0, std=50.0)
    recipe = world.recipe(**LEARNT)
    child = train(recipe, "child", other)
    mean, std = world.reader(recipe).normalisation()
    assert (child.mean, child.std) == (mean, std)
    assert "parent" in child.val_psnr


def test_another_degradation_is_no_rival_to_become(world: Any, parent: Parent, train: Any) -> None:
    world.operator = make_operator("mtf", 2, value=0.25)
    world.folder = world.folder / "mtf"
    world.folder.mkdir()
    child = train(world.recipe(**{**LEARNT, "training__rate": 1e-30}), "child", parent)
    assert child.net.descriptor.operator == world.operator.to_json()
    assert any("over a base of its own" in note for note in child.notes)
    assert "parent" in child.val_psnr


def test_frozen_layers_keep_the_parents_weights_and_thaw(world: Any, train: Any, parent: Parent) -> None:
    def moved(name: str, **settings: Any) -> set[str]:
        child = train(world.recipe(**{**LEARNT, "training__steps": 8, "training__ema_decay": 0, **settings}), name, parent)
        assert child.family == "edsr"
        theirs, size = dict(parent.net.named_parameters()), {}
        for key, value in child.net.named_parameters():
            if not key.startswith("spread_head"):
                size[key] = float((value - theirs[key]).abs().max())
        return {key for key, difference in size.items() if difference > 1e-6}

    everything = moved("all")
    some = moved("frozen", adaptation__head=0, adaptation__body=0)
    assert some and all(key.startswith("tail") for key in some)
    thawed = moved("thawed", adaptation__head=0, adaptation__body=0, adaptation__thaw_after=4)
    assert thawed == everything and any(key.startswith("trunk") for key in everything)


def test_layers_move_more_slowly_towards_the_input(world: Any, parent: Parent) -> None:
    rates = LayerRates(parent.net, world.recipe(adaptation__rate=0.2, adaptation__layer_decay=0.5, adaptation__tail=0.5).adaptation)
    layers = [share for name, share in rates.shares.items() if name.endswith("weight")]
    assert layers[-2:] == pytest.approx([0.2 * 0.5 * 0.5, 0.2 * 0.5])
    assert layers[0] == pytest.approx(0.2 * 0.5 ** (len(layers) - 1))
    assert layers == sorted(layers)
    assert len(rates.shares) == 2 * len(layers)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_the_optimiser_steps_each_parameter_at_its_own_rate(kind: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    slow, fast = (torch.nn.Parameter(torch.zeros(4, 4, 3, 3)) for _ in range(2))
    optimiser = Optimiser([("slow", slow), ("fast", fast)], kind, 1e-3, {"slow": 0.25})
    slow.grad = torch.randn(4, 4, 3, 3, generator=generator)
    fast.grad = slow.grad.clone()
    optimiser.step(1.0)
    assert torch.allclose(slow * 4, fast, rtol=1e-4, atol=1e-9) and float(fast.detach().abs().max()) > 0


def test_general_patches_are_mixed_into_the_pixel_phase_only(world: Any, train: Any, parent: Parent) -> None:
    recipe = world.recipe(**{**LEARNT, "training__steps": 6})
    drawn: list[int] = []

    class Counting(MemoryReader):
        def batch(self, generator: torch.Generator, size: int, *more: Any, **named: Any) -> tuple[torch.Tensor, torch.Tensor]:
            drawn.append(size)
            return super().batch(generator, size, *more, **named)

    general = Counting(world.store(recipe), "train", True)
    mixture = Mixture(world.reader(recipe), [Part(general, 0.5)])
    train(recipe, "child", parent, mixture)
    assert set(drawn) == {4} and len(drawn) >= 6
    steps = len(drawn)
    drawn.clear()
    train(recipe.with_overrides({"spread.steps": 20}), "other", parent, mixture)
    assert len(drawn) == steps


def test_a_warm_start_resumes_bit_for_bit_at_every_step(world: Any, train: Any, parent: Parent, listen: Any) -> None:
    recipe = world.recipe(**{**LEARNT, "training__steps": 9, "spread__steps": 4, "adaptation__head": 0, "adaptation__thaw_after": 5})
    mixture = Mixture(world.reader(recipe), [Part(world.reader(recipe), 0.25, 1.1, 0.01)])
    whole = train(recipe, "whole", parent, mixture, listen())
    for stop_at in (2, 5, 8, 10, 13, 15):
        with pytest.raises(KeyboardInterrupt):
            train(recipe, f"stopped-{stop_at}", parent, mixture, listen(stop_at))
        again = train(recipe, f"stopped-{stop_at}", parent, mixture, listen())
        assert all(torch.equal(a, b) for a, b in zip(whole.net.state_dict().values(), again.net.state_dict().values(), strict=True))
        assert (whole.curve, whole.notes, whole.val_psnr) == (again.curve, again.notes, again.val_psnr)


def test_a_checkpoint_of_another_parent_is_not_taken_up(world: Any, train: Any, parent: Parent, listen: Any) -> None:
    recipe = world.recipe(**{**LEARNT, "training__steps": 9})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, "run", parent, None, listen(8))
    listener = listen()
    train(recipe, "run", dataclasses.replace(parent, weights="b" * 64), None, listener)
    assert any("belongs to another training" in sentence for sentence in listener.sentences)


def test_what_cannot_be_gone_on_from_is_refused(world: Any, train: Any, parent: Parent) -> None:
    with pytest.raises(BundleError, match="blocks 1"):
        train(world.recipe(**LEARNT, network__blocks=2), "deep", parent)
    with pytest.raises(RecipeError, match="solved anew"):
        train(world.recipe(network__family="linear"), "filter", parent)


def test_a_parent_is_read_from_its_bundle(tmp_path: Path) -> None:
    found = Parent.load(make_bundle(tmp_path / "bundle"))
    assert isinstance(found.net, SRNet) and len(found.weights) == 64 and found.same_pixels(found.unit, found.valid_range)
    assert not found.same_pixels(found.unit, (0.0, 1.0))
