"""The adversarial phase on a small world: that it does what it is for, what it leaves alone, exact resume, and its tripwires."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from sr_core.errors import InputError, RecipeError
from sr_core.losses import gradient, l1, total_variation
from sr_core.networks import SRNet
from sr_core.operators import make_operator
from sr_core.training import Trained, adversarial
from sr_core.training.discriminator import Discriminator
from sr_core.training.duel import FIGURES, AdversarialObjective
from sr_core.training.objectives import residual_size
from sr_core.training.state import Checkpoint, CheckpointFolder
from sr_core.training.task import LrBatch, Task
from sr_core.training.validation import Validation

SHORT = {"purpose": "perceptual", "adversarial__steps": 8, "adversarial__width": 4, "adversarial__rate": 1e-4}
PHASES = ["fitting the linear filter", "training", "training against the discriminator", "training the spread head"]


def values(trained: Trained, name: str) -> list[float]:
    return [point.value for point in trained.curve.points if point.name == name]


def equal(a: Trained, b: Trained) -> bool:
    first, second = a.net.state_dict(), b.net.state_dict()
    same = first.keys() == second.keys() and all(torch.equal(first[name], tensor) for name, tensor in second.items())
    rest = (a.curve, a.notes, a.family, a.val_psnr, a.perceptual) == (b.curve, b.notes, b.family, b.val_psnr, b.perceptual)
    return same and rest


def objective(world: Any, **overrides: object) -> tuple[AdversarialObjective, SRNet, Task]:
    recipe = world.recipe(**{**SHORT, **overrides})
    task = Task(world.reader(recipe), (), recipe, world.operator, "cpu", world.listener)
    net = task.network("edsr", spread=False)
    return AdversarialObjective(task, net, residual_size(task, net)), net, task


# --- what it is for -------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_texture_comes_nearer_to_the_truths_for_a_bounded_loss(world: Any) -> None:
    settings = {
        "training__steps": 200, "training__batch": 8, "training__rate": 5e-3, "training__warmup_steps": 10, "training__validate_every": 50,
        "network__width": 8, "spread__steps": 1, "purpose": "perceptual", "adversarial__steps": 100, "adversarial__width": 16,
        "adversarial__rate": 1e-3, "adversarial__discriminator_rate": 2e-3, "adversarial__terms__adversarial": 1.0,
    }  # fmt: skip
    trained = world.train(world.recipe(**settings), "run")
    # The control goes on for as many steps without heeding the discriminator.
    control = world.train(
        world.recipe(**{**settings, "adversarial__terms__adversarial": 0, "adversarial__terms__matching": 1e-9}), "control"
    )
    octave, without = values(trained, "adversarial/octave_energy")[-1], values(control, "adversarial/octave_energy")[-1]
    assert trained.perceptual and world.listener.phases == PHASES
    assert abs(math.log(octave)) < 0.8 * abs(math.log(without)), f"{octave} with, {without} without a discriminator"
    loss = trained.val_psnr["pixel network"] - trained.val_psnr["network"]
    assert 0 < loss < 1.5
    assert any("made up to look right" in note and f"{loss:.2f} dB less PSNR" in note for note in trained.notes)


def test_a_fidelity_recipe_has_no_such_phase(world: Any) -> None:
    trained = world.train(world.recipe(), "run")
    assert not trained.perceptual and "training against the discriminator" not in world.listener.phases
    assert "pixel network" not in trained.val_psnr


def test_what_brings_no_texture_is_left_out(world: Any, listen: Any) -> None:
    """Planted: a phase that makes no step. What is delivered is then the pixel network, to the last bit."""
    still = world.train(world.recipe(**{**SHORT, "adversarial__rate": 1e-30}), "still")
    plain = world.train(world.recipe(), "plain")
    assert not still.perceptual and any("gained nothing" in note for note in still.notes)
    assert all(torch.equal(still.net.state_dict()[name], tensor) for name, tensor in plain.net.state_dict().items())
    assert still.val_psnr == plain.val_psnr


def test_what_is_kept_is_what_was_judged(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "LEAST_GAIN", -9.0)  # kept whatever it gained
    trained = world.train(world.recipe(**SHORT), "run")
    assert trained.perceptual
    assert trained.val_psnr["network"] == pytest.approx(values(trained, "adversarial/psnr_db")[-1], abs=1e-3)
    assert trained.val_psnr["pixel network"] == pytest.approx(values(trained, "val/psnr_db")[-1], abs=1e-3)


def test_where_the_guard_chose_the_filter_there_is_no_game(world: Any) -> None:
    trained = world.train(world.recipe(**{**SHORT, "training__rate": 1e-30}), "run")
    assert trained.family == "linear" and not trained.perceptual
    assert any("no adversarial phase" in note for note in trained.notes)
    assert not [point for point in trained.curve.points if point.name.startswith("adversarial/")]


def test_without_validation_images_it_is_kept_and_said(world: Any) -> None:
    trained = world.train(world.recipe(**SHORT), "run", with_val=False)
    assert trained.perceptual and any("nothing says what that cost" in note for note in trained.notes)


@pytest.mark.parametrize(
    "overrides",
    [
        {"network__bands": "joint"},
        {"network__family": "srcnn", "network__base": "operator", "patches__grid": "hr", "patches__size": 24},
        {"training__precision": "bfloat16", "adversarial__game": "standard"},
        {"adversarial__terms__gradient": 1, "adversarial__terms__frequency": 1, "adversarial__terms__texture": 1},
    ],
)
def test_other_networks_games_and_terms(world: Any, overrides: dict[str, object]) -> None:
    trained = world.train(world.recipe(**{**SHORT, **overrides}), "run", with_val=False)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in trained.net.state_dict().values())
    logged = {point.name.removeprefix("adversarial/") for point in trained.curve.points if point.name.startswith("adversarial/")}
    left_out = {"texture", "gradient", "frequency"} if "adversarial__terms__texture" not in overrides else set()
    assert logged == {*FIGURES, "loss", "gradient_norm", "rate"} - left_out - {"content", "variation"}


# --- the steps ------------------------------------------------------------------------------------------------------------


def test_the_discriminator_is_frozen_while_it_judges_for_the_network(world: Any) -> None:
    duel, net, task = objective(world)
    loss = duel(net, task.stream("a"), 4, 1.0)
    before = [parameter.grad.clone() for parameter in duel.discriminator.parameters() if parameter.grad is not None]
    assert len(before) == 18 and all(parameter.grad is None for parameter in net.parameters())
    loss.backward()
    after = [parameter.grad for parameter in duel.discriminator.parameters() if parameter.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(parameter.grad is not None for parameter in net.mean_parameters())


def test_true_patches_pass_the_discriminator_once_a_step(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    duel, net, task = objective(world)
    seen: list[bool] = []
    forward = Discriminator.forward

    def counted(self: Discriminator, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        seen.append(x.requires_grad)
        return forward(self, x)

    monkeypatch.setattr(Discriminator, "forward", counted)
    duel(net, task.stream("a"), 4, 1.0)
    assert seen == [False, False, True]  # true and made in its own step, made in the network's


def test_the_loss_is_the_weighted_sum_of_what_is_logged(world: Any) -> None:
    weights = {"pixel": 0.5, "adversarial": 0.25, "matching": 2.0, "texture": 3.0, "consistency": 4.0, "gradient": 5.0, "frequency": 6.0,
               "spectrum": 7.0}  # fmt: skip
    duel, net, task = objective(world, **{f"adversarial__terms__{name}": weight for name, weight in weights.items()})
    losses = [duel(net, task.stream("a"), 4, 1.0).item(), duel(net, task.stream("b"), 4, 1.0).item()]
    figures = duel.figures()
    assert sum(weight * figures[name] for name, weight in weights.items()) == pytest.approx(sum(losses) / 2, rel=1e-5)
    assert duel.figures()["pixel"] == 0  # counted anew


def test_distances_are_in_units_of_the_error_at_the_start(world: Any) -> None:
    duel, net, task = objective(world, adversarial__terms__gradient=1.0)
    for _ in range(20):
        duel(net, task.stream("size of the error", "adversarial"), 8, 1e-30)
    assert duel.figures()["pixel"] == pytest.approx(1, rel=0.35)
    drawn = task.lr_batch(task.stream("a"), 4)
    made, real = net(task.normalised(drawn.y)).detach(), task.normalised(drawn.x)
    duel(net, task.stream("a"), 4, 1e-30)
    figures = duel.figures()
    assert figures["pixel"] == pytest.approx(l1(made, real).item() / duel.size, rel=1e-4)
    assert figures["gradient"] == pytest.approx(gradient(made, real).item() / duel.size, rel=1e-4)


@pytest.mark.parametrize("bands", [None, [0.45, 0.25]])
def test_the_truth_is_consistent(world: Any, bands: list[float] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample under its own band's operator: under the other's the truth would not be."""
    if bands:
        world.operator = make_operator("mtf", 2, value=bands)
    duel, net, task = objective(world, patches__size=24)

    def truth(brighter: float) -> float:
        def made(self: AdversarialObjective, net: SRNet, batch: LrBatch) -> Tensor:
            return (self._task.normalised(batch.x) + brighter * self.size).requires_grad_()

        monkeypatch.setattr(AdversarialObjective, "_made", made)
        duel(net, task.stream("a"), 16, 1.0)
        return duel.figures()["consistency"]

    rounding = 1e-4 / task.std / duel.size  # of measurement and truth
    assert truth(0.0) < 0.5 * rounding
    assert truth(50 * rounding) == pytest.approx(50 * rounding, rel=0.02), "every sample counts, and a degradation keeps brightness"


