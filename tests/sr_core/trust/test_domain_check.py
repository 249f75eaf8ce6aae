"""Statistics find planted shifts, do not depend on size or unit, are defined for bad input; limits hold what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from sr_core.trust import domain_check
from sr_core.trust.domain_check import NAME, DomainFit, check_figures, deviations_in, drift_of, fit_domain
from sr_core.trust.statistics import NAMES, Figures, Gatherer

COUNT = len(NAMES)


def image(seed: int, side: int = 128, smooth: float = 1.2) -> np.ndarray:
    """Correlated noise with a little white noise, in whole steps of 1/32."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(side, side)), smooth)
    return np.round(32 * (field / field.std() + rng.normal(0, 0.05, field.shape))) / 32


def figures(pixels: np.ndarray, mask: np.ndarray | None = None, step: float = 1 / 32) -> Figures:
    pixels = np.asarray(pixels, np.float32)[None] if np.ndim(pixels) == 2 else np.asarray(pixels, np.float32)
    mask = np.ones(pixels.shape[1:], bool) if mask is None else mask
    gatherer = Gatherer(step)
    if gatherer.see(pixels, mask):
        gatherer.see_raw(0.01 * pixels, np.full((len(pixels), 8, 8), 0.1, np.float32), mask)
    return gatherer.figures()


def value(pixels: np.ndarray, name: str) -> float:
    return dict(zip(NAMES, figures(pixels).values, strict=True))[name]


def blocky(pixels: np.ndarray) -> np.ndarray:
    return pixels + 0.2 * np.random.default_rng(1).normal(size=(16, 16)).repeat(8, 0).repeat(8, 1)


@pytest.mark.parametrize(
    ("name", "shift", "least"),
    [
        ("noise floor", lambda x: x + np.random.default_rng(1).normal(0, 0.3, x.shape), 0.5),
        ("blockiness", blocky, 0.05),
        ("fall of the spectrum", lambda x: x + np.random.default_rng(1).normal(0, 0.3, x.shape), 0.5),
        ("share of flat pixels", lambda x: np.round(x), 0.1),
        ("mean", lambda x: x + 0.5, 0.45),
        ("contrast", lambda x: 2 * x, 0.6),
        ("direction", lambda x: ndimage.gaussian_filter1d(x, 2.0, axis=1), 0.5),
        ("spread for its fine detail", lambda x: ndimage.gaussian_filter(x, 1.0), 0.5),
        ("raw residual for its fine detail", lambda x: ndimage.gaussian_filter(x, 1.0), 0.3),
        ("raw residual", lambda x: 3 * x, 1.0),
    ],
)
def test_each_statistic_rises_with_its_shift(name: str, shift: object, least: float) -> None:
    plain = image(0)
    assert value(shift(plain), name) - value(plain, name) > least  # type: ignore[operator]


def test_the_spectrum_bends_where_an_image_was_upscaled() -> None:
    plain = image(0, smooth=0.6)
    upscaled = ndimage.zoom(plain[:64, :64], 2, order=3)
    assert abs(value(upscaled, "curvature of the spectrum") - value(plain, "curvature of the spectrum")) > 0.2
    assert value(upscaled, "fall of the spectrum") < value(plain, "fall of the spectrum") - 1


def test_statistics_do_not_depend_on_size() -> None:
    small, large = (np.mean([figures(image(seed, side)).values for seed in range(6)], axis=0) for side in (96, 256))
    tolerance = dict.fromkeys(NAMES, 0.1) | {"mean": 0.2, "direction": 0.2}
    for name, a, b in zip(NAMES, small, large, strict=True):
        assert abs(a - b) < tolerance[name], name


def test_windows_taken_apart_are_the_whole() -> None:
    whole = image(3, 256)
    gatherer = Gatherer(1 / 32)
    for row in (0, 128):
        for col in (0, 128):
            part = whole[None, row : row + 128, col : col + 128].astype(np.float32)
            assert gatherer.see(part, np.ones((128, 128), bool), row, col)
            gatherer.see_raw(0.01 * part, np.full((1, 8, 8), 0.1, np.float32), np.ones((128, 128), bool))
    np.testing.assert_allclose(gatherer.figures().values, figures(whole).values, atol=0.08)


def test_blocks_are_found_wherever_a_window_begins() -> None:
    pixels = blocky(image(0)).astype(np.float32)[None]
    found = []
    for offset in (0, 3):
        gatherer = Gatherer(1 / 32)
        part = pixels[:, offset:, offset:]
        mask = np.ones(part.shape[1:], bool)
        gatherer.see(part, mask, offset, offset)
        gatherer.see_raw(0.01 * part, np.ones((1, 8, 8), np.float32), mask)
        found.append(dict(zip(NAMES, gatherer.figures().values, strict=True))["blockiness"])
    assert found[1] == pytest.approx(found[0], abs=0.02)


