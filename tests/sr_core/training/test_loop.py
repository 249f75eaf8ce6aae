"""The whole of training on a small world: what each phase promises, and exact resume."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sr_core.errors import RecipeError
from sr_core.patches import MemoryReader
from sr_core.training import Trained, stream
from sr_core.training.ema import Average
from sr_core.training.state import NEWEST, PREVIOUS, Checkpoint, CheckpointFolder, UnusableCheckpoint, _pack, _unpack


def bits(trained: Trained) -> dict[str, Tensor]:
    return dict(trained.net.state_dict())


def equal(a: Trained, b: Trained) -> bool:
    same = a.net.descriptor == b.net.descriptor and all(torch.equal(bits(a)[name], tensor) for name, tensor in bits(b).items())
    return same and (a.curve, a.notes, a.family, a.val_psnr, a.mean, a.std) == (b.curve, b.notes, b.family, b.val_psnr, b.mean, b.std)


@pytest.fixture
def learnt(world: Any) -> dict[str, Any]:
    return {
        "training__steps": 80, "training__batch": 8, "training__rate": 5e-3, "training__warmup_steps": 10, "training__validate_every": 60,
        "network__width": 8, "spread__steps": 80, "spread__rate": 3e-3,
    }  # fmt: skip


def test_a_network_learns_what_the_filter_cannot(world: Any, learnt: dict[str, Any]) -> None:
    recipe = world.recipe(**learnt)
    trained = world.train(recipe, "run")
    score = trained.val_psnr
    assert trained.family == "edsr" and score["bicubic"] < score["linear"] < score["network"]
    last = {point.name: point.value for point in trained.curve.points}
    assert last["val/psnr_db"] == pytest.approx(score["network"], abs=1e-4)
    assert last["val/gain_over_linear_db"] == pytest.approx(score["network"] - score["linear"], abs=1e-4)
    assert last["train/loss"] < 0.9
    assert world.listener.phases == ["fitting the linear filter", "training", "training the spread head"]

    # The spread head: right in the mean, and larger where the error is larger.
    wrong, said = world.errors(trained, recipe)
    assert 0.5 < float(said.mean() / wrong.mean()) < 2
    assert float(torch.corrcoef(torch.stack([said, wrong]))[0, 1]) > 0.4
    assert not trained.net.training and not any(p.requires_grad for p in trained.net.parameters())


def test_the_spread_phase_leaves_the_mean_bit_for_bit(world: Any) -> None:
    short, long = world.train(world.recipe(spread__steps=1), "short"), world.train(world.recipe(spread__steps=9), "long")
    y = torch.randn(1, 2, 20, 21, generator=torch.Generator().manual_seed(0))
    assert torch.equal(short.net(y), long.net(y))
    assert not torch.equal(short.net.forward_spread(y)[1], long.net.forward_spread(y)[1])


def test_both_tails_stand_on_one_image_bit_for_bit(world: Any, learnt: dict[str, Any]) -> None:
    light, heavy = (world.train(world.recipe(**learnt, spread__tail=tail), tail) for tail in ("light", "heavy"))
    assert (light.net.descriptor.estimator, heavy.net.descriptor.estimator) == ("magnitude head", "Laplace head")
    y = torch.randn(1, 2, 20, 21, generator=torch.Generator().manual_seed(0))
    assert torch.equal(light.net(y), heavy.net(y)) and torch.equal(heavy.net.forward_spread(y)[0], heavy.net(y))
    wrong, said = world.errors(heavy, world.recipe(**learnt))
    assert float(torch.corrcoef(torch.stack([said.log(), (wrong + 1e-3).log()]))[0, 1]) > 0.3


def test_the_guard_gives_the_filter_where_the_network_is_no_better(world: Any) -> None:
    trained = world.train(world.recipe(training__rate=1e-30), "run")  # a network that stays what it was
    assert trained.family == "linear" and trained.net.descriptor.family == "linear"
    for said in (trained.notes, world.listener.sentences):
        assert any("the model is the filter" in sentence for sentence in said)
    _, spread = trained.net.forward_spread(torch.randn(1, 1, 20, 20, generator=torch.Generator().manual_seed(0)))
    assert float(spread.min()) >= 0


def test_the_linear_family_makes_no_step(world: Any) -> None:
    trained = world.train(world.recipe(network__family="linear"), "run")
    assert trained.family == "linear" and trained.curve.points == () and world.listener.phases == ["fitting the linear filter"]


def test_without_validation_images_it_says_so(world: Any) -> None:
    trained = world.train(world.recipe(), "run", with_val=False)
    assert trained.family == "edsr" and trained.val_psnr == {} and "No validation images" in trained.notes[0]
    assert not any(point.name.startswith("val/") for point in trained.curve.points)


@pytest.mark.parametrize("overrides", [{"network__bands": "joint"}, {"network__base": "operator"}, {"training__precision": "bfloat16"}])
def test_other_networks_train(world: Any, overrides: dict[str, Any]) -> None:
    trained = world.train(world.recipe(**overrides), "run")
    mean, spread = trained.net.forward_spread(torch.zeros(1, 2, 14, 15))
    assert mean.shape == spread.shape == (1, 2, 28, 30) and bool(torch.isfinite(mean).all())


def test_srcnn_trains_on_the_hr_grid(world: Any) -> None:
    recipe = world.recipe(network__family="srcnn", network__base="operator", patches__grid="hr", training__steps=40, training__batch=8)
    trained = world.train(recipe, "run", with_val=False)
    losses = [point.value for point in trained.curve.points if point.name == "train/loss"]
    assert trained.family == "srcnn" and sum(losses[-6:]) / 6 < 0.9  # 1 is "nothing learnt"
    mean, spread = trained.net.forward_spread(torch.zeros(1, 2, 14, 15))
    assert mean.shape == spread.shape == (1, 2, 28, 30)


def test_srcnn_over_the_filter_is_said_to_stand_on_the_upscaling(world: Any) -> None:
    trained = world.train(world.recipe(network__family="srcnn", patches__grid="hr", training__rate=1e-30), "run")
    assert "plain upscaling" in trained.notes[0]


# --- exact resume ---------------------------------------------------------------------------------------------------------

CASES = [
    ({}, (1, 3, 8, 15, 16, 20)),  # in every phase, at checkpoints, beside them, and at the seams
    ({"training__optimiser": "muon"}, (8, 12)),
    ({"training__precision": "bfloat16", "training__log_every": 5}, (8, 19)),
]


@pytest.mark.parametrize(("overrides", "stops"), CASES)
def test_a_stopped_run_ends_bit_for_bit_where_the_whole_one_does(
    world: Any, listen: Any, overrides: dict[str, Any], stops: tuple[int, ...]
) -> None:
    recipe = world.recipe(**overrides)
    whole_log = listen()
    whole = world.train(recipe, "whole", whole_log)
    assert whole_log.steps == 2 + 13 + 7
    for stop_at in stops:
        name = f"stopped-{stop_at}"
        with pytest.raises(KeyboardInterrupt):
            world.train(recipe, name, listen(stop_at))
        log = listen()
        assert equal(world.train(recipe, name, log), whole), f"stopped at {stop_at}"
        assert log.points == whole_log.points, "every point once, in order"


def test_stopped_again_and_again(world: Any, listen: Any) -> None:
    recipe = world.recipe()
    whole = world.train(recipe, "whole")
    for _ in range(20):
        try:
            trained = world.train(recipe, "often", listen(6))
            break
        except KeyboardInterrupt:
            continue
    assert equal(trained, whole)


def test_a_finished_run_is_not_trained_again(world: Any, listen: Any) -> None:
    recipe, log = world.recipe(), listen()
    first = world.train(recipe, "run")
    assert equal(world.train(recipe, "run", log), first) and log.steps == 0


def test_a_damaged_checkpoint_falls_back_and_ends_the_same(world: Any, listen: Any) -> None:
    recipe = world.recipe()
    whole = world.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "run", listen(12))
    (world.folder / "run" / NEWEST).write_bytes(b"damaged")
    assert (world.folder / "run" / PREVIOUS).is_file()
    log = listen()
    assert equal(world.train(recipe, "run", log), whole)
    assert any("cannot be used" in sentence for sentence in log.sentences)


def gone(tensors: dict[str, Tensor], name: str) -> None:
    del tensors[name]


def cut(tensors: dict[str, Tensor], name: str) -> None:
    tensors[name] = tensors[name].reshape(-1)[:-1].clone()


@pytest.mark.parametrize("fault", [gone, cut])
@pytest.mark.parametrize(
    ("stop_at", "wanted"),
    [
        (12, "net/"), (12, "filter"), (12, "average/"), (12, "optimiser/"), (12, "generator"), (12, "sums"), (12, "objective/"),
        (16, "filter"), (21, "spread_head"), (21, "optimiser/"),
    ],
)  # fmt: skip
def test_a_checkpoint_without_a_tensor_that_is_needed_falls_back_and_ends_the_same(
    world: Any, listen: Any, stop_at: int, wanted: str, fault: Any
) -> None:
    """Whole by its sha256, so only taking from it shows the fault."""
    recipe, log = world.recipe(), listen()
    whole = world.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "run", listen(stop_at))
    kept, spoilt = _unpack(world.folder / "run" / NEWEST), _unpack(world.folder / "run" / NEWEST)
    tensors = dict(spoilt.tensors)
    fault(tensors, next(name for name in sorted(tensors) if wanted in name))
    (world.folder / "run" / NEWEST).write_bytes(_pack(Checkpoint(kept.progress, tensors)))
    assert equal(world.train(recipe, "run", log), whole)
    assert [sentence for sentence in log.sentences if "cannot be used: a checkpoint (phase" in sentence and "do not fit" in sentence]
    assert len([sentence for sentence in log.sentences if "goes on from a checkpoint" in sentence]) == 2


def test_two_checkpoints_without_what_is_needed_start_anew(world: Any, listen: Any) -> None:
    recipe, log = world.recipe(), listen()
    whole = world.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "run", listen(14))
    for name in (NEWEST, PREVIOUS):
        path = world.folder / "run" / name
        path.write_bytes(_pack(Checkpoint(_unpack(path).progress, {"x": torch.zeros(1)})))
    assert equal(world.train(recipe, "run", log), whole)
    assert len([sentence for sentence in log.sentences if "cannot be used" in sentence]) == 2


def test_what_a_phase_itself_leaves_out_is_our_fault_and_never_a_loop(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.training.loop.named", lambda net, weights: {"x": torch.zeros(1)})
    monkeypatch.setattr("sr_core.training.seams.named", lambda net, weights: {"x": torch.zeros(1)})
    with pytest.raises(UnusableCheckpoint, match="phase 1, step 0"):
        world.train(world.recipe(), "run")


def test_another_recipe_does_not_take_up_the_checkpoint(world: Any, listen: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        world.train(world.recipe(), "run", listen(12))
    other, log = world.recipe(training__rate=1e-3), listen()
    assert equal(world.train(other, "run", log), world.train(other, "fresh"))
    assert any("another training" in sentence for sentence in log.sentences)


def test_a_resume_that_forgets_the_generator_is_noticed(world: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that exact resume must show: batches drawn from the start again."""
    recipe = world.recipe()
    whole = world.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "run", listen(12))
    load = CheckpointFolder.load

    def forgetful(self: CheckpointFolder, fingerprint: str) -> Checkpoint | None:
        found = load(self, fingerprint)
        assert found is not None
        return Checkpoint(found.progress, {**found.tensors, "generator": stream(recipe.seed, "patches", "pixel").get_state()})

    monkeypatch.setattr(CheckpointFolder, "load", forgetful)
    assert not equal(world.train(recipe, "run"), whole)


