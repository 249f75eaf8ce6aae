"""The gate of perceptual models: texture nearer to the truth's, at a bounded loss, beside the champion for fidelity. Each fault planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_evaluation import DIGEST, decide, evaluation

from sr_core.domain import Sensitivity
from sr_core.evaluation import Evaluation, Method
from sr_core.stages.paired import paired_octave_gain

MODEL = (0.60, 0.66, 0.63)  # energy in the highest octave, three places
PIXEL = (0.25, 0.28, 0.24)


def world(
    octaves: tuple[float | None, ...] = MODEL,
    *,
    reference: tuple[float | None, ...] = PIXEL,
    champion: tuple[float, ...] | None = None,
    psnr: tuple[float, ...] = (30.0, 31.0, 29.0),
    pixel: float | None = 0.9,
    one_group: bool = False,
    **fields: Any,
) -> Evaluation:
    """Three places; the pixel champion has `pixel` dB more PSNR than the model (None: there is none, and the filter has its octaves)."""
    rows: list[dict[Method, float]] = []
    energies: list[dict[Method, float | None]] = []
    for i, db in enumerate(psnr):
        figures: dict[Method, float] = {"bicubic": db, "projected bicubic": db + 0.1, "linear filter": db + 0.5, "model": db}
        energy: dict[Method, float | None] = {"bicubic": 0.1, "linear filter": reference[i] if pixel is None else 0.2, "model": octaves[i]}
        if champion is not None:
            figures["champion"], energy["champion"] = db + 0.1, champion[i]
        if pixel is not None:
            figures["pixel champion"], energy["pixel champion"] = db + pixel, reference[i]
        rows.append(figures)
        energies.append(energy)
    known = {
        "purpose": "perceptual", "perceptual": True, "champion": None if champion is None else DIGEST,
        "pixel_champion": None if pixel is None else DIGEST,
    }  # fmt: skip
    return evaluation(rows, one_group=one_group, octaves=energies, **(known | fields))


def test_texture_at_a_bounded_loss_is_promoted_below_the_filters_psnr(tmp_path: Path) -> None:
    decision = decide(tmp_path, world())
    assert decision.register_it and decision.promote
    assert decision.sentence == (
        "Promoted: the energy in the highest octave is 0.63 of the truth's, 0.26 with the pixel champion: nearer to 1 by +0.90 in "
        "|ln ratio| (beyond noise: mean between +0.84 and +0.96, each end at 90 %, over 3 places); "
        "PSNR -0.90 dB beside the pixel champion, of which at most 2 dB may be lost."
    )


def test_without_a_pixel_champion_the_filter_stands_in(tmp_path: Path) -> None:
    decision = decide(tmp_path, world(pixel=None))
    assert decision.promote and decision.sentence.count("the linear filter (there is no pixel champion to compare with)") == 2
    assert "0.26 with the linear filter" in decision.sentence and "PSNR -0.50 dB beside" in decision.sentence


@pytest.mark.parametrize(
    ("octaves", "why"),
    [
        ((0.25, 0.28, 0.24), "nearer to 1 by +0.00"),
        ((0.20, 0.20, 0.20), "nearer to 1 by -0.25"),
        ((0.23, 0.70, 0.24), "within noise: mean between -"),  # one place only
        ((4.2, 3.8, 4.4), "is 4.13 of the truth's, 0.26"),  # too much is no better than too little
        ((None, None, None), "cannot be measured beside the pixel champion"),
        ((float("nan"), 0.7, 0.7), "mean between +nan"),
    ],
)
def test_no_gain_of_texture_beyond_noise_is_not_registered(tmp_path: Path, octaves: tuple[float | None, ...], why: str) -> None:
    decision = decide(tmp_path, world(octaves))
    assert not decision.register_it and not decision.promote
    assert "not enough texture" in decision.sentence and why in decision.sentence


def test_a_reference_without_the_figure_cannot_be_judged_beside(tmp_path: Path) -> None:
    decision = decide(tmp_path, world(reference=(None, None, None)))
    assert not decision.register_it and "cannot be measured" in decision.sentence


@pytest.mark.parametrize(("loss", "allowed"), [(0.0, True), (-0.3, True), (2.0, True), (2.01, False), (float("nan"), False)])
def test_the_loss_is_bounded(tmp_path: Path, loss: float, allowed: bool) -> None:
    decision = decide(tmp_path, world(pixel=loss))
    assert decision.register_it is allowed
    assert ("too much lost" in decision.sentence) is not allowed
    if loss == 2.01:
        assert "too much lost: PSNR -2.01 dB beside the pixel champion, of which at most 2 dB may be lost" in decision.sentence


def test_blocks_of_one_scene_are_never_called_tested(tmp_path: Path) -> None:
    decision = decide(tmp_path, world(one_group=True))
    assert (
        decision.promote
        and "(regions from +0.86 to +" in decision.sentence
        and "3 blocks of one scene, too few to test)" in decision.sentence
    )
    barely = world((0.26, 0.30, 0.25), one_group=True)
    assert (gain := paired_octave_gain(barely, "pixel champion")) is not None and 0 < gain.lower < 0.05
    assert not decide(tmp_path, barely).register_it


def test_regions_without_the_figure_are_left_out_of_it(tmp_path: Path) -> None:
    decision = decide(tmp_path, world((0.60, None, 0.63)))
    assert decision.register_it and ", 2 places, too few to test" in decision.sentence


def test_failed_checks_block(tmp_path: Path) -> None:
    decision = decide(tmp_path, world(failed=True))
    assert not decision.register_it and "the checks failed on 3 of 3 test places" in decision.sentence


@pytest.mark.parametrize(
    ("champion", "promoted"),
    [((0.45, 0.48, 0.44), True), ((0.60, 0.66, 0.63), False), ((0.58, 0.69, 0.64), False), ((0.9, 0.9, 0.9), False)],
)
def test_a_present_perceptual_champion_is_beaten_in_texture(tmp_path: Path, champion: tuple[float, ...], promoted: bool) -> None:
    decision = decide(tmp_path, world(champion=champion))
    assert decision.register_it and decision.promote is promoted
    assert ("not better than the champion: not enough texture" in decision.sentence) is not promoted
    assert "with the champion: nearer to 1 by" in decision.sentence


def test_texture_over_the_champion_is_not_bought_with_more_than_the_limit(tmp_path: Path) -> None:
    content = world(champion=(0.3, 0.3, 0.3))
    better = tuple(
        r.model_copy(update={"methods": tuple(m.model_copy(update={"psnr_db": 40.0}) if m.method == "champion" else m for m in r.methods)})
        for r in content.regions
    )
    decision = decide(tmp_path, content.model_copy(update={"regions": better}))
    assert decision.register_it and not decision.promote
    assert "not better than the champion: too much lost: PSNR -10.00 dB beside the champion" in decision.sentence


def test_psnr_alone_promotes_nothing_perceptual(tmp_path: Path) -> None:
    decision = decide(tmp_path, world(PIXEL, pixel=-5.0, champion=PIXEL))
    assert not decision.register_it and not decision.promote


@pytest.mark.parametrize(("family", "what"), [("linear", "the fitted linear filter"), ("edsr", "the network of the pixel phase")])
def test_a_run_that_ended_as_another_model_is_not_registered(tmp_path: Path, family: str, what: str) -> None:
    decision = decide(tmp_path, world(perceptual=False, psnr=(45.0, 45.0, 45.0), pixel=-9.0), family=family)
    assert not decision.register_it and not decision.promote
    assert decision.sentence == (
        f"Not registered, not promoted: the run ended as {what}, which is no perceptual model (the notes say why); "
        "purpose=fidelity has it judged for what it is."
    )


def test_what_a_domain_asks_for_holds_here_too(tmp_path: Path) -> None:
    careful = Sensitivity(minimum_test_groups=4, needs_approval=True, approver="a medical physicist")
    decision = decide(tmp_path, world(), careful)
    assert decision.register_it and not decision.promote
    assert decision.reasons == ("too few groups: 3 test places, 4 needed", "a person must approve: a medical physicist")
    assert "weaker than the champion's 'certified'" in decide(tmp_path, world(), champion_level="certified").sentence
    assert not decide(tmp_path, world(), Sensitivity(minimum_level="certified")).register_it


def test_a_model_for_fidelity_is_not_judged_by_texture(tmp_path: Path) -> None:
    decision = decide(tmp_path, world(purpose="fidelity", perceptual=False))
    assert not decision.register_it and "not better: -0.10 dB over projected bicubic" in decision.sentence
