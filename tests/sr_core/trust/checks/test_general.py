"""The general checks: clean output passes, and planted faults are caught by the check that must catch them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift

from sr_core.operators import make_operator
from sr_core.trust.checks import coverage_check, general_checks, rounding_passed
from sr_core.trust.claim import no_claim
from sr_core.trust.verdict import CheckResult, Evidence, judge

OPERATOR = make_operator("bicubic", 2)


def scene(seed: int = 0, side: int = 96) -> np.ndarray:
    """Edges and texture between 30 and 220 grey levels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:side, :side]
    edges = 60.0 * (np.sin(rows / 7 + seed) + np.cos(cols / 9) > 0) + 50.0 * (cols > 0.7 * rows)
    texture = gaussian_filter(rng.normal(size=(2, side, side)), (0, 1, 1)) * 25
    return np.clip(70 + edges + texture, 30, 220)


def evidence(kind: str = "model", step: float = 1.0, **changes: object) -> Evidence:
    """Evidence of an output: "model" keeps half of the true detail and is projected and rounded as a file would."""
    hr = torch.from_numpy(scene())
    y = torch.round(OPERATOR.apply(hr) / (step or 1)) * (step or 1)
    bicubic = OPERATOR.upscale(y)
    z = {
        "model": OPERATOR.project(0.5 * hr + 0.5 * bicubic, y),
        "bicubic": bicubic,
        "projected bicubic": OPERATOR.pinv(y),
        "unprojected": 0.5 * hr + 0.5 * bicubic,
    }[kind]
    z = torch.round(z / step) * step if step else z
    return with_output(
        Evidence(
            y.numpy().astype(np.float32), z.numpy().astype(np.float32), bicubic.numpy().astype(np.float32), np.ones(y.shape[1:], bool),
            np.ones(z.shape[1:], bool), np.zeros(y.shape, np.float32), None, step, (0, 255), "grey level", operator=OPERATOR,
        ),
        z.numpy(), **changes,
    )  # fmt: skip


def with_output(before: Evidence, z: np.ndarray, **changes: object) -> Evidence:
    """Put another output in, with its own residual."""
    z = z.astype(np.float32)
    residual = before.y - OPERATOR.apply(torch.from_numpy(np.nan_to_num(z, posinf=0, neginf=0)).double()).numpy()
    if not np.isfinite(z).all():
        residual[:, 0, 0] = np.nan
    return dataclasses.replace(before, z=z, residual=residual.astype(np.float32), **changes)


def results(given: Evidence) -> dict[str, CheckResult]:
    return {check.name: check(given) for check in general_checks()}


def outcomes(given: Evidence) -> dict[str, str]:
    """Outcomes of the checks that ran, or had to."""
    return {name: r.outcome for name, r in results(given).items() if r.outcome != "skipped" or r.required}


def rounded(z: np.ndarray) -> np.ndarray:
    return np.rint(z)


@pytest.mark.parametrize("step", [1.0, 0.25, 0.0])
def test_clean_output_passes(step: float) -> None:
    found = results(evidence(step=step))
    assert {name for name, r in found.items() if r.outcome == "skipped"} == {"residual at the range's ends", "beside nodata", "seam"}
    assert {r.outcome for r in found.values()} == {"pass", "skipped"}
    assert found["residual rms"].unit == "grey level" and "physical" in found["residual rms"].threshold_source
    if step:
        assert found["residual rms"].threshold == pytest.approx(0.15 * step)


@pytest.mark.parametrize(
    ("fault", "plant"),
    [
        ("shift 0.1 px", lambda z: rounded(shift(z, (0, 0.1, 0.1), mode="mirror"))),
        ("shift 1 px", lambda z: np.roll(z, 1, axis=2)),
        ("gain 1 %", lambda z: rounded(z * 1.01)),
        ("gain 2 %", lambda z: rounded(z * 1.02)),
        ("offset 1", lambda z: z + 1),
        ("gamma 1.03", lambda z: rounded(255 * (z / 255) ** 1.03)),
        ("smoothing", lambda z: rounded(gaussian_filter(z, (0, 0.5, 0.5)))),
        ("mirrored", lambda z: z[:, :, ::-1].copy()),
        ("noise 2", lambda z: rounded(z + np.random.default_rng(1).normal(scale=2, size=z.shape))),
        ("rounded to 8", lambda z: np.rint(z / 8) * 8),
        ("nearest", lambda z: z[:, ::2, ::2].repeat(2, 1).repeat(2, 2)),
    ],
)
def test_faults_that_the_residual_catches(fault: str, plant: object) -> None:
    clean = evidence()
    assert callable(plant)
    broken = results(with_output(clean, plant(clean.z)))
    assert broken["residual rms"].outcome == "fail", fault


def test_bicubic_is_caught_by_the_residual_and_by_its_lack_of_detail() -> None:
    found = results(evidence("bicubic"))
    assert found["residual rms"].outcome == "fail" and found["adds detail"].outcome == "warn"
    assert found["residual rms"].value is not None and found["residual rms"].value > 0.5


