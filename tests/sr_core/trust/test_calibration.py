"""Calibration: the score and the multiplier by value, streaming, what invalidates it, and the choice of the floor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from sr_core.errors import ShapeError, TrustError
from sr_core.records import Group
from sr_core.trust.calibration import Calibration, Promise, Settings, calibrate, choose_floor
from sr_core.trust.scores import Accumulator, Sample

BIN = 10 ** (8 / 2048)  # width of a score cell: a factor of 1.009
MATCHING = {"weights": "a" * 64, "operator": "b" * 64, "projection": True, "precision": "float32", "normalisation": "d" * 64}


def sample(group: str, *, image: str = "", seed: int = 0, size: float = 1.0, shape: tuple[int, int, int] = (2, 40, 40)) -> Sample:
    """Errors that are half-normal with a known, varying spread; `size` multiplies the errors alone."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(1.0, 0.7, shape)).astype(np.float32)
    error = (np.abs(rng.normal(size=shape)) * spread * size).astype(np.float32)
    return Sample(Group(kind="place", id=group), image or group, error, spread, np.ones(shape[1:], bool))


def samples(n: int) -> Iterator[Sample]:
    return (sample(f"g{i:03d}", seed=i) for i in range(n))


def calibrated(items: Iterator[Sample] | list[Sample], *, floor: float = 0.25, one_group: bool = False) -> Calibration:
    return calibrate(
        items, floor=floor, promise=Promise(), group_kind="place", one_group=one_group, unit="grey level", weights="a" * 64,
        operator="b" * 64, operator_name="bicubic x2",
        settings=Settings(projection=True, precision="float32", normalisation="d" * 64), software="sr 0.1",
    )  # fmt: skip


def test_scores_and_multiplier_are_order_statistics() -> None:
    items = list(samples(22))
    made = calibrated(items)
    exact = [np.sort((s.abs_error / (s.spread + 0.25)).ravel())[math.ceil(0.9 * s.spread.size) - 1] for s in items]
    for row, score in zip(made.groups, exact, strict=True):
        assert score <= row.score * (1 + 1e-6) and row.score <= score * BIN * (1 + 1e-6)
    assert made.k == 22 and made.rule == "tolerance limit" and made.multiplier == max(row.score for row in made.groups)
    assert made.claim().level == "certified" and made.claim().calibration == made.digest()


