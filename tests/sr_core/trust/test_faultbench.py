"""The fault bench: limits at a joint rate, who catches what, and false alarms, on toy checks with known answers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from sr_core.errors import TrustError
from sr_core.operators import make_operator
from sr_core.raster import Encoding
from sr_core.trust.faultbench import BenchTable, Limits, Measure, each, fit_limits, run_bench
from sr_core.trust.faults import FAULTS, Delivered, Fault

OPERATOR = make_operator("bicubic", 2)
FAULT = {fault.name: fault for fault in FAULTS}


def unit(seed: int) -> Delivered:
    """A flat image of level 100 with noise and a brightness of its own."""
    rng = np.random.default_rng(seed)
    z = (100 + rng.normal(0, 0.2) + rng.normal(size=(2, 32, 32))).astype(np.float32)
    y = OPERATOR.apply(torch.from_numpy(z)).numpy()
    return Delivered(z, np.ones((32, 32), bool), y, np.ones((16, 16), bool), OPERATOR, Encoding("uint8"), cols=(16,))


CLEAN = {f"unit {n}": unit(n) for n in range(24)}


def brightness(given: Delivered) -> float:
    return abs(float(np.mean(given.z)) - 100)


def missing_values(given: Delivered) -> float:
    return float(np.isnan(given.z).sum())


def contrast(given: Delivered) -> float:
    return float(np.std(given.z))


def residual(given: Delivered) -> float:
    return float((torch.from_numpy(given.y) - OPERATOR.apply(torch.from_numpy(given.z))).abs().max())


def bench(checks: dict[str, Measure], names: tuple[str, ...] = ("offset",), **changes: object) -> BenchTable:
    faults = [FAULT[name] for name in names]
    return run_bench(
        CLEAN,
        each(checks),
        label="toy",
        faults=faults,
        rules={name: changes.pop(name) for name in ("exact",) if name in changes}
        | ({"floors": {"residual": 1e-4}} if "residual" in checks else {}),
        **changes,
    )


def test_the_threshold_is_the_conformal_rank_of_the_joint_score() -> None:
    rng = np.random.default_rng(0)
    clean = [{"a": float(a), "b": float(b)} for a, b in rng.normal(size=(60, 2))]
    limits = fit_limits(clean)
    assert (limits.units, limits.rank, limits.enough) == (60, 58, True)
    table = np.array([[u["a"], u["b"]] for u in clean])
    joint = []
    for n, row in enumerate(table):
        others = np.delete(table, n, axis=0)
        middle = np.median(others, axis=0)
        joint.append(float(((row - middle) / (np.quantile(np.abs(others - middle), 0.9, axis=0) / 1.64)).max()))
    assert limits.threshold == pytest.approx(np.sort(joint)[57])
    assert sum(bool(limits.fired(u)) for u in clean) <= 2
    assert "number 58 of 60" in limits.describe()
    few = fit_limits(clean[:10])
    assert few.rank == 10 and not few.enough and "too few" in few.describe()


def test_many_checks_together_keep_the_rate() -> None:
    rng = np.random.default_rng(1)
    names = [f"check {k}" for k in range(13)]
    flagged = []
    for _ in range(20):
        draws = [dict(zip(names, map(float, row), strict=True)) for row in rng.normal(size=(120, 13))]
        limits = fit_limits(draws[:60])
        flagged += [bool(limits.fired(u)) for u in draws[60:]]
    assert np.mean(flagged) == pytest.approx(0.05, abs=0.02)


def test_a_floor_keeps_arithmetic_from_being_a_deviation() -> None:
    clean = [{"a": 1e-14 * n} for n in range(20)]
    assert fit_limits(clean, floors={"a": 0.1}).fired({"a": 1e-12}) == {}
    assert fit_limits(clean).fired({"a": 1e-12})


def test_values_that_are_no_numbers_always_fire_and_checks_that_did_not_run_never() -> None:
    limits = fit_limits([{"a": float(n % 5), "b": None} for n in range(20)])
    assert limits.fired({"a": math.nan, "b": None}) == {"a": math.inf}
    assert limits.fired({"a": None, "b": None}) == {}
    assert limits.fired({"a": 2.0, "b": 1e9}) == {}, "without a clean figure there is no limit"
    assert limits.fired({"a": 2.0, "b": math.nan}) == {"b": math.inf}


def test_beyond_a_ceiling_a_number_is_flagged_whatever_clean_outputs_do() -> None:
    limits = fit_limits([{"a": float(n)} for n in range(20)], ceilings={"a": 17})
    assert limits.fired({"a": 17.0}) == {} and limits.fired({"a": 18.0})
    assert fit_limits([{"a": float(n)} for n in range(20)]).fired({"a": 18.0}) == {}, "the fitted threshold alone lets it pass"
    assert fit_limits([{"a": None}] * 20, ceilings={"a": 17}).fired({"a": 18.0}), "a ceiling needs no clean figure"


def test_the_interval_of_false_alarms_is_that_of_clopper_and_pearson() -> None:
    table = bench({"brightness": brightness}).model_copy(update={"clean_units": 60, "flagged": ("one",) * 5})
    assert table.false_alarm_interval == pytest.approx((0.0276, 0.1839), abs=1e-4)
    none = table.model_copy(update={"flagged": ()})
    assert none.false_alarm_interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 60)))


def test_a_bench_passes_if_all_starred_are_caught_and_few_clean_ones_flagged() -> None:
    table = bench({"brightness": brightness}, ("gain",))
    assert table.passed == (not table.missed() and table.false_alarms <= 0.1)
    assert not table.model_copy(update={"false_alarms": 0.11}).passed
    assert not table.model_copy(update={"rows": tuple(row.model_copy(update={"caught": 0.9}) for row in table.rows)}).passed


def test_exact_limits_are_not_fitted() -> None:
    limits = fit_limits([{"count": 0.0, "a": float(n)} for n in range(20)], exact={"count": 0})
    assert limits.fired({"count": 0.0, "a": 5.0}) == {} and limits.fired({"count": 1.0, "a": 5.0}) == {"count": math.inf}
    assert limits.fired({"count": math.nan, "a": 5.0})
    alone = fit_limits([{"count": 0.0}] * 20, exact={"count": 0})
    assert alone.fired({"count": 0.0}) == {} and alone.fired({"count": 1.0})


def test_each_fault_is_caught_by_the_check_that_looks_for_it() -> None:
    checks = {"brightness": brightness, "missing values": missing_values, "contrast": contrast}
    table = bench(checks, ("offset", "gain", "smoothing", "no number"), exact={"missing values": 0})
    by_name = {(row.fault, row.size): row for row in table.rows}
    assert by_name["gain", 2].caught == 1 and by_name["gain", 2].first == "brightness" and by_name["gain", 2].units == 24
    assert by_name["gain", 2].by_check[1] == 0
    assert by_name["smoothing", 1].caught < 0.2, "no check looks for less contrast"
    number = by_name["no number", 1]
    assert number.caught == 1 and number.by_check == (1, 1, 1), "NaN passes no check"
    assert {row.fault for row in table.missed()} == {"offset", "smoothing"}
    assert table.label == "toy" and table.checks == tuple(checks)


def test_the_detection_curve_gives_the_size_from_which_on_a_fault_is_caught() -> None:
    fault = dataclasses.replace(FAULT["offset"], sizes=(0.01, 0.1, 2, 4), caught_from=2)
    table = run_bench(CLEAN, each({"brightness": brightness}), label="toy", faults=[fault])
    assert table.caught_from("offset") == 2 and not table.missed()
    assert [row.must_be_caught for row in table.rows] == [False, False, True, True]
    shares = [row.caught for row in table.rows]
    assert shares == sorted(shares) and shares[0] < 0.3
    assert table.caught_from("nothing of that name") is None


def test_clean_outputs_are_judged_by_the_others() -> None:
    table = bench({"brightness": brightness, "contrast": contrast, "residual": residual})
    assert table.clean_units == 24 and table.false_alarms == len(table.flagged) / 24 <= 0.2
    worst = max(CLEAN, key=lambda name: brightness(CLEAN[name]))
    alone = bench({"brightness": brightness})
    assert alone.flagged == (worst,), "the largest of all is above the largest of the others"
    assert alone.limits.fired({"brightness": brightness(CLEAN[worst])}) == {}, "but not above the limits of all"


@pytest.mark.parametrize("wrong", [lambda given: math.nan, lambda given: math.inf], ids=["nan", "inf"])
def test_a_check_that_always_fires_is_a_false_alarm(wrong: Measure) -> None:
    table = bench({"brightness": brightness, "wrong": wrong})
    assert table.false_alarms == 1 and table.false_alarms_by_check[1] == 1 and len(table.flagged) == 24
    assert table.false_alarms_by_check[0] <= 0.2, "the other check is not blamed"
    assert bench({"exact": lambda given: 1.0}, exact={"exact": 0}).false_alarms == 1


def test_a_constant_check_says_nothing() -> None:
    table = bench({"constant": lambda given: 7.0})
    assert table.false_alarms == 0 and all(row.caught == 0 and row.first == "" for row in table.rows)


def test_a_check_that_never_runs_has_no_share() -> None:
    table = bench({"brightness": brightness, "absent": lambda given: None})
    assert table.false_alarms_by_check[1] is None and all(row.by_check[1] is None for row in table.rows)


def test_faults_that_no_unit_can_take_are_named() -> None:
    table = bench({"brightness": brightness}, ("gain", "filled nodata", "moved transform"))
    assert [(n.number, n.reason) for n in table.not_planted] == [(31, "it needs nodata"), (29, "it needs geometry")]
    assert {row.fault for row in table.rows} == {"gain"}


def test_units_that_can_take_a_fault_are_counted_alone() -> None:
    units = dict(CLEAN)
    for name in list(units)[:4]:
        units[name] = dataclasses.replace(units[name], cols=())
    table = run_bench(units, each({"brightness": brightness}), label="toy", faults=[FAULT["tile step"]])
    assert {row.units for row in table.rows} == {20}


def test_the_table_is_the_same_on_every_run_and_survives_its_file() -> None:
    checks: dict[str, Measure] = {"residual": residual, "missing values": missing_values, "never": lambda given: None}
    first, second = (bench(checks, ("noise", "object of 3 px"), exact={"missing values": 0}) for _ in range(2))
    assert first == second
    assert BenchTable.from_json(first.to_json(), "bench.json") == first
    assert Limits.from_json(first.limits.to_json(), "limits.json") == first.limits


def test_every_general_fault_goes_through_the_bench() -> None:
    few = dict(list(CLEAN.items())[:4])
    table = run_bench(few, each({"residual": residual}), label="toy")
    done = {row.number for row in table.rows} | {n.number for n in table.not_planted}
    assert done == {fault.number for fault in FAULTS}


@pytest.mark.parametrize(
    ("clean", "rules"),
    [
        ([], {}),
        ([{"a": 1.0}, {"b": 1.0}], {}),
        ([{"a": 1.0}], {"rate": 1.0}),
        ([{"a": 1.0}], {"exact": {"b": 1.0}}),
        ([{"a": 1.0}], {"floors": {"b": 1.0}}),
        ([{"a": 1.0}], {"ceilings": {"b": 1.0}}),
    ],
)
def test_limits_from_nothing_or_for_other_checks_are_refused(clean: list[dict[str, float]], rules: dict[str, object]) -> None:
    with pytest.raises(TrustError):
        fit_limits(clean, **rules)


def test_a_bench_of_two_units_or_no_check_is_refused() -> None:
    with pytest.raises(TrustError, match="at least 3 outputs"):
        run_bench(dict(list(CLEAN.items())[:2]), each({"brightness": brightness}), label="toy")
    with pytest.raises(TrustError):
        run_bench(CLEAN, each({}), label="toy")


def test_a_fault_that_changes_nothing_is_caught_no_more_often_than_clean_outputs() -> None:
    nothing = Fault(99, "nothing", (1,), "", None, "written pixels", "nothing goes wrong", lambda given, size, rng: given)
    table = run_bench(CLEAN, each({"brightness": brightness, "contrast": contrast}), label="toy", faults=[nothing])
    assert table.rows[0].caught == table.false_alarms
