"""The heuristic spread: its features against oracles, a line planted and found again, windows equal to the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from sr_core.errors import ShapeError, TrustError
from sr_core.operators import make_operator
from sr_core.raster import Float32Array
from sr_core.trust import heuristic
from sr_core.trust.heuristic import Heuristic, HeuristicFit, features, reach

BICUBIC = make_operator("bicubic", 2)
LINE = Heuristic(level=0.01, intercept=-0.7, slopes=(0.3, 0.4, -0.1, 0.25))


def pair(height: int = 40, width: int = 48, bands: int = 2, seed: int = 0, scale: int = 2) -> tuple[Float32Array, Float32Array]:
    """An image z with calm and busy parts, and a measurement that it explains nearly."""
    rng = np.random.default_rng(seed)
    contrast = ndimage.gaussian_filter(rng.random((bands, height, width)), (0, 8, 8)) ** 8
    z = 100 + 40 * ndimage.gaussian_filter(rng.normal(size=(bands, height, width)), (0, 1, 1)) * contrast / contrast.mean()
    y = make_operator("bicubic", scale).apply(torch.from_numpy(z)).numpy() + 0.2 * rng.normal(size=(bands, height // scale, width // scale))
    return z.astype(np.float32), y.astype(np.float32)


def test_features_are_those_of_scipy() -> None:
    z, y = pair()
    plain = BICUBIC.upscale(torch.from_numpy(y)).double().numpy()
    guess = z - BICUBIC.pinv(BICUBIC.apply(torch.from_numpy(z).double())).numpy()

    def energy(square: Any) -> Any:
        return np.sqrt(ndimage.gaussian_filter(square, (0, 1, 1), truncate=3.0))

    padded = np.pad(plain, ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    slopes = [ndimage.correlate1d(plain, [-0.5, 0, 0.5], axis=axis) for axis in (1, 2)]
    oracle = [energy(slopes[0] ** 2 + slopes[1] ** 2), energy((z - plain) ** 2), windows.std(axis=(3, 4)), energy(guess**2)]
    for found, wanted in zip(features(z, y, BICUBIC), oracle, strict=True):
        assert found.dtype == np.float32 and found.shape == z.shape
        assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_the_line_is_what_it_says() -> None:
    z, y = pair()
    logs = [np.log(f.astype(np.float64) + LINE.level) for f in features(z, y, BICUBIC)]
    wanted = np.exp(LINE.intercept + np.tensordot(LINE.slopes, logs, axes=1))
    assert np.abs(LINE.spread(z, y, BICUBIC) / wanted - 1).max() < 1e-4
    assert np.abs(LINE.spread(z * 7, y * 7, BICUBIC, unit_size=7.0) / (7 * wanted) - 1).max() < 1e-3  # in another unit
    shifted = LINE.spread(z + 50, y + 50, BICUBIC)
    assert np.abs(shifted / wanted - 1).max() < 0.05  # brightness says nothing


def test_a_planted_line_is_found_again() -> None:
    fit = HeuristicFit(step=8 * LINE.level, data_range=1.0, images=6)
    rng = np.random.default_rng(3)
    said, wrong = [], []
    for seed in range(6):
        z, y = pair(96, 96, seed=seed)
        spread = LINE.spread(z, y, BICUBIC)
        error = (spread * rng.exponential(1.0, spread.shape)).astype(np.float32)
        mask = np.ones(z.shape[1:], bool)
        mask[:20, :20], error[:, :20, :20] = False, 1e6  # what does not count may be anything
        fit.add(error, z, y, BICUBIC, mask)
        said.append(spread[:, mask])
        wrong.append(error[:, mask])
    line = fit.line()
    assert line.level == pytest.approx(LINE.level)
    z, y = pair(96, 96, seed=9)
    ratio = np.log(line.spread(z, y, BICUBIC) / LINE.spread(z, y, BICUBIC))
    assert np.abs(ratio).mean() < 0.05 and np.abs(ratio).max() < 0.4
    assert np.corrcoef(np.log(line.spread(z, y, BICUBIC)).ravel(), np.log(LINE.spread(z, y, BICUBIC)).ravel())[0, 1] > 0.995


def test_pixels_without_any_error_do_not_lead_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the calm pixels is right by chance; their logarithms lie far below the others'."""

    def line(planted: bool) -> np.ndarray:
        fit, rng = HeuristicFit(step=0.001, data_range=1.0, images=3), np.random.default_rng(1)
        for seed in range(3):
            z, y = pair(96, 96, seed=seed)
            spread = LINE.spread(z, y, BICUBIC)
            error = spread * rng.uniform(0.5, 1.5, z.shape).astype(np.float32)
            if planted:
                error[(rng.random(z.shape) < 0.3) & (spread < np.median(spread))] = 0
            fit.add(error, z, y, BICUBIC, np.ones(z.shape[1:], bool))
        z, y = pair(96, 96, seed=9)
        return np.log(fit.line().spread(z, y, BICUBIC))

    honest, robust = line(False), line(True)
    monkeypatch.setattr(heuristic, "HUBER", 1e9)  # planted: plain least squares
    plain = line(True)
    lead = [float(np.std(made - honest)) for made in (robust, plain)]
    assert lead[0] < 0.25 and lead[1] > 2 * lead[0]