def test_coverage_in_the_record_is_that_of_the_interval_it_gives() -> None:
    items = list(samples(5))
    made = calibrated(items)
    for row, s in zip(made.groups, items, strict=True):
        half = made.half_width(s.spread)
        assert half.dtype == np.float32
        assert row.coverage == pytest.approx(float((s.abs_error <= half).mean()), abs=3e-4)
        assert row.mean_width == pytest.approx(2 * float(half.mean()), rel=1e-5)
        assert row.pixels == s.spread.size
    errors = np.concatenate([s.abs_error.ravel() for s in items])
    halves = np.concatenate([made.half_width(s.spread).ravel() for s in items])
    top = np.argsort(errors)[-errors.size // 100 :]
    assert made.largest_errors_held == pytest.approx(float((errors[top] <= halves[top]).mean()), abs=0.03)
    assert all(row.coverage >= 0.9 for row in made.groups) and made.claim().level == "empirical"


def test_bins_of_the_spread() -> None:
    items = list(samples(4))
    made = calibrated(items)
    spread = np.concatenate([s.spread.ravel() for s in items])
    held = np.concatenate([(s.abs_error <= made.half_width(s.spread)).ravel() for s in items])
    assert [b.low_share for b in made.coverage_by_bin] == [0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 0.97]
    assert sum(b.pixels for b in made.coverage_by_bin) == spread.size
    low = -1.0
    for b in made.coverage_by_bin:
        inside = (spread > low) & (spread <= b.spread_high)
        assert b.pixels == pytest.approx(inside.sum(), rel=0.02)
        assert b.coverage == pytest.approx(float(held[inside].mean()), abs=0.01)
        assert np.quantile(spread, b.high_share) <= b.spread_high * 1.001
        low = b.spread_high


def test_a_group_scores_as_its_worst_image() -> None:
    good, bad = sample("g", image="a", seed=1), sample("g", image="b", seed=2, size=3.0)
    both = calibrated([good, bad, sample("h", seed=3)])
    alone = calibrated([bad, sample("h", seed=3)])
    assert both.n == 2 and both.groups[0].score == alone.groups[0].score


def test_order_of_images_and_merging_change_nothing() -> None:
    items = list(samples(6))
    assert calibrated(items) == calibrated(items[::-1])
    whole, left, right = Accumulator(0.25), Accumulator(0.25), Accumulator(0.25)
    for i, s in enumerate(items):
        whole.add(s)
        (left if i < 2 else right).add(s)
    left.merge(right)
    assert left.score_cells(0.1) == whole.score_cells(0.1) and left.coverage_by_bin(1100) == whole.coverage_by_bin(1100)
    assert left.rows(0.1, 1100) == whole.rows(0.1, 1100)
    with pytest.raises(TrustError):
        left.merge(right)


def test_blocks_of_one_scene_are_empirical_at_most() -> None:
    blocks = [sample("scene", image=f"block {i}", seed=i) for i in range(3)]
    made = calibrated(blocks, one_group=True)
    assert made.n == 3 and made.claim().level == "empirical" and made.claim().group_kind == "block of one scene"
    assert calibrated(blocks).n == 1
    many = [sample("scene", image=f"block {i}", seed=i, shape=(1, 12, 12)) for i in range(24)]
    assert calibrated(many, one_group=True).claim().level == "none"


@pytest.mark.parametrize("n", [0, 1])
def test_without_two_groups_there_is_no_interval(n: int) -> None:
    made = calibrated(samples(n))
    assert made.multiplier is None and made.claim().level == "none" and made.coverage_by_bin == ()
    half = made.half_width(np.ones((1, 2, 2), np.float32))
    assert np.isnan(half).all() and half.dtype == np.float32 and half.shape == (1, 2, 2)
    assert Calibration.from_json(made.to_json(), "x").to_json() == made.to_json()


def test_errors_that_are_not_numbers_are_not_held() -> None:
    broken = sample("g", seed=1)
    broken.abs_error[:, :10] = np.nan  # a quarter of the pixels
    made = calibrated([broken, sample("h", seed=2)])
    assert made.multiplier is None and made.claim().level == "none"
    few = sample("g", seed=1)
    few.abs_error[:, :2] = np.nan
    made = calibrated([few, sample("h", seed=2)])
    assert made.multiplier is not None and math.isfinite(made.multiplier)
    assert made.groups[0].coverage <= 0.95


def test_masked_pixels_do_not_count() -> None:
    clean, dirty = sample("g", seed=1), sample("g", seed=1)
    hole = np.ones((40, 40), bool)
    hole[5:20, 5:30] = False
    dirty.abs_error[:, ~hole] = 1e6
    dirty.spread[:, ~hole] = np.nan
    other = sample("h", seed=2)
    assert calibrated([clean._replace(mask=hole), other]) == calibrated([dirty._replace(mask=hole), other])
    assert calibrated([clean._replace(mask=np.zeros((40, 40), bool)), other]).n == 1


def test_a_spread_that_is_not_a_number_is_not_held_either() -> None:
    broken = sample("g", seed=1)
    broken.spread[:, :10] = np.nan
    made = calibrated([broken, sample("h", seed=2)])
    assert made.multiplier is None and made.claim().level == "none" and "errors are beyond" in made.claim().text
    few = sample("g", seed=1)
    few.spread[:, :2] = np.nan
    made = calibrated([few, sample("h", seed=2)])
    assert made.multiplier is not None and made.groups[0].coverage <= 0.95
    negative = sample("g", seed=1)
    negative.spread[:, :10] = -1.0  # with the floor below zero: no interval there either
    assert calibrated([negative, sample("h", seed=2)]).multiplier is None
    infinite = sample("g", seed=1)
    infinite.abs_error[:, :10] = np.inf
    assert calibrated([infinite, sample("h", seed=2)]).multiplier is None


def test_an_image_with_too_few_valid_values_is_no_group() -> None:
    tiny = sample("tiny", seed=1)
    mask = np.zeros((40, 40), bool)
    mask[0, :40] = mask[1, :9] = True  # 2 bands of 49
    assert calibrated([tiny._replace(mask=mask), *samples(22)]).n == 22
    mask[1, 9] = True
    assert mask.sum() == 50 and calibrated([tiny._replace(mask=mask), *samples(22)]).n == 23
    left = calibrated([sample("a"), tiny._replace(mask=np.zeros((40, 40), bool))])
    assert left.n == 1 and left.claim().level == "none" and "on one place only" in left.claim().text


def test_constant_images_calibrate_to_next_to_nothing() -> None:
    flat = [s._replace(abs_error=np.zeros_like(s.abs_error), spread=np.zeros_like(s.spread)) for s in samples(3)]
    made = calibrated(flat)
    half = made.half_width(np.zeros((1, 4, 4), np.float32))
    assert made.multiplier is not None and (half > 0).all() and (half <= 1e-3).all()
    assert all(row.coverage == 1.0 for row in made.groups) and made.largest_errors_held == 1.0


@pytest.mark.parametrize("n", [2, 8, 9, 21])
def test_fewer_groups_than_a_certified_claim_needs_are_said_so(n: int) -> None:
    claim = calibrated(samples(n)).claim()
    assert claim.level == "empirical" and f"{n} are too few (22 needed) for a statement about new places" in claim.text


def test_a_calibration_from_before_there_were_ensembles_holds_and_keeps_its_digest() -> None:
    made = calibrated(samples(3))
    text = made.to_json()
    assert "ensemble" not in text and Calibration.from_json(text, "old").settings.ensemble == 1
    assert Calibration.from_json(text, "old").digest() == made.digest()
    eight = made.model_copy(update={"settings": made.settings.model_copy(update={"ensemble": 8})})
    assert Calibration.from_json(eight.to_json(), "new") == eight and eight.digest() != made.digest()
    assert eight.mismatch(**MATCHING) == "it was calibrated with a self-ensemble of 8"
    assert eight.mismatch(**MATCHING, ensemble=8) == ""


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("weights", "c" * 64, "weights"),
        ("operator", "c" * 64, "operator"),
        ("projection", False, "projection"),
        ("precision", "bfloat16", "precision"),
        ("estimator", "heuristic", "spread"),
        ("ensemble", 8, "no self-ensemble"),
        ("normalisation", "c" * 64, "normalisation"),
        ("normalisation", "", "normalisation"),
    ],
)
def test_any_change_of_what_decides_the_pixels_ends_the_claim(key: str, value: object, word: str) -> None:
    made = calibrated(samples(22))
    assert made.matches(**MATCHING) and made.mismatch(**MATCHING) == ""
    changed = MATCHING | {key: value}
    assert not made.matches(**changed) and word in made.mismatch(**changed)
    assert made.claim(made.mismatch(**changed)).level == "none"


