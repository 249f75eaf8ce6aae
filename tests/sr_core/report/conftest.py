"""A made-up evaluation with pictures: structured, seeded, of any number of bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from sr_core.bundle import BundleCard, Curve, CurvePoint
from sr_core.evaluation import Evaluation, MethodScore, RegionScore
from sr_core.metrics.protocol import Protocol
from sr_core.networks import Descriptor
from sr_core.raster import Float32Array, Window
from sr_core.recipe import Recipe
from sr_core.records import Group, Region
from sr_core.report.content import RegionPictures, ReportContent
from sr_core.trust.calibration import Calibration, Promise, Settings, calibrate
from sr_core.trust.checks import coverage_check
from sr_core.trust.claim import make_claim
from sr_core.trust.held import Held, measure_held
from sr_core.trust.scores import Sample
from sr_core.trust.verdict import judge, limit, skipped

BANDS = ("B02", "B03", "B04", "B08")
Maker = Callable[..., ReportContent]


def truth(bands: int, height: int, width: int, seed: int) -> Float32Array:
    """Fields and roads: flat patches with sharp edges, and a little texture."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    fields = rng.uniform(0.05, 0.45, (bands, 9))
    owner = (np.sin(rows / 17 + seed) + np.cos(cols / 13 - rows / 41) > 0).astype(int) * 3 + (cols // 29 + rows // 37) % 3
    roads = (np.abs(rows - 0.6 * cols - 12) < 1.4) * 0.25
    texture = gaussian_filter(rng.normal(size=(bands, height, width)), (0, 0.8, 0.8)) * 0.02
    return (fields[:, owner] + roads + texture).astype(np.float32)


def pictures(name: str, bands: int, height: int, width: int, seed: int, interval: bool) -> RegionPictures:
    hr = truth(bands, height, width, seed)
    lr = gaussian_filter(hr, (0, 0.8, 0.8))[:, ::2, ::2]
    bicubic = zoom(lr, (1, 2, 2), order=3, mode="nearest", grid_mode=True).astype(np.float32)
    sr = (0.55 * hr + 0.45 * bicubic).astype(np.float32)
    mask = np.ones((height, width), bool)
    mask[8:20, 8:30] = False
    spread = gaussian_filter(np.abs(sr - hr), (0, 2, 2))
    noise = np.random.default_rng(seed).normal(scale=3e-5, size=lr.shape).astype(np.float32)
    guess = gaussian_filter(np.abs(sr - bicubic), (0, 1, 1))
    return RegionPictures(name, lr, bicubic, sr, hr, (2.2 * spread + 0.002).astype(np.float32) if interval else None, noise, guess, mask)


def errors(seed: int, wider: float = 1.0) -> tuple[Float32Array, Float32Array]:
    """Give errors and their spread, (1, 64, 64): the spread tells the errors' size, `wider` times too small."""
    rng = np.random.default_rng(seed)
    spread = rng.lognormal(-5, 0.7, (1, 64, 64))
    return (np.abs(rng.laplace(0, wider * spread)).astype(np.float32), spread.astype(np.float32))


def make_calibration(groups: int = 12) -> Calibration:
    """Make the calibration of made-up errors of as many groups."""
    mask = np.ones((64, 64), bool)
    samples = [Sample(Group(kind="place", id=str(i)), f"i{i}", *errors(100 + i, 1 + 0.02 * i), mask) for i in range(groups)]
    return calibrate(
        samples, floor=1e-4, promise=Promise(), group_kind="place", one_group=False, unit="reflectance", weights="e" * 64,
        operator="a" * 64, operator_name="bicubic x2", settings=Settings(projection=True, precision="float32"), software="test",
    )  # fmt: skip


def make_held(seed: int, wider: float = 1.0, calibration: Calibration | None = None) -> Held:
    """Make what the interval held on one made-up test image."""
    return measure_held(*errors(seed, wider), np.ones((64, 64), bool), calibration or make_calibration())


def region_score(region: Region, bands_gain: float, interval: bool, status: str) -> RegionScore:
    claim = evaluation_claim(interval)
    checks = [
        limit(
            "residual rms", 1.2e-5, unit="reflectance", threshold=1.5e-5, source="physical: 0.15 steps of the file",
            sentence="the image, degraded again, gives the measurement back",
        ),
        limit(
            "residual max", 1.4e-4 if status == "fail" else 4e-5, unit="reflectance", threshold=1e-4,
            source="physical: one step of the file", sentence="no single place departs from the measurement",
        ),
        limit("finite and in range", 0.0, unit="values", threshold=0, source="exact", sentence="every value is finite"),
        skipped("NDVI", "there is no near-infrared band", required=False),
    ]  # fmt: skip
    if interval:
        checks.append(coverage_check(0.931, 0.1, largest_held=0.22))
    return RegionScore(
        region=region,
        methods=(
            MethodScore(method="bicubic", psnr_db=31.254, ssim=0.8912),
            MethodScore(method="projected bicubic", psnr_db=32.111, ssim=0.9034),
            MethodScore(method="linear filter", psnr_db=32.876, ssim=0.9121),
            MethodScore(method="model", psnr_db=31.254 + bands_gain, ssim=0.9277),
        ),
        coverage=0.931 if interval else None, mean_width=0.0213 if interval else None, largest_errors_held=0.22 if interval else None,
        lr_psnr_db=84.37, bicubic_lr_psnr_db=46.05, residual_rms=1.2e-5, residual_max=4.4e-5,
        verdict=judge(claim, checks, invisible_size_px=3.5),
    )  # fmt: skip


def evaluation_claim(interval: bool):  # type: ignore[no-untyped-def]
    return make_claim(
        coverages=[0.93, 0.91, 0.96] if interval else [], pixels=[100, 100, 100] if interval else [], alpha=0.1, delta=0.1, gamma=0.1,
        group_kind="place", one_group=True, operator="a" * 64, operator_name="bicubic x2", calibration="b" * 64,
    )  # fmt: skip


def make_curve(adversarial: bool = False) -> Curve:
    """Make up how training went: PSNR over bicubic (31.0 dB) and the filter (32.5 dB)."""
    steps = range(20, 361, 20)
    values = [(f"{curve}/{name}", step, value(step)) for curve in ("train", "spread") for step in steps for name, value in (
        ("loss", lambda s: 0.3 + 1 / (1 + s / 60)), ("rate", lambda s: 1.4e-3 * (1 + np.cos(s / 360 * np.pi)) / 2),
        ("gradient_norm", lambda s: 0.4 + 0.1 * np.sin(s)))]  # fmt: skip
    for step in steps[2::3]:
        psnr = 33.4 - 2 / (1 + step / 50)
        values += [
            ("val/psnr_db", step, psnr),
            ("val/gain_over_bicubic_db", step, psnr - 31),
            ("val/gain_over_linear_db", step, psnr - 32.5),
        ]
    if adversarial:
        for step in range(20, 201, 20):
            values += [(f"adversarial/{name}", step, value) for name, value in (
                ("loss", 3 + 1 / step), ("rate", 3e-4), ("gradient_norm", 0.5), ("pixel", 0.9), ("adversarial", 0.7 + step / 400),
                ("matching", 0.4 - step / 1000), ("consistency", 0.1), ("discriminator_loss", 1.3), ("accuracy_real", 0.5 + step / 500),
                ("accuracy_fake", 0.4 + step / 500), ("psnr_db", 33.1 - step / 300), ("octave_energy", 0.3 + step / 400))]  # fmt: skip
    return Curve(points=tuple(CurvePoint(name=name, step=step, value=float(value)) for name, step, value in values))


@pytest.fixture
def curve() -> Callable[..., Curve]:
    return make_curve


@pytest.fixture
def content() -> Maker:
    return make_content


def make_content(
    *,
    bands: tuple[str, ...] = BANDS,
    interval: bool = True,
    regions: int = 3,
    side: tuple[int, int] = (96, 120),
    failing: bool = False,
    calibrated: bool = True,
    title: str = "Sentinel-2 demonstration",
) -> ReportContent:
    scene = Group(kind="place", id="scene")
    places = [Region(source="d" * 64, window=Window(0, 160 * i, *side), group=scene, one_group=True) for i in range(regions)]
    scores = [region_score(p, 2.2 + 0.31 * i, interval, "fail" if failing and i == 0 else "pass") for i, p in enumerate(places)]
    calibration = make_calibration() if interval and calibrated else None
    if calibration is not None:
        scores = [s.model_copy(update={"held": make_held(i, calibration=calibration)}) for i, s in enumerate(scores)]
    evaluation = Evaluation(
        domain="satellite", unit="reflectance", scale=2, operator="MATLAB-compatible bicubic (a = -0.5, antialiased), x2.",
        group_kind="place", one_group=True, protocol=Protocol(data_range=0.4, border=2), bundle="e" * 64, champion=None,
        claim=evaluation_claim(interval),
        notes=("Only one place: what is said of them is said of one scene.",), regions=tuple(scores),
    )  # fmt: skip
    operator = "{}"
    card = BundleCard(
        descriptor=Descriptor(family="edsr", scale=2, operator=operator), operator=operator, mean=0.2, std=0.1, bands=bands,
        unit="reflectance", valid_range=(0.0, 1.6), step=1e-4, data_range=0.4, recipe=Recipe(domain="satellite"), data="f" * 64,
        data_summary="One Sentinel-2 cut of 300 × 300 px; 1,234 patch pairs.", parents=(), software="sr-trust 0.1.0, torch 2.13.0",
        licence="MIT", credits=("contains modified Copernicus data",), notes=(),
    )  # fmt: skip
    return ReportContent(
        title=title, evaluation=evaluation, card=card, curve=make_curve(),
        decision_sentence="Registered as sr-satellite version 3 and promoted: alias champion.",
        decision_reasons=("Better than bicubic on 3 of 3 test blocks.", "All required checks passed."),
        regions=tuple(pictures(p.name, len(bands), *side, seed=i, interval=interval) for i, p in enumerate(places)),
        provenance=(("Seed", "1"), ("Manifest", "9" * 64)), notes=("Made from the embedded demonstration scene.",), calibration=calibration,
    )  # fmt: skip
