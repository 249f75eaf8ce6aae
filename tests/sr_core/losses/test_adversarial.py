"""The two players' losses: what an undecided game costs, who pushes what in which direction, and what each form does not see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sr_core.losses import GAMES, accuracy

STANDARD, RELATIVISTIC = GAMES["standard"], GAMES["relativistic"]


def logits(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def slope(loss: object, which: int, real: Tensor, fake: Tensor) -> Tensor:
    pair = [real.clone().requires_grad_(), fake.clone().requires_grad_()]
    loss(*pair).backward()  # type: ignore[operator]
    found = pair[which].grad
    assert found is not None
    return found


def test_what_an_undecided_game_costs() -> None:
    same = logits(0.7, 0.7, 0.7)
    assert STANDARD.undecided == pytest.approx(math.log(2)) and RELATIVISTIC.undecided == pytest.approx(2 * math.log(2))
    assert STANDARD.discriminator(0 * same, 0 * same).item() == pytest.approx(2 * math.log(2))
    for loss in (RELATIVISTIC.generator, RELATIVISTIC.discriminator):
        assert loss(same, same).item() == pytest.approx(2 * math.log(2))


def test_values_by_hand() -> None:
    def cost(right: float) -> float:  # -log of the logistic function
        return math.log1p(math.exp(-right))

    real, fake = logits(1.0, 3.0), logits(-1.0, 0.0)  # means 2 and -0.5
    assert STANDARD.generator(real, fake).item() == pytest.approx((cost(-1) + cost(0)) / 2)
    assert STANDARD.discriminator(real, fake).item() == pytest.approx((cost(1) + cost(3)) / 2 + (cost(1) + cost(0)) / 2)
    assert RELATIVISTIC.discriminator(real, fake).item() == pytest.approx((cost(1.5) + cost(3.5)) / 2 + (cost(3) + cost(2)) / 2)
    assert RELATIVISTIC.generator(real, fake).item() == pytest.approx((cost(-1.5) + cost(-3.5)) / 2 + (cost(-3) + cost(-2)) / 2)


@pytest.mark.parametrize("name", sorted(GAMES))
def test_the_players_push_against_each_other(name: str) -> None:
    game, real, fake = GAMES[name], logits(0.5, -0.2), logits(0.1, -0.4)
    assert bool((slope(game.generator, 1, real, fake) < 0).all()), "more real is cheaper for the network"
    assert bool((slope(game.discriminator, 1, real, fake) > 0).all())
    assert bool((slope(game.discriminator, 0, real, fake) < 0).all())


@pytest.mark.parametrize("name", sorted(GAMES))
def test_a_network_that_loses_still_gets_a_gradient(name: str) -> None:
    """log(1 - D) would saturate: a slope of e^-20 here."""
    found = slope(GAMES[name].generator, 1, logits(20.0), logits(-20.0))
    assert found.item() < -0.99


def test_only_differences_count_in_the_relativistic_game() -> None:
    real, fake = logits(1.0, 3.0), logits(-1.0, 0.0)
    for loss in (RELATIVISTIC.generator, RELATIVISTIC.discriminator):
        assert loss(real + 9, fake + 9).item() == pytest.approx(loss(real, fake).item())
    assert STANDARD.generator(real + 9, fake + 9).item() != pytest.approx(STANDARD.generator(real, fake).item())


def test_accuracy_counts_each_kind() -> None:
    real, fake = logits(2.0, 1.0, 5.0, -2.0), logits(0.5, -3.0)
    assert [share.item() for share in accuracy(real, fake, relativistic=False)] == [0.75, 0.5]
    assert [share.item() for share in accuracy(real + 100, fake + 100, relativistic=True)] == [0.75, 1.0]  # means 101.5 and 98.75
