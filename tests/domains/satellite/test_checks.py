"""The satellite checks measure what they say, and notice planted faults."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from domains.satellite.checks import angle, checks
from domains.satellite.checks.spectrum import NIR, RED, band_of
from sr_core.operators import make_operator
from sr_core.trust.checks import general_checks
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
    ran = {name: r for name, r in results.items() if r.outcome != "skipped"}
    assert all(r.outcome == "pass" and r.value == 0 for r in ran.values())
    assert set(results) - set(ran) == {"spectral angle, fine grid", "NDVI change, 95 %", "geometry"}


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
    assert {r.outcome for r in outcomes(evidence(residual, mask=mask)).values()} == {"pass", "skipped"}
    empty = outcomes(evidence(residual, mask=np.zeros((30, 30), bool)))
    assert {r.outcome for r in empty.values()} == {"skipped"}


def test_nan_never_passes() -> None:
    residual = np.zeros((2, 30, 30))
    residual[0, 20, 20] = np.nan
    found = outcomes(evidence(residual))
    about_z = {"physical bounds"}  # the output itself is whole here
    assert {r.outcome for name, r in found.items() if name not in about_z} == {"fail", "skipped"}
    bad = evidence(np.zeros((2, 30, 30)))
    bad.z[0, 3, 3] = np.nan
    assert outcomes(bad)["physical bounds"].outcome == "fail"


def test_small_angles_keep_their_digits() -> None:
    a = np.array([[1.0], [1.0]])
    b = np.array([[1.0], [1.0 + 2e-7]])
    assert angle(a, b)[0] == pytest.approx(np.degrees(1e-7), rel=1e-5)
    assert angle(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]]))[0] == pytest.approx(90)
    assert angle(np.zeros((2, 1)), np.zeros((2, 1)))[0] == 0


LR, HR = (20.0, 0.0, 500.0, 0.0, -20.0, 900.0), (10.0, 0.0, 500.0, 0.0, -10.0, 900.0)


@pytest.mark.parametrize(
    ("place", "away"),
    [
        (HR, 0.0),
        ((10.0, 0.0, 505.0, 0.0, -10.0, 895.0), 0.5 * 2**0.5),  # half a pixel right and down
        ((10.0, 0.0, 500.0, 0.0, -10.0, 910.0), 1.0),
        (LR, 60 * 2**0.5),  # pixels as large as before: the far corner is an image away
    ],
)
def test_geometry_by_value(place: tuple[float, ...], away: float) -> None:
    given = dataclasses.replace(evidence(np.zeros((1, 30, 30))), transform_lr=LR, transform_hr=place)
    found = outcomes(given)["geometry"]
    assert found.value == pytest.approx(away, abs=1e-9) and found.outcome == ("pass" if away == 0 else "fail")


def test_geometry_keeps_a_millionth_of_a_pixel_and_refuses_what_is_missing_or_no_number() -> None:
    clean = evidence(np.zeros((1, 30, 30)))
    turned = (14.0, 3.0, 4e6, 2.0, -15.0, 7e6)
    finer = (7.0, 1.5, 4e6, 1.0, -7.5, 7e6)
    for hr, outcome in ((finer, "pass"), ((*finer[:2], 4e6 + 1e-4, *finer[3:]), "fail"), (None, "fail"), ((*finer[:5], np.nan), "fail")):
        assert outcomes(dataclasses.replace(clean, transform_lr=turned, transform_hr=hr))["geometry"].outcome == outcome
    assert outcomes(clean)["geometry"].outcome == "skipped"


def test_vegetation_index_finds_its_bands_by_name() -> None:
    y = np.stack([np.full((20, 20), 0.1), np.full((20, 20), 0.4)])  # red, near infrared: an index of 0.6
    residual = np.stack([np.full((20, 20), 0.02), np.zeros((20, 20))])  # red comes out as 0.08: 0.32 / 0.48
    given = dataclasses.replace(evidence(residual, y), bands=("B04 red", "B08 nir"))
    found = outcomes(given)["NDVI change, 95 %"]
    assert found.value == pytest.approx(0.32 / 0.48 - 0.6, abs=1e-5) and found.outcome == "fail"
    clean = dataclasses.replace(evidence(np.zeros_like(y), y), bands=("B04 red", "B08 nir"))
    assert outcomes(clean)["NDVI change, 95 %"].outcome == "pass"
    assert outcomes(evidence(residual, y))["NDVI change, 95 %"].outcome == "skipped"


@pytest.mark.parametrize(
    ("bands", "red", "nir"),
    [
        (("B02", "B03", "B04", "B08"), 2, 3),
        (("Red", "Green", "NIR"), 0, 2),
        (("B05 red edge", "B04 (red)", "B8A"), 1, 2),
        (("B3 red", "B4 nir"), 0, 1),
        (("b1", "b2"), None, None),
    ],
)
def test_names_of_bands(bands: tuple[str, ...], red: int | None, nir: int | None) -> None:
    assert (band_of(bands, RED), band_of(bands, NIR)) == (red, nir)


def test_physical_bounds_count_what_the_measurement_does_not_have() -> None:
    clean = evidence(np.zeros((1, 20, 20)))
    z = clean.z.copy()
    z[0, :4, :10] = -0.01  # 40 of 1600
    found = outcomes(dataclasses.replace(clean, z=z))["physical bounds"]
    assert found.value == pytest.approx(40 / 1600) and found.outcome == "fail"
    y = clean.y.copy()
    y[0, :2, :5] = -0.01  # 10 of 400: the measurement has as many
    assert outcomes(dataclasses.replace(clean, z=z, y=y))["physical bounds"].outcome == "pass"


def test_colour_that_the_interval_does_not_hold_warns() -> None:
    clean = evidence(np.zeros((2, 20, 20)))
    z = clean.z.copy()
    z[0, :10] = 0.5  # from 45 degrees to 31
    wide, narrow = (dataclasses.replace(clean, z=z, half_width=np.full(z.shape, width, np.float32)) for width in (0.3, 0.1))
    assert outcomes(wide)["spectral angle, fine grid"].value == 0
    found = outcomes(narrow)["spectral angle, fine grid"]
    assert found.value == pytest.approx(np.degrees(np.arctan(0.5 / 0.3)) - 45, abs=1e-3) and found.outcome == "warn"


BANDS = ("B02", "B03", "B04", "B08")
OPERATOR = make_operator("bicubic", 2)


def noisy_evidence(sigma: float, gain: float = 1.0, known: bool = True, seed: int = 0) -> Evidence:
    """A scene of four bands whose measurement has noise, delivered as the noise-aware projection gives it; then a gain."""
    rows, cols = torch.meshgrid(torch.arange(240.0), torch.arange(260.0), indexing="ij")
    draw = torch.Generator().manual_seed(seed)
    fine = 0.01 * torch.randn(4, 240, 260, generator=draw)
    level = torch.tensor([0.15, 0.2, 0.25, 0.45])[:, None, None]
    x = (level + 0.4 * level * torch.sin(rows / 9) * torch.cos(cols / 7) + fine).double()
    y = OPERATOR.apply(x)
    y = y + sigma * torch.randn(y.shape, generator=draw)
    z = OPERATOR.project(x + 0.002 * torch.sin(rows / 5), y, (-0.1, 6.0), 1e-4, sigma if known else 0.0)
    z = (gain * z * 1e4).round() / 1e4
    mask_lr, mask_hr = (np.ones(image.shape[1:], bool) for image in (y, z))
    return Evidence(
        y=y.float().numpy(), z=z.float().numpy(), bicubic=OPERATOR.upscale(y).float().numpy(), mask_lr=mask_lr, mask_hr=mask_hr,
        residual=OPERATOR.residual(z, y).float().numpy(), half_width=np.full(z.shape, 0.01, np.float32), step=1e-4,
        valid_range=(-0.1, 6.0), unit="reflectance", bands=BANDS, operator=OPERATOR, noise=sigma if known else 0.0, projected=True,
    )  # fmt: skip


@pytest.mark.parametrize("sigma", [0.001, 0.003, 0.01, 0.03])
def test_a_known_noise_is_no_fault(sigma: float) -> None:
    given = noisy_evidence(sigma)
    found = [*outcomes(given).values(), *(check(given) for check in general_checks())]
    assert {r.name: r.outcome for r in found if r.outcome not in ("pass", "skipped")} == {}
    ran = {r.name for r in found if r.outcome == "pass"}
    assert {"reflectance, mean change", "reflectance, 99 % change", "spectral angle, mean", "NDVI change, 95 %"} <= ran
    assert {"residual rms", "residual max", "local residual", "offset"} <= ran


@pytest.mark.parametrize("sigma", [0.001, 0.003])
def test_a_gain_of_one_percent_is_a_fault_beside_noise(sigma: float) -> None:
    given = noisy_evidence(sigma, gain=1.012)
    found = {r.name: r for r in (check(given) for check in general_checks())}
    assert found["gain"].outcome == "fail" and found["gain"].value == pytest.approx(0.012, abs=0.002)
    assert "fail" in {found["residual rms"].outcome, found["residual max"].outcome, found["local residual"].outcome}


def test_limits_beside_noise_by_value_and_in_words() -> None:
    sigma = 0.003
    found, noise = outcomes(noisy_evidence(sigma)), 1.25**0.5 * 0.003
    mean, tail = found["reflectance, mean change"], found["reflectance, 99 % change"]
    assert mean.threshold == pytest.approx(0.0005 + 0.798 * noise, rel=1e-3) and mean.fail_threshold == pytest.approx(0.002 + 0.798 * noise)
    assert tail.threshold == pytest.approx(0.003 + 2.576 * noise, rel=1e-3)
    assert mean.value == pytest.approx(0.798 * sigma, rel=0.1)
    assert "and the mean of the measurement's noise, 0.0027" in mean.threshold_source
    angle_, index = found["spectral angle, mean"], found["NDVI change, 95 %"]
    assert 0.3 < (angle_.value or 0) < (angle_.threshold or 0) and "noise alone" in angle_.threshold_source
    assert (index.threshold or 0) > 0.01 and "noise alone" in index.threshold_source
    exact = outcomes(noisy_evidence(0.0))
    assert exact["reflectance, mean change"].threshold == 0.0005 and exact["spectral angle, mean"].threshold == 0.3
    assert "noise" not in exact["NDVI change, 95 %"].threshold_source


def test_a_fault_of_reflectance_and_of_colour_still_shows_beside_noise() -> None:
    given = noisy_evidence(0.003)
    moved = dataclasses.replace(given, z=given.z + 0.01, residual=given.residual - np.float32(0.01))
    assert outcomes(moved)["reflectance, mean change"].outcome == "fail"
    tinted = given.residual.copy()
    tinted[3] -= 0.05
    assert {
        outcomes(dataclasses.replace(given, residual=tinted))[name].outcome for name in ("spectral angle, mean", "NDVI change, 95 %")
    } == {"fail"}


def test_an_edge_between_two_measured_colours_is_no_fringe_however_sharp() -> None:
    clean = evidence(np.zeros((2, 20, 20)))
    y, z = clean.y.copy(), clean.z.copy()
    y[0, :, 10:], z[0, :, 20:] = 0.9, 0.9  # the interpolation is blurred over the edge, the output is not
    bicubic = z.copy()
    bicubic[0, :, 18:22] = np.linspace(z[0, 0, 0], 0.9, 6)[1:5]
    narrow = {"half_width": np.full(z.shape, 1e-3, np.float32), "bicubic": bicubic}
    sharp = dataclasses.replace(clean, y=y, z=z, **narrow)
    assert outcomes(sharp)["spectral angle, fine grid"].value == pytest.approx(0, abs=1e-3)
    green = z.copy()
    green[1, :, 18:22] = 3.0  # a colour that neither side has
    assert outcomes(dataclasses.replace(sharp, z=green))["spectral angle, fine grid"].outcome == "warn"


def test_where_there_is_no_claim_nothing_is_held_against_the_interval() -> None:
    clean = evidence(np.zeros((2, 20, 20)))
    z, width = clean.z.copy(), np.full(clean.z.shape, 0.1, np.float32)
    z[0, :10] = 0.5
    width[1, :10] = np.nan
    assert outcomes(dataclasses.replace(clean, z=z, half_width=width))["spectral angle, fine grid"].value == 0
    nothing = np.full(clean.z.shape, np.nan, np.float32)
    assert outcomes(dataclasses.replace(clean, z=z, half_width=nothing))["spectral angle, fine grid"].outcome == "skipped"