# --- tripwires ------------------------------------------------------------------------------------------------------------


class Poisoned(MemoryReader):
    """Gives batches with a NaN from the nth on, `times` times."""

    first, times, batches = 0, 0, 0

    def batch(self, generator: torch.Generator, size: int, augment: bool = True, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        lr, hr = super().batch(generator, size, augment, part)
        self.batches += 1
        if self.first <= self.batches < self.first + self.times:
            hr[0, 0, 0, 0] = float("nan")
        return lr, hr


def poisoned(world: Any, recipe: Any, first: int, times: int) -> Poisoned:
    world.reader_class = Poisoned
    reader: Poisoned = world.reader(recipe)
    reader.first, reader.times = first, times
    return reader


@pytest.mark.parametrize("first", [8 + 2, 8 + 6])  # after the 8 measuring batches: before and after a checkpoint
def test_a_loss_that_is_no_number_goes_back_once_with_half_the_rate(world: Any, first: int) -> None:
    recipe = world.recipe()
    trained = world.train(recipe, "run", reader=poisoned(world, recipe, first, 1))
    assert any("half the rate" in note for note in trained.notes)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in bits(trained).values())
    rates = {point.step: point.value for point in trained.curve.points if point.name == "train/rate"}
    clean = {point.step: point.value for point in world.train(recipe, "clean").curve.points if point.name == "train/rate"}
    assert rates[12] == pytest.approx(clean[12] / 2)
    assert len([point for point in trained.curve.points if point.name == "train/loss"]) == 4  # each step once