@pytest.mark.parametrize(
    ("pixels", "mask", "reason"),
    [
        (np.zeros((64, 64)), None, "one value"),
        (np.full((64, 64), np.nan), None, "not finite"),
        (np.where(np.arange(64) == 5, np.inf, image(0, 64)), None, "not finite"),
        (image(0, 24), None, "576 valid pixels"),
        (image(0, 64), np.arange(4096).reshape(64, 64) < 1000, "0 valid pixels"),
        (image(0, 8), None, "0 valid pixels"),
    ],
)
def test_bad_input_has_no_figures_but_a_reason(pixels: np.ndarray, mask: np.ndarray | None, reason: str) -> None:
    found = figures(pixels, mask)
    assert found.values == () and reason in found.absent


def test_invalid_pixels_do_not_count() -> None:
    pixels, mask = image(0), np.ones((128, 128), bool)
    mask[:, 100:] = False
    spoilt = np.where(mask, pixels, pixels + np.random.default_rng(0).normal(0, 1, pixels.shape))
    both = [dict(zip(NAMES, figures(x, mask).values, strict=True)) for x in (pixels, spoilt)]
    for name in ("noise floor", "mean", "contrast", "share of flat pixels", "direction", "blockiness", "raw residual"):
        assert both[0][name] == pytest.approx(both[1][name], abs=1e-6), name


def test_one_band_is_enough_and_several_are_taken_together() -> None:
    assert figures(image(0)).values == pytest.approx(figures(np.stack([image(0), image(0)])).values)


def drawn(rng: np.random.Generator, shift: float = 0.0) -> Figures:
    values = rng.standard_t(5, COUNT)
    values[2] += shift
    return Figures(values=tuple(values))


def fit_of(rng: np.random.Generator, units: int, independent: bool = True, calibrated: int = 0) -> DomainFit:
    own, other = ({f"{part}{n}": [drawn(rng)] for n in range(count)} for part, count in (("v", units), ("c", calibrated)))
    fit = fit_domain(own, other, unit_kind="place", independent=independent)
    assert fit is not None
    return fit


def test_false_alarms_are_as_promised_for_new_images() -> None:
    rng = np.random.default_rng(0)
    flagged = [fit.score(drawn(rng)) > fit.threshold for fit in (fit_of(rng, 39) for _ in range(40)) for _ in range(25)]
    assert 0.02 < np.mean(flagged) < 0.08  # 5 % promised, 1000 images


def test_a_unit_counts_with_its_worst_image() -> None:
    rng = np.random.default_rng(0)
    units = {str(n): [drawn(rng)] for n in range(30)}
    plain = fit_domain(units, {}, unit_kind="place", independent=True)
    worse = fit_domain({name: [*images, drawn(rng)] for name, images in units.items()}, {}, unit_kind="place", independent=True)
    assert plain and worse and worse.units == plain.units == 30 and worse.images == 60
    assert worse.threshold > 0.8 * plain.threshold


def test_few_units_only_warn_and_very_few_say_nothing() -> None:
    rng = np.random.default_rng(0)
    far = drawn(rng, 100.0)
    assert fit_of(rng, 19).abstains and not fit_of(rng, 18).abstains and not fit_of(rng, 40, independent=False).abstains
    (joint, *single) = check_figures(fit_of(rng, 18), far)
    assert joint.outcome == "warn" and "too few" in joint.threshold_source and "its noise floor lies" in joint.sentence
    assert len(single) == COUNT and not any(check.required for check in single)
    assert fit_domain({str(n): [drawn(rng)] for n in range(4)}, {}, unit_kind="place", independent=True) is None


def test_what_cannot_be_measured_is_neither_passed_nor_failed() -> None:
    fit = fit_of(np.random.default_rng(0), 20)
    (check,) = check_figures(fit, Figures(absent="all its pixels have one value"))
    assert check.outcome == "skipped" and check.required and "one value" in check.sentence
    (unknown,) = check_figures(None, Figures())
    assert unknown.outcome == "skipped" and not unknown.required
    spoilt = Figures(values=(math.nan, *[0.0] * (COUNT - 1)))
    assert check_figures(fit, spoilt)[0].outcome == "warn"
    other = fit.model_copy(update={"centres": fit.centres[1:]})
    assert check_figures(other, drawn(np.random.default_rng(0)))[0].outcome == "skipped"


def test_calibration_units_outside_are_not_held() -> None:
    rng = np.random.default_rng(0)
    fit = fit_of(rng, 20)
    assert fit.holds([Figures(values=tuple(c.median for c in fit.centres))]) and not fit.holds([drawn(rng, 100.0)])
    assert fit_of(rng, 10).holds([drawn(rng, 100.0)])


def test_drift_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    fit = fit_of(rng, 40, calibrated=40)
    outcomes = {"clean": [], "shifted": []}
    for kind, shift in (("clean", 0.0), ("shifted", 3.0)):
        for _ in range(60):
            batch = [fit.deviations(drawn(rng, shift).values) for _ in range(10)]
            outcomes[kind].append(drift_of(fit, batch))
    assert np.mean([d.outcome == "abstain" for d in outcomes["clean"]]) < 0.1
    assert np.mean([d.outcome == "abstain" for d in outcomes["shifted"]]) > 0.9
    assert {d.statistic for d in outcomes["shifted"] if d.outcome == "abstain"} == {"noise floor"}
    drifted = next(d for d in outcomes["shifted"] if d.outcome == "abstain")
    assert "Recalibrate" in drifted.sentence and drifted.value is not None and drifted.value > (drifted.abstain_at or math.inf)
    single = [fit.score(drawn(rng, 3.0)) > fit.threshold for _ in range(200)]
    assert np.mean(single) < 0.3  # which a single image does not show


