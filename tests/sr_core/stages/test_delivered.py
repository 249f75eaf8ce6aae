"""Regions as delivered, and the panel of checks: what stands beside the pixels is that of the run, and numbers compare."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from domains.satellite.domain import DOMAIN
from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.records import Source
from sr_core.stages.delivered import CheckPanel, Unit, as_badness, choose_units, deliver, tile_of
from sr_core.stages.restore import Restorer
from sr_core.trust.faultbench import run_bench
from sr_core.trust.faults import FAULTS, Delivered
from sr_core.trust.verdict import limit, skipped

UNITS = 6
FAULT = {fault.name: fault for fault in FAULTS}
CAUGHT = ("small shift", "gain", "object of 6 px", "nothing added", "moved transform", "narrow interval", "filled nodata")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    (found,), _ = DOMAIN.for_upscaling().discover(DOMAIN.demo(tmp_path_factory.mktemp("demo")), Silent())
    return found


@pytest.fixture(scope="module")
def units(source: Source) -> list[Unit]:
    return choose_units(DOMAIN, [source], UNITS, 2)


@pytest.fixture(scope="module")
def clean(units: list[Unit]) -> dict[str, Delivered]:
    restorer = Restorer(DOMAIN.shipped()[2], tile=tile_of(units, 2))
    return deliver(DOMAIN, units, restorer, Silent())


def test_regions_do_not_overlap_where_there_is_room(units: list[Unit]) -> None:
    assert len({unit.name for unit in units}) == UNITS and {unit.window.height for unit in units} == {96}
    covered = np.zeros((300, 300), int)
    for unit in units:
        covered[unit.window.slices()] += 1
    assert covered.max() == 1


def test_many_regions_of_one_scene_are_smaller_and_overlap_by_a_third_at_most(source: Source) -> None:
    many = choose_units(DOMAIN, [source], 24, 2)
    side = many[0].window.height
    assert len(many) == 24 and 64 <= side < 96 and side % 4 == 0
    corners = sorted({unit.window.col for unit in many})
    assert all(second - first >= 2 * side / 3 - 2 for first, second in itertools.pairwise(corners))
    assert max(unit.window.col + side for unit in many) <= 300 and corners[-1] > 300 - side - 2
    with pytest.raises(InputError, match="room for fewer than 200"):
        choose_units(DOMAIN, [source], 200, 2)
    with pytest.raises(InputError):
        choose_units(DOMAIN, [], 3, 2)


def test_what_stands_beside_the_pixels_is_that_of_the_run(units: list[Unit], clean: dict[str, Delivered]) -> None:
    bundle = Restorer(DOMAIN.shipped()[2])
    for unit, given in zip(units, clean.values(), strict=True):
        col, row = unit.window.col, unit.window.row
        assert (given.rows, given.cols, given.z.shape) == ((48,), (48,), (4, 96, 96))
        assert given.transform == (1.0, 0.0, col, 0.0, 1.0, row) and given.transform_lr == (2.0, 0.0, col, 0.0, 2.0, row)
        assert given.weights == bundle.bundle.weights_hash and given.unit == "reflectance" and given.bands == ("B02", "B03", "B04", "B08")
        stored = given.z[:, given.mask] / 1e-4
        assert stored == pytest.approx(np.rint(stored), abs=2e-3), "as the file stores it"
        expected = given.calibration.half_width(given.spread)
        assert given.half_width == pytest.approx(expected, rel=1e-5), "the calibration is in the unit of the scene"
        assert 0.85 < np.mean(np.abs(given.truth - given.z)[:, given.mask] <= given.half_width[:, given.mask]) < 1
        assert given.split is not None and len(given.split.test) == UNITS
    holes = [int((~given.mask).sum()) for given in clean.values()]
    assert holes[::2] == [0] * 3 and min(holes[1::2]) >= 256, "every second region has a hole, made before it was measured"


def test_numbers_of_checks_compare_across_units() -> None:
    def found(value: float, **changes: object) -> float | None:
        return as_badness(limit("a", value, **{"unit": "m", "threshold": 4.0, "source": "physical", "sentence": "", **changes}))

    assert found(2.0) == 0.5 and found(2.0, direction="at least") == -0.5
    assert found(3.0, threshold=0, source="exact") == 3.0
    assert np.isnan(found(float("nan"))) and as_badness(skipped("a", "nothing to see")) is None


def test_rules_come_from_the_checks(clean: dict[str, Delivered]) -> None:
    rules = CheckPanel.of(DOMAIN).rules(list(clean.values()))
    assert rules["exact"]["finite and in range"] == 0 and rules["exact"]["geometry"] == 1e-6
    assert rules["ceilings"]["adds detail"] == -1 and rules["ceilings"]["shift"] == 4, "a fifth of a pixel fails, a twentieth warns"
    assert set(rules["floors"]) == set(rules["ceilings"]) and not set(rules["exact"]) & set(rules["ceilings"])


def test_a_few_faults_in_a_few_regions_are_caught(clean: dict[str, Delivered]) -> None:
    panel = CheckPanel.of(DOMAIN)
    few = {name: given for name, given in clean.items() if not given.mask.all()}  # with holes, so that nodata faults can be planted
    table = run_bench(few, panel, label="few", rules=panel.rules(list(few.values())), faults=[FAULT[name] for name in CAUGHT])
    largest = {row.fault: row for row in table.rows}
    assert {name: largest[name].caught for name in CAUGHT} == dict.fromkeys(CAUGHT, 1.0)
    assert largest["moved transform"].first == "geometry" and largest["narrow interval"].first == "interval changed"
    assert largest["filled nodata"].first == "nodata kept"
    shares = dict(zip(table.checks, largest["nothing added"].by_check, strict=True))
    assert shares["adds detail"] == 1 and shares["residual rms"] == 0, "consistent with the measurement, and nothing in it"


def test_a_path_without_tiles_has_no_tile_lines(units: list[Unit], tmp_path: Path) -> None:
    (given,) = deliver(DOMAIN, units[:1], Restorer(DOMAIN.shipped()[2]), Silent(), holes=0).values()
    assert given.rows == given.cols == () and given.mask.all()
