"""Two real processes (gloo) train as one does, with the same global batch; faults in how they work together are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from together import Job, Outcome, in_processes, perform
from torch import Tensor, nn

from sr_core.errors import InputError, RecipeError
from sr_core.families import FAMILIES
from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator
from sr_core.training import Processes, joined

PERCEPTUAL = {
    "purpose": "perceptual", "adversarial__steps": 4, "adversarial__width": 4, "adversarial__terms__texture": 1,
    "adversarial__terms__gradient": 1, "adversarial__terms__frequency": 1,
}  # fmt: skip
FLOAT64, FLOAT32 = 1e-9, 1e-5


def jobs(world: Any, folder: Path) -> dict[str, Job]:
    """Name the jobs; the last one ends the processes."""

    def job(name: str, settings: dict[str, object] | None = None, **more: Any) -> Job:
        recipe = world.recipe(**{"training__steps": 6, "spread__steps": 3, "training__batch": 5, **(settings or {})})
        return Job(world.store(recipe).folder, recipe, folder / name, **more)

    return {
        "even": job("even", {"training__batch": 4}),
        "uneven": job("uneven"),
        "muon": job("muon", {"training__optimiser": "muon"}),
        "joint": job("joint", {"network__bands": "joint"}),
        "hr grid": job("hr", {"network__family": "srcnn", "network__base": "operator", "patches__grid": "hr", "patches__size": 24}),
        "adversarial": job("adversarial", PERCEPTUAL),
        "resumed": job("resumed", PERCEPTUAL, stop_at=14),
        "validated": job("validated", double=False, with_val=True),
        "gradients": job("gradients", kind="gradients", double=False),
        # Adam's first step takes signs, so of a gradient that is 0 but for rounding it makes a whole step: here a tiny one.
        "adversarial gradients": job("both", {**PERCEPTUAL, "adversarial__discriminator_rate": 1e-9}, kind="gradients", double=False),
        "selfish": job("selfish", fault="selfish"),
        "equal shares": job("shares", fault="equal shares"),
        "own means": job("means", PERCEPTUAL, fault="own means"),
        "diverges": job("diverges", {"training__rate": 1e100}),
        "leaves": job("leaves", fault="leaves"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def both(lasting_world: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, Outcome]]:
    """Give what two processes found, and what one found that does all alone."""
    folder = tmp_path_factory.mktemp("jobs")
    asked = jobs(lasting_world, folder)
    found = dict(zip(asked, in_processes(list(asked.values()), folder), strict=True))
    return {name: (found[name], perform(job, Processes())) for name, job in asked.items()}


def farthest(pair: tuple[Outcome, Outcome]) -> float:
    """Give the largest difference of a tensor, relative to that tensor's largest value."""
    made, alone = (outcome.tensors for outcome in pair)
    assert made.keys() == alone.keys() and made
    return max(float((made[name] - tensor).abs().max() / tensor.abs().max()) for name, tensor in alone.items() if bool(tensor.any()))


@pytest.mark.long
@pytest.mark.parametrize("name", ["even", "uneven", "muon", "joint", "hr grid", "adversarial", "resumed"])
def test_two_processes_end_where_one_ends(both: dict[str, tuple[Outcome, Outcome]], name: str) -> None:
    made, alone = both[name]
    assert all(tensor.dtype == torch.float64 for tensor in made.tensors.values())
    assert farthest(both[name]) < FLOAT64
    assert made.figures.keys() == alone.figures.keys() and made.figures
    assert all(value == pytest.approx(alone.figures[key], rel=FLOAT64) for key, value in made.figures.items())


@pytest.mark.long
@pytest.mark.parametrize("name", ["gradients", "adversarial gradients"])
def test_the_first_gradients_are_those_of_the_global_batch(both: dict[str, tuple[Outcome, Outcome]], name: str) -> None:
    assert all(tensor.dtype == torch.float32 for tensor in both[name][0].tensors.values())
    assert all(bool(tensor.any()) for tensor in both[name][1].tensors.values())
    assert ("discriminator/judge.weight" in both[name][0].tensors) == (name == "adversarial gradients")
    assert farthest(both[name]) < FLOAT32