def test_a_loss_that_stays_no_number_stops_in_words(world: Any) -> None:
    recipe = world.recipe()
    with pytest.raises(RecipeError, match=r"again after going back .* expected finite numbers.*training.rate="):
        world.train(recipe, "run", reader=poisoned(world, recipe, 12, 1000))


def spoil(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Plant a fault in the averaged weights, after step 8 and before the validation of step 12."""
    honest, calls = Average.update, []

    def update(self: Average, step: int) -> None:
        honest(self, step)
        if step == 8 and "tail" in "".join(self.tensors()) and len(calls) < times:
            calls.append(step)
            for tensor in self.tensors().values():
                tensor.add_(0.5)

    monkeypatch.setattr(Average, "update", update)


def test_a_collapse_of_psnr_goes_back_to_the_start_of_the_phase(world: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, log = world.recipe(), listen()
    spoil(monkeypatch, 1)
    trained = world.train(recipe, "run", log)
    (note,) = [note for note in trained.notes if "collapsed" in note]
    assert "by step 12: went back to step 0 and on with half the rate" in note and note in log.sentences
    fallen, risen = [value for name, step, value in log.points if (name, step) == ("val/psnr_db", 12)]
    assert fallen < risen - 3
    assert [point.step for point in trained.curve.points if point.name == "val/psnr_db"] == [6, 12]
    rates = [value for name, step, value in log.points if (name, step) == ("train/rate", 12)]
    assert rates[1] == pytest.approx(rates[0] / 2)


def test_a_resumed_run_that_collapses_goes_back_to_the_same_start(world: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = world.recipe()
    spoil(monkeypatch, 1)
    whole = world.train(recipe, "whole")
    monkeypatch.undo()
    spoil(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "run", listen(10))  # goes on from step 4
    assert equal(world.train(recipe, "run"), whole)


def test_a_psnr_that_collapses_again_stops_in_words(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 2)
    with pytest.raises(RecipeError, match=r"collapsed .* again after going back to the start .*at most 3 dB.*training\.psnr_loss_db"):
        world.train(world.recipe(), "run")


def test_a_collapse_that_is_allowed_is_none(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 1)
    trained = world.train(world.recipe(training__psnr_loss_db=500), "run")
    assert not any("collapsed" in note for note in trained.notes)