@pytest.mark.parametrize(("kind", "scale"), [("bicubic", 2), ("bicubic", 3), ("mtf", 2)])
def test_windows_equal_the_whole_given_their_reach(kind: str, scale: int) -> None:
    operator = make_operator(kind, scale, **({"value": 0.3} if kind == "mtf" else {}))
    z, y = pair(scale * 120, scale * 130, bands=1, scale=scale)
    whole, halo = LINE.spread(z, y, operator), reach(operator)
    assert halo < 45

    def window(around: int) -> float:
        top, left, bottom, right = 60 - around, 60 - around, 64 + around, 66 + around
        rows, cols = slice(max(0, top), bottom), slice(max(0, left), right)
        fine = [slice(part.start * scale, part.stop * scale) for part in (rows, cols)]
        part = LINE.spread(z[:, *fine], y[:, rows, cols], operator)
        at = (60 - rows.start) * scale, (60 - cols.start) * scale
        inside = part[:, at[0] : at[0] + 4 * scale, at[1] : at[1] + 6 * scale]
        return float(np.abs(inside - whole[:, 60 * scale : 64 * scale, 60 * scale : 66 * scale]).max() / np.ptp(z))

    assert window(halo) <= 1e-6
    assert window(3) > 1e-4  # planted: too little around it


def test_a_degradation_that_cannot_be_undone_has_three_features() -> None:
    blur = make_operator("mtf", 2, value=0.01)
    assert not blur.invertible
    z, y = pair()
    fit = HeuristicFit(step=0.0, data_range=255.0, images=1)
    fit.add(np.abs(z - z.mean()), z, y, blur, np.ones(z.shape[1:], bool))
    line = fit.line()
    assert line.level == pytest.approx(1 / 8) and len(line.slopes) == 3 and np.isfinite(line.spread(z, y, blur)).all()
    with pytest.raises(ShapeError, match="4 features for a line through 3"):
        line.spread(z, y, BICUBIC)


def test_constant_images_and_no_images() -> None:
    flat, mask = np.full((1, 16, 16), 7.0, np.float32), np.ones((16, 16), bool)
    fit = HeuristicFit(step=1.0, data_range=255.0, images=1)
    fit.add(np.full_like(flat, 2.0), flat, flat[:, ::2, ::2], BICUBIC, mask)
    assert fit.line().spread(flat, flat[:, ::2, ::2], BICUBIC) == pytest.approx(2.0, rel=1e-3)
    with pytest.raises(TrustError, match="no usable validation image"):
        HeuristicFit(step=1.0, data_range=255.0, images=1).line()
    assert Heuristic.from_json(LINE.to_json(), "here") == LINE