def test_consistent_interpolation_is_caught_by_its_lack_of_detail_only() -> None:
    found = outcomes(evidence("projected bicubic"))
    assert found.pop("adds detail") == "warn" and set(found.values()) == {"pass"}


def test_local_blob_is_caught_by_the_largest_residual() -> None:
    clean = evidence()
    z = clean.z.copy()
    z[:, 40:44, 50:54] += 20
    assert outcomes(with_output(clean, z))["residual max"] == "fail"


@pytest.mark.parametrize("value", [np.nan, np.inf, 300.0])
def test_one_bad_value_fails(value: float) -> None:
    clean = evidence()
    z = clean.z.copy()
    z[0, 30, 30] = value
    found = results(with_output(clean, z))
    assert found["finite and in range"].outcome == "fail" and found["finite and in range"].value == 1.0
    if not math.isfinite(value):
        assert found["residual rms"].outcome == found["residual max"].outcome == "fail" and found["adds detail"].outcome == "fail"


def test_nodata_that_moved_or_was_filled_fails() -> None:
    clean = evidence()
    lr = clean.mask_lr.copy()
    lr[10:20, 12:24] = False
    hr = lr.repeat(2, 0).repeat(2, 1)
    z = clean.z.copy()
    z[:, ~hr] = 0
    assert set(outcomes(with_output(clean, z, mask_lr=lr, mask_hr=hr)).values()) == {"pass"}
    moved = np.roll(hr, 1, axis=1)
    assert outcomes(with_output(clean, z, mask_lr=lr, mask_hr=moved))["nodata kept"] == "fail"
    assert outcomes(with_output(clean, z, mask_lr=lr, mask_hr=clean.mask_hr))["nodata kept"] == "fail"


def test_without_projection_the_residual_only_warns() -> None:
    assert outcomes(evidence("unprojected", projected=False))["residual rms"] in ("pass", "warn")
    assert outcomes(evidence("bicubic", projected=False))["residual rms"] == "warn"


def test_empty_and_flat_images_are_skipped_not_passed() -> None:
    clean = evidence()
    none = results(dataclasses.replace(clean, mask_lr=np.zeros_like(clean.mask_lr), mask_hr=np.zeros_like(clean.mask_hr)))
    assert none["residual rms"].outcome == "skipped" and none["finite and in range"].outcome == "skipped"
    assert judge(no_claim("x", group_kind="place", operator="a"), list(none.values())).status == "warn"
    y, z = np.full_like(clean.y, 7), np.full_like(clean.z, 7)
    flat = results(dataclasses.replace(clean, y=y, z=z, bicubic=z, residual=np.zeros_like(y)))
    assert flat["adds detail"].outcome == "skipped" and flat["residual rms"].outcome == "pass"
    black = results(dataclasses.replace(clean, y=y * 0, z=z * 0, bicubic=z * 0, residual=np.zeros_like(y)))
    assert black["residual rms"].outcome == "skipped" and "valid range" in black["residual rms"].sentence


def test_saturated_places_are_left_out() -> None:
    clean = evidence()
    z = clean.z.copy()
    z[:, 20:30, 20:30] = 255  # clipped, so that the measurement cannot be met there
    saturated = with_output(clean, z)
    assert abs(saturated.residual).max() > 50 and outcomes(saturated)["residual max"] == "pass"


def test_operators_that_average_less_let_more_rounding_through() -> None:
    rows_only = make_operator("bicubic", (2, 1))
    hr = torch.from_numpy(scene())
    y = torch.round(rows_only.apply(hr))
    z = torch.round(rows_only.project(hr + 0.3, y))
    bicubic = rows_only.upscale(y)
    arrays = [t.numpy().astype(np.float32) for t in (y, z, bicubic, y - rows_only.apply(z))]
    given = Evidence(
        arrays[0], arrays[1], arrays[2], np.ones(y.shape[1:], bool), np.ones(z.shape[1:], bool), arrays[3], None, 1.0, (0, 255),
        "grey level", operator=rows_only,
    )  # fmt: skip
    found = results(given)["residual rms"]
    assert found.threshold == pytest.approx(0.233, abs=0.01) and found.outcome == "pass" and found.value is not None and found.value > 0.15


def test_coverage_is_information() -> None:
    assert coverage_check(0.90, 0.1).outcome == "pass" and coverage_check(0.85, 0.1).outcome == "warn"
    none = coverage_check(math.nan, 0.1)
    assert none.outcome == "skipped" and not none.required
    assert "held 22%" in coverage_check(0.95, 0.1, largest_held=0.22).sentence


def test_rounding_that_passes_is_the_sharpest_bands() -> None:
    """By value: the norm of a row of A, which for box x2 is 1/2; of bands the largest."""
    passed = {value: rounding_passed(evidence(operator=make_operator("mtf", 2, value=value))) for value in (0.2, 0.6)}
    assert rounding_passed(evidence(operator=make_operator("box", 2))) == pytest.approx(0.5)
    assert passed[0.2] < passed[0.6]
    assert rounding_passed(evidence(operator=make_operator("mtf", 2, value=[0.2, 0.6, 0.2]))) == passed[0.6]
