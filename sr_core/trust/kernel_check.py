"""Was a measurement made by the degradation that the model assumes? Estimated from the measurement alone: its edges and its spectrum.

A sharp edge is as wide as the kernel, never narrower, and overshoots as far as the kernel does; a spectrum falls as the scene's and the
kernel's together. What scenes of this kind add is learnt on validation images degraded by kernels of known blur. Sums over windows add
up, and nothing depends on the image's size or unit.

References
----------
Efrat, N., et al. (2013), ICCV, "Accurate Blur Models vs. Image Priors in Single Image Super-Resolution" (a wrong kernel costs more than
a poor prior). Vovk et al. (2005), Algorithmic Learning in a Random World.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sr_core.errors import TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.limits import RATE
from sr_core.trust.verdict import CheckResult, limit, skipped

if TYPE_CHECKING:
    from sr_core.operators import Operator

NAME = "kernel blur"
Array = NDArray[np.float64]
BLURS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.475, 0.6, 0.7)  # sigma of the Gaussians that teach what blur looks like, LR px
NEAR = 0.01  # LR px: a Gaussian as blurred as the assumed kernel teaches nothing
LEAST_GROUPS = 9  # validation groups that a threshold needs
LEAST_EDGES = 200  # of an image, below which nothing is said
FOLDS = 8
RIDGE = 0.1  # of the features' variance
BINS = 200
BLOCK = 32  # LR px of a block whose spectrum is taken
RINGS = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.01)  # edges of frequency rings, shares of the Nyquist frequency
CLEAR = 4  # steps of the file: smaller differences are no edges
OVERSHOOT = 0.6  # largest that is told apart
# By feature: which histogram, and which of its quantiles.
QUANTILES: tuple[tuple[float, ...], ...] = (
    (0.25, 0.5, 0.75, 0.9, 0.97),  # sharpness, strong edges first
    (0.5, 0.75, 0.9, 0.97),  # sharpness, all edges alike
    (0.1, 0.25, 0.5, 0.75, 0.9),  # overshoot
    (0.5, 0.75, 0.9, 0.97),  # concentration, strong edges first
    (0.5, 0.75, 0.9, 0.97),  # concentration, the strongest only
)
LOWEST = (0.0, 0.0, -OVERSHOOT, 0.0, 0.0)
HIGHEST = (1.0, 1.0, OVERSHOOT, 1.0, 1.0)
HISTOGRAMS = len(QUANTILES) * BINS
SIZE = HISTOGRAMS + len(RINGS) - 1 + 1  # and the number of edges


def kernel_sums(y: Float32Array, mask: BoolArray, step: float) -> Array:
    """Give the sums that the features of an image come from; those of its windows add up.

    Parameters
    ----------
    y : float32 (C, h, w), a measurement; any unit.
    mask : bool (h, w), True = measured.
    step : quantisation step of its file, in the unit of y; 0 for floating point.

    Returns
    -------
    float64 (1007,)
        Histograms of edge profiles, powers of frequency rings, and the number of edges.
    """
    sums = np.zeros(SIZE)
    for band in y.astype(np.float64):
        usable = mask & np.isfinite(band)
        filled = np.where(usable, band, 0.0)
        for image, there in ((filled, usable), (filled.T, usable.T)):
            sums += _edge_sums(image, there, step)
        sums[HISTOGRAMS : HISTOGRAMS + len(RINGS) - 1] += _ring_sums(filled, usable)
    return sums


def _edge_sums(image: Array, usable: BoolArray, step: float) -> Array:
    """Look at the steepest places of all rows, two differences to each side."""
    sums = np.zeros(SIZE)
    if image.shape[1] < 6:
        return sums
    d = [np.diff(image, axis=1)[:, i : image.shape[1] - 5 + i] for i in range(5)]
    steep = np.abs(d[2])
    edge = (steep >= np.abs(d[1])) & (steep >= np.abs(d[3])) & (steep > CLEAR * step)
    if not usable.all():
        edge &= sliding_window_view(usable, 6, axis=1).all(axis=2)
    if not edge.any():
        return sums
    profile = np.stack([part[edge] for part in d])  # (5, edges)
    peak, inner = np.abs(profile[2]), profile[1:4].sum(axis=0)
    contrast = np.maximum.reduce([np.abs(inner), np.abs(profile.sum(axis=0)), peak])
    sharpness = peak / contrast
    overshoot = -(profile[0] + profile[4]) * np.sign(profile[2]) / (2 * peak)
    concentration = (profile**2).sum(axis=0) / np.abs(profile).sum(axis=0) ** 2
    weights = (contrast**2, None, contrast**2, contrast**2, contrast**4)
    for i, (value, weight) in enumerate(zip((sharpness, sharpness, overshoot, concentration, concentration), weights, strict=True)):
        place = np.clip((value - LOWEST[i]) / (HIGHEST[i] - LOWEST[i]) * BINS, 0, BINS - 1).astype(np.intp)
        sums[i * BINS : (i + 1) * BINS] = np.bincount(place, weight, BINS)
    sums[-1] = peak.size
    return sums


def _ring_sums(image: Array, usable: BoolArray) -> Array:
    """Sum the power of overlapping blocks without a hole, ring by ring of max-norm frequency."""
    if min(image.shape) < BLOCK:
        return np.zeros(len(RINGS) - 1)
    places = (slice(None, None, BLOCK // 2),) * 2
    blocks = sliding_window_view(image, (BLOCK, BLOCK))[places].reshape(-1, BLOCK, BLOCK)
    if not usable.all():
        blocks = blocks[sliding_window_view(usable, (BLOCK, BLOCK))[places].all(axis=(2, 3)).ravel()]
    taper = np.hanning(BLOCK + 1)[:-1]
    waves = np.fft.rfft2((blocks - blocks.mean(axis=(1, 2), keepdims=True)) * np.outer(taper, taper))
    power = (waves.real**2 + waves.imag**2).sum(axis=0)
    rows, cols = np.abs(np.fft.fftfreq(BLOCK)) * 2, np.fft.rfftfreq(BLOCK) * 2
    twice = np.where((cols > 0) & (cols < 1), 2.0, 1.0) * np.ones((BLOCK, 1))  # the other half of the plane
    ring = np.digitize(np.maximum(rows[:, None], cols[None, :]), RINGS).ravel()
    parts = (np.bincount(ring, values.ravel(), len(RINGS))[1 : len(RINGS)] for values in (power * twice, twice))
    result: Array = np.divide(*parts)
    return result


def kernel_features(sums: Array) -> Array | None:
    """Give what the blur is read from: 22 quantiles of edge profiles and five logarithms of power; None where the image has too little."""
    rings = sums[HISTOGRAMS:-1]
    if not sums[-1] >= LEAST_EDGES or not (rings > 0).all() or not np.isfinite(sums).all():
        return None
    found = [np.log(rings[1:] / rings[0])]
    for i, shares in enumerate(QUANTILES):
        rising = np.cumsum(sums[i * BINS : (i + 1) * BINS])
        ends = LOWEST[i] + (HIGHEST[i] - LOWEST[i]) * np.arange(1, BINS + 1) / BINS
        found.append(np.interp(shares, rising / rising[-1], ends))
    return np.concatenate(found)


def blur_of(operator: Operator) -> float | None:
    """Give a degradation's blur: sigma, HR px, of the Gaussian with the same response at the LR Nyquist frequency (bands: the mean).

    None where rows and columns are reduced by different factors, or the operator has no windows.
    """
    import torch

    rows, cols = operator.scale
    if rows != cols or not operator.windowed:
        return None
    side = 2 * (-(-operator.support // rows) + 8)  # LR px
    angle = math.pi / rows * (torch.arange(side * rows, dtype=torch.float64) - (rows - 1) / 2)
    bands, logs = operator.bands or 1, []
    for turned in (False, True):
        parts = []
        for wave in (angle.cos(), angle.sin()):  # the second sees kernels that are off the LR pixel's centre
            image = wave.expand(side * rows, -1)
            y = operator.apply((image.T if turned else image).expand(bands, -1, -1).contiguous())
            parts.append(y[:, side // 2, side // 2])
        logs.append(torch.hypot(*parts).clamp(1e-3, 1 - 1e-9).log())
    response = float(torch.stack(logs).mean())
    return rows * math.sqrt(-2 * response) / math.pi


def kernel_bank(operator: Operator) -> dict[float, Operator]:
    """Give the degradations by which validation images teach what blur looks like, by their blur in HR px; the assumed one is the first.

    Empty where there is no such figure (`blur_of`).
    """
    own = blur_of(operator)
    if own is None:
        return {}
    scale = operator.scale[0]
    from sr_core.operators import make_operator

    others = {blur * scale: make_operator("gaussian", scale, sigma=blur * scale) for blur in BLURS}
    return {own: operator} | {blur: other for blur, other in others.items() if abs(blur - own) > NEAR * scale}


@dataclass(frozen=True)
class Shown:
    """A validation image under every kernel of the bank: features by blur (HR px), the assumed kernel first."""

    group: str
    features: Mapping[float, Array]


class KernelFit(Record):
    """How blur is read from a measurement of this kind.

    Attributes
    ----------
    blur : of the assumed degradation, HR px.
    mean, deviation, weights, offset : blur = offset + weights . (features - mean) / deviation.
    centre : median estimate for validation images that the assumed degradation made.
    groups, images : validation groups and images behind it.
    rank, threshold : how far clean images lie from the centre: the deviation of that rank of the groups' sorted ones; None: too few groups.
    clean : deviations of all clean validation images from the centre, HR px, rising. Each by a fit without its group.
    """

    blur: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float
    centre: float
    groups: int
    images: int
    rank: int
    threshold: float | None
    clean: tuple[float, ...]

    def extra_blur(self, features: Array) -> float:
        """Give by how many HR px an image is blurrier than the assumed degradation leaves images of this kind; negative: sharper."""
        line = _Line(np.array(self.mean), np.array(self.deviation), np.array(self.weights), self.offset)
        return float(line(features) - self.centre)

    def limit_of_mean(self, images: int, rate: float = RATE) -> float | None:
        """Give how far the mean of so many new clean images may lie from 0, HR px, at a rate of false alarms; None: too few groups.

        The quantile over draws of such batches from the clean validation images, each against the mean of a draw of as many as there are:
        the centre, too, is known from these images only.
        """
        if self.threshold is None:
            return None
        rng = np.random.default_rng(0)
        clean = np.array(self.clean)
        batches = rng.choice(clean, (4000, images)).mean(axis=1) - rng.choice(clean, (4000, clean.size)).mean(axis=1) + clean.mean()
        return float(np.quantile(np.abs(batches), 1 - rate))


@dataclass(frozen=True)
class _Line:
    """A linear estimate from standardised features."""

    mean: Array
    deviation: Array
    weights: Array
    offset: float

    def __call__(self, features: Array) -> Array:
        result: Array = (features - self.mean) / self.deviation @ self.weights + self.offset
        return result


def _line(shown: Sequence[Shown]) -> _Line:
    """Fit by ridge regression; a feature that never changes has no weight."""
    x = np.array([row for image in shown for row in image.features.values()])
    blur = np.array([blur for image in shown for blur in image.features])
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, np.inf)
    z = (x - mean) / deviation
    weights = np.linalg.solve(z.T @ z + RIDGE * len(z) * np.eye(z.shape[1]), z.T @ (blur - blur.mean()))
    return _Line(mean, np.where(np.isinf(deviation), 1.0, deviation), np.where(np.isinf(deviation), 0.0, weights), float(blur.mean()))


def fit_kernel(shown: Sequence[Shown]) -> KernelFit | None:
    """Learn to read blur from validation images, and how far clean ones scatter.

    Parameters
    ----------
    shown : one a validation image, all with the same blurs.

    Returns
    -------
    KernelFit or None
        None with fewer than two groups. The threshold is the largest deviation of an image, group by group, at rank
        ceil(0.95 (n + 1)) of n groups, or the largest of all; there is none below nine groups.

    Raises
    ------
    TrustError
        If the images were not shown under the same kernels.
    """
    if len({tuple(image.features) for image in shown}) > 1:
        raise TrustError("images under different kernels", "the same bank for every image", "Make it once, with kernel_bank.")
    groups = sorted({image.group for image in shown})
    if len(groups) < 2:
        return None
    blur = next(iter(shown[0].features))
    estimates: list[tuple[str, float]] = []
    for fold in range(min(FOLDS, len(groups))):
        out = set(groups[fold::FOLDS])
        line = _line([image for image in shown if image.group not in out])
        estimates += [(image.group, float(line(image.features[blur]))) for image in shown if image.group in out]
    centre = float(np.median([estimate for _, estimate in estimates]))
    worst = sorted(max(abs(estimate - centre) for name, estimate in estimates if name == group) for group in groups)
    rank = min(len(groups), math.ceil((1 - RATE) * (len(groups) + 1) - 1e-9))
    line = _line(shown)
    return KernelFit(
        blur=blur, mean=tuple(line.mean.tolist()), deviation=tuple(line.deviation.tolist()), weights=tuple(line.weights.tolist()),
        offset=line.offset, centre=centre, groups=len(groups), images=len(shown), rank=rank,
        threshold=worst[rank - 1] if len(groups) >= LEAST_GROUPS else None, clean=tuple(sorted(e - centre for _, e in estimates)),
    )  # fmt: skip


def kernel_result(sums: Array, fit: KernelFit | None) -> CheckResult:
    """Hold a measurement's blur against that of clean images of this kind.

    Parameters
    ----------
    sums : of the measurement's windows, added up (`kernel_sums`).
    fit : of the calibration.

    Returns
    -------
    CheckResult
        The extra blur in HR px, with its limit on the side on which it lies: blurrier at most, sharper at least. It only warns.
        Information without a limit below nine validation groups; skipped without a fit, or where the image shows too little.
    """
    if fit is None:
        return skipped(NAME, "the calibration has not seen what images look like under other kernels", required=False)
    features = kernel_features(sums)
    if features is None:
        return skipped(NAME, f"the image has too few edges to tell (at least {LEAST_EDGES}, and a block of {BLOCK} px)", required=False)
    extra = fit.extra_blur(features)
    said = (
        f"edges and spectrum of the LR image look as if it had been blurred by {max(0.0, fit.blur + extra):.2f} HR px, "
        f"the degradation of the model by {fit.blur:.2f}; another kernel or a scene of another sharpness"
    )
    if fit.threshold is None:
        return CheckResult(
            name=NAME, value=extra, unit="HR px", threshold=None, severity="warn", outcome="pass", sentence=said, required=False,
            threshold_source=f"information: {fit.groups} validation groups, {LEAST_GROUPS} needed",
        )  # fmt: skip
    few = "" if math.ceil((1 - RATE) * (fit.groups + 1) - 1e-9) <= fit.groups else f"; too few for {RATE:.0%} false alarms: the largest"
    return limit(
        NAME, extra, unit="HR px", threshold=math.copysign(fit.threshold, extra), direction="at most" if extra >= 0 else "at least",
        source=f"deviation {fit.rank} of {fit.groups} validation groups in rising order, each by a fit without it{few}",
        sentence=said, severity="warn", required=False,
    )  # fmt: skip
