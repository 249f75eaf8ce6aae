"""The tripwires on curves that are written here: what trips each, and what must not."""

from __future__ import annotations

import math

import pytest

from sr_core.bundle import CurvePoint
from sr_core.training.tripwires import Diverged, check_collapse, check_fidelity, check_game


def game(real: list[float], fake: list[float], loss: list[float]) -> list[CurvePoint]:
    series = {"accuracy_real": real, "accuracy_fake": fake, "adversarial": loss}
    return [
        CurvePoint(name=f"adversarial/{name}", step=10 * (number + 1), value=value)
        for name, values in series.items()
        for number, value in enumerate(values)
    ]


WON = [0.4, 1.0, 1.0, 1.0, 0.995, 1.0]
LOSING = [0.7, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_discriminator_that_errs_no_more_while_the_loss_grows_has_won() -> None:
    with pytest.raises(Diverged, match="discriminator won") as caught:
        check_game(game(WON, WON, LOSING), undecided=0.7)
    assert caught.value.step == 60 and caught.value.far


@pytest.mark.parametrize(
    ("real", "fake", "loss"),
    [
        (WON[:5], WON[:5], LOSING[1:]),  # four evaluations won, one not
        (WON, [*WON[:3], 0.9, *WON[4:]], LOSING),  # the network fooled it once
        (WON, WON, [5.0, 9.0, 8.0, 7.0, 6.0, 5.0]),  # the network catches up
        (WON, WON, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),  # sure, but by little: the network still learns
        (WON[1:5], WON[1:5], LOSING[1:5]),  # too early to say
    ],
)
def test_a_game_that_goes_on(real: list[float], fake: list[float], loss: list[float]) -> None:
    check_game(game(real, fake, loss), undecided=0.7)


def test_psnr_below_the_bound_is_a_collapse() -> None:
    def curve(*values: float) -> list[CurvePoint]:
        return [CurvePoint(name="adversarial/psnr_db", step=5 * n, value=value) for n, value in enumerate(values, 1)]

    check_fidelity([], 30.0, 2.0)
    check_fidelity(curve(27.0, 28.0), 30.0, 2.0)
    with pytest.raises(Diverged, match=r"27\.90 dB, 2\.10 dB below") as caught:
        check_fidelity(curve(31.0, 27.9), 30.0, 2.0)
    assert caught.value.step == 10 and caught.value.far
    with pytest.raises(Diverged):
        check_fidelity(curve(math.nan), 30.0, 2.0)


def validated(*values: float) -> list[CurvePoint]:
    return [CurvePoint(name="val/psnr_db", step=5 * n, value=value) for n, value in enumerate(values, 1)]


@pytest.mark.parametrize("values", [(), (27.0,), (31.0, 28.0), (31.0, 28.0, 32.0), (math.inf, 40.0), (31.0, math.inf)])
def test_a_network_that_wavers_has_not_collapsed(values: tuple[float, ...]) -> None:
    check_collapse(validated(*values), 30.0, 3.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((26.9,), r"26\.90 dB, 3\.10 dB below bicubic interpolation"),
        ((33.5, 34.0, 30.9), r"30\.90 dB, 3\.10 dB below that of step 10"),
        ((34.0, math.nan), "nan dB"),
        ((34.0, -math.inf), "-inf dB"),
    ],
)
def test_a_validation_psnr_that_falls_far_is_a_collapse(values: tuple[float, ...], words: str) -> None:
    with pytest.raises(Diverged, match=words) as caught:
        check_collapse(validated(*values), 30.0, 3.0)
    assert caught.value.step == 5 * len(values) and caught.value.far
    assert "training.rate" in caught.value.remedy


def test_without_a_finite_figure_only_no_number_is_a_collapse() -> None:
    check_collapse(validated(20.0), math.inf, 3.0)
    with pytest.raises(Diverged):
        check_collapse(validated(math.nan), math.inf, 3.0)
