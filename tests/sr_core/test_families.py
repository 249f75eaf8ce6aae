"""What a family's sizes are when nobody says, what was written before other families were known, and what makes no sense."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from sr_core.families import FAMILIES, FamilyName, Sizes, usual_sizes

NOTHING: dict[str, Any] = {"narrow": None, "middle": None, "growth": None, "residual_scale": None}


def numbers(sizes: Sizes) -> dict[str, Any]:
    return {name: value for name, value in sizes.model_dump().items() if name in ("width", "blocks", *NOTHING)}


def test_every_name_is_a_family_with_its_paper() -> None:
    assert set(FAMILIES) == set(get_args(FamilyName))
    assert all(family.doi.startswith("10.") and family.paper for name, family in FAMILIES.items() if name != "linear")


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("edsr", {"width": 32, "blocks": 8, "residual_scale": 1.0}),
        ("srcnn", {"width": 64, "narrow": 32, "middle": 1, "blocks": 8}),
        ("fsrcnn", {"width": 56, "narrow": 12, "blocks": 4}),
        ("vdsr", {"width": 64, "blocks": 20}),
        ("srresnet", {"width": 64, "blocks": 16}),
        ("rrdb", {"width": 64, "blocks": 23, "growth": 32, "residual_scale": 0.2}),
        ("linear", {"width": 32, "blocks": 8}),
    ],
)
def test_usual_sizes_are_the_papers_and_stand_on_record(family: FamilyName, sizes: dict[str, Any]) -> None:
    assert numbers(Sizes(family=family)) == NOTHING | sizes
    assert Sizes.from_json(Sizes(family=family).to_json(), "here") == Sizes(family=family)


@pytest.mark.parametrize(
    ("given", "follows"),
    [
        ({"family": "srcnn", "width": 128}, {"narrow": 64}),
        ({"family": "srcnn", "width": "9"}, {"width": 9, "narrow": 4}),
        ({"family": "srcnn", "width": 1}, {"narrow": 1}),
        ({"family": "srcnn", "width": 64, "narrow": 48}, {"narrow": 48}),
        ({"family": "fsrcnn", "width": 28}, {"narrow": 6}),
        ({"family": "rrdb", "width": 16, "blocks": 2}, {"growth": 8, "residual_scale": 0.2}),
        ({"family": "rrdb", "growth": None}, {"growth": 32}),
    ],
    ids=str,
)
def test_what_is_not_given_follows_from_the_width(given: dict[str, Any], follows: dict[str, Any]) -> None:
    made = numbers(Sizes.model_validate(given))
    assert {name: made[name] for name in follows} == follows


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"family": "fsrcnn", "growth": 4}, "growth is no size of fsrcnn, whose sizes are: width and narrow and blocks"),
        ({"family": "edsr", "narrow": 4}, "narrow is no size of edsr"),
        ({"family": "vdsr", "residual_scale": 0.1}, "residual_scale is no size of vdsr"),
        ({"family": "linear", "middle": 1}, "middle is no size of linear, whose sizes are: none"),
        ({"family": "srcnn", "middle": 4}, "1, 3 or 5, not 4"),
        ({"family": "srcnn", "middle": 7}, "1, 3 or 5, not 7"),
        ({"family": "fsrcnn", "narrow": 57}, "shrinks its 56 maps to fewer, not to narrow=57"),
        ({"family": "vdsr", "blocks": 1}, "blocks of 2 or more, not 1"),
        ({"family": "rrdb", "residual_scale": 0}, "greater than 0"),
        ({"family": "edsr", "residual_scale": 1.5}, "less than or equal to 1"),
        ({"family": "srcnn", "width": "many"}, "valid integer"),
        ({"family": "rrdb", "width": 0}, "greater than or equal to 1"),
        ({"family": "gan"}, "'edsr', 'srcnn'"),
        ({"family": ["edsr"]}, "'edsr', 'srcnn'"),
        ({"family": "edsr", "widht": 4}, "widht"),
        ({}, "family"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_said_in_words(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Sizes.model_validate(wrong)


def test_another_family_fills_in_its_own() -> None:
    chosen = Sizes(family="srcnn", width=128, narrow=64, blocks=8)
    assert chosen.unchosen() == {"blocks": None, "narrow": None, "middle": None, "growth": None, "residual_scale": None}
    assert set(Sizes(family="rrdb", growth=8).unchosen()) == {"width", "blocks", "narrow", "middle", "residual_scale"}
    assert usual_sizes("fsrcnn", "no number")["narrow"] == 12


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"family": "edsr"}, "EDSR, 8 blocks of 32 channels"),
        ({"family": "edsr", "width": 8, "blocks": 1}, "EDSR, 1 block of 8 channels"),
        ({"family": "edsr", "width": 256, "residual_scale": 0.1}, "EDSR, 8 blocks of 256 channels, residuals times 0.1"),
        ({"family": "srcnn", "middle": 5}, "SRCNN 9-5-5 of 64 and 32 channels"),
        ({"family": "fsrcnn"}, "FSRCNN(56, 12, 4)"),
        ({"family": "vdsr"}, "VDSR, 20 layers of 64 channels"),
        ({"family": "srresnet"}, "SRResNet, 16 blocks of 64 channels"),
        ({"family": "rrdb"}, "RRDB, 23 blocks of 64 channels that grow by 32, residuals times 0.2"),
        ({"family": "linear"}, "linear filter"),
    ],
    ids=str,
)
def test_it_is_described_for_a_person(sizes: dict[str, Any], words: str) -> None:
    assert Sizes.model_validate(sizes).describe() == words
