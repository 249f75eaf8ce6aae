"""Each general check on clean images, on the fault it is there for, on what is not a number, and where it cannot run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_checked import evidence_from, planted, results, written
from made_delivered import delivered

from sr_core.raster import Window
from sr_core.trust.checks import general_checks
from sr_core.trust.checks.position import fit_shift, pieces
from sr_core.trust.checks.residual import local_rms_max
from sr_core.trust.checks.tone import fit_line
from sr_core.trust.verdict import CheckResult, Evidence

CLEAN = written(delivered(holes=True))
NAMES = [check.name for check in general_checks()]


def found(given: Evidence) -> dict[str, CheckResult]:
    return results(given, general_checks())


def test_names_are_unique_and_those_of_the_results() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(result.name == name for name, result in found(evidence_from(CLEAN)).items())


def test_clean_images_pass_all_but_the_detail_that_this_one_lacks() -> None:
    outcomes = {name: r.outcome for name, r in found(evidence_from(CLEAN)).items()}
    assert outcomes.pop("adds detail") == "warn" and outcomes.pop("residual at the range's ends") == "skipped"
    assert set(outcomes.values()) == {"pass"}


@pytest.mark.parametrize(
    ("fault", "size", "check", "outcome"),
    [
        ("small shift", 0.1, "shift", "warn"),
        ("shift", 0.3, "shift", "fail"),
        ("diagonal shift", 0.35, "shift", "fail"),
        ("shifted quadrant", 0.3, "shift by quadrant", "fail"),
        ("shifted band", 0.3, "band-to-band shift", "fail"),
        ("gain", 1, "gain", "fail"),
        ("gamma", 3, "gain", "warn"),
        ("offset", 0.3, "offset", "warn"),
        ("offset", 1, "offset", "fail"),
        ("smoothing", 1, "texture low", "warn"),
        ("nothing added", 100, "adds detail", "warn"),
        ("checkerboard", 1, "period-2 pattern", "warn"),
        ("checkerboard", 3, "period-2 pattern", "fail"),
        ("object of 6 px", 8, "local residual", "fail"),
        ("object of 1.5 px", 40, "local residual", "fail"),
        ("smoothed block", 32, "local residual", "fail"),
        ("empty block", 8, "residual at the range's ends", "fail"),
        ("nodata in neighbours", 1, "beside nodata", "warn"),
        ("nodata in neighbours", 2, "beside nodata", "fail"),
        ("filled nodata", 1, "nodata kept", "fail"),
        ("tile step before the projection", 8, "seam", "fail"),
    ],
)
def test_a_fault_is_caught_by_the_check_that_looks_for_it(fault: str, size: float, check: str, outcome: str) -> None:
    assert found(evidence_from(planted(CLEAN, fault, size)))[check].outcome == outcome


def test_only_the_pattern_check_sees_a_checkerboard() -> None:
    flagged = [n for n, r in found(evidence_from(planted(CLEAN, "checkerboard", 1))).items() if r.outcome in ("warn", "fail")]
    assert flagged == ["period-2 pattern"]


def test_the_seam_check_needs_the_lines() -> None:
    step = planted(CLEAN, "tile step before the projection", 8)
    assert found(evidence_from(dataclasses.replace(step, rows=(), cols=())))["seam"].outcome == "skipped"
    assert found(evidence_from(dataclasses.replace(step, rows=(20,), cols=())))["seam"].outcome == "pass", "a line where nothing is"


def test_one_value_that_is_no_number_passes_no_check_that_runs() -> None:
    given = {name: r.outcome for name, r in found(evidence_from(planted(CLEAN, "no number", 1))).items()}
    assert given.pop("nodata kept") == "pass" and given.pop("residual at the range's ends") == "skipped"
    assert set(given.values()) == {"fail"}


def test_a_constant_image_has_nothing_to_see_a_shift_or_a_pattern_by() -> None:
    flat = {"z": np.full_like(CLEAN.z, 100), "y": np.full_like(CLEAN.y, 100)}
    given = found(evidence_from(dataclasses.replace(CLEAN, **flat)))
    assert {"pass", "skipped"} == {r.outcome for r in given.values()}
    skips = {"shift", "shift by quadrant", "band-to-band shift", "gain", "adds detail", "texture low", "period-2 pattern"}
    assert all(given[name].outcome == "skipped" and not given[name].required for name in skips)
    assert given["offset"].value == 0 and given["seam"].value == 0


def test_one_band_has_no_band_beside_it() -> None:
    one = dataclasses.replace(CLEAN, z=CLEAN.z[:1], y=CLEAN.y[:1], half_width=CLEAN.half_width[:1], truth=None)
    given = found(evidence_from(one))
    assert given["band-to-band shift"].outcome == "skipped" and given["shift"].outcome == "pass"


def test_shift_by_value() -> None:
    """y - A z = g . delta is solved exactly, with level and contrast taken out."""
    rng = np.random.default_rng(0)
    rows, cols, y = rng.normal(size=(3, 20, 20)).astype(np.float32)
    use = np.ones((20, 20), bool)
    residual = 0.3 * rows - 0.2 * cols + 5 + 0.1 * y
    assert fit_shift(residual, (rows, cols), y, use, 1.0) == pytest.approx((0.3, -0.2), abs=1e-5)
    assert fit_shift(residual, (rows, cols), y, use, 1e3) is None
    stripes = fit_shift(0.3 * rows, (rows, 0 * cols), y, use, 1.0)
    assert stripes == pytest.approx((0.3, 0.0), abs=1e-5)


def test_line_by_value_leaves_outliers_out() -> None:
    y = np.linspace(50, 150, 400, dtype=np.float32).reshape(20, 20)
    residual = y - (1.02 * y - 3)
    residual[3, 4] = 90
    line = fit_line(y, residual, np.ones((20, 20), bool))
    assert line is not None and line.slope == pytest.approx(1.02, abs=1e-4) and line.offset == pytest.approx(2 - 3, abs=1e-3)


def test_local_rms_by_value_and_place() -> None:
    residual = np.zeros((1, 20, 20), np.float32)
    residual[0, 8:13, 9:14] = 2
    use = np.ones(residual.shape, bool)
    assert local_rms_max(residual, use) == (pytest.approx(2), Window(8, 9, 5, 5))
    use[0, 8:13, 9:12] = False
    assert local_rms_max(residual, use)[0] == pytest.approx((4 * 2 / 3) ** 0.5), "the mean runs over usable values: two columns of three"
    assert local_rms_max(residual, np.zeros_like(use))[1] is None


def test_pieces_are_quadrants_and_tiles() -> None:
    given = evidence_from(CLEAN)
    assert Window(0, 0, 24, 24) in pieces(given) and Window(16, 24, 16, 24) in pieces(given)
    assert all(min(piece.height, piece.width) >= 16 for piece in pieces(given))


def test_a_place_is_given_on_the_grid_of_the_image() -> None:
    given = evidence_from(planted(CLEAN, "object of 6 px", 20), where=Window(1000, 2000, 96, 96))
    place = found(given)["local residual"].where
    assert place is not None and 1000 <= place.row < 1096 and 2000 <= place.col < 2096 and place.height <= 10


def test_what_the_range_cuts_away_does_not_count_as_detail() -> None:
    bare = planted(delivered(), "nothing added", 100)
    cut = bare.z.copy()
    cut[:, 20:40, 20:40] = 255.0  # the end of the range: the guess has a rim there that no model made
    found = results(evidence_from(dataclasses.replace(bare, z=cut)), general_checks())["adds detail"]
    assert found.outcome == "warn" and found.value is not None and found.value < 0.02
    inside = dataclasses.replace(bare, z=np.where(cut == 255.0, np.float32(200.0), cut))
    beside = results(evidence_from(inside), general_checks())["adds detail"].value
    assert beside is not None and beside > 0.08, "the same block below the end is detail that was added"
