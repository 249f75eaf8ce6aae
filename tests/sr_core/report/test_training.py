"""The report's curves: every phase, every figure that training logs, and the guard's outcome in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sr_core.bundle import BundleCard, Curve, CurvePoint
from sr_core.networks import Descriptor
from sr_core.recipe import Recipe
from sr_core.report.content import ReportContent
from sr_core.report.html import render
from sr_core.report.training import guard_sentence, phase_charts
from sr_core.training.duel import FIGURES

Curves = Callable[..., Curve]


@pytest.fixture
def card(content: Callable[..., ReportContent]) -> BundleCard:
    return content(regions=1).card


def headings(curve: Curve) -> dict[str, list[str]]:
    return {phase.heading: [panel.heading for panel in phase.panels] for phase in phase_charts(curve)}


def test_every_phase_has_its_charts(curve: Curves) -> None:
    usual = ["Loss", "Learning rate", "Gradient norm"]
    shown = headings(curve(adversarial=True))
    assert list(shown) == ["Pixel phase", "Adversarial phase", "Spread phase"]
    assert shown["Pixel phase"] == ["PSNR on the validation images", *usual] and shown["Spread phase"] == usual
    assert len(shown["Adversarial phase"]) == 8
    assert list(headings(curve())) == ["Pixel phase", "Spread phase"]


def test_psnr_stands_beside_the_baselines(curve: Curves) -> None:
    pixel, against, _ = phase_charts(curve(adversarial=True))
    words = [key.words for key in pixel.panels[0].keys]
    assert words == ["network, ends at 33.16", "bicubic, 31", "linear filter, 32.5"]
    assert [key.words for key in against.panels[0].keys][-1] == "pixel phase's network, 33.16"
    assert [key.words for key in against.panels[1].keys] == ["network, ends at 0.8", "the truth, 1"]


def test_nothing_that_training_logs_is_left_out() -> None:
    """Names that have no chart of their own are shown as they are."""
    names = [f"adversarial/{name}" for name in (*FIGURES, "psnr_db", "octave_energy", "loss", "rate", "gradient_norm")] + ["train/new"]
    curve = Curve(points=tuple(CurvePoint(name=name, step=step, value=1.0 + step) for name in names for step in (1, 2)))
    phases = phase_charts(curve)
    assert [phase.heading for phase in phases] == ["Adversarial phase", "Other figures"]
    assert [panel.heading for panel in phases[1].panels] == ["train/new"]
    assert sum(len([k for k in panel.keys if k.style.startswith("line")]) for phase in phases for panel in phase.panels) == len(names)


def test_single_points_and_what_is_no_number_are_left_out() -> None:
    points = [("train/loss", 1, math.nan), ("train/loss", 2, 3.0), ("train/rate", 1, 1.0)]
    assert phase_charts(Curve(points=tuple(CurvePoint(name=n, step=s, value=v) for n, s, v in points))) == ()


def test_the_guards_outcome_in_words(curve: Curves, card: BundleCard) -> None:
    def like(**changes: Any) -> BundleCard:
        return card.model_copy(update=changes)

    figures = "at the last validation the network had 33.16 dB, the fitted linear filter 32.50 dB, bicubic 31.00 dB"
    assert guard_sentence(card, curve()) == f"The guard kept the network: {figures}."
    filtered = like(descriptor=Descriptor(family="linear", scale=2, operator="{}"))
    assert guard_sentence(filtered, curve()) == f"The guard chose the filter, since the network did not beat it: {figures}."
    perceptual = Recipe(domain="satellite", purpose="perceptual")
    with_texture = guard_sentence(like(recipe=perceptual, perceptual=True), curve(adversarial=True))
    assert with_texture.endswith("The adversarial phase's network is the model, 0.72 dB below that.")
    assert guard_sentence(like(recipe=perceptual), curve(adversarial=True)).endswith("gained nothing and was left out.")
    asked = Recipe.model_validate({"domain": "satellite", "network": {"family": "linear"}})
    assert guard_sentence(like(recipe=asked), Curve()).startswith("The recipe asks for the fitted linear filter")
    alone = Curve(points=(CurvePoint(name="train/loss", step=1, value=1.0),))
    assert guard_sentence(card, alone).startswith("There were no validation images") and guard_sentence(card, Curve()) == ""


def test_the_page_shows_it(content: Callable[..., ReportContent]) -> None:
    page = render(content(regions=1), 96)
    assert "The guard kept the network" in page and "<h3>Spread phase</h3>" in page and "linear filter, 32.5" in page