@pytest.mark.long
def test_one_process_validates_for_all(both: dict[str, tuple[Outcome, Outcome]]) -> None:
    made, alone = both["validated"]
    assert ("val/psnr_db", 6) in made.figures
    assert all(value == pytest.approx(alone.figures[key], rel=1e-3) for key, value in made.figures.items())


@pytest.mark.long
@pytest.mark.parametrize("name", ["selfish", "equal shares", "own means"])
def test_a_planted_fault_is_seen(both: dict[str, tuple[Outcome, Outcome]], name: str) -> None:
    assert farthest(both[name]) > 1e4 * FLOAT64


@pytest.mark.long
def test_all_go_back_and_stop_together(both: dict[str, tuple[Outcome, Outcome]]) -> None:
    """What a tripwire decides, it decides in all, from the first one's checkpoint; then one more job was done, so nobody hung."""
    made, alone = both["diverges"]
    assert made.error == alone.error and "training" in made.error and "rate" in made.error


@pytest.mark.long
def test_who_is_left_alone_says_so(both: dict[str, tuple[Outcome, Outcome]]) -> None:
    assert both["leaves"][0].error.startswith("a process of this training has ended or cannot be reached (")
    assert "goes on from the last checkpoint" in both["leaves"][0].error


@pytest.mark.long
def test_only_the_first_process_writes(both: dict[str, tuple[Outcome, Outcome]], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert both  # has run
    written = {path.name for path in tmp_path_factory.getbasetemp().glob("jobs*/*-2-*")}
    assert "even-2-0" in written and not [name for name in written if name.endswith("-2-1")]


# --- a single process -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "count"), [(4, 2), (5, 2), (7, 3), (3, 3), (16, 1)])
def test_the_parts_make_the_batch(size: int, count: int) -> None:
    places = [Processes(rank, count) for rank in range(count)]
    assert [i for place in places for i in range(size)[place.part(size)]] == list(range(size))
    assert sum(place.share(size) for place in places) == pytest.approx(1)
    lengths = [len(range(size)[place.part(size)]) for place in places]
    assert max(lengths) - min(lengths) <= 1


def test_fewer_samples_than_processes_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"a batch of 2 in 3 processes; .*training\.batch=3"):
        Processes(0, 3).part(2)


@pytest.mark.parametrize("bandwise", [True, False])
def test_parts_of_a_batch_hold_what_the_whole_holds(world: Any, bandwise: bool) -> None:
    """Also that the random stream goes on alike, whatever is read."""
    reader = world.reader(world.recipe(network__bands="band-wise" if bandwise else "joint"))
    whole, parted = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    lr, hr = reader.batch(whole, 7)
    part = Processes(1, 2).part(7)
    mine = reader.batch(parted, 7, part=part)
    assert torch.equal(mine[0], lr[part]) and torch.equal(mine[1], hr[part]) and len(mine[0]) == 3
    assert torch.equal(whole.get_state(), parted.get_state())


def test_apart_a_process_is_the_only_one_and_then_as_before() -> None:
    place = Processes(1, 2)
    with place.apart():
        assert place.first and place.part(5) == slice(0, 5) and float(place.mean(torch.arange(4.0))) == 1.5
    assert not place.first and place.part(5) == slice(3, 5)


def test_alone_the_gradient_is_backwards_own() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    loss: Tensor = (weight * weight).sum()
    total = Processes().backward(loss, 5, [weight])
    assert total == 5 and not total.requires_grad and weight.grad is not None and weight.grad.tolist() == [2, 4]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_network_has_statistics_of_a_batch(family: Any) -> None:
    """They would be those of a process's part."""
    net = build(Descriptor(family=family, scale=2, operator=make_operator("bicubic", 2).to_json()))
    assert not [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="process 2 on a machine of 1 GPUs"), joined(2, {"RANK": "1", "LOCAL_RANK": "1"}):
        pass
