"""Declared facts: what was not calibrated is named, numbers agree within 5 %, what nobody declared is not judged."""

from __future__ import annotations

import pytest

from sr_core.records import Fact
from sr_core.trust.declared import Declared, check_facts, differences, gather_facts

TEN = Fact(name="pixel size", value=10.0, unit="m", sampled=True)
SENSOR = Fact(name="sensor", value="A")
RED, BLUE = Fact(name="band", value="red"), Fact(name="band", value="blue")


@pytest.fixture
def declared() -> Declared:
    return gather_facts([(TEN, SENSOR, RED, BLUE), (TEN, RED, BLUE)], scale=2)


@pytest.mark.parametrize("size", [10.0, 10.4, 9.6, 20.0, 20.9])
def test_sizes_of_file_and_of_measurement_agree_within_five_percent(declared: Declared, size: float) -> None:
    assert differences(declared, (TEN.model_copy(update={"value": size}), RED)).outside == ()


@pytest.mark.parametrize("size", [10.6, 9.4, 15.0, 60.0])
def test_other_sizes_do_not(declared: Declared, size: float) -> None:
    assert differences(declared, (TEN.model_copy(update={"value": size}), RED)).outside == (
        f"the pixel size is {size:.4g} m, and 10 m or 20 m were calibrated",
    )


def test_another_unit_is_another_fact(declared: Declared) -> None:
    assert differences(declared, (Fact(name="pixel size", value=10.0, unit="km"), RED)).outside


def test_a_set_holds_its_subsets_only(declared: Declared) -> None:
    assert differences(declared, (TEN, RED)).outside == ()
    assert differences(declared, (TEN, RED, Fact(name="band", value="infrared"))).outside == (
        "the band is infrared, and blue or red were calibrated",
    )


def test_missing_facts_warn_where_all_files_had_them(declared: Declared) -> None:
    found = differences(declared, (RED,))
    assert found.outside == () and found.missing == ("it does not declare its pixel size, which all 2 calibrated files do (10 m or 20 m)",)
    check = check_facts(declared, (RED,))
    assert (check.value, check.outcome) == (0.0, "warn")


def test_facts_that_nobody_declared_are_not_judged(declared: Declared) -> None:
    check = check_facts(declared, (TEN, RED, Fact(name="kernel", value="B30f")))
    assert (check.outcome, check.value) == ("pass", 0.0)


def test_the_check_counts_and_names_them(declared: Declared) -> None:
    check = check_facts(declared, (TEN.model_copy(update={"value": 60.0}), SENSOR.model_copy(update={"value": "B"}), RED))
    assert (check.outcome, check.value, check.threshold) == ("warn", 2.0, 0.0)
    assert "the sensor is B, and A was calibrated" in check.sentence and "(2)" in check.threshold_source


def test_without_a_set_nothing_is_held_back() -> None:
    check = check_facts(None, (TEN,))
    assert check.outcome == "skipped" and not check.required