FITTED = fit_of(np.random.default_rng(0), 30)


def known(rows: np.ndarray) -> DomainFit:
    """A fit whose calibration units have these deviations."""
    return FITTED.model_copy(update={"calibrated": tuple(map(tuple, rows.tolist()))})


LAWS = {
    "Gaussian": lambda rng, size: rng.normal(size=(size, COUNT)),
    "skewed": lambda rng, size: rng.lognormal(0, 1, (size, COUNT)),
    "correlated": lambda rng, size: rng.normal(size=(size, COUNT)) + 1.5 * rng.normal(size=(size, 1)),
}


@pytest.mark.long
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("size", [11, 22, 50, 100])
@pytest.mark.parametrize("batch", [5, 10, 20])
def test_clean_batches_are_flagged_as_rarely_as_promised(law: str, size: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_check, "DRAWS", 400)
    rng = np.random.default_rng([size, batch])
    found = [drift_of(known(LAWS[law](rng, size)), LAWS[law](rng, batch).tolist()) for _ in range(800)]
    assert 0.03 <= np.mean([drift.outcome != "pass" for drift in found]) <= 0.07  # 5 % promised
    assert np.mean([drift.value > (drift.abstain_at or 0) for drift in found]) <= 0.02  # 1 % promised


def test_few_calibration_units_flag_no_more_clean_batches_and_still_find_a_large_drift() -> None:
    rng = np.random.default_rng(3)
    clean = [drift_of(known(rng.normal(size=(11, COUNT))), rng.normal(size=(10, COUNT)).tolist()) for _ in range(300)]
    assert np.mean([drift.outcome != "pass" for drift in clean]) <= 0.08
    shift = np.eye(COUNT)[2] * 3.0
    far = [drift_of(known(rng.normal(size=(11, COUNT))), (rng.normal(size=(10, COUNT)) + shift).tolist()) for _ in range(60)]
    assert np.mean([drift.outcome == "warn" for drift in far]) > 0.95
    assert {drift.statistic for drift in far if drift.outcome == "warn"} == {"noise floor"}


def test_d_is_students_statistic_of_the_worst_figure() -> None:
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    own, new = 100 * rng.normal(size=(12, COUNT)), 100 * rng.normal(size=(7, COUNT)) + 80
    expected = np.abs(ttest_ind(own, new).statistic)
    drift = drift_of(known(own), new.tolist())
    assert drift.value == pytest.approx(expected.max(), rel=1e-3) and drift.statistic == list(NAMES)[int(expected.argmax())]


def test_a_trifle_in_a_figure_that_does_not_vary_is_no_drift() -> None:
    rng = np.random.default_rng(0)
    own, new = rng.normal(size=(30, COUNT)), rng.normal(size=(8, COUNT))
    own[:, 5], new[:, 5] = 0.0, 0.01
    assert drift_of(known(own), new.tolist()).statistic != list(NAMES)[5]
    new[:, 5] = 1.0
    found = drift_of(known(own), new.tolist())
    assert found.statistic == list(NAMES)[5] and found.outcome == "abstain"


def test_drift_needs_units() -> None:
    rng = np.random.default_rng(0)
    rows = [[30.0] * COUNT] * 5
    assert drift_of(fit_of(rng, 20, calibrated=4), rows).sentence.startswith("Drift of the batch was not checked")
    assert drift_of(fit_of(rng, 20, calibrated=30), rows[:1]).units == 0
    assert drift_of(fit_of(rng, 20, calibrated=18), rows).outcome == "warn"
    assert drift_of(fit_of(rng, 20, calibrated=19), rows).outcome == "abstain"
    assert drift_of(fit_of(rng, 20, calibrated=19), [[math.nan] * COUNT] * 5).outcome == "abstain"


def test_deviations_come_back_from_a_verdict() -> None:
    from sr_core.trust.claim import no_claim
    from sr_core.trust.verdict import Verdict, judge

    fit, seen = fit_of(np.random.default_rng(0), 20), drawn(np.random.default_rng(9))
    verdict = judge(no_claim("there is none", group_kind="place", operator="0" * 64), check_figures(fit, seen))
    assert deviations_in(Verdict.from_json(verdict.to_json(), "")) == fit.deviations(seen.values)
    assert deviations_in(judge(verdict.claim, ())) is None
    assert NAME in {check.name for check in verdict.checks}


def test_a_fit_comes_back_from_its_text() -> None:
    fit = fit_of(np.random.default_rng(0), 20, calibrated=5)
    assert DomainFit.from_json(fit.to_json(), "") == fit