def test_what_belongs_to_the_bundle_is_told_from_what_was_chosen_for_the_run() -> None:
    made = calibrated(samples(2))
    own = {"weights": "a" * 64, "operator": "b" * 64, "normalisation": "d" * 64}
    assert made.misfit(**own) == ""
    for key, word in (("weights", "weights"), ("operator", "degradation operator"), ("normalisation", "normalisation")):
        assert word in made.misfit(**own | {key: "c" * 64})
    said = made.mismatch(**MATCHING | {"weights": "c" * 64, "precision": "bfloat16"})
    assert said == "it was calibrated with other weights and another precision"


def test_a_calibration_from_before_normalisations_were_recorded_holds_and_keeps_its_digest() -> None:
    made = calibrated(samples(3))
    old = made.model_copy(update={"settings": made.settings.model_copy(update={"normalisation": ""})})
    assert "normalisation" not in old.to_json() and Calibration.from_json(old.to_json(), "old") == old
    assert old.matches(**MATCHING) and old.matches(**MATCHING | {"normalisation": "c" * 64})


def test_record_survives_its_file() -> None:
    made = calibrated(samples(3))
    again = Calibration.from_json(made.to_json(), "calibration.json")
    assert again == made and again.digest() == made.digest()
    assert sum(made.histogram_counts) == sum(g.pixels for g in made.groups)


def test_an_image_twice_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(TrustError, match="twice"):
        calibrated([sample("g"), sample("g")])
    with pytest.raises(ShapeError):
        calibrated([sample("g")._replace(mask=np.ones((3, 3), bool))])
    with pytest.raises(TrustError, match="floor"):
        Accumulator(0.0)


def test_interval_holds_new_groups_as_promised() -> None:
    made = calibrated(samples(22))
    held = []
    for seed in range(1000, 1060):
        s = sample("new", seed=seed)
        held.append(float((s.abs_error <= made.half_width(s.spread)).mean()) >= 0.9)
    assert np.mean(held) >= 0.9


def test_floor_protects_flat_regions() -> None:
    """Where the spread says nothing in flat regions, a floor near their true error makes coverage even."""
    rng = np.random.default_rng(0)
    shape = (1, 60, 60)
    spread = np.full(shape, 0.001, np.float32)
    spread[:, 30:] = 4.0
    error = np.abs(rng.normal(size=shape) * np.where(spread < 1, 0.5, 4.0)).astype(np.float32)
    items = [Sample(Group(kind="place", id=f"v{i}"), f"v{i}", error, spread, np.ones(shape[1:], bool)) for i in range(3)]
    choice = choose_floor(items, step=1.0, data_range=255, promise=Promise())
    assert choice.floor in (0.5, 1.0) and choice.unevenness <= 0.10
    tiny = choose_floor(items, step=0.01, data_range=255, promise=Promise())
    assert tiny.unevenness > 0.10  # no floor of that grid is even: the most even one is taken
    alone = [choose_floor(items, step=0.01 * f / 4, data_range=255, promise=Promise()).unevenness for f in (0.5, 1, 2)]
    assert tiny.unevenness <= min(alone) + 0.05


def test_floor_of_a_file_without_a_step_follows_the_range() -> None:
    choice = choose_floor(list(samples(2)), step=0.0, data_range=255, promise=Promise())
    assert choice.floor in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)


@pytest.mark.parametrize(("items", "data_range"), [([], 255.0), ([sample("g")], 0.0)])
def test_floor_needs_something_to_go_by(items: list[Sample], data_range: float) -> None:
    with pytest.raises(TrustError):
        choose_floor(items, step=0.0, data_range=data_range, promise=Promise())