def test_an_operator_of_whole_images_leaves_consistency_out(world: Any) -> None:
    world.operator = make_operator("kspace", 2)
    trained = world.train(world.recipe(**SHORT), "run", with_val=False)
    assert any("consistency was not a term" in note for note in trained.notes)
    assert not values(trained, "adversarial/consistency")


def test_scaling_a_residual_scales_it(world: Any) -> None:
    _, net, _ = objective(world)
    net.scale_residual(0.0)
    y = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(y), net.base(y))


# --- exact resume ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stopped_run_ends_bit_for_bit_where_the_whole_one_does(world: Any, listen: Any, precision: str) -> None:
    recipe = world.recipe(**SHORT, training__precision=precision)
    whole_log = listen()
    whole = world.train(recipe, "whole", whole_log)
    assert whole_log.steps == 2 + 13 + 9 + 7 and whole_log.phases == PHASES
    for stop_at in (14, 16, 18, 20, 23, 24, 26) if precision == "float32" else (22,):  # before, on and after both seams and checkpoints
        with pytest.raises(KeyboardInterrupt):
            world.train(recipe, f"stopped-{stop_at}", listen(stop_at))
        log = listen()
        assert equal(world.train(recipe, f"stopped-{stop_at}", log), whole), f"stopped at {stop_at}"
        assert log.points == whole_log.points, "every point once, in order"


