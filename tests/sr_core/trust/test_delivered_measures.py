"""What is measured beside the pixels: clean images give what is expected, and each planted fault moves its own measure."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from made_delivered import delivered

from sr_core.trust.delivered_measures import EXACT, MEASURES
from sr_core.trust.faults import FAULTS, Delivered

BY_NAME = {fault.name: fault for fault in FAULTS}


def whole(**changes: object) -> Delivered:
    """An image whose errors are as large as its spread says, with everything beside it."""
    made = delivered(holes=True)
    rng = np.random.default_rng(3)
    smooth = 1 + 4 * (0.5 + 0.5 * np.sin(np.arange(made.z.shape[2]) / 9))
    spread = np.broadcast_to(smooth, made.z.shape).astype(np.float32)
    truth = (np.nan_to_num(made.z) + spread * rng.normal(size=made.z.shape)).astype(np.float32)
    own = made.calibration.model_copy(update={"operator": made.operator.digest()})
    given = {
        "spread": spread, "half_width": own.half_width(spread), "truth": truth, "calibration": own, "encoding_lr": made.encoding,
    }  # fmt: skip
    return dataclasses.replace(made, **{**given, **changes})


CLEAN = whole()


def planted(name: str, size: float) -> Delivered:
    return BY_NAME[name].plant(CLEAN, size)


def test_a_clean_image_is_within_all_exact_limits() -> None:
    found = {name: measure(CLEAN) for name, measure in MEASURES.items()}
    assert all(found[name] <= limit for name, limit in EXACT.items())
    assert all(value is not None and math.isfinite(value) for value in found.values())
    assert found["ranking of errors lost"] < 0.75


@pytest.mark.parametrize(
    ("name", "size", "measure", "expected"),
    [
        ("calibration of other weights", 1, "calibration of others", 1),
        ("leaked test region", 1, "split broken", 1),
        ("wrong scale factor", 1, "encoding changed", 1),
        ("wrong offset", 10, "encoding changed", 1),
        ("narrow interval", 25, "interval changed", 0.25),
    ],
)
def test_what_must_agree_is_compared(name: str, size: float, measure: str, expected: float) -> None:
    assert MEASURES[measure](planted(name, size)) == pytest.approx(expected, rel=1e-4)
    assert MEASURES[measure](CLEAN) <= EXACT[measure]


def test_the_calibration_of_another_degradation_is_of_others() -> None:
    other = CLEAN.calibration.model_copy(update={"operator": "0" * 64})
    assert MEASURES["calibration of others"](dataclasses.replace(CLEAN, calibration=other)) == 1


def test_the_share_outside_the_interval_is_that_of_the_errors() -> None:
    errors, widths = np.abs(CLEAN.truth - CLEAN.z)[:, CLEAN.mask], CLEAN.half_width[:, CLEAN.mask]
    assert MEASURES["outside the interval"](CLEAN) == pytest.approx(np.mean(errors > widths))
    assert MEASURES["outside the interval"](planted("narrow interval", 50)) > MEASURES["outside the interval"](CLEAN) + 0.1


def test_a_constant_addition_instead_of_the_spread_leaves_hard_pixels_outside() -> None:
    own = CLEAN.calibration
    flat = np.full_like(CLEAN.half_width, np.median(CLEAN.half_width)) + 0.1 * CLEAN.half_width
    wrong = dataclasses.replace(CLEAN, half_width=flat)
    assert own.multiplier is not None
    assert MEASURES["outside where hard"](wrong) > MEASURES["outside where hard"](CLEAN) + 0.05


def test_the_ranking_is_best_by_the_errors_themselves_and_lost_at_random() -> None:
    measure, rng = MEASURES["ranking of errors lost"], np.random.default_rng(0)
    errors = np.abs(CLEAN.truth - np.nan_to_num(CLEAN.z))
    assert measure(dataclasses.replace(CLEAN, half_width=errors)) == pytest.approx(0, abs=1e-9)
    shuffled = rng.permutation(CLEAN.half_width.ravel()).reshape(CLEAN.half_width.shape)
    assert measure(dataclasses.replace(CLEAN, half_width=shuffled)) == pytest.approx(1, abs=0.05)
    assert measure(planted("shifted interval", 1)) > measure(CLEAN) + 0.1


def test_nothing_is_said_of_what_is_not_there() -> None:
    bare = dataclasses.replace(CLEAN, calibration=None, half_width=None, spread=None, split=None, truth=None, encoding_lr=None)
    found = {name: measure(bare) for name, measure in MEASURES.items()}
    assert found.pop("encoding changed") == 0
    assert set(found.values()) == {None}


def test_values_that_are_no_numbers_stay_so() -> None:
    broken = planted("no number", 1)
    assert math.isnan(MEASURES["ranking of errors lost"](broken))
    assert MEASURES["outside the interval"](broken) > MEASURES["outside the interval"](CLEAN), "no number is inside no interval"
