"""What an interval of any width would have held: counted by hand on small arrays, and against the calibration's own figures."""

from __future__ import annotations

import numpy as np
import pytest

from sr_core.errors import TrustError
from sr_core.raster import Float32Array
from sr_core.records import Group
from sr_core.trust import histogram
from sr_core.trust.calibration import Calibration, Promise, Settings, calibrate
from sr_core.trust.held import Bin, Held, calibrated_shares, held_shares, measure_held, merged
from sr_core.trust.scores import Sample

MASK = np.ones((48, 48), bool)


def image(seed: int, wider: float = 1.0) -> tuple[Float32Array, Float32Array]:
    rng = np.random.default_rng(seed)
    spread = rng.lognormal(0, 0.6, (1, 48, 48))
    return np.abs(rng.laplace(0, wider * spread)).astype(np.float32), spread.astype(np.float32)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    samples = [Sample(Group(kind="place", id=str(i)), f"i{i}", *image(i), MASK) for i in range(12)]
    return calibrate(
        samples, floor=0.1, promise=Promise(), group_kind="place", one_group=False, unit="HU", weights="e" * 64, operator="a" * 64,
        operator_name="bicubic x2", settings=Settings(projection=True, precision="float32"), software="test",
    )  # fmt: skip


def test_the_calibrations_own_images_lie_on_the_diagonal_cell_by_cell(calibration: Calibration) -> None:
    own = merged(measure_held(*image(i), MASK, calibration) for i in range(12))
    np.testing.assert_allclose(held_shares(own), calibrated_shares(calibration), rtol=0, atol=1e-12)
    assert [b.held / b.pixels for b in own.bins] == pytest.approx([b.coverage for b in calibration.coverage_by_bin], abs=0.004)
    assert [b.pixels for b in own.bins] == pytest.approx([b.pixels for b in calibration.coverage_by_bin], abs=30)


def test_errors_larger_than_expected_are_seen_at_every_level(calibration: Calibration) -> None:
    nominal = calibrated_shares(calibration)
    shown = (nominal > 0.5) & (nominal < 0.99)
    wide, narrow = (held_shares(measure_held(*image(99, factor), MASK, calibration))[shown] for factor in (2.0, 0.5))
    assert (wide < nominal[shown] - 0.005).all() and (narrow > nominal[shown] + 0.003).all()
    at = int(np.argmin(np.abs(nominal[shown] - 0.9)))
    assert wide[at] < 0.75  # a Laplace error twice as large: 1 - sqrt(0.1) = 0.68 but for the floor


def test_counts_by_hand(calibration: Calibration) -> None:
    error = np.array([[[0.0, 1.2, np.nan, 5.0]]], np.float32)
    spread = np.full((1, 1, 4), 0.9, np.float32)
    held = measure_held(error, spread, np.array([[True, True, True, False]]), calibration)
    cells = held.cells()
    assert cells.sum() == 3 and cells[0] == 1 and cells[-1] == 1
    assert cells[int(histogram.cells(np.array([1.2]), histogram.COARSE)[0])] == 1
    assert sum(b.pixels for b in held.bins) == 3 and sum(b.held for b in held.bins) == 2  # the NaN is held by nothing
    assert Held.from_json(held.to_json(), "here") == held


def test_without_an_interval_there_are_no_bins(calibration: Calibration) -> None:
    bare = calibration.model_copy(update={"multiplier": None, "coverage_by_bin": ()})
    assert measure_held(*image(1), MASK, bare).bins == ()


def test_images_of_two_calibrations_are_not_added() -> None:
    with pytest.raises(TrustError, match="other bins"):
        merged([Held(first=0, counts=(1,)), Held(first=0, counts=(1,), bins=(Bin(pixels=1, held=1),))])
