"""Claims: golden group counts and ranks, the texts word for word, and the guarantee by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from sr_core.errors import TrustError
from sr_core.trust import histogram
from sr_core.trust.claim import groups_needed, make_claim, no_claim, order_statistic, plural, withdraw
from sr_core.trust.verdict import Claim

OPERATOR, CALIBRATION = "a" * 64, "b" * 64


def claim(coverages: list[float], *, one_group: bool = False, linear: bool = True, reason: str = "") -> Claim:
    return make_claim(
        coverages=coverages, pixels=[100] * len(coverages), alpha=0.1, delta=0.1, gamma=0.1, group_kind="place", one_group=one_group,
        operator=OPERATOR, operator_name="bicubic x2", calibration=CALIBRATION, linear=linear, reason=reason,
    )  # fmt: skip


@pytest.mark.parametrize(("delta", "gamma", "n"), [(0.10, 0.10, 22), (0.10, 0.05, 29), (0.05, 0.10, 45), (0.01, 0.10, 230)])
def test_groups_needed_are_the_specified_ones(delta: float, gamma: float, n: int) -> None:
    assert groups_needed(delta, gamma) == n


@given(st.floats(0.005, 0.6), st.floats(0.005, 0.6))
@settings(derandomize=True, deadline=None)
def test_groups_needed_is_the_smallest_number(delta: float, gamma: float) -> None:
    n = groups_needed(delta, gamma)
    assert (1 - delta) ** n <= gamma * (1 + 1e-9)
    assert n == 1 or (1 - delta) ** (n - 1) > gamma * (1 - 1e-9)


@pytest.mark.parametrize(("n", "k"), [(22, 22), (30, 30), (50, 49), (100, 95), (200, 186), (500, 460)])
def test_tolerance_limit_ranks_are_the_specified_ones(n: int, k: int) -> None:
    assert order_statistic(n, 0.10, 0.10) == (k, "tolerance limit")


@pytest.mark.parametrize(
    ("n", "expected"),
    [(0, (None, "none")), (1, (None, "none")), (2, (2, "maximum")), (8, (8, "maximum")), (9, (9, "conformal")), (20, (19, "conformal"))],
)
def test_ranks_below_a_certified_claim(n: int, expected: tuple[int | None, str]) -> None:
    assert order_statistic(n, 0.10, 0.10) == expected


def test_a_rank_never_passes_the_number_of_groups() -> None:
    assert order_statistic(12, 0.05, 0.10) == (12, "maximum")


LAWS: dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "uniform": (lambda rng, shape: rng.uniform(size=shape), lambda s: s.clip(0, 1)),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), lambda s: stats.expon.cdf(s)),
    "lognormal": (lambda rng, shape: rng.lognormal(0.3, 0.8, shape), lambda s: stats.lognorm.cdf(s, 0.8, scale=np.exp(0.3))),
    "without a mean": (lambda rng, shape: 1 + rng.pareto(0.8, shape), lambda s: stats.pareto.cdf(s, 0.8)),
    "two kinds of scenes": (
        lambda rng, shape: np.where(rng.uniform(size=shape) < 0.88, rng.uniform(1, 2, shape), rng.uniform(10, 20, shape)),
        lambda s: 0.88 * (s - 1).clip(0, 1) + 0.12 * (s / 10 - 1).clip(0, 1),
    ),
    "ties": (lambda rng, shape: rng.integers(1, 9, shape).astype(float), lambda s: np.floor(s).clip(0, 8) / 8),
}  # fmt: skip
DRAWS = 2000


def broken_promises(law: str, n: int, seed: int = 7) -> float:
    """Share of calibrations on n exchangeable groups whose multiplier holds fewer than 90 % of all groups of that law."""
    draw, share_below = LAWS[law]
    scores = draw(np.random.default_rng(seed), (DRAWS, n))
    k, rule = order_statistic(n, 0.10, 0.10)
    assert rule == "tolerance limit" and k is not None
    cells = np.sort(histogram.cells(scores), axis=1)[:, k - 1]  # as calibration keeps them: the upper edge of a cell
    multipliers = np.array([histogram.upper_edge(int(cell)) for cell in cells])
    return float((share_below(multipliers) < 0.90).mean())


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [22, 50, 200])
def test_promise_fails_no_more_often_than_stated(n: int, law: str) -> None:
    assert broken_promises(law, n) <= 0.12


@pytest.mark.parametrize(("n", "theory"), [(22, 0.0985), (50, 0.0338), (200, 0.0929)])
def test_promise_fails_as_often_as_the_theory_says(n: int, theory: float) -> None:
    k, _ = order_statistic(n, 0.10, 0.10)
    assert stats.beta.cdf(0.90, k, n + 1 - k) == pytest.approx(theory, abs=5e-5)
    found = np.mean([broken_promises("exponential", n, seed) for seed in range(4)])
    # A cell is 0.9 % wide and its upper edge is taken, so the promise fails a little less often than with exact scores.
    assert theory - 0.03 <= found <= theory + 4 * np.sqrt(theory * (1 - theory) / (4 * DRAWS))


def test_one_rank_lower_would_break_that_promise() -> None:
    scores = np.sort(np.random.default_rng(7).uniform(size=(DRAWS, 22)), axis=1)
    assert (scores[:, 20] < 0.90).mean() > 0.3


def test_plain_conformal_would_fail_that_promise() -> None:
    scores = np.sort(np.random.default_rng(7).uniform(size=(2000, 20)), axis=1)
    k, rule = order_statistic(20, 0.10, 0.10)
    assert rule == "conformal" and k is not None
    assert (scores[:, k - 1] < 0.90).mean() > 0.3


def test_certified_text() -> None:
    made = claim([0.95] * 22)
    assert made.level == "certified" and made.n == made.n_min == 22
    assert made.text == (
        "With 90% confidence, at least 90% of new places like the 22 places calibrated on have at least 90% of their pixels inside "
        "the interval, if the degradation is 'bicubic x2'. It says nothing about any single pixel, and less than that about the "
        "largest errors."
    )


def test_empirical_text() -> None:
    made = claim([0.96, 0.90])
    assert made.level == "empirical"
    assert made.text == (
        "On 2 held-out places the interval held 93% of the pixels (worst place: 90%). 2 are too few (22 needed) for a statement "
        "about new places."
    )


def test_one_scene_text() -> None:
    made = claim([0.96, 0.90, 0.93], one_group=True)
    assert made.level == "empirical" and made.group_kind == "block of one scene"
    assert made.text == (
        "On 3 held-out blocks of one scene the interval held 93% of the pixels (worst block of one scene: 90%). 3 are too few "
        "(22 needed) for a statement about new blocks of one scene."
    )


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (claim([]), "there is no calibration"),
        (claim([0.9]), "it was calibrated on one place only, and at least two are needed"),
        (claim([0.9] * 30, linear=False), "the degradation is not a known linear one"),
        (claim([0.9] * 30, reason="it was calibrated with other weights"), "it was calibrated with other weights"),
        (claim([0.9] * 30, one_group=True), "30 blocks of one scene are not 30 independent places"),
        (no_claim("there is no calibration", group_kind="place", operator=OPERATOR), "there is no calibration"),
        (withdraw(claim([0.95] * 22), "the sensor is another one."), "the sensor is another one"),
    ],
)
def test_none_text(made: Claim, reason: str) -> None:
    assert made.level == "none"
    assert made.text == f"The interval is not calibrated for this image: {reason}. Do not use it as a bound."


def test_text_rounds_coverage_down() -> None:
    assert "held 99% of the pixels (worst place: 89%)" in claim([0.8999] + [1.0] * 20).text
    assert "held 99% of the pixels (worst place: 99%)" in claim([0.9999, 0.9999]).text


def test_mean_coverage_is_weighted_by_pixels() -> None:
    made = make_claim(
        coverages=[1.0, 0.5], pixels=[300, 100], alpha=0.1, delta=0.1, gamma=0.1, group_kind="patient", one_group=False,
        operator=OPERATOR, operator_name="x", calibration=CALIBRATION,
    )  # fmt: skip
    assert "held 87% of the pixels (worst patient: 50%)" in made.text


@pytest.mark.parametrize(("kind", "expected"), [("place", "places"), ("person", "persons"), ("block of one scene", "blocks of one scene")])
def test_plural(kind: str, expected: str) -> None:
    assert plural(kind) == expected


@pytest.mark.parametrize(
    ("level", "n", "kind"),
    [("certified", 21, "place"), ("certified", 30, "block of one scene"), ("empirical", 1, "place"), ("empirical", 22, "place")],
)
def test_a_level_that_is_not_earned_cannot_be_written(level: str, n: int, kind: str) -> None:
    with pytest.raises(ValidationError):
        Claim(
            level=level, text="", alpha=0.1, delta=0.1, gamma=0.1, n=n, n_min=22, group_kind=kind, operator=OPERATOR,
            calibration=CALIBRATION,
        )  # fmt: skip


def test_levels_are_ordered() -> None:
    assert claim([0.95] * 22).at_least("empirical") and not claim([0.9, 0.9]).at_least("certified") and claim([]).at_least("none")


def test_a_promise_outside_of_zero_and_one_is_refused() -> None:
    with pytest.raises(TrustError, match="delta = 0"):
        groups_needed(0.0, 0.1)
