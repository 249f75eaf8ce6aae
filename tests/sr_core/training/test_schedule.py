"""The learning rate: where it starts, peaks and ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.training.schedule import budget_share, rate_share


def test_warm_up_peak_and_end() -> None:
    shares = [rate_share(step, 400, 50, 0.02) for step in range(400)]
    assert shares[0] == pytest.approx(1 / 51)
    assert shares[50] == 1.0 == max(shares)
    assert shares[-1] == pytest.approx(0.02)
    assert shares[50 + 349 // 2] == pytest.approx(0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * 174 / 349)))


@settings(derandomize=True, max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(0, 400), st.floats(0, 1))
def test_always_in_range_and_one_hump(steps: int, warmup: int, final: float) -> None:
    shares = [rate_share(step, steps, warmup, final) for step in range(steps)]
    assert all(0 < share <= 1 or share == pytest.approx(final) for share in shares)
    top = shares.index(max(shares))
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert all(a >= b - 1e-12 for a, b in zip(shares[top:], shares[top + 1 :], strict=False))


def test_a_budget_warms_up_by_steps_and_comes_down_by_what_is_used() -> None:
    shares = [budget_share(step, step / 400, 50, 0.02) for step in range(401)]
    assert shares[0] == pytest.approx(1 / 51)
    assert shares[200] == pytest.approx(0.51)
    assert shares[400] == pytest.approx(0.02)
    top = shares.index(max(shares))
    assert top == 50 and shares[top] > 0.95
    assert shares[: top + 1] == sorted(shares[: top + 1]) and shares[top:] == sorted(shares[top:], reverse=True)


def test_a_budget_of_few_steps_is_warm_after_a_quarter() -> None:
    shares = [budget_share(step, step / 20, 50, 0.0) for step in range(21)]
    assert shares[5] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4))) == max(shares)
    assert shares[20] == pytest.approx(0.0)