@pytest.mark.parametrize("part", ["objective/net/layers.0.weight", "objective/optimiser/layers.0.weight/exp_avg", "objective/sums"])
def test_a_resume_that_forgets_the_other_player_is_noticed(world: Any, listen: Any, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    recipe = world.recipe(**SHORT, training__log_every=8)
    whole = world.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "run", listen(22))
    load = CheckpointFolder.load

    def forgetful(self: CheckpointFolder, fingerprint: str) -> Checkpoint | None:
        found = load(self, fingerprint)
        assert found is not None and found.progress.step == 4
        return Checkpoint(found.progress, {**found.tensors, part: torch.zeros_like(found.tensors[part])})

    monkeypatch.setattr(CheckpointFolder, "load", forgetful)
    assert not equal(world.train(recipe, "run"), whole)


# --- tripwires ------------------------------------------------------------------------------------------------------------


def collapse(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Plant: PSNR as of a network that lost the picture, the first `times` times that the adversarial phase is judged."""
    judged, calls = adversarial._judged, []

    def planted(*arguments: Any) -> dict[str, float]:
        calls.append(1)
        figures = judged(*arguments)
        return {**figures, "adversarial/psnr_db": 3.0} if len(calls) <= times else figures

    monkeypatch.setattr(adversarial, "_judged", planted)


def test_a_collapse_goes_back_to_the_start_of_the_phase_with_half_the_rate(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = world.train(world.recipe(**SHORT), "clean")
    collapse(monkeypatch, 1)
    trained = world.train(world.recipe(**SHORT), "run")
    assert any("PSNR collapsed to 3.00 dB" in note and "went back to step 0 and on with half the rate" in note for note in trained.notes)
    assert [2 * rate for rate in values(trained, "adversarial/rate")] == pytest.approx(values(clean, "adversarial/rate"))
    assert len(values(trained, "adversarial/loss")) == len(values(clean, "adversarial/loss"))
    assert values(trained, "train/loss") == values(clean, "train/loss")


def test_a_collapse_that_was_rolled_back_is_resumed_exactly(world: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    collapse(monkeypatch, 1)
    whole_log = listen()
    whole = world.train(world.recipe(**SHORT), "whole", whole_log)
    assert whole_log.steps == 2 + 13 + 6 + 9 + 7  # judged at step 6 first
    for stop_at in (22, 28):  # on the first step again, and after a checkpoint of the second attempt
        monkeypatch.undo()
        collapse(monkeypatch, 1)
        with pytest.raises(KeyboardInterrupt):
            world.train(world.recipe(**SHORT), f"stopped-{stop_at}", listen(stop_at))
        assert equal(world.train(world.recipe(**SHORT), f"stopped-{stop_at}"), whole), f"stopped at {stop_at}"


def test_a_collapse_that_stays_stops_in_words(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    collapse(monkeypatch, 100)
    with pytest.raises(RecipeError, match=r"PSNR collapsed .* again after going back to the start .* at most 2 dB.*adversarial\.rate"):
        world.train(world.recipe(**SHORT), "run")


def test_a_rate_that_ruins_the_network_is_a_collapse(world: Any) -> None:
    with pytest.raises(RecipeError, match="PSNR collapsed"):
        world.train(world.recipe(**{**SHORT, "adversarial__rate": 3.0, "adversarial__steps": 12}), "run")


def test_a_discriminator_that_wins_stops_in_words(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: made patches carry a mark that the network cannot take off."""
    made = AdversarialObjective._made

    def marked(self: AdversarialObjective, net: SRNet, batch: LrBatch) -> Tensor:
        return made(self, net, batch) + 4.0

    monkeypatch.setattr(AdversarialObjective, "_made", marked)
    recipe = world.recipe(**{**SHORT, "adversarial__rate": 1e-9, "adversarial__discriminator_rate": 1e-2, "adversarial__steps": 60})
    with pytest.raises(RecipeError, match=r"the discriminator won .* again .*adversarial\.discriminator_rate"):
        world.train(recipe, "run")
    assert any("went back to step 0" in sentence for sentence in world.listener.sentences)


def test_a_number_that_is_none_before_the_first_checkpoint_starts_the_phase_anew(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = AdversarialObjective._made, []

    def poisoned(self: AdversarialObjective, net: SRNet, batch: LrBatch) -> Tensor:
        calls.append(1)
        return made(self, net, batch) * (float("nan") if len(calls) == 8 + 2 else 1.0)  # after those that measure: the second step

    recipe = world.recipe(**SHORT, training__log_every=1)
    clean = world.train(recipe, "clean")
    monkeypatch.setattr(AdversarialObjective, "_made", poisoned)
    trained = world.train(recipe, "run")
    assert any("half the rate" in note for note in trained.notes)
    # The first step again from the very network that the phase started from.
    assert values(trained, "adversarial/pixel")[0] == values(clean, "adversarial/pixel")[0]
    assert values(trained, "adversarial/pixel")[1:] != values(clean, "adversarial/pixel")[1:]


# --- validation -----------------------------------------------------------------------------------------------------------


def test_octave_energy_of_the_truth_is_one_and_of_interpolation_less(world: Any) -> None:
    from sr_core.patches import whole_pairs
    from sr_core.training.seams import filtered

    recipe = world.recipe()
    reader = world.reader(recipe)
    task = Task(reader, tuple(whole_pairs(reader.store, "val")), recipe, world.operator, "cpu", world.listener)
    net = task.network("edsr", spread=False)
    validation = Validation(task, filtered(task, torch.zeros(4, 1, 3, 3)))
    ((_, hr, _, _),) = task.val
    low = validation.octave(validation.filtered)
    assert low is not None and low < 0.6

    class Truth(SRNet):
        def forward(self, y: Tensor) -> Tensor:
            return (hr[None].float() - task.mean) / task.std

    net.__class__ = Truth
    assert validation.octave(net) == pytest.approx(1, abs=1e-3)
    lr, hr_, mask_lr, mask_hr = task.val[0]
    holed = mask_hr.clone()
    holed[20, 20] = False
    torn = Task(reader, ((lr, hr_, mask_lr, holed),), recipe, world.operator, "cpu", world.listener)
    assert Validation(torn, validation.filtered).octave(validation.filtered) is None


# --- terms that need more than the discriminator ---------------------------------------------------------------------------


def passing(folder: Path) -> tuple[str, str]:
    """Write first weights of VGG19 that pass the three colours through, and nothing else."""
    weight = torch.zeros(64, 3, 3, 3)
    for colour in range(3):
        weight[colour, colour, 1, 1] = 1.0
    path = folder / "vgg.safetensors"
    safetensors.torch.save_file({"features.0.weight": weight, "features.0.bias": torch.zeros(64)}, path)
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def test_content_and_variation_by_value(world: Any, tmp_path: Path) -> None:
    path, digest = passing(tmp_path)
    settings = {"adversarial__vgg": path, "adversarial__vgg_sha256": digest, "adversarial__vgg_layer": "conv1_1"}
    made, net, task = objective(world, **settings, adversarial__terms__content=1.0, adversarial__terms__variation=0.5)
    draws = torch.Generator().manual_seed(4)
    state = draws.get_state()
    made(net, draws, 2, 1.0)
    found = made.figures()

    draws.set_state(state)
    batch = task.lr_batch(draws, 2)
    fake, real = net(task.normalised(batch.y)).detach(), task.normalised(batch.x)  # an untrained network: its base
    low, high = ((value - task.mean) / task.std for value in (task.reader.moments[1].low, task.reader.moments[1].high))
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    seen = [((image - low) / (high - low) - mean) / std for image in (fake, real)]
    assert found["content"] == pytest.approx(float((seen[0] - seen[1]).square().mean() / seen[1].square().mean()), rel=1e-4)
    assert found["variation"] == pytest.approx(float(total_variation(fake) / total_variation(real)), rel=1e-5)


def test_other_weights_than_promised_are_refused(world: Any, tmp_path: Path) -> None:
    path, _ = passing(tmp_path)
    settings = {"adversarial__vgg": path, "adversarial__vgg_sha256": "0" * 64, "adversarial__terms__content": 1.0}
    with pytest.raises(InputError, match="as was promised"):
        world.train(world.recipe(**{**SHORT, **settings}), "run")
