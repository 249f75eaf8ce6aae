"""What an output invents, told without the truth: figures over the windows that are looked at, and their limits.

Limits of the guessed part come from the validation images (`Reference.guesses`), that of the texture from training HR
(`Reference.octaves`). All of them warn only: an image unlike the others may rightly hold more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.consistency import away_from_holes, guess_reach, no_split
from sr_core.trust.hallucination import GuessMeter
from sr_core.trust.limits import fit_limits
from sr_core.trust.self_test import SMALLEST_LR, TEST_SIDE, SelfTestMeter, windows_to_test
from sr_core.trust.texture import WARN_SD, OctaveMeter
from sr_core.trust.verdict import CheckResult, limit, skipped

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.limits import Limits, Values
    from sr_core.trust.texture import OctaveFit
    from sr_core.trust.verdict import Evidence

ENERGY, RATIO, LEAST_RATIO, IMPLAUSIBLE = "guess energy", "guess ratio", "guess ratio, least", "implausible guess"
OCTAVES, SELF_TEST, CREATED = "octave excess", "LR self-test", "created objects"
SELF_TESTS = 8  # windows of 128 x 128 LR px, at most: each is a run of the network
SELF_SHARE = 32  # of an image that comes in windows, one pixel in so many is tested on, at most, but one window
TEXTURE_WINDOWS = 64  # in all: the mean over them is known to an eighth of what one of them deviates
SAME = math.log(1.5)  # natural logs of ratios: nothing within a factor of 1.5 of clean images is an alarm
FLOORS = {RATIO: SAME, LEAST_RATIO: SAME, IMPLAUSIBLE: SAME, CREATED: SAME}


class HallucinationMeter:
    """Takes an output window by window.

    Parameters
    ----------
    restorer : the bundle that made it, in the unit of the image at hand.
    shape : rows and columns of the whole output.
    windows : how many windows will come; at most 8 places are tried on the measurement, of several windows a 32nd of the image, and at
        most 64 windows held against real texture.
    """

    def __init__(self, restorer: Restorer, shape: tuple[int, int], windows: int = 1) -> None:
        self._restorer, self._shape = restorer, shape
        calibration = restorer.calibration
        self._reference = None if calibration is None else calibration.reference
        self._floor = 0.0 if calibration is None else calibration.floor * restorer.unit_size
        self._guess: GuessMeter | None = None
        self._octaves: list[OctaveMeter] = []  # one for all bands, or, of a model that works band by band, one a band
        self._self_test = SelfTestMeter()
        self._absent = {ENERGY: no_split(restorer.operator), OCTAVES: "", SELF_TEST: ""}
        if self._fit is None:
            self._absent[OCTAVES] = "the calibration knows no texture of real images"
        self._step = 0.0  # of the file, as the windows state it
        tests = SELF_TESTS if windows == 1 else int(np.clip(self._measured_pixels() // (TEST_SIDE**2 * SELF_SHARE), 1, SELF_TESTS))
        self._tried, self._textured = max(1, tests // windows), max(1, TEXTURE_WINDOWS // windows)
        self._every, self._taken = -(-windows // tests), 0

    def _measured_pixels(self) -> int:
        return math.prod(self._shape) // math.prod(self._restorer.operator.scale)

    @property
    def limits(self) -> Limits | None:
        """Limits from clean images, or None where the calibration knows none."""
        return None if self._reference is None else self._reference.guesses

    @property
    def _fit(self) -> OctaveFit | None:
        return None if self._reference is None else self._reference.octaves

    def take(self, evidence: Evidence) -> None:
        """Take a window, or the whole image; what it holds of `spread` is what the guess is compared with."""
        self._step = evidence.step
        self.take_guess(evidence)
        self._take_texture(evidence)
        if self._taken % self._every == 0:
            self._take_measurement(evidence)
        self._taken += 1

    def values(self) -> Values:
        """Give the numbers that limits are found for, by check; None where one was not to be had."""
        figures = None if self._guess is None else self._guess.figures()
        ratio = (
            [] if figures is None or figures.ratio is None else [r for r in figures.ratio if r != -math.inf]
        )  # a constant band guesses nothing
        return {
            RATIO: max(ratio, key=_worth) if ratio else None,
            LEAST_RATIO: max((-r for r in ratio), key=_worth) if ratio and not self._flat else None,
            IMPLAUSIBLE: None if figures is None or figures.implausible == -math.inf else figures.implausible,
        }

    @property
    def _flat(self) -> bool:
        """Whether bicubic is exact to the file's rounding one scale coarser: then there is no detail that a model could add or lose."""
        error = self._self_test.result().bicubic_rms
        return error is not None and error <= self._step

    def results(self) -> tuple[CheckResult, ...]:
        """Give the figures of all windows as checks."""
        return (*self._guess_results(), self._texture_result(), self._self_test_result())

    def take_guess(self, evidence: Evidence) -> None:
        """Take of a window only what the measurement cannot see; nothing where it cannot be told."""
        if self._absent[ENERGY]:
            return
        operator = self._restorer.operator
        if self._guess is None:
            self._guess = GuessMeter(len(evidence.z), self._floor)
        inner = away_from_holes(evidence.mask_hr, operator)
        if evidence.mask_hr.shape != self._shape:
            inner = _inside(inner, guess_reach(operator)) if operator.windowed else np.zeros_like(inner)
        corner = (0, 0) if evidence.where is None else (evidence.where.row, evidence.where.col)
        self._guess.update(evidence.z, evidence.guessed, evidence.mask_hr, inner, evidence.spread, corner)

    def _take_texture(self, evidence: Evidence) -> None:
        fit, bands = self._fit, len(evidence.z)
        if fit is None:
            return
        bandwise = self._restorer.card.descriptor.bandwise
        if len(fit.slope) != (1 if bandwise else bands) or evidence.scale != fit.scale:
            self._absent[OCTAVES] = f"it was fitted on {len(fit.slope)} bands at x{fit.scale[0]}, and the image has {bands}"
            return
        if min(evidence.z.shape[1:]) < fit.side:
            return
        if not self._octaves:
            self._octaves = [OctaveMeter(fit) for _ in range(bands if bandwise else 1)]
        size = np.float32(self._restorer.unit_size)
        parts = [slice(b, b + 1) for b in range(bands)] if bandwise else [slice(None)]
        for meter, part in zip(self._octaves, parts, strict=True):
            meter.update(evidence.z[part] / size, evidence.y[part] / size, evidence.mask_lr, self._textured)

    def _take_measurement(self, evidence: Evidence) -> None:
        restorer = self._restorer
        sizes = zip(evidence.y.shape[1:], restorer.operator.scale, strict=True)
        if not all(n // s >= SMALLEST_LR for n, s in sizes):
            return

        def upscale(coarse: Float32Array) -> Float32Array:
            return restorer.restore(coarse, np.ones(coarse.shape[1:], bool)).sr

        for window in windows_to_test(evidence.y, restorer.operator, evidence.mask_lr, windows=self._tried):
            self._self_test.update(window, upscale, restorer.operator)

    def _guess_results(self) -> tuple[CheckResult, ...]:
        if reason := self._absent[ENERGY]:
            return (skipped(ENERGY, reason, required=False),)
        figures = None if self._guess is None else self._guess.figures()
        if figures is None or figures.energy is None:
            return (skipped(ENERGY, "nothing was looked at" if figures is None else figures.absent, required=False),)
        energy = CheckResult(
            name=ENERGY, value=max(figures.energy, key=_worth), unit="", bicubic=0.0, threshold=None, threshold_source="information",
            severity="warn", outcome="pass", required=False,
            sentence=f"share of the image's variance that the measurement cannot see, the band with most, over {figures.pixels} pixels",
        )  # fmt: skip
        values = self.values()
        if all(value is None for value in values.values()):
            return (energy, skipped(RATIO, "no interval says how wrong the model expects to be", required=False))
        place = "" if figures.where is None else f" (row {figures.where[1]}, column {figures.where[2]}, band {figures.where[0] + 1})"
        words = {
            RATIO: "natural log of what the model adds over how wrong it expects to be, the band with most",
            LEAST_RATIO: "the same, of the band with least, negated: high where the model adds nothing",
            IMPLAUSIBLE: f"natural log of the largest local guess over the error that is expected there{place}",
        }
        return (energy, *(bounded(name, values[name], self.limits, words[name]) for name in words))

    def _texture_result(self) -> CheckResult:
        if self._fit is None or self._absent[OCTAVES]:
            return skipped(OCTAVES, self._absent[OCTAVES], required=False)
        found = [meter.excess().deviations for meter in self._octaves]
        # Octaves below the measurement's Nyquist frequency are no guess: what is wrong there shows in the residual.
        unseen = math.ceil(math.log2(max(self._fit.scale)))
        deviations = [d for bands in found if bands is not None for band in bands for d in band[:unseen]]
        if not deviations:
            return skipped(OCTAVES, f"no window of {self._fit.side} x {self._fit.side} px is free of holes", required=False)
        worst = max(deviations, key=_worth)
        more = "no more" if worst <= WARN_SD else "more"
        windows = max(meter.windows for meter in self._octaves)
        return limit(
            OCTAVES, worst, unit="residual sd", threshold=WARN_SD, severity="warn", required=False,
            source=f"regression on {min(self._fit.windows)} windows of training images",
            sentence=f"{more} fine texture than real images of this kind have, finer than the measurement ({windows} windows)",
        )  # fmt: skip

    def _self_test_result(self) -> CheckResult:
        found = self._self_test.result()
        if found.gain_db is None:
            return skipped(SELF_TEST, found.absent, required=False)
        if self._flat:
            return skipped(SELF_TEST, "the image has no detail beyond its rounding, one scale coarser", required=False)
        return limit(
            SELF_TEST, found.gain_db, unit="dB", threshold=0.0, direction="at least", source="physical: plain bicubic", severity="warn",
            bicubic=0.0, required=False,
            sentence=f"gain over bicubic one scale coarser, where this measurement is the truth ({found.windows} windows)",
        )  # fmt: skip


def bounded(name: str, value: float | None, limits: Limits | None, sentence: str) -> CheckResult:
    """Hold a value against the limit that clean images gave it; without one it is information."""
    if value is None:
        return skipped(name, "not to be had on this image", required=False)
    scale = None if limits is None else next((s for s in limits.scales if s.check == name and math.isfinite(s.median)), None)
    if limits is None or scale is None:
        return CheckResult(
            name=name, value=value, unit="", threshold=None, threshold_source="information: the calibration knows no clean images",
            severity="warn", outcome="pass", sentence=sentence, required=False,
        )  # fmt: skip
    threshold = scale.median + limits.threshold * scale.deviation
    return limit(
        name, value, unit="", threshold=threshold, source=limits.describe(), severity="warn", sentence=sentence, required=False
    )  # fmt: skip


def guess_limits(clean: Sequence[tuple[str, Values]]) -> Limits | None:
    """Find the limits from clean images, each with the name of its group: of a group, the largest of each number counts."""
    groups: dict[str, dict[str, float | None]] = {}
    for group, values in clean:
        known = groups.setdefault(group, dict.fromkeys(values))
        for name, value in values.items():
            before = known[name]
            known[name] = value if before is None else before if value is None else max(before, value, key=_worth)
    if not any(value is not None for values in groups.values() for value in values.values()):
        return None
    return fit_limits(list(groups.values()), floors=FLOORS)


def _inside(mask: BoolArray, reach: tuple[int, int]) -> BoolArray:
    """Leave out what lies so near a window's sides, HR px, that the guessed part there is not the image's."""
    inner = np.zeros_like(mask)
    rows, cols = (slice(r, n - r) for r, n in zip(reach, mask.shape, strict=True))
    inner[rows, cols] = mask[rows, cols]
    return inner


def _worth(value: float) -> float:
    """Order values so that one that is no number is the largest."""
    return math.inf if math.isnan(value) else value
