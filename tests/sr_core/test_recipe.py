"""Recipes: overrides by name, contradictions in words, and a hash for every setting."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sr_core.errors import RecipeError
from sr_core.recipe import Recipe, TrainingPlan, setting_names

RECIPE = Recipe(domain="satellite")


def test_overrides_change_single_settings_from_text() -> None:
    changed = RECIPE.with_overrides({"training.steps": "200", "scale": 3, "network.base": "operator", "data_range": "0.5"})
    assert (changed.training.steps, changed.scale, changed.network.base, changed.data_range) == (200, 3, "operator", 0.5)
    assert changed.training.batch == RECIPE.training.batch and RECIPE.training.steps == 360
    assert RECIPE.with_overrides({}) == RECIPE


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"setting 'training.step'; .*Did you mean training\.steps\?"):
        RECIPE.with_overrides({"training.step": 1})
    with pytest.raises(RecipeError, match="See sr train --help"):
        RECIPE.with_overrides({"qqqq": 1})
    for name in ("training", "training.steps.more", ""):
        with pytest.raises(RecipeError):
            RECIPE.with_overrides({name: 1})


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"network.family": "srcnn"}, r"set patches\.grid=hr"), ({"patches.grid": "hr"}, r"set patches\.grid=lr"),
        ({"network.family": "vdsr"}, r"vdsr works on the upscaled image: set patches\.grid=hr"),
        ({"network.family": "fsrcnn", "patches.grid": "hr"}, r"fsrcnn works on LR input: set patches\.grid=lr"),
        ({"network.growth": 8}, "network: growth is no size of edsr, whose sizes are: width and blocks and residual_scale"),
        ({"network.family": "rrdb", "network.middle": "3"}, "middle is no size of rrdb"),
        ({"network.family": "gan"}, r"network\.family: Input should be 'edsr', 'srcnn'"),
        ({"network.family": "fsrcnn", "network.narrow": "60"}, "shrinks its 56 maps to fewer, not to narrow=60"),
        ({"network.linear_taps": 8}, "must be odd"), ({"training.steps": "many"}, r"training\.steps: Input should be a valid integer"),
        ({"training.steps": 10, "training.epochs": 2}, "steps=10 and epochs=2 both say how long training is: choose one"),
        ({"training.minutes": 0}, r"training\.minutes: Input should be greater than 0"),
        ({"training.minutes": "inf"}, r"training\.minutes: Input should be a finite number"),
        ({"network.family": "linear", "training.minutes": 1, "training.target_db": 30}, r"training\.minutes and training\.target_db to"),
        ({"calibration.estimator": "self-ensemble"}, r"needs runs to compare: set calibration\.ensemble=4 or 8"),
        ({"calibration.estimator": "guess"}, r"calibration\.estimator: Input should be 'head', 'heuristic' or 'self-ensemble'"),
        ({"spread.tail": "fat"}, r"spread\.tail: Input should be 'light' or 'heavy'"),
        ({"scale": 1}, "scale: "), ({"calibration.alpha": 1.0}, r"calibration\.alpha"), ({"patches.stride": 0}, r"patches\.stride"),
        ({"patches.smoothed": "1, 0.5"}, r"patches\.smoothed \[1\.0, 0\.5\] must rise"), ({"patches.smoothed": "0"}, r"patches\.smoothed"),
    ],
)  # fmt: skip
def test_contradictions_are_told_in_words(overrides: dict[str, object], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        RECIPE.with_overrides(overrides)


def test_a_budget_or_epochs_take_the_place_of_the_usual_steps_only() -> None:
    assert RECIPE.training.steps == 360
    for limit, value in (("minutes", "5"), ("cpu_minutes", 2.5), ("epochs", "3")):
        changed = RECIPE.with_overrides({f"training.{limit}": value})
        assert changed.training.steps is None and getattr(changed.training, limit) == float(value)
        assert Recipe.from_json(changed.to_json(), "here") == changed
    assert TrainingPlan(minutes=5).steps is None
    both = RECIPE.with_overrides({"training.minutes": 5, "training.steps": 360})
    assert both.training.steps == 360 and both.training.minutes == 5
    assert RECIPE.with_overrides({"training.steps": 90}).with_overrides({"training.minutes": 5}).training.steps == 90
    assert RECIPE.with_overrides({"training.target_db": 30}).training.steps == 360


def test_srcnn_works_on_the_hr_grid() -> None:
    changed = RECIPE.with_overrides({"network.family": "srcnn", "patches.grid": "hr"})
    assert (changed.network.family, changed.patches.size, changed.patches.stride) == ("srcnn", 33, 14)


def test_another_family_comes_with_its_own_sizes_and_keeps_chosen_ones() -> None:
    changed = RECIPE.with_overrides({"network.family": "fsrcnn"})
    assert changed.network.describe() == "FSRCNN(56, 12, 4)"
    back = changed.with_overrides({"network.family": "edsr"})
    assert back == RECIPE
    chosen = RECIPE.with_overrides({"network.width": 16, "network.bands": "joint"}).with_overrides({"network.family": "rrdb"})
    assert chosen.network.describe() == "RRDB, 23 blocks of 16 channels that grow by 8, residuals times 0.2"
    assert chosen.network.bands == "joint"
    same = RECIPE.with_overrides({"network.family": "rrdb", "network.blocks": "2", "network.width": "8", "network.growth": "3"})
    assert (same.network.blocks, same.network.width, same.network.growth) == (2, 8, 3)
    assert same.with_overrides({"training.steps": 3}).network == same.network


def test_a_recipe_of_before_means_what_it_meant() -> None:
    old = (
        '{"domain": "photo", "network": {"bands": "band-wise", "base": "linear", "blocks": 8, "family": "srcnn", "linear_taps": 9, '
        '"width": 48}, "patches": {"grid": "hr", "origins": "edge", "size": 33, "stride": 14}, "scale": 3, "schema": 1}'
    )
    plan = Recipe.from_json(old, "here").network
    assert (plan.width, plan.narrow, plan.middle, plan.blocks) == (48, 24, 1, 8)


def test_every_setting_is_part_of_the_hash() -> None:
    other = {
        "domain": "face", "purpose": "perceptual", "allow_perceptual": False, "scale": 4, "operator": "box", "seed": 2, "data_range": 1.0,
            "storage": "float16", "noise": 0.01, "licence": "CC0", "credits": "one; two",
        "patches.grid": None, "patches.size": 32, "patches.stride": 15, "patches.origins": "classic",
        "patches.smoothed": "0.6, 1",
        "network.family": "linear", "network.width": 16, "network.blocks": 4, "network.bands": "joint",
        "network.narrow": 8, "network.middle": 3, "network.growth": 8, "network.residual_scale": 0.5,
        "network.base": "operator", "network.linear_taps": 7, "training.loss": "l2", "training.steps": 1, "training.batch": 1,
        "training.epochs": 2, "training.cpu_minutes": 0.5, "training.minutes": 0.5, "training.target_db": 30.0,
        "training.psnr_loss_db": 1.0,
        "training.optimiser": "muon", "training.rate": 0.5, "training.warmup_steps": 1, "training.final_rate_share": 0.5,
        "training.ema_decay": 0.5, "training.clip_norm": 2.0, "training.precision": "float32", "training.compile": True,
        "training.checkpoint_every": 1, "training.log_every": 1, "training.validate_every": 1, "training.scales": "2,3",
        "adaptation.general_share": 0.3, "adaptation.rate": 0.2, "adaptation.head": 0.0, "adaptation.body": 0.5, "adaptation.tail": 0.5,
        "adaptation.layer_decay": 0.9, "adaptation.thaw_after": 5,
        "adversarial.steps": 1, "adversarial.rate": 0.5, "adversarial.discriminator_rate": 0.5, "adversarial.width": 64,
        "adversarial.game": "standard", "adversarial.psnr_loss_db": 1.0, "adversarial.terms.pixel": 0.7,
        "adversarial.terms.adversarial": 0.7, "adversarial.terms.matching": 0.7, "adversarial.terms.texture": 0.7,
        "adversarial.terms.consistency": 0.7, "adversarial.terms.spectrum": 0.7, "adversarial.terms.content": 0.7,
        "adversarial.terms.variation": 0.7,
        "adversarial.vgg": "vgg.safetensors", "adversarial.vgg_sha256": "a" * 64, "adversarial.vgg_layer": "conv2_2",
        "adversarial.terms.gradient": 0.7, "adversarial.terms.frequency": 0.7,
        "spread.steps": 1, "spread.rate": 0.5, "calibration.alpha": 0.2, "calibration.delta": 0.2, "calibration.gamma": 0.2,
        "calibration.ensemble": 8, "calibration.estimator": "heuristic", "spread.tail": "heavy",
    }  # fmt: skip
    assert set(setting_names()) == set(other)
    upscaled = {"patches.grid": "hr", "network.family": "srcnn"}
    needs: dict[str, dict[str, object]] = {
        "patches.grid": {"network.family": "srcnn"}, "network.narrow": upscaled, "network.middle": upscaled,
        "network.growth": {"network.family": "rrdb"}, "training.scales": upscaled,
    }  # fmt: skip
    other["patches.grid"] = "hr"
    digests = {RECIPE.digest()}
    for name, value in other.items():
        digests.add(RECIPE.with_overrides(needs.get(name, {}) | {name: value}).digest())
    assert len(digests) == 1 + len(other)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"network.family": "linear"}, "linear has no weights"),
        ({"adversarial.terms.adversarial": 0, "adversarial.terms.matching": 0, "adversarial.terms.spectrum": 0}, "above 0"),
        ({"patches.size": 7}, "14 HR pixels"),
        ({"adversarial.terms.content": 1}, "needs weights of VGG19"),
        ({"allow_perceptual": False}, "allow_perceptual=true"),
        ({"adversarial.terms.pixel": -1}, "greater than or equal to 0"),
    ],
)
def test_an_adversarial_phase_that_makes_no_sense_is_refused(overrides: dict[str, object], sentence: str) -> None:
    fine = RECIPE.with_overrides({"purpose": "perceptual"})
    with pytest.raises(RecipeError, match=sentence):
        fine.with_overrides(overrides)


def test_credits_are_sentences() -> None:
    assert RECIPE.with_overrides({"credits": "Data of A; and of B, 2020 ;"}).credits == ("Data of A", "and of B, 2020")
    assert RECIPE.with_overrides({"credits": ("a; b",)}).credits == ("a; b",)
    with pytest.raises(RecipeError, match="credits"):
        RECIPE.with_overrides({"credits": 3})


def test_json_round_trip_refuses_a_misspelled_key() -> None:
    assert Recipe.from_json(RECIPE.to_json(), "here") == RECIPE
    with pytest.raises(ValidationError):
        Recipe(domain="x", sede=1)  # type: ignore[call-arg]
