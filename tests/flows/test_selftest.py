"""The selftest: the whole bench on the demonstration scene, and what is said about a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.selftest import Asked, selftest
from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.trust.bench_words import blind_spots, curve, markdown, summary
from sr_core.trust.faultbench import BenchTable
from sr_core.trust.faults import FAULTS

FAULT = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> BenchTable:
    asked = Asked(domain="satellite", workspace=tmp_path_factory.mktemp("workspace"), units=4)
    return selftest(asked, Silent(), [FAULT["gain"], FAULT["tile step before the projection"], FAULT["object made by the net"]])


def test_a_few_faults_on_the_demonstration_scene(few: BenchTable) -> None:
    assert few.label == "4 regions of 1 image, satellite, degraded and upscaled x2 by sr-satellite-x2-shipped"
    assert few.caught_from("gain") == 0.2 and few.clean_units == 4
    assert few.caught_from("object made by the net") is None


def test_the_words_say_what_was_caught_and_what_not(few: BenchTable) -> None:
    said = summary(few)
    assert said[0] == "2 of 2 starred rows were caught in at least 95% of the images."
    assert any(line.startswith(f"Clean images flagged: {len(few.flagged)} of 4") for line in said)
    spots = blind_spots(few)
    assert spots[-1].startswith("a degradation that is not the assumed one") and not any("too large by a factor" in spot for spot in spots)
    assert any(spot.startswith("the net invents an object") for spot in spots)
    assert {row.fault: size for row, size in curve(few)}["gain"] == 0.2
    text = markdown(few)
    assert text.count("\n| 4 | gain |") == 4 and "| 0 | clean |" in text and "## Blind spots" in text
    short = few.model_copy(update={"rows": tuple(row.model_copy(update={"caught": 0.5}) for row in few.rows)})
    assert any(line == "Short: gain 2 %, caught in 50%." for line in summary(short))


def test_images_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        selftest(Asked(domain="satellite", workspace=tmp_path, paths=(tmp_path / "empty",)), Silent())


@pytest.mark.long
def test_all_starred_faults_are_caught_in_24_regions_and_few_clean_ones_flagged(tmp_path: Path) -> None:
    table = selftest(Asked(domain="satellite", workspace=tmp_path), Silent())
    assert table.clean_units == 24 and not table.missed(), "\n".join(summary(table))
    assert table.false_alarms <= 0.10, f"flagged: {table.flagged}"
    assert table.passed and {row.units for row in table.rows} <= {12, 24}
    assert {row.number for row in table.rows} == {fault.number for fault in FAULTS}, "every fault was planted"
