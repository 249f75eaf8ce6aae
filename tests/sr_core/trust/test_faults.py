"""Planted faults: each does what its name says, by value, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from made_delivered import OPERATOR, SIDE, delivered

from sr_core.errors import ShapeError, SplitError, TrustError
from sr_core.metrics.protocol import Protocol
from sr_core.metrics.shift import sub_pixel_shift
from sr_core.operators import make_operator
from sr_core.raster import Encoding
from sr_core.trust.consistency import BoundsMeter, MaskMeter, guess
from sr_core.trust.faults import FAULTS, Delivered, Fault
from sr_core.trust.faults.local import busy_area, tiles_of

BY_NAME = {fault.name: fault for fault in FAULTS}
ALL = [pytest.param(fault, id=fault.name) for fault in FAULTS]
PIXEL_FAULTS = [pytest.param(fault, id=fault.name) for fault in FAULTS if fault.where in ("written pixels", "net")]
WHOLE = np.s_[:, 16:-16, 16:-16]


CLEAN = delivered()
HOLED = delivered(holes=True)


def planted(name: str, size: float, given: Delivered = CLEAN, seed: int = 0) -> Delivered:
    return BY_NAME[name].plant(given, size, seed)


def change(name: str, size: float, given: Delivered = CLEAN, seed: int = 0) -> np.ndarray:
    return planted(name, size, given, seed).z.astype(np.float64) - given.z


def shift_of(z: np.ndarray, reference: np.ndarray = CLEAN.z) -> list[tuple[float, float]]:
    found = sub_pixel_shift(z, reference, Protocol(data_range=255, border=0))
    return [(s.row, s.col) for s in found]


def snapshot(given: Delivered) -> dict[str, object]:
    """All fields, arrays copied."""
    fields = ((f.name, getattr(given, f.name)) for f in dataclasses.fields(given))
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in fields}


def differing(a: dict[str, object], b: dict[str, object]) -> set[str]:
    def same(x: object, y: object) -> bool:
        return np.array_equal(x, y, equal_nan=x.dtype != bool) if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) else x == y

    return {name for name in a if not same(a[name], b[name])}


TOUCHED = {
    "written pixels": {"z"}, "net": {"z"}, "encoding": {"z", "encoding"}, "geometry": {"transform"}, "nodata": {"z", "mask"},
    "interval": {"half_width"}, "split": {"split"},
}  # fmt: skip


def test_the_table_holds_every_general_row() -> None:
    assert {fault.number for fault in FAULTS} == set(range(1, 43)) - {33, 35, 36, 37}
    assert len(BY_NAME) == len(FAULTS), "names are unique"
    starred = {fault.number for fault in FAULTS if fault.starred}
    assert starred == set(range(1, 43)) - {14, 24, 26, 33, 35, 36, 37, 41}
    assert [fault.number for fault in FAULTS] == sorted(fault.number for fault in FAULTS)
    for fault in FAULTS:
        assert list(fault.sizes) == sorted(set(fault.sizes)) and (fault.caught_from is None or fault.caught_from in fault.sizes)


@pytest.mark.parametrize("fault", ALL)
def test_a_fault_changes_what_it_says_alone_and_leaves_the_input(fault: Fault) -> None:
    before = snapshot(HOLED)
    after = snapshot(fault.plant(HOLED, fault.sizes[-1], seed=3))
    assert not differing(before, snapshot(HOLED)), "the input was touched"
    expected = TOUCHED.get(fault.where) or ({"calibration", "half_width"} if fault.number == 26 else {"calibration"})
    assert differing(before, after) == expected
    assert after["z"].dtype == np.float32 and after["z"].shape == HOLED.z.shape


@pytest.mark.parametrize("fault", ALL)
def test_a_fault_is_the_same_for_the_same_seed(fault: Fault) -> None:
    size = fault.sizes[0]
    assert not differing(snapshot(fault.plant(HOLED, size, seed=5)), snapshot(fault.plant(HOLED, size, seed=5)))


@pytest.mark.parametrize("name", ["object of 3 px", "noise", "no number", "empty block", "invented texture"])
def test_another_seed_gives_another_place(name: str) -> None:
    size = BY_NAME[name].sizes[-1]
    assert not np.array_equal(planted(name, size, seed=1).z, planted(name, size, seed=2).z)


@pytest.mark.parametrize("fault", PIXEL_FAULTS)
def test_nodata_stays_nodata_and_does_not_bleed(fault: Fault) -> None:
    after = fault.plant(HOLED, fault.sizes[-1])
    assert np.isnan(after.z[:, ~HOLED.mask]).all()
    if fault.number not in (21, 40):
        assert np.isfinite(after.z[:, HOLED.mask]).all()
        low, high = HOLED.encoding.valid_range
        if fault.where == "written pixels":
            assert after.z[:, HOLED.mask].min() >= low and after.z[:, HOLED.mask].max() <= high


@pytest.mark.parametrize(("name", "size"), [("small shift", 0.1), ("shift", 0.3), ("shift", 1)])
def test_shifts_are_as_far_as_they_say(name: str, size: float) -> None:
    assert shift_of(planted(name, size).z) == [pytest.approx((0, size), abs=0.02)] * 3


def test_diagonal_shift_is_measured_along_the_diagonal() -> None:
    assert shift_of(planted("diagonal shift", 0.35).z) == [pytest.approx((0.2475, 0.2475), abs=0.02)] * 3


def test_one_band_is_shifted_against_the_others() -> None:
    found = shift_of(planted("shifted band", 0.3).z)
    assert found[0] == pytest.approx((0, 0.3), abs=0.02) and found[1:] == [(0, 0)] * 2


def test_shifted_quadrant_and_half() -> None:
    quadrants = [np.s_[:, r : r + 48, c : c + 48] for r in (0, 48) for c in (0, 48)]
    moved = planted("shifted quadrant", 0.3).z
    touched = [q for q in quadrants if not np.array_equal(moved[q], CLEAN.z[q])]
    assert len(touched) == 1
    assert shift_of(moved[touched[0]], CLEAN.z[touched[0]])[0] == pytest.approx((0, 0.3), abs=0.05)
    half = planted("shifted half", 1).z
    assert np.array_equal(half[:, :48], CLEAN.z[:, :48]) and np.allclose(half[:, 48:, 1:], CLEAN.z[:, 48:, :-1], atol=1e-3)


def test_gain_offset_and_gamma() -> None:
    assert planted("gain", 1).z == pytest.approx(CLEAN.z * 1.01, rel=1e-5)
    assert change("offset", 0.3) == pytest.approx(0.3, abs=1e-4)
    low, high = CLEAN.measured_range
    fine, coarse = (dataclasses.replace(CLEAN, encoding=Encoding("uint16", step)) for step in (0.02, 2))
    assert change("offset", 1, fine) == pytest.approx((high - low) / 255, abs=1e-4), "a grey level, not a step of 16 bits"
    assert change("offset", 1, coarse) == pytest.approx(2, abs=1e-4)
    inside = (CLEAN.z > low) & (CLEAN.z < high)
    bent = (planted("gamma", 3).z - low) / (high - low)
    assert np.log(bent[inside]) == pytest.approx(1.03 * np.log((CLEAN.z[inside] - low) / (high - low)), rel=1e-2, abs=1e-3)


def test_a_floating_point_file_counts_in_parts_of_the_measured_range() -> None:
    floating = dataclasses.replace(CLEAN, encoding=Encoding("float32"))
    low, high = CLEAN.measured_range
    assert floating.level == pytest.approx((high - low) / 255)
    assert change("offset", 1, floating) == pytest.approx(floating.level, abs=1e-4)


def test_smoothing_and_sharpening_by_their_response_to_a_wave() -> None:
    wave = np.broadcast_to(100 + 10 * np.cos(2 * np.pi * np.arange(SIDE) / 8), CLEAN.z.shape).astype(np.float32)
    given = dataclasses.replace(CLEAN, z=wave)

    def height(z: np.ndarray) -> float:
        return float(np.ptp(z[WHOLE])) / 20

    kept = np.exp(-((2 * np.pi / 8) ** 2) / 2)  # of a Gaussian of 1 px
    assert height(planted("smoothing", 1, given).z) == pytest.approx(kept, rel=0.01)
    assert height(planted("sharpening", 30, given).z) == pytest.approx(1 + 0.3 * (1 - kept), rel=0.01)


def test_images_that_are_no_models_work() -> None:
    y = torch.from_numpy(CLEAN.y).double()
    assert planted("interpolation", 100).z == pytest.approx(OPERATOR.upscale(y).numpy(), abs=1e-3)
    assert planted("interpolation", 25).z == pytest.approx(0.75 * CLEAN.z + 0.25 * OPERATOR.upscale(y).numpy(), abs=1e-3)
    assert np.array_equal(planted("repeated pixels", 100).z, CLEAN.y.repeat(2, 1).repeat(2, 2))
    assert np.array_equal(planted("mirrored", 1).z, CLEAN.z[:, :, ::-1])
    box = planted("wrong kernel", 100).z
    assert make_operator("box", 2).apply(torch.from_numpy(box)).numpy() == pytest.approx(CLEAN.y, abs=1e-3)
    assert np.abs(residual(box)).max() > 1


def residual(z: np.ndarray, given: Delivered = CLEAN) -> np.ndarray:
    return given.y - OPERATOR.apply(torch.from_numpy(z.astype(np.float64))).numpy()


@pytest.mark.parametrize("name", ["nothing added", "object made by the net", "invented texture", "tile step before the projection"])
def test_consistent_faults_explain_the_measurement(name: str) -> None:
    for size in BY_NAME[name].sizes:
        z = planted(name, size).z
        assert np.abs(z - CLEAN.z).max() > 0.1 and np.abs(residual(z)).max() < 1e-4


def test_nothing_added_has_no_guessed_part() -> None:
    assert np.abs(guess(CLEAN.z, OPERATOR)).max() > 1
    assert np.abs(guess(planted("nothing added", 100).z, OPERATOR)).max() < 1e-3


def test_the_projection_leaves_of_an_object_what_the_operator_cannot_see() -> None:
    for fwhm in (2, 4):
        left = np.mean([np.abs(change("object made by the net", fwhm, seed=s)).max() for s in range(8)]) / 40
        assert left == pytest.approx(OPERATOR.invisible(fwhm), abs=0.1)


def test_invented_texture_has_its_size_on_busy_areas() -> None:
    added = change("invented texture", 6)
    busy = busy_area(CLEAN.z.astype(np.float64), CLEAN)
    assert 0.45 < busy.mean() < 0.55
    assert np.sqrt(np.mean(added[:, busy] ** 2)) == pytest.approx(6, rel=0.01)
    assert np.sqrt(np.mean(added[:, ~busy] ** 2)) < 3


@pytest.mark.parametrize(("name", "fwhm"), [("object of 3 px", 3), ("object of 6 px", 6), ("object of 1.5 px", 1.5)])
def test_objects_have_their_height_and_width(name: str, fwhm: float) -> None:
    added = change(name, 20)[1]
    assert added.max() == pytest.approx(20, abs=1e-3) and added.min() > -1e-3
    volume = 20 * np.pi * fwhm**2 / (4 * np.log(2))
    assert added.sum() == pytest.approx(volume, rel=0.02)


def test_checkerboard_and_noise_amplitudes() -> None:
    added = change("checkerboard", 3)
    assert np.abs(added) == pytest.approx(3, abs=1e-4) and added.mean() == pytest.approx(0, abs=1e-5)
    assert added[:, 1:] == pytest.approx(-added[:, :-1], abs=1e-4) and added[..., 1:] == pytest.approx(-added[..., :-1], abs=1e-4)
    inside = OPERATOR.apply(torch.from_numpy(added))[:, 2:-2, 2:-2]
    assert inside.abs().max() < 1e-4, "it lies in the null space, but for the image's border"
    assert change("noise", 2).std() == pytest.approx(2, rel=0.02)


def test_tile_steps_lie_on_the_tile_lines() -> None:
    added = change("tile step", 2)[0]
    down, across = np.abs(np.diff(added, axis=0)), np.abs(np.diff(added, axis=1))
    assert (np.flatnonzero(down.max(axis=1) > 1e-3) + 1).tolist() == [32, 64]
    assert (np.flatnonzero(across.max(axis=0) > 1e-3) + 1).tolist() == [48]
    assert down[[31, 63]] == pytest.approx(2, abs=1e-3) and across[:, 47] == pytest.approx(2, abs=1e-3)


def test_highlights_and_steps() -> None:
    clipped, wrapped = planted("clipped highlights", 2).z, planted("wrapped highlights", 1).z
    assert (clipped != CLEAN.z).mean() == pytest.approx(0.02, abs=0.002) and (clipped <= CLEAN.z).all()
    lost = wrapped != CLEAN.z
    assert lost.mean() == pytest.approx(0.01, abs=0.002)
    assert wrapped[lost].max() < 60 < CLEAN.z[lost].min(), "they come back from the bottom of uint8"
    assert len(np.unique(planted("coarse steps", 8).z % 8)) == 1


def test_places_without_a_value() -> None:
    assert np.isnan(planted("no number", 1).z).sum() == 1
    gone = np.isnan(planted("tile of no numbers", 1).z)
    tiles = tiles_of(CLEAN)
    assert len(tiles) == 6 and gone.sum() == 3 * 32 * 48
    assert sum(gone[(slice(None), *tile.slices())].all() for tile in tiles) == 1
    meter = BoundsMeter((0, 255))
    meter.update(planted("no number", 1).z, CLEAN.mask)
    assert meter.outside == 1


def test_blocks_and_border() -> None:
    empty = planted("empty block", 8).z
    assert (empty == 0).sum() == 3 * 64 and np.array_equal(empty[empty != 0], CLEAN.z[empty != 0])
    blurred = planted("smoothed block", 32).z
    rows, cols = np.nonzero((blurred != CLEAN.z).any(axis=0))
    assert np.ptp(rows) == np.ptp(cols) == 31
    framed = planted("mirrored border", 4).z
    assert np.array_equal(framed[WHOLE], CLEAN.z[WHOLE])
    assert np.array_equal(framed[:, :4, 4:-4], CLEAN.z[:, 7:3:-1, 4:-4]) and np.array_equal(
        framed[:, 4:-4, -4:], CLEAN.z[:, 4:-4, -5:-9:-1]
    )


def test_swapped_bands() -> None:
    assert np.array_equal(planted("swapped bands", 1).z, CLEAN.z[::-1])


def test_a_wrong_encoding_reads_the_same_stored_values_otherwise() -> None:
    encoding = Encoding("uint16", 0.01, -1.0)
    stored = encoding.encode(CLEAN.z)
    given = dataclasses.replace(CLEAN, encoding=encoding, z=encoding.decode(stored))
    for name, size in (("wrong scale factor", 10), ("wrong offset", 100)):
        wrong = planted(name, size, given)
        assert np.array_equal(wrong.encoding.encode(wrong.z), stored), "the file's integers are the same"
    assert planted("wrong scale factor", 10, given).z == pytest.approx(1.1 * (given.z + 1) - 1, rel=1e-5)
    assert change("wrong offset", 100, given) == pytest.approx(1.0, abs=1e-4)


def test_transform_moves_by_parts_of_a_pixel() -> None:
    assert planted("moved transform", 0.5).transform == (10.0, 0.0, 505.0, 0.0, -10.0, 895.0)


def test_nodata_faults() -> None:
    bled = np.abs(change("nodata in neighbours", 1, HOLED))[0]
    rows, cols = np.nonzero(bled > 1e-6)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (19, 40, 59, 80), "one pixel around the hole"
    edge = HOLED.z[0, 18:20, 65:68].sum() / 9
    assert planted("nodata in neighbours", 1, HOLED).z[0, 19, 66] == pytest.approx(edge, rel=1e-5)
    filled, meter = planted("filled nodata", 1, HOLED), MaskMeter()
    meter.update(HOLED.mask_lr, filled.mask)
    assert meter.gained == 20**2 - 18**2 and meter.lost == 0 and np.isfinite(filled.z[:, filled.mask]).all()


def test_a_large_floor_keeps_the_mean_width_and_takes_it_from_the_hard_pixels() -> None:
    after = planted("large floor", 32)
    assert after.half_width.mean() == pytest.approx(CLEAN.half_width.mean(), rel=1e-4)
    hard, easy = (CLEAN.half_width > np.quantile(CLEAN.half_width, 0.9)), (CLEAN.half_width < np.quantile(CLEAN.half_width, 0.1))
    assert after.half_width[hard].mean() < 0.9 * CLEAN.half_width[hard].mean()
    assert after.half_width[easy].mean() > 1.3 * CLEAN.half_width[easy].mean()
    assert after.calibration.floor == 8 and after.calibration.multiplier < CLEAN.calibration.multiplier


def test_faults_of_the_written_interval() -> None:
    assert planted("narrow interval", 50).half_width == pytest.approx(0.5 * CLEAN.half_width, rel=1e-6)
    estimated = dataclasses.replace(CLEAN, spread=CLEAN.half_width / 2)
    both = planted("shifted interval", 1, estimated)
    assert np.array_equal(both.spread, both.half_width / 2), "the estimate moves with its interval"
    moved = planted("shifted interval", 1).half_width
    assert np.array_equal(moved[:, :, 48:], CLEAN.half_width[:, :, :48]) and moved.mean() == pytest.approx(CLEAN.half_width.mean())


def test_a_calibration_of_other_weights_does_not_match() -> None:
    after = planted("calibration of other weights", 1)

    def mismatch(given: Delivered) -> str:
        return given.calibration.mismatch(weights=given.weights, operator="b" * 64, projection=True, precision="float32")

    assert mismatch(CLEAN) == "" and "other weights" in mismatch(after)


def test_a_leaked_test_region_makes_a_split_that_is_refused() -> None:
    CLEAN.split.check(16)
    after = planted("leaked test region", 1).split
    assert after.calibration[-1] in after.test
    with pytest.raises(SplitError):
        after.check(16)


def without(**changes: object) -> Delivered:
    return dataclasses.replace(CLEAN, **changes)


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["tile step", "tile of no numbers", "shifted interval"], lambda: without(rows=(), cols=())),
        (["narrow interval", "large floor", "shifted interval"], lambda: without(half_width=np.full_like(CLEAN.z, np.nan))),
        (["large floor", "calibration of other weights"], lambda: without(calibration=None)),
        (["nodata in neighbours", "filled nodata"], lambda: CLEAN),
        (["moved transform"], lambda: without(transform=None)),
        (["leaked test region"], lambda: without(split=None)),
        (["swapped bands", "shifted band"], lambda: without(z=CLEAN.z[:1], y=CLEAN.y[:1], half_width=None, truth=None)),
        (["nothing added", "invented texture"], lambda: without(operator=make_operator("gaussian", 2, sigma=3.0))),
    ],
)
def test_what_an_image_lacks_is_said_before_a_fault_is_planted(names: list[str], given: Callable[[], Delivered]) -> None:
    for name in names:
        assert BY_NAME[name].why_not(given()).startswith("it needs ")
        with pytest.raises(TrustError, match="it needs"):
            planted(name, 1, given())
    assert BY_NAME["gain"].why_not(given()) == ""


def test_arrays_of_two_images_and_sizes_below_zero_are_refused() -> None:
    with pytest.raises(ShapeError):
        without(mask=CLEAN.mask[:10])
    with pytest.raises(ShapeError):
        without(truth=CLEAN.z[:, :10])
    with pytest.raises(TrustError):
        planted("gain", 0)
