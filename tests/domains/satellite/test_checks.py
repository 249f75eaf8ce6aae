"""The satellite checks measure what they say, and notice planted faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domains.satellite.checks import angle, checks
from sr_core.trust.verdict import CheckResult, Evidence


def evidence(residual: np.ndarray, y: np.ndarray | None = None, mask: np.ndarray | None = None, unit: str = "reflectance") -> Evidence:
    bands, height, width = residual.shape
    y = np.full(residual.shape, 0.3, np.float32) if y is None else y
    mask = np.ones((height, width), bool) if mask is None else mask
    finer: Any = lambda a: a.repeat(2, axis=-2).repeat(2, axis=-1)  # noqa: E731
    return Evidence(
        y=y.astype(np.float32), z=finer(y).astype(np.float32), bicubic=finer(y).astype(np.float32), mask_lr=mask, mask_hr=finer(mask),
        residual=residual.astype(np.float32), half_width=None, step=1e-4, valid_range=(0.0, 6.0), unit=unit, bands=("b",) * bands,
    )  # fmt: skip


def outcomes(given: Evidence) -> dict[str, CheckResult]:
    return {check.name: check(given) for check in checks()}


def test_exact_output_passes() -> None:
    results = outcomes(evidence(np.zeros((4, 30, 30))))
    assert all(r.outcome == "pass" and r.value == 0 for r in results.values())


def test_values_and_limits() -> None:
    residual = np.zeros((2, 40, 40))
    residual[1] = 0.001
    residual[1, :5] = -0.02  # an eighth of the pixels
    results = outcomes(evidence(residual))
    mean, tail = results["reflectance, mean change"], results["reflectance, 99 % change"]
    assert mean.value == pytest.approx(0.001 * 35 / 40 + 0.02 * 5 / 40) and mean.outcome == "fail"
    assert tail.value == pytest.approx(0.02) and tail.outcome == "fail"
    assert outcomes(evidence(np.full((2, 9, 9), 0.001)))["reflectance, mean change"].outcome == "warn"


def test_angle_of_a_band_that_shifts() -> None:
    residual = np.zeros((2, 20, 20))
    residual[0] = 0.3 - 0.3 * np.tan(np.radians(44.0))  # y is at 45 degrees, A z at 46 from the first band
    results = outcomes(evidence(residual))
    assert results["spectral angle, mean"].value == pytest.approx(1.0, abs=1e-4)
    assert results["spectral angle, 99 %"].outcome == "pass"


def test_brightness_alone_has_no_angle() -> None:
    y = np.random.default_rng(0).uniform(0.1, 0.5, (4, 20, 20))
    result = outcomes(evidence(0.1 * y, y))["spectral angle, 99 %"]
    assert result.value is not None and result.value < 1e-4


def test_other_units_and_single_bands_are_skipped() -> None:
    results = outcomes(evidence(np.zeros((1, 9, 9)), unit="DN"))
    assert {r.outcome for r in results.values()} == {"skipped"} and not any(r.required for r in results.values())


def test_nodata_and_its_surroundings_do_not_count() -> None:
    residual = np.zeros((2, 30, 30))
    mask = np.ones((30, 30), bool)
    mask[10:14, 10:14] = False
    residual[:, 8:16, 8:16] = 5.0
    assert all(r.outcome == "pass" for r in outcomes(evidence(residual, mask=mask)).values())
    empty = outcomes(evidence(residual, mask=np.zeros((30, 30), bool)))
    assert {r.outcome for r in empty.values()} == {"skipped"}


def test_nan_never_passes() -> None:
    residual = np.zeros((2, 30, 30))
    residual[0, 20, 20] = np.nan
    assert {r.outcome for r in outcomes(evidence(residual)).values()} == {"fail"}


def test_small_angles_keep_their_digits() -> None:
    a = np.array([[1.0], [1.0]])
    b = np.array([[1.0], [1.0 + 2e-7]])
    assert angle(a, b)[0] == pytest.approx(np.degrees(1e-7), rel=1e-5)
    assert angle(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]]))[0] == pytest.approx(90)
    assert angle(np.zeros((2, 1)), np.zeros((2, 1)))[0] == 0
